"""Hardware integers and the fixed-point engine: recomputed here with Python's integers, and read by what people use."""

import hashlib
import json
import math

import awkward
import duckdb
import numpy
import polars
import pyarrow.parquet
import pytest

from conftest import ROOT, Run, assert_counters_add_up, read_arrow, rows_of, trigsieve

CARD = """
name = "firmware"
family = "test"
description = "A dense layer with ReLU and a sum of squares."
encoding = "l1_57"
inputs = 57
preprocessing = "none"
[files]
"fixed.json" = "{sha256}"
[score]
name = "sum_of_squares"
formula = "sum_i z_i^2"
[import]
importer = "a test"
project = "firmware"
top = "firmware"
sources = []
"""
K, HIDDEN = 57, 8


def step(name):
    """Of the CMS global trigger, as ARCHITECTURE.md has it."""
    muon = name.startswith("muon")
    return {"pt": 0.5, "eta": 0.087 / (8 if muon else 2), "phi": math.tau / (576 if muon else 144)}[name.split("_")[1]]


@pytest.fixture(scope="module")
def integers(tmp_path_factory):
    """The background sample in hardware units."""
    path = tmp_path_factory.mktemp("fixed") / "background_i16.arrow"
    trigsieve("convert", ROOT / "samples/background.h5", "--from", "adc2021", "--hardware-units", "-o", path)
    return path


@pytest.fixture(scope="module")
def counts(background_rows, features):
    steps = numpy.array([step(feature["name"]) for feature in features])
    return numpy.rint(background_rows.astype("f8") / steps).astype("i8")


@pytest.fixture(scope="module")
def features(integers):
    return json.loads(read_arrow(integers).schema.metadata[b"trigsieve.features"])


@pytest.fixture(scope="module")
def network():
    random = numpy.random.default_rng(1)
    return random.integers(-31, 32, (K, HIDDEN)), random.integers(-500, 500, HIDDEN)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory, network, features):
    """A bundle of nothing but `fixed.json`."""
    weights, biases = network
    tensor = lambda name, shape, width: {"name": name, "shape": [shape], "format": width}
    dense = {
        "weights": weights.flatten().tolist(),
        "weight_format": "ap_fixed<6,6>",
        "biases": biases.tolist(),
        "bias_format": "ap_fixed<10,10>",
        "accumulator": "ap_fixed<28,28>",
    }
    program = {
        "version": 1,
        "name": "firmware",
        "input": {"tensor": tensor("x", K, "ap_fixed<16,16>"), "units": [step(feature["name"]) for feature in features]},
        "operations": [
            {"layer": "fc1", "inputs": ["x"], "output": tensor("a", HIDDEN, "ap_fixed<28,28>"), "op": {"dense": dense}},
            {"layer": "relu", "inputs": ["a"], "output": tensor("z", HIDDEN, "ap_ufixed<16,16,AP_RND,AP_SAT>"), "op": {"relu": {}}},
            {"layer": "score", "inputs": ["z", "z"], "output": tensor("score", 1, "ap_ufixed<40,40>"), "op": {"dot": {"accumulator": "ap_ufixed<40,40>"}}},
        ],
        "score": "score",
    }
    folder = tmp_path_factory.mktemp("models") / "firmware"
    folder.mkdir()
    text = json.dumps(program)
    (folder / "fixed.json").write_text(text)
    (folder / "model.toml").write_text(CARD.format(sha256=hashlib.sha256(text.encode()).hexdigest()))
    return folder


@pytest.fixture(scope="module")
def scores(counts, network):
    weights, biases = network
    hidden = numpy.clip(counts @ weights + biases, 0, 2**16 - 1)
    return (hidden**2).sum(axis=1).astype("f4")


def replayed(firmware, events, folder, *flags):
    trigsieve("replay", events, "--model", firmware, "--engine", "fixed", "--threshold", -1, "-o", folder, *flags)
    return Run(folder)


def test_inputs_are_counted_to_the_nearest_even(integers, counts, background):
    table = read_arrow(integers)
    found = rows_of(table)
    assert found.dtype == numpy.int16 and (found == counts).all()
    physical = read_arrow(background)
    for name in ("event_id", "bunch_crossing"):
        assert table.column(name).equals(physical.column(name))


def test_the_schema_says_the_units(features):
    units = {feature["name"]: feature["unit"] for feature in features}
    assert units["jet0_pt"] == "0.5 GeV" and units["egamma1_eta"] == "0.0435" and units["muon0_eta"] == "0.010875"
    number, unit = units["muon2_phi"].split(" ")
    assert (float(number), unit) == (math.tau / 576, "rad")


@pytest.mark.parametrize("flags", [(), ("--workers", 2, "--batch", 77), ("--rate", "2MHz")])
def test_scores_are_the_firmwares(integers, firmware, scores, tmp_path, flags):
    run = replayed(firmware, integers, tmp_path / "run", *flags)
    assert (run.column("score_firmware") == scores).all()
    assert len(numpy.unique(scores)) > 1000
    assert_counters_add_up(run.report)
    assert run.report["events_invalid"] == 0 and run.report["engine"]["name"] == "fixed"


def test_physical_values_are_quantised_at_the_door(background, firmware, scores, tmp_path):
    assert (replayed(firmware, background, tmp_path / "run").column("score_firmware") == scores).all()


def test_tagged_integers_open_everywhere(integers, firmware, counts, tmp_path):
    run = replayed(firmware, integers, tmp_path / "run")
    assert run.tagged.schema.metadata == read_arrow(integers).schema.metadata
    path = run.folder / "tagged.arrow"
    tagged = run.tagged
    assert tagged.num_rows == len(counts)
    by_polars = polars.read_ipc(path)["inputs"].to_numpy()
    by_awkward = awkward.to_numpy(awkward.from_feather(path).inputs)
    by_duckdb = numpy.stack(duckdb.sql("select inputs from tagged order by event_id").fetchnumpy()["inputs"])
    for found in (by_polars, by_awkward, by_duckdb, rows_of(tagged)):
        assert (numpy.asarray(found) == counts).all()


def test_tagged_integers_are_parquet_everywhere(integers, firmware, counts, tmp_path):
    path = replayed(firmware, integers, tmp_path / "run", "--format", "parquet").folder / "tagged.parquet"
    by_polars = polars.read_parquet(path)["inputs"].to_numpy()
    by_awkward = awkward.to_numpy(awkward.from_parquet(path).inputs)
    by_duckdb = numpy.stack(duckdb.sql(f"select inputs from '{path}' order by event_id").fetchnumpy()["inputs"])
    for found in (by_polars, by_awkward, by_duckdb, rows_of(pyarrow.parquet.read_table(path))):
        assert (numpy.asarray(found) == counts).all()


def test_golden_scores_agree(integers, firmware, scores, tmp_path):
    golden = tmp_path / "golden.csv"
    golden.write_text("\n".join(str(int(score)) for score in scores))
    # Scores of 40 bits: the file has them rounded to single precision, so a few differ by that.
    exact = trigsieve("compare", firmware, integers, "--golden", golden, check=False)
    assert exact.returncode == (0 if (scores < 2**24).all() else 1)
    trigsieve("compare", firmware, integers, "--golden", golden, "--tolerance", float(scores.max()) * 2**-23)


def test_float_engines_refuse_integers(integers, tmp_path, float_graph):
    flags = ("--model", float_graph.bundle, "--threshold", 0, "-o", tmp_path / "run")
    done = trigsieve("replay", integers, *flags, "--engine", "rten", check=False)
    assert done.returncode == 1 and "rten engine takes f32 inputs, the events are i16" in done.stderr


def test_units_from_a_file(background_rows, tmp_path):
    units = tmp_path / "units.toml"
    entries = [("*_pt", 0.25, None), ("*_phi", math.tau / 144, 144), ("*", 0.1, None)]
    lines = [f'[[unit]]\nfeatures = "{name}"\nstep = {size}\n' + (f"period = {period}\n" if period else "") for name, size, period in entries]
    units.write_text("".join(lines))
    path = tmp_path / "events.arrow"
    trigsieve("convert", ROOT / "samples/background.h5", "--from", "adc2021", f"--hardware-units={units}", "-o", path)
    found = rows_of(read_arrow(path)).astype("i8")
    expected = background_rows.astype("f8")
    assert (found[:, 0::3] == numpy.rint(expected[:, 0::3] / 0.25)).all()
    phi = numpy.rint(expected[:, 2::3] / (math.tau / 144)).astype("i8") % 144
    assert (found[:, 2::3] == phi).all() and found[:, 2::3].min() == 0 and found[:, 2::3].max() == 143
