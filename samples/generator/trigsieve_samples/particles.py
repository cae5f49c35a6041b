"""Particles of many events in flat arrays, and the index arithmetic on them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


def index_runs(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenation of ``arange(start, start + length)`` over all pairs."""
    ends = np.cumsum(lengths)
    shift = np.asarray(starts) - (ends - lengths)
    return np.repeat(shift, lengths) + np.arange(ends[-1] if len(ends) else 0)


def azimuth_difference(phi_a, phi_b):
    """phi_a - phi_b, brought into [-pi, pi)."""
    return (phi_a - phi_b + np.pi) % (2 * np.pi) - np.pi


def transverse_coordinates(p4: np.ndarray):
    """pT, eta and phi of four-momenta [..., 4] in the order px, py, pz, E."""
    pt = np.hypot(p4[..., 0], p4[..., 1])
    # A particle along the beam gets a large finite eta, outside every acceptance.
    eta = np.arcsinh(p4[..., 2] / np.maximum(pt, 1e-9))
    return pt, eta, np.arctan2(p4[..., 1], p4[..., 0])


@dataclass(frozen=True)
class Particles:
    """Particles of `n_events` events; `event` is non-decreasing.

    `p4` is [n, 4] (px, py, pz, E), `pdg_id` and `event` are [n].
    """

    n_events: int
    event: np.ndarray
    pdg_id: np.ndarray
    p4: np.ndarray

    @cached_property
    def _coordinates(self):
        return transverse_coordinates(self.p4)

    @property
    def pt(self):
        return self._coordinates[0]

    @property
    def eta(self):
        return self._coordinates[1]

    @property
    def phi(self):
        return self._coordinates[2]

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of particles of each event."""
        return np.bincount(self.event, minlength=self.n_events)

    @cached_property
    def starts(self) -> np.ndarray:
        """Index of the first particle of each event."""
        return np.cumsum(self.counts) - self.counts

    def where(self, mask: np.ndarray) -> "Particles":
        """The particles that pass `mask`; events keep their numbers."""
        return Particles(self.n_events, self.event[mask], self.pdg_id[mask], self.p4[mask])

    def members(self, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(position in `events`, particle index) of every particle of the listed events."""
        lengths = self.counts[events]
        return (np.repeat(np.arange(len(events)), lengths),
                index_runs(self.starts[events], lengths))

    def take_events(self, events: np.ndarray) -> "Particles":
        """The listed events, renumbered from 0; an event listed twice is copied."""
        event, index = self.members(events)
        return Particles(len(events), event, self.pdg_id[index], self.p4[index])

    def sum_by_event(self, values: np.ndarray) -> np.ndarray:
        """Sum over the particles of each event."""
        return np.bincount(self.event, weights=values, minlength=self.n_events)


def merge(first: Particles, second: Particles) -> Particles:
    """Particles of both operands, event by event."""
    event = np.concatenate([first.event, second.event])
    order = np.argsort(event, kind="stable")
    return Particles(first.n_events, event[order],
                     np.concatenate([first.pdg_id, second.pdg_id])[order],
                     np.concatenate([first.p4, second.p4])[order])
