"""The reader of docs/nats.md, as it stands there, against the files that the same service writes."""

import re
import socket
import subprocess
import sys
import time

import numpy

from conftest import ROOT, read_arrow, rows_of, trigsieve


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    until = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until, "no nats-server"
            time.sleep(0.05)


def reader():
    """The program in the documentation."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/nats.md").read_text(), re.DOTALL)
    (block,) = [block for block in blocks if "import nats" in block]
    return block


def test_the_documented_reader_gives_what_the_files_have(float_graph, background, tmp_path):
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    command = [ROOT / ".venv/bin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", tmp_path / "store"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port)
            events = trigsieve("send", background, "--to", f"{url}/FRAMES", "--create", "--frame-events", 64)
            assert "stored by the server" in events.stdout
            folder = tmp_path / "files"
            model = ["--model", float_graph.bundle, "--engine", "rten", "--target-rate", "4MHz", "--input-rate", "40MHz"]
            sinks = ["--sink", f"{url}/RESULTS", "--sink", f"file:{folder}"]
            trigsieve("serve", "--source", f"{url}/FRAMES/trigger", *sinks, *model, "--create", "--until-end", 1)
            program = tmp_path / "reader.py"
            program.write_text(reader())
            done = subprocess.run([sys.executable, program, url], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
        finally:
            server.kill()
    found = numpy.array([line.split() for line in done.stdout.splitlines()])
    files = [read_arrow(path) for path in sorted(folder.glob("tagged-*.arrow"))]
    events, inputs, decisions, scores = (numpy.concatenate(column) for column in zip(*map(columns, files)))
    assert len(events) > 0 and len(found) == len(events)
    found, order = found[numpy.argsort(found[:, 0].astype("u8"))], numpy.argsort(events)
    assert (found[:, 0].astype("u8") == events[order]).all()
    assert (found[:, 1:-2].astype(inputs.dtype) == inputs[order]).all()
    assert (found[:, -2].astype("u4") == decisions[order]).all()
    assert (found[:, -1].astype("f4") == scores[order]).all()


def columns(table):
    score = next(name for name in table.column_names if name.startswith("score_"))
    rest = (table.column(name).to_numpy() for name in ("decision", score))
    return table.column("event_id").to_numpy(), rows_of(table), *rest
