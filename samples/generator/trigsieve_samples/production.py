"""Chunks of accepted events, and the files made of them.

A file is a sequence of chunks. The random numbers of a chunk follow from the seed, the
process and the chunk number alone, so that chunks can be made one after another in
constant memory, and an interrupted run goes on where it stopped.
"""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import __version__, layout
from .chunks import ChunkFolder, random_sources
from .decays import BANK_DECAYS, ForcedDecays, build_bank, force_leptons
from .detector import Detector, reconstruct
from .processes import COCKTAIL_PERMILLE, COMMON_SETTINGS, PROCESS_BY_NAME, Process, cocktail_counts
from .showers import next_particles, pythia_version, start_pythia

#: Hard scatterings of one batch: small enough that a batch of t tbar stays below 300 MB.
BATCH_MIN, BATCH_MAX = 200, 2000

#: Spawn key of the generator that shuffles a chunk; no process has this code.
SHUFFLE_CODE = 0


@dataclass(frozen=True)
class Request:
    """What a file shall contain."""

    name: str
    events: int
    seed: int
    chunk_events: int
    truth: bool = False
    detector: Detector = field(default_factory=Detector)
    #: None: heavy hadrons decay in Pythia, and one waits for the leptons.
    forced: ForcedDecays | None = field(default_factory=ForcedDecays)
    bank_decays: int = BANK_DECAYS

    @property
    def is_background(self) -> bool:
        return self.name == "background"

    @property
    def n_chunks(self) -> int:
        return -(-self.events // self.chunk_events)

    def chunk_range(self, chunk: int) -> tuple[int, int]:
        """First event of the chunk and of the next one."""
        first = chunk * self.chunk_events
        return first, min(first + self.chunk_events, self.events)

    def chunk_counts(self, chunk: int) -> dict[str, int]:
        """Events of each process in the chunk."""
        first, stop = self.chunk_range(chunk)
        return cocktail_counts(first, stop) if self.is_background else {self.name: stop - first}

    def processes(self) -> list[Process]:
        names = COCKTAIL_PERMILLE if self.is_background else [self.name]
        return [PROCESS_BY_NAME[name] for name in names]

    def settings(self) -> dict:
        """Everything that the events depend on, for the attributes and for resuming."""
        settings = {
            "generator": f"trigsieve_samples {__version__}",
            "pythia": pythia_version(),
            "sample": self.name,
            "events": self.events,
            "seed": self.seed,
            "chunk_events": self.chunk_events,
            "pythia_common": list(COMMON_SETTINGS),
            "pythia_process": {p.name: list(p.settings) for p in self.processes()},
            "detector": self.detector.settings(),
        }
        if self.forced and any(p.forced_species for p in self.processes()):
            settings["forced_decays"] = {"attempts": self.forced.attempts,
                                         "oversampling": self.forced.oversampling,
                                         "bank_decays_per_species": self.bank_decays}
        return settings


@dataclass(frozen=True)
class Chunk:
    """Accepted events with the truth that the layout has no place for."""

    events: np.ndarray
    process: np.ndarray
    #: Number of the hard scattering within (chunk, process).
    scattering: np.ndarray
    #: Hard scatterings generated, by process.
    generated: dict[str, int]

    def permuted(self, order) -> "Chunk":
        return Chunk(self.events[order], self.process[order], self.scattering[order],
                     self.generated)


def accepted_batches(request: Request, process: Process, chunk: int, wanted: int):
    """Yields (events, scattering numbers, hard scatterings generated) without end."""
    pythia_seed, rng = random_sources(request.seed, process.code, chunk)
    species = process.forced_species if request.forced else ()
    undecayed = tuple(f"{code}:mayDecay = off" for code in species)
    pythia = start_pythia((*COMMON_SETTINGS, *process.settings, *undecayed), pythia_seed)
    bank = build_bank(species, request.bank_decays) if species else None
    batch = min(max(4 * wanted, BATCH_MIN), BATCH_MAX)
    generated = 0
    while True:
        particles = next_particles(pythia, batch)
        source = np.arange(particles.n_events)
        if bank is not None:
            particles, source = force_leptons(
                request.detector, bank, particles, request.forced, rng)
        events, index = reconstruct(request.detector, particles, rng)
        yield events, generated + source[index], batch
        generated += batch


def make_process(request: Request, process: Process, chunk: int, wanted: int) -> Chunk:
    """`wanted` accepted events of one process."""
    events, scatterings, generated = [layout.empty_events(0)], [np.zeros(0, np.int64)], 0
    batches = accepted_batches(request, process, chunk, wanted) if wanted else ()
    missing = wanted
    for batch_events, batch_scatterings, batch in batches:
        events.append(batch_events[:missing])
        scatterings.append(batch_scatterings[:missing])
        generated += batch
        missing -= len(events[-1])
        if missing == 0:
            break
    return Chunk(np.concatenate(events), np.full(wanted, process.code, np.uint8),
                 np.concatenate(scatterings), {process.name: generated})


def make_chunk(request: Request, chunk: int) -> Chunk:
    """One chunk: its processes, mixed at random."""
    parts = [make_process(request, PROCESS_BY_NAME[name], chunk, wanted)
             for name, wanted in request.chunk_counts(chunk).items()]
    joined = Chunk(*(np.concatenate([getattr(part, name) for part in parts])
                     for name in ("events", "process", "scattering")),
                   {name: n for part in parts for name, n in part.generated.items()})
    _, rng = random_sources(request.seed, SHUFFLE_CODE, chunk)
    return joined.permuted(rng.permutation(len(joined.events)))


class ChunkStore(ChunkFolder):
    """Finished chunks as compressed arrays."""

    def save(self, chunk: int, made: Chunk) -> None:
        # The rename makes a chunk appear complete or not at all.
        partial = self.folder / "partial.npz"
        np.savez_compressed(partial, events=made.events, process=made.process,
                            scattering=made.scattering, generated=json.dumps(made.generated))
        os.replace(partial, self.path(chunk))

    def load(self, chunk: int) -> Chunk:
        with np.load(self.path(chunk)) as stored:
            return Chunk(stored["events"], stored["process"], stored["scattering"],
                         json.loads(str(stored["generated"])))


@dataclass
class Summary:
    """Totals over the chunks of a file."""

    accepted: Counter = field(default_factory=Counter)
    generated: Counter = field(default_factory=Counter)
    scatterings: Counter = field(default_factory=Counter)
    #: Sum over hard scatterings of the squared number of accepted events.
    squares: Counter = field(default_factory=Counter)

    def add(self, request: Request, made: Chunk) -> None:
        self.generated.update(made.generated)
        for process in request.processes():
            _, uses = np.unique(made.scattering[made.process == process.code], return_counts=True)
            self.accepted[process.name] += int(uses.sum())
            self.scatterings[process.name] += len(uses)
            self.squares[process.name] += int((uses**2).sum())

    def attributes(self) -> dict[str, str]:
        """Counts by process, as JSON: HDF5 attributes have no mappings."""
        return {
            "counts": json.dumps(self.accepted),
            "hard_scatterings_generated": json.dumps(self.generated),
            "hard_scatterings_accepted": json.dumps(self.scatterings),
            "sum_of_squared_uses": json.dumps(self.squares),
        }


def write_file(request: Request, store: ChunkStore, output: Path) -> Summary:
    """Streams the finished chunks into `output`."""
    attributes = {"content": request.name, "generator_version": __version__,
                  "pythia_version": pythia_version(), "seed": request.seed, "sqrt_s_gev": 13000.0,
                  "settings": json.dumps(request.settings()),
                  "license": "MIT OR Apache-2.0"}
    partial = output.with_name(output.name + ".partial")
    summary = Summary()
    with layout.create(partial, request.events, attributes) as file:
        truth = {name: file.create_dataset(f"Truth_{name}", (request.events,), dtype,
                                           compression="gzip", shuffle=True)
                 for name, dtype in (("Process", np.uint8), ("Scattering", np.int64))
                 if request.truth}
        for chunk in range(request.n_chunks):
            made = store.load(chunk)
            rows = slice(*request.chunk_range(chunk))
            file["Particles"][rows] = made.events
            if truth:
                truth["Process"][rows] = made.process
                # The chunk number in the upper half makes the number unique in the file.
                truth["Scattering"][rows] = made.scattering + (chunk << 32)
            summary.add(request, made)
        file.attrs.update(summary.attributes())
    os.replace(partial, output)
    return summary


def produce(request: Request, output: Path, report=print) -> Summary:
    """Makes the missing chunks, then the file; raises `ResumeError`."""
    store = ChunkStore(output, request.settings())
    for chunk in range(request.n_chunks):
        if not store.path(chunk).exists():
            store.save(chunk, make_chunk(request, chunk))
            report(f"{output.name}: {request.chunk_range(chunk)[1]} of {request.events} events")
    summary = write_file(request, store, output)
    store.remove()
    return summary
