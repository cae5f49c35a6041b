"""`trigsieve-train` beside the JAX reference: the same recipe, data, seeds and cores, one after the other in turn.

    python training/reference/compare.py models/recipes/l1_ae.toml training/reference/plain_ae.toml --data . \\
        --background background_test.arrow --signal a_to_4l.arrow leptoquark.arrow -o out/reference

Prints, for every recipe, the mean AUC of every signal on each side with the spread over seeds (largest minus smallest), the
signal efficiencies at a background efficiency of 1e-4, and the ratios of times: of an epoch's training steps (wall), and of the
whole program, start, compilation and validation included, wall and processor time. On a machine with other work, believe the last. Needs built `trigsieve` and `trigsieve-train`
(cargo build --release --workspace).
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = Path(__file__).resolve().parent / "train_jax.py"
POINT = "1e-4"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, default=Path("."), help="folder at which the recipes' relative paths start")
    parser.add_argument("--background", type=Path, required=True)
    parser.add_argument("--signal", type=Path, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, help="instead of the recipes' max_epochs, with as much patience")
    parser.add_argument("--cores", type=int, nargs="+", default=sorted(os.sched_getaffinity(0))[:2])
    parser.add_argument("--bin", type=Path, default=ROOT / "target/release", help="folder of the two programs")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "out/reference")
    return parser.parse_args()


def children_seconds():
    """Processor time of all commands so far, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds_of(command, cores):
    """Runs a command on these cores; its output, its wall time and its processor time."""
    start, before = time.perf_counter(), children_seconds()
    pin = lambda: os.sched_setaffinity(0, cores)
    done = subprocess.run([str(part) for part in command], preexec_fn=pin, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"error: {' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout, time.perf_counter() - start, children_seconds() - before


def replaced(text, key, value):
    text, count = re.subn(rf"(?m)^{key}\s*=.*$", f"{key} = {value}", text)
    if count != 1:
        raise SystemExit(f"error: the recipe has {count} lines `{key} = ...`, expected 1")
    return text


def recipe_for(given, recipe, seed, folder):
    """The recipe with another seed, as a file that both sides read."""
    text = replaced(recipe.read_text(), "seed", seed)
    if given.epochs:
        text = replaced(replaced(text, "max_epochs", given.epochs), "patience", given.epochs)
    path = folder / f"seed{seed}.toml"
    path.write_text(text)
    return path


def trigsieve(given, recipe, seed, folder):
    bundle, evaluation = folder / f"bundle{seed}", folder / f"evaluation{seed}"
    train = [given.bin / "trigsieve-train", recipe, "--data", given.data, "-o", bundle, "--force"]
    printed, seconds, processor = seconds_of(train, given.cores)
    rate = re.search(r"([0-9]+) events/s", printed)
    if rate is None:
        raise SystemExit(f"error: trigsieve-train did not print its events/s: {printed.strip()}")
    samples = ["--background", given.background, "--signal", *given.signal]
    command = [given.bin / "trigsieve", "evaluate", *samples, "--model", bundle, "-o", evaluation, "--force"]
    seconds_of([*command, "--engine", "rten"], given.cores)
    signals = json.loads((evaluation / "metrics.json").read_text())["signals"]
    auc = {name: signal["auc"] for name, signal in signals.items()}
    efficiency = {name: signal["efficiency"][POINT]["value"] for name, signal in signals.items()}
    times = {"seconds": seconds, "processor_seconds": processor, "events_per_second": int(rate[1])}
    return {"auc": auc, "efficiency": efficiency, **times}


def jax(given, recipe, seed, folder):
    output = folder / f"jax{seed}.json"
    samples = ["--background", given.background, "--signal", *given.signal]
    command = [sys.executable, REFERENCE, recipe, "--data", given.data, *samples, "--seeds", seed, "-o", output]
    _, seconds, processor = seconds_of(command, given.cores)
    result = json.loads(output.read_text())
    run = result["runs"][0]
    auc = {name: signal["auc"] for name, signal in run["signals"].items()}
    efficiency = {name: signal[POINT] for name, signal in run["signals"].items()}
    rate = result["events_an_epoch"] / run["seconds_an_epoch"]
    # The engine's side has an evaluation in another program; here it is part of the run.
    times = {"seconds": seconds - run["seconds_scoring"], "events_per_second": rate}
    times["processor_seconds"] = processor - run["processor_seconds_scoring"]
    return {"auc": auc, "efficiency": efficiency, **times}


SIDES = {"trigsieve": trigsieve, "jax": jax}


def compare(given, recipe):
    """Both sides with every seed; the side that goes first alternates."""
    folder = given.output / recipe.stem
    folder.mkdir(parents=True, exist_ok=True)
    runs = {side: [] for side in SIDES}
    for turn, seed in enumerate(given.seeds):
        written = recipe_for(given, recipe, seed, folder)
        for side in list(SIDES)[:: 1 if turn % 2 == 0 else -1]:
            runs[side].append(SIDES[side](given, written, seed, folder))
            print(f"{recipe.stem}, seed {seed}, {side}: {runs[side][-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    (folder / "runs.json").write_text(json.dumps(runs, indent=1) + "\n")
    return runs


def mean_and_spread(runs, quantity, signal, digits):
    values = [run[quantity][signal] for run in runs]
    mean, spread = statistics.mean(values), max(values) - min(values)
    return mean, spread, f"{mean:.{digits}f} ({spread:.{digits}f})"


def report(recipe, runs):
    ours, theirs = runs["trigsieve"], runs["jax"]
    print(f"\n### {recipe.stem}: mean of {len(ours)} seeds (largest minus smallest)\n")
    print(f"| signal | AUC, trigsieve | AUC, JAX | difference | within the spread | eS at {POINT}, trigsieve | eS, JAX |")
    print("|---|---|---|---|---|---|---|")
    for signal in ours[0]["auc"]:
        mean, spread, text = mean_and_spread(ours, "auc", signal, 4)
        other, other_spread, other_text = mean_and_spread(theirs, "auc", signal, 4)
        within = "yes" if abs(mean - other) <= max(spread, other_spread) else "no"
        efficiencies = [mean_and_spread(side, "efficiency", signal, 5)[2] for side in (ours, theirs)]
        print(f"| {signal} | {text} | {other_text} | {mean - other:+.4f} | {within} | {' | '.join(efficiencies)} |")
    steps = [b["events_per_second"] / a["events_per_second"] for a, b in zip(ours, theirs)]
    whole, processor = ([a[key] / b[key] for a, b in zip(ours, theirs)] for key in ("seconds", "processor_seconds"))
    print(f"\nTime of an epoch's training steps, trigsieve / JAX: {ratios(steps)}; of the whole program: {ratios(whole)}; ", end="")
    print(f"its processor time: {ratios(processor)}.")


def ratios(values):
    return f"median {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    given = arguments()
    for recipe in given.recipes:
        report(recipe, compare(given, recipe))


if __name__ == "__main__":
    main()
