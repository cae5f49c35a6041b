"""Converted events, against what h5py reads and in the readers that people use."""

import awkward
import duckdb
import numpy
import polars
import pytest

from conftest import SIGNALS, read_arrow, rows_of, trigsieve, ROOT


def test_inputs_are_the_files_numbers(background, particles):
    """All 57: pT, eta and phi of each object in file order, bit by bit; the class column is dropped."""
    expected = particles[:, :, :3].astype("f4").reshape(len(particles), 57)
    found = rows_of(read_arrow(background))
    assert found.shape == expected.shape
    assert (found.view("u4") == expected.view("u4")).all()
    assert (found[:, 1] == 0).all(), "the eta of MET"


def test_events_are_numbered(background, particles):
    table = read_arrow(background)
    numbers = numpy.arange(len(particles), dtype="u8")
    assert (table.column("event_id").to_numpy() == numbers).all()
    assert (table.column("bunch_crossing").to_numpy() == numbers).all()
    assert (table.column("label").to_numpy() == 0).all()


def test_numbers_go_on_over_several_inputs(tmp_path, particles):
    files = [ROOT / "samples/background.h5", *(ROOT / f"samples/signal_{signal}.h5" for signal in SIGNALS)]
    trigsieve("convert", *files, "--from", "adc2021", "-o", tmp_path / "all.arrow")
    table = read_arrow(tmp_path / "all.arrow")
    assert len(table) == len(particles) + 4 * 4000
    assert (table.column("event_id").to_numpy() == numpy.arange(len(table))).all()


@pytest.mark.parametrize("reader", ["polars", "awkward", "duckdb"])
def test_a_table_opens_everywhere(background, particles, reader):
    expected = particles[:, :, :3].reshape(len(particles), 57)
    ids, inputs = READERS[reader](background)
    assert (numpy.asarray(ids) == numpy.arange(len(particles))).all()
    assert (numpy.asarray(inputs).reshape(-1, 57) == expected).all()


def with_polars(path):
    frame = polars.read_ipc(path)
    return frame["event_id"].to_numpy(), frame["inputs"].to_numpy()


def with_awkward(path):
    array = awkward.from_feather(path)
    return awkward.to_numpy(array.event_id), awkward.to_numpy(array.inputs)


def with_duckdb(path):
    events = read_arrow(path)  # DuckDB finds it by this name
    assert events.num_rows
    rows = duckdb.sql("select event_id, inputs from events order by event_id").fetchnumpy()
    return rows["event_id"], numpy.stack(rows["inputs"])


READERS = {"polars": with_polars, "awkward": with_awkward, "duckdb": with_duckdb}


# Text lines of the Dark Machines challenge.

SYMBOLS = ("j", "b", "e-", "e+", "m-", "m+", "g")


@pytest.fixture(scope="module")
def lines():
    """Random events: (event ID, process, weight, MET, its phi, objects), MeV and rad."""
    rng = numpy.random.default_rng(5)

    def an_object():
        pt, eta = rng.exponential(5e4), rng.uniform(-2.5, 2.5)
        return str(rng.choice(SYMBOLS)), pt * numpy.cosh(eta), pt, eta, rng.uniform(-3, 3)

    return [(1000 + event, ("ttbar", "ww")[event % 2], 0.5 * event, rng.exponential(5e4), rng.uniform(-3, 3),
             [an_object() for _ in range(rng.integers(0, 12))]) for event in range(300)]


@pytest.fixture(scope="module")
def text_file(lines, tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / "events.csv"
    path.write_text("".join(
        "; ".join([*map(str, head), *(",".join(map(str, values)) for values in objects)]) + "\n"
        for *head, objects in lines))
    return path


@pytest.fixture(scope="module")
def text_table(text_file):
    path = text_file.with_suffix(".arrow")
    trigsieve("convert", text_file, "--from", "darkmachines", "--encoding", "dm_static", "-o", path)
    return path


def expected_simple(met, phi, objects):
    """An independent `simple_ae_34`."""
    leading = sorted(objects, key=lambda values: -values[2])[:8]
    flat = [value for _, energy, pt, eta, phi in leading for value in (pt / 1e3, eta, phi, energy / 1e3)]
    return [met / 1e3, phi, *flat, *[0] * (32 - len(flat))]


def test_lines_become_simple_ae_34(lines, text_file, tmp_path):
    trigsieve("convert", text_file, "--from", "darkmachines", "-o", tmp_path / "simple.arrow")
    expected = [expected_simple(met, phi, objects) for *_, met, phi, objects in lines]
    assert (rows_of(read_arrow(tmp_path / "simple.arrow")) == numpy.array(expected).astype("f4")).all()


def test_lines_become_dm_static(lines, text_table):
    table = read_arrow(text_table)
    counts = [[sum(values[0] == symbol for values in objects) for symbol in SYMBOLS] for *_, objects in lines]
    most = numpy.max(counts, axis=0)
    name = ",".join(f"{symbol}={places}" for symbol, places in zip(SYMBOLS, most))
    assert table.schema.metadata[b"trigsieve.encoding"].decode() == f"dm_static[{name}]"
    places = rows_of(table)[:, 2:].reshape(len(lines), -1, 4)
    first = 0
    for kind, places_of_kind in enumerate(most):
        block = places[:, first:first + places_of_kind]
        assert (block[:, :, 0].sum(axis=1) == [count[kind] for count in counts]).all()
        assert (numpy.diff(block[:, :, 1], axis=1) <= 0).all(), "leading first"
        first += places_of_kind


@pytest.mark.parametrize("reader", ["pyarrow", "polars", "awkward", "duckdb"])
def test_objects_open_everywhere(lines, text_table, reader):
    expected = [[(SYMBOLS.index(symbol), *(numpy.float32(value) for value in (pt / 1e3, eta, phi, energy / 1e3)))
                 for symbol, energy, pt, eta, phi in objects] for *_, objects in lines]
    found = OBJECT_READERS[reader](text_table)
    fields = ("kind", "pt", "eta", "phi", "energy")
    assert [[tuple(values[field] for field in fields) for values in event] for event in found] == expected


def test_a_run_keeps_the_objects(text_table, tmp_path, lines):
    """Lists of structs come through a replay, to Arrow and to Parquet."""
    import pyarrow.parquet
    bundle = first_input_bundle(tmp_path, read_arrow(text_table))
    for form in ("arrow", "parquet"):
        trigsieve("replay", text_table, "--model", bundle, "--threshold", 50, "--rate", "max", "--format", form,
                  "-o", tmp_path / form)
        path = tmp_path / form / f"tagged.{form}"
        tagged = read_arrow(path) if form == "arrow" else pyarrow.parquet.read_table(path)
        wanted = [event for event in lines if numpy.float32(event[3] / 1e3) >= 50]
        assert 0 < len(wanted) < len(lines)
        assert tagged.column("source_event_id").to_pylist() == [event[0] for event in wanted]
        assert [len(event) for event in tagged.column("objects").to_pylist()] == [len(event[-1]) for event in wanted]


def first_input_bundle(folder, table):
    """A bundle that scores an event by its first input, MET, for the encoding of `table`."""
    import hashlib
    import onnx
    from onnx import TensorProto, helper
    name = table.schema.metadata[b"trigsieve.encoding"].decode()
    k = table.schema.field("inputs").type.list_size
    graph = helper.make_graph(
        [helper.make_node("Gather", ["inputs", "first"], ["score"], axis=1)], "first",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["N", k])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor("first", TensorProto.INT64, [], [0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    bundle = folder / "first"
    bundle.mkdir()
    (bundle / "float.onnx").write_bytes(model.SerializeToString())
    digest = hashlib.sha256((bundle / "float.onnx").read_bytes()).hexdigest()
    (bundle / "model.toml").write_text(f"""
name = "first"
family = "test"
description = "For tests."
encoding = "{name}"
inputs = {k}
preprocessing = "none"
[files]
"float.onnx" = "{digest}"
[score]
name = "first"
formula = "x[0]"
[training]
recipe = "none"
recipe_sha256 = "{digest}"
trainer = "by hand"
seed = 1
data = []
training_events = 0
validation_events = 0
epochs = 0
best_epoch = 0
validation_loss = 0.0
""")
    assert onnx.checker.check_model(model) is None
    return bundle


def objects_with_awkward(path):
    return awkward.to_list(awkward.from_feather(path).objects)


def objects_with_duckdb(path):
    events = read_arrow(path)  # DuckDB finds it by this name
    assert events.num_rows
    return [row[0] for row in duckdb.sql("select objects from events order by event_id").fetchall()]


OBJECT_READERS = {
    "pyarrow": lambda path: read_arrow(path).column("objects").to_pylist(),
    "polars": lambda path: polars.read_ipc(path)["objects"].to_list(),
    "awkward": objects_with_awkward,
    "duckdb": objects_with_duckdb,
}
