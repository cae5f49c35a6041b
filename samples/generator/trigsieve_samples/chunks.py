"""Random numbers of chunks, and the folder in which finished ones wait for their file."""

import json
import shutil
from pathlib import Path

import numpy as np

from .showers import MAX_PYTHIA_SEED


def random_sources(seed: int, code: int, chunk: int) -> tuple[int, np.random.Generator]:
    """Pythia seed and numpy generator of one process of one chunk."""
    pythia_branch, numpy_branch = np.random.SeedSequence(seed, spawn_key=(code, chunk)).spawn(2)
    pythia_seed = 1 + int(pythia_branch.generate_state(1, np.uint64)[0]) % MAX_PYTHIA_SEED
    return pythia_seed, np.random.default_rng(numpy_branch)


class ResumeError(RuntimeError):
    """The folder of finished chunks belongs to another request."""


class ChunkFolder:
    """Finished chunks next to the output file, until the file is complete. `settings` describe the request."""

    #: End of the name of a chunk's file.
    SUFFIX = ".npz"

    def __init__(self, output: Path, settings: dict):
        self.folder = output.with_name(output.name + ".chunks")
        self.folder.mkdir(exist_ok=True)
        described = self.folder / "request.json"
        text = json.dumps(settings, indent=1)
        if not described.exists():
            described.write_text(text)
        elif described.read_text() != text:
            raise ResumeError(f"{self.folder} holds chunks of another request; "
                              "remove it or choose another output file")

    def path(self, chunk: int) -> Path:
        return self.folder / f"chunk_{chunk:05d}{self.SUFFIX}"

    def remove(self) -> None:
        shutil.rmtree(self.folder)
