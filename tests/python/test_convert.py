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
