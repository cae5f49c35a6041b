"""The sample files of the repository: content, and agreement with samples/README.md."""

import hashlib
import json
import re
from pathlib import Path

import h5py
import pytest

from trigsieve_samples import layout

SAMPLES = Path(__file__).resolve().parents[2]
LISTED = dict(re.findall(r"^([0-9a-f]{64})  (\S+\.h5)$", (SAMPLES / "README.md").read_text(),
                         re.MULTILINE))


def test_readme_lists_every_file():
    assert {path.name for path in SAMPLES.glob("*.h5")} == set(LISTED.values())


@pytest.mark.parametrize("digest, name", LISTED.items())
def test_file_is_what_the_readme_lists(digest, name):
    path = SAMPLES / name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    with h5py.File(path) as file:
        events = file["Particles"][:]
        assert layout.violations(events) == []
        assert sum(json.loads(file.attrs["counts"]).values()) == len(events)


def test_files_stay_small():
    assert sum(path.stat().st_size for path in SAMPLES.glob("*.h5")) <= 4_000_000
