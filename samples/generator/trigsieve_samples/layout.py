"""The ADC2021 40 MHz layout (arXiv:2107.02157): arrays, HDF5 files, invariants."""

from dataclasses import dataclass

import h5py
import numpy as np

ROWS, COLUMNS = 19, 4
COLUMN_NAMES = (b"Pt", b"Eta", b"Phi", b"Class")
CLASS_NAMES = (b"MET_class_1", b"Four_Ele_class_2", b"Four_Mu_class_3", b"Ten_Jet_class_4")

#: Events of one HDF5 chunk: 600 kB before compression, small enough to stream.
HDF5_CHUNK_EVENTS = 2000


@dataclass(frozen=True)
class Block:
    """Rows [first, first + length) hold objects of one class."""

    name: str
    first: int
    length: int
    class_code: int

    @property
    def rows(self) -> slice:
        return slice(self.first, self.first + self.length)


MET = Block("MET", 0, 1, 1)
EGAMMAS = Block("e/gamma", 1, 4, 2)
MUONS = Block("muon", 5, 4, 3)
JETS = Block("jet", 9, 10, 4)
BLOCKS = (MET, EGAMMAS, MUONS, JETS)


def empty_events(n_events: int) -> np.ndarray:
    """float32 [n_events, 19, 4] without any object."""
    return np.zeros((n_events, ROWS, COLUMNS), np.float32)


def set_missing_momentum(events: np.ndarray, pt, phi) -> None:
    """Writes row 0; its pseudorapidity is 0 by definition of the layout."""
    events[:, 0, 0], events[:, 0, 2], events[:, 0, 3] = pt, phi, MET.class_code


def fill(events: np.ndarray, block: Block, event, pt, eta, phi) -> None:
    """Writes the objects of highest pT of each event into the rows of `block`."""
    order = np.lexsort((-pt, event))
    event = event[order]
    rank = np.arange(len(event)) - np.searchsorted(event, event)
    keep = rank < block.length
    order, rows = order[keep], (event[keep], block.first + rank[keep])
    for column, values in enumerate((pt, eta, phi)):
        events[(*rows, column)] = values[order]
    events[(*rows, 3)] = block.class_code


def violations(events: np.ndarray, trigger_pt_min_gev: float = 23.0) -> list[str]:
    """The invariants of the layout that `events` breaks, in words."""
    found = []
    if events.ndim != 3 or events.shape[1:] != (ROWS, COLUMNS) or events.dtype != np.float32:
        return [f"expected float32 [N, 19, 4], found {events.dtype} {list(events.shape)}"]
    if not np.isfinite(events).all():
        found.append("a value is not finite")
    if (np.abs(events[..., 2]) > np.float32(np.pi)).any():
        found.append("phi outside [-pi, pi]")
    if (events[:, 0, 1] != 0).any() or (events[:, 0, 3] != MET.class_code).any():
        found.append("row 0 is not MET with eta 0 and class 1")
    for block in BLOCKS[1:]:
        pt, code = events[:, block.rows, 0], events[:, block.rows, 3]
        filled = code == block.class_code
        if (np.diff(pt, axis=1) > 0).any():
            found.append(f"{block.name} rows are not sorted by pT")
        if not (filled | (code == 0)).all():
            found.append(f"{block.name} rows carry a class other than {block.class_code} or 0")
        if (events[:, block.rows][~filled] != 0).any() or (pt[filled] <= 0).any():
            found.append(f"{block.name} rows are neither filled nor all zero")
    # The layout does not tell electrons from photons, so this is necessary, not sufficient.
    leading_pt = np.maximum(events[:, EGAMMAS.first, 0], events[:, MUONS.first, 0])
    if (leading_pt < trigger_pt_min_gev).any():
        found.append("an event has no e/gamma or muon above the trigger threshold")
    return found


def create(path, n_events: int, attributes: dict) -> h5py.File:
    """A new file with room for `n_events`; the caller fills `Particles` and closes it."""
    file = h5py.File(path, "w")
    particles = file.create_dataset(
        "Particles", shape=(n_events, ROWS, COLUMNS), dtype=np.float32,
        chunks=(min(HDF5_CHUNK_EVENTS, n_events), ROWS, COLUMNS),
        compression="gzip", compression_opts=9, shuffle=True)
    particles.attrs["columns"] = "pT [GeV], eta, phi [rad], class (0: empty row)"
    particles.attrs["rows"] = "0: MET; 1-4: e/gamma; 5-8: muons; 9-18: jets"
    file.create_dataset("Particles_Names", data=np.array(COLUMN_NAMES))
    file.create_dataset("Particles_Classes", data=np.array(CLASS_NAMES))
    for name, value in attributes.items():
        file.attrs[name] = value
    return file
