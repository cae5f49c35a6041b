"""Threads inside of an ONNX Runtime session against sessions of one thread each, on the same cores.

    .venv/bin/python benches/session_threads.py MODEL.onnx... [--cores 2] [--rounds 9] [--seconds 0.2] [--spin]

For each graph and batch: events a second of one session with one thread, of one session with as many threads as cores, and
of as many sessions of one thread, each on a thread of its own, in turn; medians, and the ratio of the second and the third to
the first with the range over the rounds. Inputs are normal deviates of a fixed seed; scores are compared before anything is timed.
"""

import argparse
import statistics
import threading
import time

import numpy as np
import onnxruntime as ort

BATCHES = [256, 1024, 4096, 16384]


def session(path, threads, spin):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def rate(sessions, events, seconds):
    """Events a second of all sessions together, each on a thread of its own."""
    rates = [0.0] * len(sessions)
    ready = threading.Barrier(len(sessions))

    def run(index):
        feed = {"inputs": events}
        sessions[index].run(None, feed)
        ready.wait()
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            sessions[index].run(None, feed)
            calls += 1
        rates[index] = calls * len(events) / (time.perf_counter() - start)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(sessions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--spin", action="store_true", help="let the threads of a session spin between calls")
    arguments = parser.parse_args()
    print(f"onnxruntime {ort.__version__}, M events/s: 1 session of 1 thread | 1 of {arguments.cores} | {arguments.cores} of 1")
    for path in arguments.models:
        one = [session(path, 1, arguments.spin)]
        wide = [session(path, arguments.cores, arguments.spin)]
        many = [session(path, 1, arguments.spin) for _ in range(arguments.cores)]
        k = one[0].get_inputs()[0].shape[1]
        events = np.random.default_rng(1).standard_normal((max(BATCHES), k)).astype(np.float32)
        expected = one[0].run(None, {"inputs": events})[0]
        found = wide[0].run(None, {"inputs": events})[0]
        if not np.allclose(expected, found, rtol=1e-5):
            raise SystemExit(f"{path}: scores differ between one thread and {arguments.cores}")
        for batch in BATCHES:
            rounds = [[rate(kind, events[:batch], arguments.seconds) for kind in (one, wide, many)] for _ in range(arguments.rounds)]
            medians = [statistics.median(column) / 1e6 for column in zip(*rounds)]
            ratios = [sorted(row[way] / row[0] for row in rounds) for way in (1, 2)]
            text = "  ".join(f"{statistics.median(r):.2f} ({r[0]:.2f}-{r[-1]:.2f})" for r in ratios)
            print(f"{path}  batch {batch:6}  " + "  ".join(f"{median:7.3f}" for median in medians) + f"  ratios {text}", flush=True)


if __name__ == "__main__":
    main()
