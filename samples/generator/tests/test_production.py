"""Small productions end to end: determinism, resuming, files, arguments."""

import json

import h5py
import numpy as np
import pytest

from trigsieve_samples import cli, layout, production
from trigsieve_samples.chunks import ResumeError


def small(name, events=50, seed=5, chunk=30):
    # A small bank: these tests look at the bookkeeping, not at the spectra.
    return production.Request(name, events, seed, chunk, truth=True, bank_decays=200)


def run(request, path, report=lambda text: None):
    production.produce(request, path, report)
    with h5py.File(path) as file:
        return file["Particles"][:], file["Truth_Process"][:], dict(file.attrs)


@pytest.fixture(scope="module")
def background(tmp_path_factory):
    path = tmp_path_factory.mktemp("background") / "background.h5"
    return *run(small("background"), path), path


def test_background_obeys_the_layout_and_the_cocktail(background):
    events, process, attributes, path = background
    assert layout.violations(events) == []
    counts = json.loads(attributes["counts"])
    assert counts == {"wlnu": 30, "qcd": 17, "zll": 3, "ttbar": 0}
    assert [np.sum(process == code) for code in (1, 2, 3, 4)] == list(counts.values())
    assert attributes["seed"] == 5 and attributes["pythia_version"].startswith("8.")
    assert not path.with_name(path.name + ".chunks").exists()


def test_same_seed_gives_the_same_file(background, tmp_path):
    production.build_bank.cache_clear()
    run(small("background"), tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == background[-1].read_bytes()


def test_interrupted_run_resumes_to_the_same_file(background, tmp_path):
    path = tmp_path / "resumed.h5"

    def interrupt(text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small("background"), path, interrupt)
    assert not path.exists()
    run(small("background"), path)
    assert path.read_bytes() == background[-1].read_bytes()


def test_chunks_of_another_request_are_not_mixed_in(tmp_path):
    production.ChunkStore(tmp_path / "file.h5", small("background").settings())
    with pytest.raises(ResumeError, match="another request"):
        production.ChunkStore(tmp_path / "file.h5", small("background", seed=6).settings())


def test_another_seed_gives_other_events(tmp_path):
    first, second = (run(small("a_to_4l", events=5, seed=seed), tmp_path / f"{seed}.h5")[0]
                     for seed in (1, 2))
    assert layout.violations(first) == []
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("name", [process.name for process in cli.SIGNALS])
def test_every_signal_starts(name):
    made = production.make_chunk(small(name, events=2), 0)
    assert layout.violations(made.events) == []


@pytest.mark.parametrize("arguments", [
    [],
    ["background", "--events", "0", "--seed", "1", "-o", "x.h5"],
    ["background", "--events", "ten", "--seed", "1", "-o", "x.h5"],
    ["background", "--events", "10", "--seed", "-1", "-o", "x.h5"],
    ["background", "--events", "10", "-o", "x.h5"],
    ["signal", "unknown", "--events", "10", "--seed", "1", "-o", "x.h5"],
])
def test_bad_arguments_are_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == cli.EXIT_USAGE
    assert "error:" in capsys.readouterr().err


def test_output_is_neither_overwritten_nor_put_in_a_missing_folder(tmp_path, capsys):
    existing = tmp_path / "there.h5"
    existing.touch()
    common = ["background", "--events", "10", "--seed", "1", "-o"]
    assert cli.main([*common, str(existing)]) == cli.EXIT_USAGE
    assert "--force" in capsys.readouterr().err
    assert cli.main([*common, str(tmp_path / "missing" / "x.h5")]) == cli.EXIT_USAGE
    assert "no folder" in capsys.readouterr().err


def test_check_reports_what_is_broken(background, tmp_path, capsys):
    assert cli.main(["check", str(background[-1])]) == cli.EXIT_OK
    broken = tmp_path / "broken.h5"
    with h5py.File(broken, "w") as file:
        file["Particles"] = np.ones((3, 19, 4), np.float32)
    assert cli.main(["check", str(broken)]) == cli.EXIT_FAILED
    assert "row 0" in capsys.readouterr().out
    assert cli.main(["check", str(tmp_path / "none.h5")]) == cli.EXIT_FAILED
