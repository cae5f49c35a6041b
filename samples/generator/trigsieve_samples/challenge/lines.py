"""The text lines of the challenge."""

import numpy as np

from .detector import SYMBOLS, Events

#: Fields before MET: event ID, process ID, event weight.
HEAD = "{}; {}; {:.6g}; "


def kinematics(events: Events, chosen: np.ndarray) -> list[str]:
    """MET and what follows it of the chosen events (positions), in MeV and radians."""
    objects = events.objects
    first, last = (np.searchsorted(objects.event, chosen, side) for side in ("left", "right"))
    texts = []
    for event, begin, end in zip(chosen, first, last):
        parts = [f"{1e3 * events.met[event]:.2f}", f"{events.met_phi[event]:.5f}"]
        parts += [f"{SYMBOLS[objects.code[i]]},{1e3 * objects.energy[i]:.2f},{1e3 * objects.pt[i]:.2f},"
                  f"{objects.eta[i]:.5f},{objects.phi[i]:.5f}" for i in range(begin, end)]
        texts.append("; ".join(parts))
    return texts
