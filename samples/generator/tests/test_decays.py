"""Kinematics of the forced decays, and the cocktail arithmetic."""

import numpy as np
import pytest

from trigsieve_samples import decays
from trigsieve_samples.particles import Particles, index_runs
from trigsieve_samples.processes import cocktail_counts


def masses(p4):
    return np.sqrt(np.maximum(p4[:, 3]**2 - (p4[:, :3]**2).sum(axis=1), 0))


def test_boost_keeps_the_mass_and_moves_a_particle_at_rest_to_the_frame():
    rng = np.random.default_rng(1)
    momentum = 20 * rng.standard_normal((100, 3))
    frame = np.column_stack([momentum, np.sqrt((momentum**2).sum(axis=1) + 5.0**2)])
    at_rest = np.tile([0.0, 0.0, 0.0, 5.0], (100, 1))
    assert decays.boost(at_rest, frame) == pytest.approx(frame)
    moving = np.tile([1.0, -2.0, 0.5, 3.0], (100, 1))
    assert masses(decays.boost(moving, frame)) == pytest.approx(masses(moving))


def test_rotations_are_orthogonal_and_bring_one_axis_to_the_other():
    rng = np.random.default_rng(2)
    start, end = (decays.random_directions(50, rng) for _ in range(2))
    rotation = decays.random_rotations(start, end, rng)
    assert np.einsum("nij,nj->ni", rotation, start) == pytest.approx(end)
    product = rotation @ rotation.transpose(0, 2, 1)
    assert product == pytest.approx(np.tile(np.eye(3), (50, 1, 1)), abs=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(np.ones(50))


def test_rounding_at_random_keeps_the_mean():
    drawn = decays.round_at_random(np.full(100_000, 0.3), np.random.default_rng(3))
    assert set(drawn) == {0, 1}
    assert drawn.mean() == pytest.approx(0.3, abs=0.01)


def test_bank_conserves_the_four_momentum():
    bank = decays.build_bank((511, 421), 20)
    for decay in range(40):
        products = slice(bank.start[decay], bank.start[decay] + bank.length[decay])
        total = bank.p4[products].sum(axis=0)
        assert total[:3] == pytest.approx(np.zeros(3), abs=1e-3)
        assert total[3] == pytest.approx(5.280 if decay < 20 else 1.865, abs=5e-3)


def test_take_events_copies_and_renumbers():
    particles = Particles(3, np.array([0, 0, 2]), np.array([11, 22, 13]), np.eye(3, 4))
    taken = particles.take_events(np.array([2, 0, 1, 0]))
    assert taken.event.tolist() == [0, 1, 1, 3, 3]
    assert taken.pdg_id.tolist() == [13, 11, 22, 11, 22]
    assert index_runs(np.array([5, 1]), np.array([2, 0])).tolist() == [5, 6]


@pytest.mark.parametrize("events, chunk", [(24_000, 10_000), (1001, 7), (50, 50)])
def test_chunks_add_up_to_the_cocktail(events, chunk):
    total = dict.fromkeys(cocktail_counts(0, 0), 0)
    for first in range(0, events, chunk):
        counts = cocktail_counts(first, min(first + chunk, events))
        assert sum(counts.values()) == min(chunk, events - first)
        total = {name: total[name] + counts[name] for name in total}
    assert total == cocktail_counts(0, events)
    assert total["wlnu"] == pytest.approx(0.592 * events, abs=1)
