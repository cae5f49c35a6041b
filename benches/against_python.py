"""The engine against its peers, interleaved, in one run.

Throughput: `replay --rate max --workers 1` against a tight loop over Python's onnxruntime on the same rows in the
same batches, each bound to one and the same core. Latency: `replay --rate 100kHz --batch 1` beside a bare ONNX
Runtime call on the same schedule. Medians and the range of the ratio over the rounds; absolute figures mean little
on a shared machine.

The scores of both are compared before anything is timed.
"""

import argparse
import datetime
import glob
import json
import os
import platform
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import numpy
import onnxruntime
import pyarrow

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ROOT / "target/release/trigsieve"
CORE = max(os.sched_getaffinity(0))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=Path, default=ROOT / "out/demo/background.arrow")
    parser.add_argument("--model", type=Path, default=ROOT / "models/l1_ae")
    parser.add_argument("--batches", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--output", type=Path, default=ROOT / "out/bench")
    return parser.parse_args()


def rows_of(events):
    table = pyarrow.ipc.open_file(pyarrow.memory_map(str(events))).read_all()
    inputs = table["inputs"].combine_chunks()
    return inputs.values.to_numpy().reshape(len(table), -1)


def session_of(graph):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def python_pass(session, rows, batch, scores):
    for first in range(0, len(rows), batch):
        scores[first : first + batch] = session.run(None, {"inputs": rows[first : first + batch]})[0]


def python_rate(session, rows, batch, passes):
    """Events a second of the tight loop, bound to one core."""
    scores = numpy.empty(len(rows), numpy.float32)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORE})
    python_pass(session, rows, batch, scores)
    start = time.perf_counter()
    for _ in range(passes):
        python_pass(session, rows, batch, scores)
    elapsed = time.perf_counter() - start
    os.sched_setaffinity(0, allowed)
    return passes * len(rows) / elapsed


def replay(args, output, *flags, core=None):
    command = [ENGINE, "replay", args.events, "--model", args.model, "--engine", "onnx", "--workers", "1"]
    command += ["-o", output, "--force", "--quiet", *flags]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    subprocess.run([str(word) for word in command], check=True)
    return json.loads((output / "run.json").read_text())


def check(args, session, rows):
    """Both sides must score alike before they are timed."""
    output = args.output / "check"
    replay(args, output, "--threshold=-1e30")
    tagged = pyarrow.ipc.open_file(pyarrow.memory_map(str(output / "tagged.arrow"))).read_all()
    ours = tagged[f"score_{args.model.name}"].to_numpy()
    theirs = session.run(None, {"inputs": rows})[0]
    difference = numpy.max(numpy.abs(ours - theirs) / numpy.maximum(numpy.abs(theirs), 1e-30))
    if len(ours) != len(theirs) or not difference <= 1e-5:
        raise SystemExit(f"scores differ by up to {difference:.2g} relative: nothing to time")
    return float(difference)


def throughput(args, session, rows, batch):
    seconds_a_pass = len(rows) / python_rate(session, rows, batch, 1)
    passes = max(1, round(args.seconds / seconds_a_pass))
    flags = ["--threshold=1e30", "--batch", batch, "--repeat", passes]
    rounds = []
    for _ in range(args.rounds):
        peer = python_rate(session, rows, batch, passes)
        ours = replay(args, args.output / "throughput", *flags, core=CORE)["throughput_hz"]
        rounds.append({"python_hz": peer, "replay_hz": ours, "ratio": ours / peer})
    return {"batch": batch, "passes": passes, "rounds": rounds}


def bare_ort(args):
    """The newest build of the bench binary, and the library of this Python's onnxruntime."""
    binaries = [path for path in glob.glob(str(ROOT / "target/release/deps/bare_ort-*")) if not path.endswith(".d")]
    library = glob.glob(str(Path(onnxruntime.__file__).parent / "capi/libonnxruntime.so*"))[0]
    command = [max(binaries, key=os.path.getmtime), library, args.model / "float.onnx", args.events, args.seconds]
    output = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    return json.loads(output.stdout)["latency_ns_100kHz"]


def latency(args):
    flags = ["--threshold=1e30", "--rate", "100kHz", "--batch", "1", "--duration", f"{args.seconds}s", "--pin"]
    rounds = []
    for _ in range(args.rounds):
        bare = bare_ort(args)
        ours = replay(args, args.output / "latency", *flags)["latency_ns"]
        rounds.append({"bare_run": bare["run"], "bare_binding": bare["binding"], "replay": ours})
    return rounds


def median(rounds, key):
    return statistics.median(entry[key] for entry in rounds)


def report(result):
    lines = ["| batch | Python onnxruntime, M events/s | replay, M events/s | ratio: median (range) |", "|---|---|---|---|"]
    for entry in result["throughput"]:
        rounds = entry["rounds"]
        ratios = [one["ratio"] for one in rounds]
        lines.append(
            f"| {entry['batch']} | {median(rounds, 'python_hz') / 1e6:.2f} | {median(rounds, 'replay_hz') / 1e6:.2f} "
            f"| {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f}) |"
        )
    lines += ["", "| 100 kHz, single events, us | p50 | p99 | p99.9 | max |", "|---|---|---|---|---|"]
    names = {"bare_run": "bare call", "bare_binding": "bare call, IO binding", "replay": "replay"}
    for key, name in names.items():
        cells = [
            statistics.median(entry[key][quantile] for entry in result["latency"]) / 1e3
            for quantile in ("p50", "p99", "p99_9", "max")
        ]
        lines.append(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return "\n".join(lines)


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "unknown")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "date": datetime.date.today().isoformat(),
        "commit": commit.stdout.strip(),
        "onnxruntime": onnxruntime.__version__,
    }


def main():
    args = arguments()
    shutil.rmtree(args.output, ignore_errors=True)
    args.output.mkdir(parents=True)
    rows = rows_of(args.events)
    session = session_of(args.model / "float.onnx")
    result = {"machine": machine(), "events": len(rows), "largest_score_difference": check(args, session, rows)}
    result["throughput"] = [throughput(args, session, rows, batch) for batch in args.batches]
    result["latency"] = latency(args)
    (args.output / "against_python.json").write_text(json.dumps(result, indent=1) + "\n")
    print(report(result))
    print(f"\n{result['machine']}")


if __name__ == "__main__":
    main()
