"""Pythia: configuration, and batches of generated events as `Particles`."""

import awkward as ak
import numpy as np
import pythia8mc

from .particles import Particles

#: Pythia draws its seed from the clock for 0 and rejects larger values.
MAX_PYTHIA_SEED = 900_000_000


class GeneratorError(RuntimeError):
    """Pythia refused a setting or could not start."""


def start_pythia(settings, seed: int) -> "pythia8mc.Pythia":
    """An initialised, silent Pythia; raises `GeneratorError` with the setting at fault."""
    pythia = pythia8mc.Pythia("", False)
    for line in ("Print:quiet = on", *settings, "Random:setSeed = on", f"Random:seed = {seed}"):
        if not pythia.readString(line):
            raise GeneratorError(f"Pythia rejected the setting {line!r}")
    if not pythia.init():
        raise GeneratorError("Pythia could not be initialised")
    return pythia


def pythia_version() -> str:
    """Version of the Pythia library, e.g. 8.317."""
    return f"{pythia8mc.Pythia('', False).settings.parm('Pythia:versionNumber'):.3f}"


def next_particles(pythia, n_events: int) -> Particles:
    """Final-state particles of the next events.

    Pythia drops the rare events in which the hadronisation fails, so that fewer than
    `n_events` may come back.
    """
    particles, final = next_record(pythia, n_events)
    return particles.where(final)


def next_events(pythia, n_events: int) -> tuple[Particles, Particles]:
    """As `next_particles`, and the bottom hadrons of the same events, decayed or not."""
    particles, final = next_record(pythia, n_events)
    return particles.where(final), particles.where(is_bottom_hadron(particles.pdg_id))


def next_record(pythia, n_events: int) -> tuple[Particles, np.ndarray]:
    """All particles of the next events, with a mask of those of the final state."""
    record = pythia.nextBatch(n_events).prt
    counts = ak.to_numpy(ak.num(record))
    flat = ak.flatten(record)
    event = np.repeat(np.arange(len(counts)), counts)
    p4 = np.stack([np.asarray(flat.p[axis]) for axis in ("px", "py", "pz", "e")], axis=1)
    return Particles(len(counts), event, np.asarray(flat.id), p4), np.asarray(flat.status) > 0


def is_bottom_hadron(pdg_id: np.ndarray) -> np.ndarray:
    """Mesons and baryons whose heaviest quark is a bottom quark, by the digits of the PDG code."""
    code = np.abs(pdg_id)
    # Diquarks have four digits, too, but a zero for the third quark.
    meson, baryon = code // 100 == 5, (code // 1000 == 5) & (code // 10 % 10 != 0)
    return meson | baryon
