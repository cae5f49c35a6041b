#!/usr/bin/env python3
"""Compares two files in the ADC2021 layout: table of distances, and SVG histograms.

    python compare.py FIRST.h5 SECOND.h5 --labels first second \
        --table table.md --figure histograms.svg

Per event one number enters each comparison (a multiplicity, the leading object, ...), so
that the Kolmogorov-Smirnov test is not fed several objects of one event. Its p-value
takes the events as independent; where hard scatterings are used more than once it is
too small by a little. For multiplicities, which are discrete, it is too large.

SPDX-License-Identifier: MIT OR Apache-2.0
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import matplotlib
import numpy as np

matplotlib.use("svg")
from matplotlib import pyplot as plt  # noqa: E402  (the backend has to be chosen first)
from matplotlib.ticker import NullFormatter  # noqa: E402

from trigsieve_samples import layout  # noqa: E402

QUANTILES = (0.05, 0.5, 0.95, 0.99)
COLOURS = ("#0b5fa5", "#d1690e")


@dataclass(frozen=True)
class Quantity:
    """A number per event (NaN where the event has none) and how to draw it."""

    name: str
    of: callable
    log_axis: bool = False
    discrete: bool = False


def multiplicity(block):
    return lambda events: (events[:, block.rows, 3] > 0).sum(axis=1).astype(float)


def nth(block, rank, column):
    """Column of the object of the given rank in pT."""
    def value(events):
        row = events[:, block.first + rank]
        return np.where(row[:, 3] > 0, row[:, column], np.nan).astype(float)
    return value


def scalar_sum(events):
    total = events[:, layout.JETS.rows, 0].sum(axis=1, dtype=float)
    return np.where(total > 0, total, np.nan)


def transverse_mass(events):
    """Of the hardest e/gamma or muon and the missing momentum."""
    leptons = np.stack([events[:, b.first] for b in (layout.EGAMMAS, layout.MUONS)], axis=1)
    hardest = leptons[np.arange(len(events)), leptons[:, :, 0].argmax(axis=1)].astype(float)
    met = events[:, 0].astype(float)
    opening = 1 - np.cos(hardest[:, 2] - met[:, 2])
    return np.sqrt(2 * hardest[:, 0] * met[:, 0] * opening)


def quantities() -> list[Quantity]:
    chosen = [Quantity("MET [GeV]", lambda events: events[:, 0, 0].astype(float), True)]
    for block in layout.BLOCKS[1:]:
        chosen += [
            Quantity(f"{block.name} multiplicity", multiplicity(block), discrete=True),
            Quantity(f"leading {block.name} pT [GeV]", nth(block, 0, 0), True),
            Quantity(f"second {block.name} pT [GeV]", nth(block, 1, 0), True),
            Quantity(f"leading {block.name} eta", nth(block, 0, 1)),
        ]
    return chosen + [
        Quantity("scalar sum of jet pT [GeV]", scalar_sum, True),
        Quantity("transverse mass (lepton, MET) [GeV]", transverse_mass),
    ]


def kolmogorov_smirnov(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Two-sample distance and its asymptotic p-value (Stephens' finite-size correction)."""
    n, m = len(first), len(second)
    if n == 0 or m == 0:
        return float("nan"), float("nan")
    points = np.concatenate([first, second])
    cumulative = [np.searchsorted(np.sort(x), points, side="right") / len(x)
                  for x in (first, second)]
    distance = np.abs(cumulative[0] - cumulative[1]).max()
    root = np.sqrt(n * m / (n + m))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:  # the alternating series below converges too slowly; p is 1 to 1e-12
        return distance, 1.0
    k = np.arange(1, 101)
    p_value = 2 * np.sum((-1.0)**(k - 1) * np.exp(-2 * (k * scaled)**2))
    return distance, float(np.clip(p_value, 0, 1))


def read(path: Path, max_events: int | None) -> np.ndarray:
    with h5py.File(path) as file:
        return file["Particles"][:max_events]


def table(samples, labels) -> str:
    """Markdown: per quantity the mean and quantiles of both, KS distance and p-value."""
    pair = f"({labels[0]} / {labels[1]})"
    heads = ["quantity", f"events {pair}", "mean", *(f"{q:.0%}" for q in QUANTILES), "KS", "p"]
    lines = [f"Pairs are {pair}.", "", "| " + " | ".join(h.replace(f" {pair}", "") for h in heads)
             + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for quantity in quantities():
        values = [v[~np.isnan(v)] for v in map(quantity.of, samples)]
        cells = [quantity.name, " / ".join(str(len(v)) for v in values)]
        if all(len(v) for v in values):
            cells.append(" / ".join(f"{v.mean():.3g}" for v in values))
            cells += [" / ".join(f"{np.quantile(v, q):.3g}" for v in values) for q in QUANTILES]
            distance, p_value = kolmogorov_smirnov(*values)
            cells += [f"{distance:.4f}", f"{p_value:.2g}"]
        else:
            cells += ["-"] * (len(heads) - 2)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def bin_edges(quantity: Quantity, values) -> np.ndarray:
    joined = np.concatenate(values)
    if quantity.discrete:
        return np.arange(-0.5, joined.max() + 1)
    low, high = np.quantile(joined, (0.0005, 0.9995))
    if quantity.log_axis:
        return np.geomspace(max(low, 0.5), high, 41)
    return np.linspace(low, high, 41)


def draw(axes, quantity: Quantity, samples, labels) -> None:
    """The two samples in two panels that share their axes, with statistical errors."""
    values = [v[~np.isnan(v)] for v in map(quantity.of, samples)]
    if not all(len(v) for v in values):
        return
    edges = bin_edges(quantity, values)
    for axis, value, label, colour in zip(axes, values, labels, COLOURS):
        counts, _ = np.histogram(value, edges)
        fraction, error = counts / len(value), np.sqrt(counts) / len(value)
        axis.stairs(fraction, edges, fill=True, alpha=0.3, color=colour)
        axis.errorbar((edges[1:] + edges[:-1]) / 2, fraction, error, fmt="none", color=colour)
        axis.set_title(label, fontsize="small")
        axis.set_xlabel(quantity.name)
        if quantity.log_axis:
            axis.set_xscale("log")
            axis.xaxis.set_minor_formatter(NullFormatter())
    # The other sample as a line, because shapes are hard to compare across panels.
    for axis, value, colour in zip(axes, reversed(values), reversed(COLOURS)):
        axis.stairs(np.histogram(value, edges)[0] / len(value), edges, color=colour)
    if quantity.log_axis or quantity.discrete:
        axes[0].set_yscale("log")
        # An error bar reaches 0 in a bin with one event, which a logarithm can't show.
        axes[0].set_ylim(bottom=0.3 / max(map(len, values)))
    axes[0].set_ylabel("fraction of events")


def figure(samples, labels, title: str, path: Path) -> None:
    """All quantities of a pair of files as one SVG."""
    chosen = quantities()
    rows = -(-len(chosen) // 2)
    canvas = plt.figure(figsize=(15, 2.9 * rows), layout="constrained")
    canvas.suptitle(title)
    grid = canvas.subplots(rows, 4, squeeze=False)
    for index, quantity in enumerate(chosen):
        pair = grid[index // 2, 2 * (index % 2):2 * (index % 2) + 2]
        pair[1].sharex(pair[0])
        pair[1].sharey(pair[0])
        draw(pair, quantity, samples, labels)
    for unused in grid.flat[2 * len(chosen):]:
        unused.remove()
    # Without the date the same files give the same SVG.
    canvas.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(canvas)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description="Compare two files in the ADC2021 layout.")
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--labels", nargs=2, default=("first", "second"))
    parser.add_argument("--max-events", type=int, help="read only the first events")
    parser.add_argument("--table", type=Path, help="Markdown file (default: standard output)")
    parser.add_argument("--figure", type=Path, help="SVG file (or PNG, by its suffix)")
    arguments = parser.parse_args(argv)
    try:
        samples = [read(path, arguments.max_events)
                   for path in (arguments.first, arguments.second)]
    except (OSError, KeyError) as error:
        parser.error(str(error))
    text = table(samples, arguments.labels)
    if arguments.table:
        arguments.table.write_text(text)
    else:
        print(text)
    if arguments.figure:
        figure(samples, arguments.labels, arguments.first.stem, arguments.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
