"""A long run of the service: is memory flat, is the latency steady, do the counters add up?

    python tests/python/soak_serve.py EVENTS.arrow --model models/l1_ae --minutes 60 [--source udp://:0] [--engine onnx]

First `trigsieve send` sends as fast as the service takes events (on TCP it is held back): that is the ceiling. Then it sends at half of that for
the time asked for. Memory (VmRSS) is read every ten seconds from /proc, and how much of the time of all processors the hypervisor took away
(steal of /proc/stat), latencies (receipt of a frame to its decision) are those of the
accepted events in the files that the service completes. Prints a table and exits with 1 when something is lost, the counters do not add up, or
the memory of the last tenth exceeds that of the second tenth by more than a twentieth.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

ROOT = Path(__file__).resolve().parent.parent.parent
CEILING_SECONDS = 15
WINDOWS = 10


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--engine", default="onnx")
    parser.add_argument("--source", default="tcp://:0")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate-hz", type=float, help="instead of half the ceiling")
    parser.add_argument("--queue-size", type=int, default=64, help="of the service, MiB: what a backlog may take")
    parser.add_argument("--frame-events", type=int, default=512)
    parser.add_argument("--target-rate", default="1kHz", help="of accepted events, as a share of 1 MHz")
    parser.add_argument("--bin", type=Path, default=ROOT / "target/release/trigsieve")
    return parser.parse_args()


def start(args, folder, log):
    command = [args.bin, "serve", "--source", args.source, "--model", args.model, "--engine", args.engine, "--until-end", "1",
               "--target-rate", args.target_rate, "--input-rate", "1MHz", "--sink", f"file:{folder}", "--drain-time", "60s",
               "--queue-size", args.queue_size]
    service = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=log.open("w"), cwd=ROOT)
    for _ in range(600):
        found = re.search(r"receiving from (\S+)", re.sub(r"\x1b\[[0-9;]*m", "", log.read_text()))
        if found:
            return service, found.group(1)
        time.sleep(0.1)
    raise SystemExit(f"error: the service does not start: {log.read_text()}")


def sender(args, to, seconds, rate, report):
    command = [args.bin, "send", args.events, "--to", to, "--duration", f"{round(seconds * 1000)}ms", "--frame-events",
               args.frame_events, "--rate", rate, "--report", report, "-q"]
    return subprocess.Popen([str(part) for part in command])


def rss_mib(pid):
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


def stolen_ticks():
    """Times since the boot: taken away by the hypervisor, and all, in ticks."""
    ticks = [int(number) for number in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[7], sum(ticks)


def ceiling_hz(args, work):
    service, to = start(args, work / "ceiling", work / "ceiling.log")
    if sender(args, to, CEILING_SECONDS, "max", work / "ceiling.json").wait() != 0 or service.wait() != 0:
        raise SystemExit(f"error: {(work / 'ceiling.log').read_text()}")
    [report] = (work / "ceiling").glob("serve-*.json")
    return json.loads(report.read_text())["events_scored"] / CEILING_SECONDS


def run(args, work, rate_hz):
    """The samples of memory (MiB) and of stolen and all ticks, the service's report and the sender's."""
    service, to = start(args, work / "out", work / "serve.log")
    sending = sender(args, to, args.minutes * 60, f"{rate_hz:.0f}Hz", work / "sent.json")
    samples = []
    while sending.poll() is None:
        samples.append((rss_mib(service.pid), stolen_ticks()))
        time.sleep(10 if args.minutes >= 5 else 1)
    if sending.returncode != 0 or service.wait() != 0:
        raise SystemExit(f"error: {(work / 'serve.log').read_text()}")
    [report] = (work / "out").glob("serve-*.json")
    return samples, json.loads(report.read_text()), json.loads((work / "sent.json").read_text())


def latencies(folder):
    """Latencies of accepted events, ns, in the order of the files, in as many windows as there are."""
    files = sorted(folder.glob("tagged-*.arrow"))
    columns = [pa.ipc.open_file(path).read_all()["latency_ns"] for path in files]
    size = max(1, -(-len(columns) // WINDOWS))
    return [pa.chunked_array(sum((column.chunks for column in columns[first:first + size]), [])) for first in range(0, len(columns), size)]


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        ceiling = ceiling_hz(args, work)
        rate = args.rate_hz or ceiling / 2
        print(f"ceiling {ceiling / 1e6:.3f} M events/s, sent at {rate / 1e6:.3f} M events/s for {args.minutes} minutes", flush=True)
        samples, report, sent = run(args, work, rate)
        windows = latencies(work / "out")
        print("| tenth of the time | memory, MiB | stolen | accepted events | latency p50, us | p99, us | max, us |\n|---|---|---|---|---|---|---|")
        means = []
        for number in range(WINDOWS):
            some = samples[len(samples) * number // WINDOWS:len(samples) * (number + 1) // WINDOWS]
            means.append(sum(mib for mib, _ in some) / max(1, len(some)))
            (stolen, ticks), (stolen_then, ticks_then) = some[-1][1], some[0][1]
            share = (stolen - stolen_then) / max(1, ticks - ticks_then)
            if number < len(windows):
                window = windows[number]
                p50, p99 = pc.quantile(window, q=[0.5, 0.99]).to_pylist()
                print(f"| {number + 1} | {means[-1]:.1f} | {share:.2%} | {len(window)} | {p50 / 1e3:.1f} | {p99 / 1e3:.1f} | {pc.max(window).as_py() / 1e3:.1f} |")
        dropped = report["events_dropped"]
        print(f"memory at the start {samples[0][0]:.1f}, in the middle {samples[len(samples) // 2][0]:.1f}, at the end {samples[-1][0]:.1f} MiB")
        print(f"sent {sent['events']}, scored {report['events_scored']}, kept {report['events_settled']}, accepted {report['events_accepted']}, "
              f"dropped {dropped}, frames lost {report['frames_lost']}, counters add up: {report['counters_add_up']}")
        lost = sent["events"] != report["events_scored"] or report["frames_lost"] or not report["counters_add_up"]
        if lost or means[-1] > 1.05 * means[1]:
            sys.exit("error: something was lost, or memory grew")


if __name__ == "__main__":
    main()
