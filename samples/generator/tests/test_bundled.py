"""The sample files of the repository: content, and agreement with samples/README.md."""

import hashlib
import json
import re
from pathlib import Path

import h5py
import pytest

from trigsieve_samples import layout

SAMPLES = Path(__file__).resolve().parents[2]
LISTED = dict(re.findall(r"^([0-9a-f]{64})  (\S+\.(?:h5|csv))$", (SAMPLES / "README.md").read_text(),
                         re.MULTILINE))
ROWS = dict(re.findall(r"^\| `(\S+)` \| .* \| ([\d,]+) \| \d+ \|$", (SAMPLES / "README.md").read_text(),
                       re.MULTILINE))


def test_readme_lists_every_file():
    files = [*SAMPLES.glob("*.h5"), *SAMPLES.glob("*.csv")]
    assert {path.name for path in files} == set(LISTED.values()) == set(ROWS)


@pytest.mark.parametrize("digest, name", LISTED.items())
def test_file_is_what_the_readme_lists(digest, name):
    path = SAMPLES / name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert events_in(path) == int(ROWS[name].replace(",", ""))


def events_in(path):
    if path.suffix == ".csv":
        return len(path.read_text().splitlines())
    with h5py.File(path) as file:
        events = file["Particles"][:]
        assert layout.violations(events) == []
        assert sum(json.loads(file.attrs["counts"]).values()) == len(events)
        return len(events)


def test_files_stay_small():
    assert sum((SAMPLES / name).stat().st_size for name in LISTED.values()) <= 4_000_000
