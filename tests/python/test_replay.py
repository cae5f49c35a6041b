"""Replays as fast as they go: scores, decisions and order, recomputed here."""

import awkward
import duckdb
import numpy
import polars
import pyarrow
import pyarrow.parquet
import pytest

from conftest import ROOT, Run, assert_counters_add_up, card, read_arrow, relative_difference, rows_of, trigsieve, write_menu

#: Accepts everything: the score is a mean of squares.
EVERYTHING = ("--rate", "max", "--threshold", -1)
INVALID = 1 << 31

#: Engines and batch sizes sum in different orders.
TOLERANCE = 1e-5
#: rten has a kernel of its own for a single event. The difference is largest for the smallest scores, sums of squared
#: differences of nearly equal numbers, of which single precision knows only 2e-5 in either engine.
TOLERANCE_RTEN_SINGLE = 5e-5
#: A score that is a squared distance is made of differences of numbers near 1, of which single precision knows 1e-7 each.
DISTANCE_TOLERANCE = 1e-6


@pytest.mark.parametrize("workers, batch", [(1, 1024), (1, 1), (2, 7), (3, 1000), (2, 65536)])
@pytest.mark.parametrize("engine", ["onnx", "rten"])
def test_scores_are_onnx_runtimes(graph, engine, workers, batch, background, background_rows, replay):
    run = replay(background, graph, *EVERYTHING, "--engine", engine, "--workers", workers, "--batch", batch)
    report = run.report
    assert report["status"] == "complete"
    assert_counters_add_up(report)
    assert report["events_in"] == report["events_scored"] == report["events_tagged"] == len(background_rows)
    assert (run.column("event_id") == numpy.arange(len(background_rows))).all(), "order of events"
    assert report["setup"]["zero_copy"] is True
    scores = run.column(f"score_{graph.name}")
    expected = graph.scores(background_rows)
    tolerance = TOLERANCE_RTEN_SINGLE if (engine, batch) == ("rten", 1) else TOLERANCE
    if (engine, graph.precision) == ("rten", "int8"):
        # The last bit of a float decides on which of two quantisation steps it lands.
        close = within(scores, expected, tolerance, DISTANCE_TOLERANCE)
        assert close.mean() >= 0.99 and relative_difference(scores, expected) <= 0.3
    elif engine == "rten" or batch == 1:
        # Another kernel than that of many events at once, in ONNX Runtime too: a matrix times a vector.
        assert within(scores, expected, tolerance, DISTANCE_TOLERANCE).all()
    else:
        assert relative_difference(scores, expected) <= tolerance


def within(scores, expected, relative, distance):
    """Whether each score is as near as asked: relative to itself, or, the score of a small distance d from a target
    being d^2, as far as an error `distance` of d itself takes it."""
    expected = expected.astype(numpy.float64)
    allowed = relative * numpy.abs(expected) + 2 * distance * numpy.sqrt(numpy.abs(expected))
    return numpy.abs(scores - expected) <= allowed


def test_scores_of_text_events_are_onnx_runtimes(challenge_graph, replay, tmp_path):
    events = tmp_path / "events.arrow"
    text = ROOT / "samples/darkmachines_background_2b.csv"
    trigsieve("convert", text, "--from", "darkmachines", "--layout", challenge_graph.bundle, "-o", events)
    run = replay(events, challenge_graph, *EVERYTHING)
    rows = rows_of(read_arrow(events))
    assert len(rows) > 100 and run.report["events_scored"] == len(rows)
    expected = challenge_graph.scores(rows)
    assert numpy.isfinite(expected).all() and len(set(expected)) > 100
    assert relative_difference(run.column(f"score_{challenge_graph.name}"), expected) <= TOLERANCE


def test_rows_come_through_unchanged(background, float_graph, replay):
    run = replay(background, float_graph, *EVERYTHING)
    events = read_arrow(background)
    assert run.tagged.select(events.column_names).equals(events)
    assert run.tagged.schema.metadata == events.schema.metadata


def test_passes_repeat_the_events(background, background_rows, float_graph, replay):
    run = replay(background, float_graph, *EVERYTHING, "--repeat", 3, "--workers", 2)
    assert (run.column("event_id") == numpy.tile(numpy.arange(len(background_rows)), 3)).all()


def test_the_accepted_are_those_at_or_above_the_threshold(background, graph, replay):
    scores = replay(background, graph, *EVERYTHING).column(f"score_{graph.name}")
    # A score of the sample: the event that has it is accepted, which "above" would not do.
    threshold = numpy.sort(scores)[-240]
    run = replay(background, graph, "--threshold", repr(float(threshold)), "--workers", 2, "--batch", 512)
    accepted = numpy.flatnonzero(scores >= threshold)
    assert len(accepted) >= 240
    assert (run.column("event_id") == accepted).all()
    assert (run.column("decision") == 1).all()
    assert run.report["events_accepted"][0]["passed"] == len(accepted)


def test_a_menu_sets_a_bit_a_path(background, float_graph, replay, tmp_path):
    name = float_graph.name
    scores = replay(background, float_graph, *EVERYTHING).column(f"score_{name}")
    tight, loose = (float(numpy.quantile(scores, quantile).astype("f4")) for quantile in (0.999, 0.9))
    paths = [("tight", tight, 1), ("loose", loose, 7), ("odd", tight, 2)]
    menu = [{"name": path, "model": name, "threshold": cut, "prescale": keep} for path, cut, keep in paths]
    run = replay(background, float_graph, "--menu", write_menu(tmp_path / "menu.toml", *menu), "--workers", 3)
    decisions = numpy.zeros(len(scores), "u4")
    for bit, (path, cut, keep) in enumerate(paths):
        passed = numpy.flatnonzero(scores >= numpy.float32(cut))
        decisions[passed[::keep]] |= 1 << bit
        counts = run.report["events_accepted"][bit]
        assert (counts["name"], counts["bit"], counts["prescale"]) == (path, bit, keep)
        assert (counts["passed"], counts["accepted"]) == (len(passed), len(passed[::keep]))
    accepted = numpy.flatnonzero(decisions)
    assert (run.column("event_id") == accepted).all()
    assert (run.column("decision") == decisions[accepted]).all()


def test_a_target_rate_takes_the_cards_threshold(background, float_graph, replay):
    point = card(float_graph.bundle)["thresholds"]["float"][0]
    rate = 1e6 * point["background_efficiency"]
    run = replay(background, float_graph, "--target-rate", f"{rate!r}Hz", "--input-rate", "1MHz")
    assert numpy.float32(run.report["events_accepted"][0]["threshold"]) == numpy.float32(point["value"])


def test_non_finite_inputs_are_invalid(background, graph, replay, tmp_path):
    """Counted and written with bit 31, also when no path would want them, and their neighbours keep their scores."""
    events = read_arrow(background).slice(0, 5000)
    rows = rows_of(events).copy()
    places = {0: numpy.nan, 1: numpy.inf, 17: -numpy.inf, 1023: numpy.nan, 1024: numpy.nan, 4999: numpy.inf}
    for event, value in places.items():
        rows[event, event % 57] = value
    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.ravel()), type=events.schema.field("inputs").type)
    broken = events.set_column(events.column_names.index("inputs"), events.schema.field("inputs"), column)
    path = tmp_path / "broken.arrow"
    with pyarrow.ipc.new_file(path, broken.schema) as writer:
        writer.write_table(broken)
    for engine in ("onnx", "rten"):
        run = replay(path, graph, "--threshold", -1, "--engine", engine)
        assert run.report["status"] == "complete"
        assert_counters_add_up(run.report)
        assert run.report["events_invalid"] == len(places)
        assert run.report["events_scored"] == run.report["events_tagged"] == 5000
        invalid = run.column("decision") == INVALID
        assert list(run.column("event_id")[invalid]) == sorted(places)
        assert (run.column("decision")[~invalid] == 1).all()
        clean = replay(background, graph, *EVERYTHING, "--engine", engine).column(f"score_{graph.name}")[:5000]
        assert (run.column(f"score_{graph.name}")[~invalid] == clean[~invalid]).all()
        only_invalid = replay(path, graph, "--threshold", 3e38, "--engine", engine)
        assert list(only_invalid.column("event_id")) == sorted(places)
        assert only_invalid.report["events_accepted"][0]["passed"] == 0


@pytest.mark.parametrize("flags", [(), ("--engine", "rten")])
def test_compressed_events_give_the_same_scores(background, float_graph, replay, tmp_path, flags):
    """Written by pyarrow with a compression, so the file cannot be mapped."""
    events = read_arrow(background)
    path = tmp_path / "zstd.arrow"
    with pyarrow.ipc.new_file(path, events.schema, options=pyarrow.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(events, max_chunksize=777)
    run = replay(path, float_graph, *EVERYTHING, *flags)
    assert run.report["setup"]["zero_copy"] is False
    scores = replay(background, float_graph, *EVERYTHING, *flags).column(f"score_{float_graph.name}")
    # Record batches of 777 cut the batches of scoring differently.
    assert relative_difference(run.column(f"score_{float_graph.name}"), scores) <= TOLERANCE


def test_several_files_are_one_list_of_events(sample, float_graph, replay):
    files = [sample["background"], sample["signal_a_to_4l"], sample["signal_leptoquark"]]
    run = replay(files, float_graph, *EVERYTHING)
    rows = numpy.concatenate([rows_of(read_arrow(file)) for file in files])
    assert (rows_of(run.tagged) == rows).all()
    assert relative_difference(run.column(f"score_{float_graph.name}"), float_graph.scores(rows)) <= TOLERANCE


@pytest.mark.parametrize("reader", ["polars", "awkward", "duckdb"])
def test_tagged_arrow_opens_everywhere(background, float_graph, replay, reader):
    run = replay(background, float_graph, *EVERYTHING)
    path = run.folder / "tagged.arrow"
    if reader == "polars":
        frame = polars.read_ipc(path)
        column = lambda name: frame[name].to_numpy()
    elif reader == "awkward":
        array = awkward.from_feather(path)
        column = lambda name: awkward.to_numpy(array[name])
    else:
        tagged = run.tagged
        frame = duckdb.sql("select * from tagged order by event_id").fetchnumpy()
        column = lambda name: numpy.stack(frame[name])
    expected = {name: run.column(name) for name in run.tagged.column_names if name != "inputs"}
    expected["inputs"] = rows_of(run.tagged)
    for name, values in expected.items():
        assert (column(name) == values).all(), name


def test_tagged_parquet_has_the_same_events_everywhere(background, float_graph, replay):
    arrow = replay(background, float_graph, *EVERYTHING).tagged
    folder = replay(background, float_graph, *EVERYTHING, "--format", "parquet").folder
    path = folder / "tagged.parquet"
    names = [name for name in arrow.column_names if name not in ("inputs", "latency_ns")]
    rows = rows_of(arrow)
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == arrow.column_names
    assert table.select(names).equals(arrow.select(names))
    assert (rows_of(table) == rows).all()

    frame = polars.read_parquet(path)
    array = awkward.from_parquet(path)
    relation = duckdb.sql(f"select * from '{path}'").fetchnumpy()
    for name in names:
        values = arrow.column(name).to_numpy()
        assert (frame[name].to_numpy() == values).all(), name
        assert (awkward.to_numpy(array[name]) == values).all(), name
        assert (relation[name] == values).all(), name
    assert (frame["inputs"].to_numpy() == rows).all()
    assert (awkward.to_numpy(array["inputs"]) == rows).all()
    assert (numpy.stack(relation["inputs"]) == rows).all()


def test_text_columns_with_several_dictionaries(float_graph, background, replay, tmp_path):
    """`process` is a dictionary; a second file has another one, and Arrow files have room for one a column."""
    files = []
    for number, entries in enumerate([["W", "QCD"], ["ttbar", "W"]]):
        events = read_arrow(background).slice(100 * number, 100).combine_chunks()
        names = pyarrow.array([entries[i % 2] for i in range(100)]).dictionary_encode()
        files.append(tmp_path / f"part{number}.arrow")
        events = events.append_column("process", names)
        with pyarrow.ipc.new_file(files[-1], events.schema) as writer:
            writer.write_table(events)
    expected = ["W", "QCD"] * 50 + ["ttbar", "W"] * 50
    for arguments, read in [((), lambda run: run.tagged), (("--format", "parquet"), read_parquet)]:
        run = replay(files, float_graph, *EVERYTHING, *arguments)
        assert read(run).column("process").to_pylist() == expected
    assert polars.read_ipc(replay(files, float_graph, *EVERYTHING).folder / "tagged.arrow")["process"].to_list() == expected


def other_columns(count, offset):
    """Columns of the contract that a model does not read, and some of other parties."""
    kind = pyarrow.struct([("kind", pyarrow.uint8()), ("pt", pyarrow.float32())])
    objects = [[{"kind": 3, "pt": float(j)} for j in range(i % 3)] for i in range(count)]
    numbers = [offset + i for i in range(count)]
    return {
        "met": pyarrow.array(numbers, pyarrow.float32()),
        "objects": pyarrow.array(objects, pyarrow.list_(kind)),
        "run": pyarrow.array([None if i % 5 == 0 else i for i in numbers], pyarrow.int64()),
        "good": pyarrow.array([i % 2 == 0 for i in range(count)]),
        "stream": pyarrow.array([f"stream{i}" for i in numbers], pyarrow.large_string()),
        "time": pyarrow.array(numbers, pyarrow.timestamp("us")),
        "station": pyarrow.array([i % 3 + offset for i in range(count)]).dictionary_encode(),
        "process": pyarrow.array([None if i % 7 == 0 else f"p{i % 3 + offset}" for i in range(count)]).dictionary_encode(),
    }


@pytest.mark.parametrize("file_format", ["arrow", "parquet"])
def test_other_columns_come_through(float_graph, background, replay, tmp_path, file_format):
    files, expected = [], []
    for part in range(2):
        events = read_arrow(background).slice(12000 * part, 12000).combine_chunks()
        for name, column in other_columns(12000, 10 * part).items():
            events = events.append_column(name, column)
        files.append(tmp_path / f"part{part}.arrow")
        with pyarrow.ipc.new_file(files[-1], events.schema) as writer:
            writer.write_table(events)
        expected.append(events)
    run = replay(files, float_graph, *EVERYTHING, "--format", file_format)
    tagged = run.tagged if file_format == "arrow" else read_parquet(run)
    for name in expected[0].column_names:
        values = [value for events in expected for value in events.column(name).to_pylist()]
        assert tagged.column(name).to_pylist() == values, name


def read_parquet(run: Run):
    return pyarrow.parquet.read_table(run.folder / "tagged.parquet")
