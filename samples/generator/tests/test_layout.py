"""The array layout and its invariants, without Pythia."""

import numpy as np
import pytest

from trigsieve_samples import layout


def one_event():
    events = layout.empty_events(1)
    layout.set_missing_momentum(events, 12.0, 0.3)
    zero = np.zeros(2, int)
    layout.fill(events, layout.MUONS, zero, np.array([5.0, 30.0]), np.array([1.0, 2.0]),
                np.array([0.1, 0.2]))
    return events


def test_fill_sorts_and_leaves_other_rows_zero():
    event = one_event()[0]
    assert event[5].tolist() == pytest.approx([30.0, 2.0, 0.2, 3.0])
    assert event[6].tolist() == pytest.approx([5.0, 1.0, 0.1, 3.0])
    assert not event[7:].any() and not event[1:5].any()
    assert layout.violations(event[None]) == []


def test_fill_keeps_the_hardest_of_each_event():
    events = layout.empty_events(3)
    event = np.repeat([2, 0], 12)
    pt = np.tile(np.arange(1.0, 13.0), 2)
    layout.fill(events, layout.JETS, event, pt, 0 * pt, 0 * pt)
    for index in (0, 2):
        assert events[index, 9:, 0].tolist() == list(range(12, 2, -1))
    assert not events[1].any()


@pytest.mark.parametrize("spoil, word", [
    (lambda e: e.__setitem__((0, 0, 1), 0.5), "row 0"),
    (lambda e: e.__setitem__((0, 6, 0), 99.0), "sorted"),
    (lambda e: e.__setitem__((0, 5, 3), 4.0), "class other"),
    (lambda e: e.__setitem__((0, 10, 1), 1.0), "all zero"),
    (lambda e: e.__setitem__((0, 5, 0), 20.0), "trigger"),
    (lambda e: e.__setitem__((0, 5, 2), 4.0), "phi"),
    (lambda e: e.__setitem__((0, 5, 0), np.nan), "finite"),
])
def test_violations_name_what_is_broken(spoil, word):
    events = one_event()
    spoil(events)
    assert any(word in text for text in layout.violations(events))


def test_violations_refuse_another_shape_or_type():
    assert layout.violations(np.zeros((2, 18, 4), np.float32))
    assert layout.violations(np.zeros((2, 19, 4)))
