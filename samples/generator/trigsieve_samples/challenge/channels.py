"""The four event selections of the challenge (arXiv:2105.14027, section 2.1)."""

import numpy as np

from .detector import B_JET, JET, PHOTON_CODE, Events

CHANNELS = ("1", "2a", "2b", "3")


def in_channel(events: Events, channel: str) -> np.ndarray:
    """Mask of the events of a channel. Channels overlap."""
    objects, met = events.objects, events.met
    jet = (objects.code == JET) | (objects.code == B_JET)
    lepton = ~jet & (objects.code != PHOTON_CODE)
    # Listed jets have pT > 20 GeV and |eta| < 2.8, which is what HT sums.
    ht = np.bincount(objects.event[jet], weights=objects.pt[jet], minlength=events.n_events)
    leptons = events.count(lepton & (objects.pt > 15))
    match channel:
        case "1":
            return (ht >= 600) & (met >= 200) & (met >= 0.2 * ht) \
                & (events.count(jet & (objects.pt > 50)) >= 4) & (events.count(jet & (objects.pt > 200)) >= 1)
        case "2a":
            return (met >= 50) & (leptons >= 3)
        case "2b":
            return (met >= 50) & (ht >= 50) & (leptons >= 2)
        case "3":
            return (ht >= 600) & (met > 100)
    raise ValueError(f"no channel {channel!r}")
