"""Chunks of selected events, and the text files made of them.

The background of a file is what a luminosity gives: every process is generated as often as its cross
section says, and each line stands for the same number of expected events. A signal is generated until
there are enough events. As for the trigger's layout, the random numbers of a chunk follow from the seed,
the process and the chunk number alone.
"""

import json
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import __version__
from ..chunks import ChunkFolder, random_sources
from ..processes import COMMON_SETTINGS
from ..showers import next_events, pythia_version, start_pythia
from .channels import in_channel
from .detector import ObjectDetector, reconstruct
from .lines import HEAD, kinematics
from .processes import PROCESS_BY_NAME, ChallengeProcess, backgrounds_of

#: Luminosity that the event weights are for.
WEIGHT_LUMINOSITY_FB = 10.0
#: Hard scatterings generated at a time.
BATCH_MIN, BATCH_MAX = 100, 1000
#: Spawn key of the generator that mixes a chunk; no process has this code.
SHUFFLE_CODE = 0


@dataclass(frozen=True)
class ChallengeRequest:
    """What a file shall contain: `amount` is a luminosity in 1/fb for the background, events for a signal."""

    name: str
    channel: str
    amount: float
    seed: int
    chunk_amount: float
    detector: ObjectDetector = field(default_factory=ObjectDetector)

    @property
    def is_background(self) -> bool:
        return self.name == "background"

    @property
    def n_chunks(self) -> int:
        return int(np.ceil(self.amount / self.chunk_amount - 1e-9))

    def chunk_range(self, chunk: int) -> tuple[float, float]:
        """Amounts at the beginning and at the end of the chunk."""
        return chunk * self.chunk_amount, min((chunk + 1) * self.chunk_amount, self.amount)

    def processes(self) -> tuple[ChallengeProcess, ...]:
        return backgrounds_of(self.channel) if self.is_background else (PROCESS_BY_NAME[self.name],)

    def settings(self) -> dict:
        """Everything that the events depend on, for resuming."""
        return {
            "generator": f"trigsieve_samples {__version__}",
            "pythia": pythia_version(),
            "sample": self.name,
            "channel": self.channel,
            "amount": self.amount,
            "seed": self.seed,
            "chunk_amount": self.chunk_amount,
            "pythia_common": list(COMMON_SETTINGS),
            "pythia_process": {p.name: list(p.settings) for p in self.processes()},
            "cross_section_fb": {p.name: p.cross_section_fb for p in self.processes()},
            "spectrum": {p.name: p.spectrum.slha() for p in self.processes() if p.spectrum},
            "detector": self.detector.settings(),
        }


@dataclass
class Chunk:
    """(process ID, kinematics) of selected events, and the hard scatterings they are from, by process."""

    events: list[tuple[str, str]] = field(default_factory=list)
    generated: Counter = field(default_factory=Counter)


def start(process: ChallengeProcess, seed: int, more: tuple[str, ...] = ()):
    """Pythia, with the spectrum if there is one."""
    settings = (*COMMON_SETTINGS, *process.settings, *more)
    if process.spectrum is None:
        return start_pythia(settings, seed)
    with tempfile.NamedTemporaryFile("w", suffix=".slha") as spectrum:
        spectrum.write(process.spectrum.slha())
        spectrum.flush()
        return start_pythia((*settings, f"SLHA:file = {spectrum.name}", "SLHA:verbose = 0"), seed)


def selected_batches(request: ChallengeRequest, process: ChallengeProcess, chunk: int):
    """A function that generates n hard scatterings and gives the kinematics of the selected events."""
    pythia_seed, rng = random_sources(request.seed, process.code, chunk)
    pythia = start(process, pythia_seed)

    def batch(n_scatterings: int) -> list[str]:
        events = reconstruct(request.detector, *next_events(pythia, n_scatterings), rng)
        return kinematics(events, np.flatnonzero(in_channel(events, request.channel)))

    return batch


def make_background(request: ChallengeRequest, chunk: int) -> Chunk:
    """One chunk: its processes, mixed at random."""
    begin, end = request.chunk_range(chunk)
    made = Chunk()
    for process in request.processes():
        # Differences of rounded sums: the chunks add up to the whole file whatever their size.
        missing = round(process.cross_section_fb * end) - round(process.cross_section_fb * begin)
        made.generated[process.name] = missing
        batch = selected_batches(request, process, chunk) if missing else None
        while missing > 0:
            made.events += [(process.process_id, text) for text in batch(min(missing, BATCH_MAX))]
            missing -= BATCH_MAX
    _, rng = random_sources(request.seed, SHUFFLE_CODE, chunk)
    made.events = [made.events[position] for position in rng.permutation(len(made.events))]
    return made


def make_signal(request: ChallengeRequest, chunk: int) -> Chunk:
    """One chunk of a signal."""
    begin, end = request.chunk_range(chunk)
    (process,), made = request.processes(), Chunk()
    batch = selected_batches(request, process, chunk)
    while (missing := int(end - begin) - len(made.events)) > 0:
        n_scatterings = min(max(4 * missing, BATCH_MIN), BATCH_MAX)
        made.events += [(process.process_id, text) for text in batch(n_scatterings)]
        made.generated[process.name] += n_scatterings
    # What is too much counts as not generated.
    surplus = len(made.events) - int(end - begin)
    made.generated[process.name] -= round(made.generated[process.name] * surplus / len(made.events))
    del made.events[int(end - begin):]
    return made


class TextChunks(ChunkFolder):
    """Finished chunks as JSON."""

    SUFFIX = ".json"

    def save(self, chunk: int, made: Chunk) -> None:
        # The rename makes a chunk appear complete or not at all.
        partial = self.folder / "partial.json"
        partial.write_text(json.dumps({"events": made.events, "generated": made.generated}))
        os.replace(partial, self.path(chunk))

    def load(self, chunk: int) -> Chunk:
        stored = json.loads(self.path(chunk).read_text())
        return Chunk(stored["events"], Counter(stored["generated"]))


@dataclass
class ChallengeSummary:
    """Totals over the chunks of a file."""

    selected: Counter = field(default_factory=Counter)
    generated: Counter = field(default_factory=Counter)


def weight_of(request: ChallengeRequest, generated: Counter) -> float:
    """Expected events in 10/fb for each line."""
    if request.is_background:
        return WEIGHT_LUMINOSITY_FB / request.amount
    (process,) = request.processes()
    return WEIGHT_LUMINOSITY_FB * process.cross_section_fb / generated[process.name]


def write_file(request: ChallengeRequest, store: TextChunks, output: Path) -> ChallengeSummary:
    """Streams the finished chunks into `output`."""
    summary = ChallengeSummary()
    for chunk in range(request.n_chunks):
        summary.generated.update(store.load(chunk).generated)
    weight = weight_of(request, summary.generated)
    partial = output.with_name(output.name + ".partial")
    with partial.open("w") as file:
        for chunk in range(request.n_chunks):
            for process_id, text in store.load(chunk).events:
                file.write(f"{HEAD.format(summary.selected.total(), process_id, weight)}{text}\n")
                summary.selected[process_id] += 1
    os.replace(partial, output)
    return summary


def produce(request: ChallengeRequest, output: Path, report=print) -> ChallengeSummary:
    """Makes the missing chunks, then the file; raises `ResumeError`."""
    store = TextChunks(output, request.settings())
    make = make_background if request.is_background else make_signal
    for chunk in range(request.n_chunks):
        if not store.path(chunk).exists():
            store.save(chunk, make(request, chunk))
            report(f"{output.name}: {request.chunk_range(chunk)[1]:g} of {request.amount:g} "
                   f"{'/fb' if request.is_background else 'events'}")
    summary = write_file(request, store, output)
    store.remove()
    return summary
