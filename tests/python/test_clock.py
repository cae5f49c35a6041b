"""Replays on the bunch clock: what is dropped is accounted for, and what is kept is right."""

import signal
import subprocess
import time

import numpy
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from conftest import ENGINE, ROOT, Run, assert_counters_add_up

PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "p99_9": 99.9, "p99_99": 99.99}


def test_overload_is_dead_time(background, background_rows, float_graph, replay):
    """40 MHz is more than one core scores: the clock does not stall, and every crossing is accounted for."""
    seconds = 0.5
    run = replay(background, float_graph, "--rate", "40MHz", "--overload", "drop", "--duration", f"{seconds * 1000:.0f}ms", "--threshold", -1)
    report, dead_time = run.report, run.report["dead_time"]
    assert report["status"] == "complete"
    assert_counters_add_up(report)
    assert report["events_in"] == round(40e6 * seconds) + 1, "both ends of the span"
    assert abs(report["source_seconds"] - seconds) <= 0.2 * seconds + 0.05
    assert report["events_dropped"]["total"] > 0
    causes = [cause for cause in dead_time if cause != "fraction"]
    assert sorted(causes) == sorted(cause for cause in report["events_dropped"] if cause != "total")
    assert dead_time["fraction"] == pytest.approx(sum(dead_time[cause] for cause in causes), rel=1e-12)
    for cause in causes:
        assert dead_time[cause] == pytest.approx(report["events_dropped"][cause] / report["events_in"], rel=1e-12)
    assert len(run.tagged) == report["events_scored"] == report["latency_ns"]["count"]
    scores = float_graph.scores(background_rows)[run.column("event_id")]
    numpy.testing.assert_allclose(run.column(f"score_{float_graph.name}"), scores, rtol=1e-5)


def test_a_slow_clock_drops_nothing_and_is_kept(background, float_graph, replay):
    run = replay(background, float_graph, "--rate", "20kHz", "--overload", "drop", "--duration", "500ms", "--batch", 1, "--threshold", 1e30)
    report = run.report
    assert_counters_add_up(report)
    assert report["events_in"] == report["events_scored"] == 10_001
    assert report["events_dropped"]["total"] == 0
    assert report["source_seconds"] >= 0.5
    assert report["scheduled_rate_hz"] == pytest.approx(20e3)


def test_a_filling_scheme_sets_the_rate(background, float_graph, replay, tmp_path):
    scheme = tmp_path / "scheme.txt"
    scheme.write_text("# two trains of three\n0-2\n1000-1002\n")
    run = replay(background, float_graph, "--rate", "40MHz", "--filling-scheme", scheme, "--duration", "300ms", "--threshold", 1e30)
    orbit_hz = 1 / (3564 * 25e-9)
    assert run.report["scheduled_rate_hz"] == pytest.approx(6 * orbit_hz)
    assert abs(run.report["events_in"] - 6 * orbit_hz * 0.3) <= 6
    assert_counters_add_up(run.report)


@pytest.mark.parametrize("flags", [("--rate", "max"), ("--rate", "1MHz")])
def test_the_latency_log_has_the_reports_percentiles(background, float_graph, replay, flags):
    # 120,000 events: every percentile of the report is a whole number of them, which implementations cannot round
    # differently.
    run = replay(background, float_graph, *flags, "--repeat", 5, "--threshold", 1e30, "--batch", 100)
    report = run.report["latency_ns"]
    histograms = read_log(run.folder / "latency.hlog")
    assert len(histograms) == 1
    assert_percentiles(histograms[0], report)
    stages = read_log(run.folder / "latency-stages.hlog")
    for name, found in zip(("queue", "score", "handover"), stages, strict=True):
        expected = report["stages"][name]
        assert found.get_total_count() == expected["count"], name
        if expected["count"]:
            assert_percentiles(found, expected)


def read_log(path):
    """Every interval, tagged or not: the reader adds to the reference that it is given."""
    histograms = []
    reader = HistogramLogReader(str(path), HdrHistogram(1, 60_000_000_000, 3))
    while (interval := reader.get_next_interval_histogram()) is not None:
        histograms.append(interval)
    return histograms


def assert_percentiles(histogram, report):
    assert histogram.get_total_count() == report["count"] == 120_000
    for key, percentile in PERCENTILES.items():
        assert histogram.get_value_at_percentile(percentile) == report[key], key
    assert histogram.get_max_value() == report["max"]


def test_the_percentile_file_ends_at_the_maximum(background, float_graph, replay):
    run = replay(background, float_graph, "--threshold", 1e30)
    lines = (run.folder / "latency.hgrm").read_text().splitlines()
    rows = [list(map(float, line.split())) for line in lines[2:] if not line.startswith("#")]
    assert rows[-1][0] == run.report["latency_ns"]["max"]
    assert rows[-1][2] == run.report["events_scored"]


@pytest.mark.parametrize("flags", [("--rate", "200kHz"), ("--rate", "max")])
def test_an_interrupted_run_is_a_prefix(background, background_rows, float_graph, tmp_path, flags):
    folder = tmp_path / "run"
    command = [ENGINE, "replay", background, "--model", float_graph.bundle, "-o", folder, "--threshold", "-1"]
    process = subprocess.Popen([*command, *flags, "--duration", "60s", "-q"], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    deadline = time.monotonic() + 20
    while not list(folder.glob(".tagged.arrow.*")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=20)
    assert process.returncode == 1
    assert message.startswith("error: interrupted") and message.count("\n") == 1
    run = Run(folder)
    assert run.report["status"] == "interrupted"
    assert_counters_add_up(run.report)
    events = run.report["events_in"]
    assert 0 < events == run.report["events_scored"] == len(run.tagged)
    expected = numpy.arange(events) % len(background_rows)
    assert (run.column("event_id") == expected).all()
    scores = float_graph.scores(background_rows)[expected]
    numpy.testing.assert_allclose(run.column(f"score_{float_graph.name}"), scores, rtol=1e-5)
