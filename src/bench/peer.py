"""The peer of `trigsieve bench --against python`: a tight loop over Python's onnxruntime on one thread.

Standard input: a line of JSON {"k", "events", "precise"} (whether int8 graphs run in ONNX Runtime's precise mode), the inputs as native float32 rows, then a request a line, {"graph",
"batch", "seconds"}; seconds 0 asks for scores. Standard output: a line of JSON with the versions; then for each request
the scores as native float32, or a line of JSON {"events", "seconds", "calls_ns"}.
"""

import json
import sys
import time

import numpy
import onnxruntime


def session_of(graph, precise):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1" if precise else "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def batches(rows, batch):
    return [rows[first : first + batch] for first in range(0, len(rows), batch)]


def timed(session, parts, seconds):
    calls_ns, events, begin = [], 0, time.perf_counter_ns()
    now, end = begin, begin + int(seconds * 1e9)
    while now < end:
        for part in parts:
            session.run(None, {"inputs": part})
            previous, now = now, time.perf_counter_ns()
            calls_ns.append(now - previous)
            events += len(part)
            if now >= end:
                break
    return {"events": events, "seconds": (now - begin) * 1e-9, "calls_ns": calls_ns}


def main():
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    header = json.loads(stdin.readline())
    size = header["k"] * header["events"]
    rows = numpy.frombuffer(stdin.read(4 * size), numpy.float32).reshape(header["events"], header["k"])
    versions = {"onnxruntime": onnxruntime.__version__, "python": sys.version.split()[0]}
    stdout.write(json.dumps(versions).encode() + b"\n")
    stdout.flush()
    sessions = {}
    for line in stdin:
        request = json.loads(line)
        graph = request["graph"]
        if graph not in sessions:
            sessions[graph] = session_of(graph, header["precise"])
        session, parts = sessions[graph], batches(rows, request["batch"])
        if request["seconds"]:
            session.run(None, {"inputs": parts[0]})  # not timed: the first call of a shape is not one like the others
            stdout.write(json.dumps(timed(session, parts, request["seconds"])).encode() + b"\n")
        else:
            scores = numpy.concatenate([session.run(None, {"inputs": part})[0].reshape(-1) for part in parts])
            stdout.write(scores.astype(numpy.float32).tobytes())
        stdout.flush()


main()
