"""`trigsieve bench --against python`: the peer really runs, in the same rounds."""

import json
import sys

from conftest import trigsieve


def test_python_is_measured_beside_the_engine(graph, background, tmp_path):
    if graph.precision != "float":
        engines = f"rten:{graph.precision}"
    else:
        engines = "rten,onnx"
    trigsieve(
        "bench", "--model", graph.bundle, "--events", background, "--engine", engines, "--batch", 1000,
        "--rounds", 2, "--time", "20ms", "--against", "python", "--python", sys.executable, "-o", tmp_path / "out",
    )
    entries = json.loads((tmp_path / "out/bench.json").read_text())["entries"]
    peers = [entry for entry in entries if entry["way"] == "python"]
    assert len(peers) == 1 and len(peers[0]["rounds_hz"]) == 2
    replays = [entry for entry in entries if entry["way"] == "replay"]
    assert all({ratio["to"] for ratio in entry["ratios"]} == {"call", "python"} for entry in replays)
