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
    record = pythia.nextBatch(n_events).prt
    counts = ak.to_numpy(ak.num(record))
    flat = ak.flatten(record)
    final = np.asarray(flat.status) > 0
    event = np.repeat(np.arange(len(counts)), counts)[final]
    p4 = np.stack([np.asarray(flat.p[axis])[final] for axis in ("px", "py", "pz", "e")], axis=1)
    return Particles(len(counts), event, np.asarray(flat.id)[final], p4)
