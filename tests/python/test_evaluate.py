"""`evaluate` and `calibrate`, against scikit-learn and numpy on the same scores."""

import json
import tomllib

import numpy
import pyarrow
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from conftest import SIGNALS, read_arrow, rows_of, trigsieve

WORKING_POINTS = {"1e-2": 1e-2, "1e-3": 1e-3, "1e-4": 1e-4, "1e-5": 1e-5}


@pytest.fixture(scope="module")
def large_background(background, tmp_path_factory):
    """120,000 events, so that 1e-5 of them is one: the sample, three times scaled a little, and once more for ties."""
    events = read_arrow(background).combine_chunks()
    place, field = events.column_names.index("inputs"), events.schema.field("inputs")
    path = tmp_path_factory.mktemp("large") / "background.arrow"
    with pyarrow.ipc.new_file(path, events.schema) as writer:
        for scale in (1, 1.001, 0.999, 1.002, 1):
            rows = (rows_of(events) * numpy.float32(scale)).ravel()
            column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows), type=field.type)
            writer.write_table(events.set_column(place, field, column))
    return path


@pytest.fixture(scope="module")
def evaluated(sample, large_background, tmp_path_factory):
    """`evaluated(graph, large)`: metrics, scores by sample, and the folder; each made once."""
    done = {}

    def evaluate(graph, large=False):
        if (graph, large) not in done:
            folder = tmp_path_factory.mktemp("evaluation")
            background = large_background if large else sample["background"]
            signals = [sample[f"signal_{signal}"] for signal in SIGNALS]
            model = ["--model", graph.bundle, "--precision", graph.precision]
            trigsieve("evaluate", "--background", background, "--signal", *signals, *model, "--scores", "-o", folder)
            table = read_arrow(folder / "scores.arrow")
            names = numpy.asarray(table.column("sample").to_pylist())
            scores = table.column("score").to_numpy()
            by_sample = {name: scores[names == name] for name in set(names)}
            done[graph, large] = json.loads((folder / "metrics.json").read_text()), by_sample, folder
        return done[graph, large]

    return evaluate


@pytest.mark.parametrize("large", [False, True], ids=["sample", "large"])
def test_auc_and_efficiencies_are_scikit_learns(graph, evaluated, large):
    metrics, scores, _ = evaluated(graph, large)
    assert metrics["model"] == graph.name
    background = scores["background"]
    assert metrics["background"]["events"] == len(background)
    assert sorted(metrics["signals"]) == sorted(f"signal_{signal}" for signal in SIGNALS)
    for name, found in metrics["signals"].items():
        truth = numpy.r_[numpy.zeros(len(background)), numpy.ones(len(scores[name]))]
        both = numpy.r_[background, scores[name]]
        assert found["auc"] == pytest.approx(roc_auc_score(truth, both), abs=1e-9)
        false_positive, true_positive, _ = roc_curve(truth, both, drop_intermediate=False)
        for key, efficiency in WORKING_POINTS.items():
            last = numpy.searchsorted(false_positive, efficiency, side="right") - 1
            quoted = found["efficiency"][key]
            if efficiency * len(background) < 1:
                assert quoted["value"] is None, "less than one event of the background"
                continue
            assert quoted["value"] == pytest.approx(true_positive[last], abs=1e-9), (name, key)
            assert quoted["low"] <= quoted["value"] <= quoted["high"]


@pytest.mark.parametrize("large", [False, True], ids=["sample", "large"])
def test_significance_improvement_is_the_curves_maximum(graph, evaluated, large):
    metrics, scores, _ = evaluated(graph, large)
    background = scores["background"]
    for name, found in metrics["signals"].items():
        truth = numpy.r_[numpy.zeros(len(background)), numpy.ones(len(scores[name]))]
        false_positive, true_positive, _ = roc_curve(truth, numpy.r_[background, scores[name]], drop_intermediate=False)
        enough = numpy.round(false_positive * len(background)) >= 10
        best = (true_positive[enough] / numpy.sqrt(false_positive[enough])).max()
        assert found["max_significance_improvement"] == pytest.approx(best, rel=1e-9)


def test_scores_are_onnx_runtimes(graph, evaluated, background_rows):
    _, scores, _ = evaluated(graph)
    numpy.testing.assert_allclose(scores["background"], graph.scores(background_rows), rtol=1e-5)


def test_the_plots_are_there(float_graph, evaluated):
    *_, folder = evaluated(float_graph)
    for name in ("roc.svg", "scores.svg"):
        assert "<svg" in (folder / name).read_text()


def calibrate(background, graph, target, output, *flags, check=True):
    model = ["--model", graph.bundle, "--precision", graph.precision]
    rates = ["--target-rate", target, "--input-rate", "40MHz"]
    return trigsieve("calibrate", background, *model, *rates, "-o", output, *flags, check=check)


def test_a_calibrated_threshold_gives_the_rate_it_says(graph, evaluated, background, replay, tmp_path):
    _, scores, _ = evaluated(graph)
    menu = tmp_path / "menu.toml"
    calibrate(background, graph, "100kHz", menu)
    (path,) = tomllib.loads(menu.read_text())["path"]
    threshold, found = numpy.float32(path["threshold"]), path["calibration"]
    passing = int((scores["background"] >= threshold).sum())
    events = len(scores["background"])
    assert found["events_passing"] == passing == 60, "0.25 % of 24,000"
    assert found["background_events"] == events
    assert found["rate_hz"] == pytest.approx(40e6 * passing / events)
    efficiency = passing / events
    assert found["rate_error_hz"] == pytest.approx(40e6 * numpy.sqrt(efficiency * (1 - efficiency) / events), rel=0.05)
    assert found["threshold_error"] > 0

    run = replay(background, graph, "--menu", menu)
    assert run.report["events_tagged"] == passing
    assert (run.column("event_id") == numpy.flatnonzero(scores["background"] >= threshold)).all()


def test_fewer_than_ten_events_are_refused(float_graph, background, tmp_path):
    menu = tmp_path / "menu.toml"
    # 40 MHz times 9 of 24,000, and times 10.
    refused = calibrate(background, float_graph, "15kHz", menu, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ") and refused.stderr.count("\n") == 1
    assert str(background) in refused.stderr and "10" in refused.stderr
    assert not menu.exists()
    calibrate(background, float_graph, "16667Hz", menu)
    assert tomllib.loads(menu.read_text())["path"][0]["calibration"]["events_passing"] == 10


def test_a_menu_file_is_replaced_only_with_force(float_graph, background, tmp_path):
    menu = tmp_path / "menu.toml"
    menu.write_text("mine")
    refused = calibrate(background, float_graph, "100kHz", menu, check=False)
    assert refused.returncode == 1 and "--force" in refused.stderr
    assert menu.read_text() == "mine"
    calibrate(background, float_graph, "100kHz", menu, "--force")
    assert "path" in tomllib.loads(menu.read_text())
