"""The comparison tool."""

import numpy as np
import pytest

import compare
from trigsieve_samples import layout


def sample(seed, scale, tmp_path):
    rng = np.random.default_rng(seed)
    events = layout.empty_events(500)
    layout.set_missing_momentum(events, scale * rng.exponential(20, 500),
                                rng.uniform(-3, 3, 500))
    layout.fill(events, layout.MUONS, np.arange(500), 23 + rng.exponential(10, 500),
                rng.uniform(-2, 2, 500), rng.uniform(-3, 3, 500))
    path = tmp_path / f"{seed}.h5"
    with layout.create(path, 500, {}) as file:
        file["Particles"][:] = events
    return path


def test_kolmogorov_smirnov_of_known_samples():
    same = np.arange(100.0)
    assert compare.kolmogorov_smirnov(same, same) == (0.0, 1.0)
    distance, p_value = compare.kolmogorov_smirnov(same, same + 50)
    assert distance == pytest.approx(0.5) and p_value < 1e-9
    # Critical value of the 5 % level: 1.358 sqrt(2 / n).
    _, p_value = compare.kolmogorov_smirnov(np.arange(10_000.0), np.arange(10_000.0) + 192)
    assert p_value == pytest.approx(0.05, abs=0.01)


def test_table_and_figure(tmp_path):
    paths = [str(sample(1, 1.0, tmp_path)), str(sample(2, 2.0, tmp_path))]
    table, figure = tmp_path / "table.md", tmp_path / "figure.svg"
    assert compare.main([*paths, "--table", str(table), "--figure", str(figure)]) == 0
    rows = {line.split(" | ")[0][2:]: line for line in table.read_text().splitlines()}
    assert float(rows["MET [GeV]"].split(" | ")[-1].rstrip(" |")) < 0.01
    assert float(rows["leading muon eta"].split(" | ")[-1].rstrip(" |")) > 0.001
    assert "</svg>" in figure.read_text()


def test_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(SystemExit) as stop:
        compare.main([str(tmp_path / "a.h5"), str(tmp_path / "b.h5")])
    assert stop.value.code == 2
