"""What the tests share: the built engine, the bundled models, and the sample, converted once."""

import dataclasses
import functools
import itertools
import json
import os
import platform
import subprocess
import tomllib
from pathlib import Path

import h5py
import numpy
import onnxruntime
import pyarrow
import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "target/release/trigsieve"
SIGNALS = ("a_to_4l", "leptoquark", "h0_to_tautau", "hch_to_taunu")
BUNDLES = sorted(path.parent for path in ROOT.glob("models/*/model.toml"))


def pytest_generate_tests(metafunc):
    """Crosses a test that takes `graph` with every graph that scores the trigger sample, `challenge_graph` with those for
    the challenge's text events, `any_graph` with those of every bundle, `int8_graph` with the quantised ones."""
    trigger = [bundle for bundle in BUNDLES if card(bundle)["encoding"] == "l1_57"]
    challenge = [bundle for bundle in BUNDLES if bundle not in trigger]
    choices = {
        "graph": (trigger, ".onnx"),
        "challenge_graph": (challenge, ".onnx"),
        "any_graph": (BUNDLES, ".onnx"),
        "int8_graph": (BUNDLES, "int8.onnx"),
    }
    for name, (bundles, suffix) in choices.items():
        if name in metafunc.fixturenames:
            graphs = [Graph(bundle, file) for bundle in bundles for file in Graph.files(bundle) if file.endswith(suffix)]
            assert graphs, "no bundle in models/"
            metafunc.parametrize(name, graphs, ids=str)


@dataclasses.dataclass(frozen=True)
class Graph:
    """One graph of a bundle."""

    bundle: Path
    file: str

    @staticmethod
    def files(bundle):
        return sorted(name for name in card(bundle)["files"] if name.endswith(".onnx"))

    @property
    def name(self):
        return card(self.bundle)["name"]

    @property
    def precision(self):
        return self.file.removesuffix(".onnx")

    @property
    def path(self):
        return self.bundle / self.file

    def scores(self, rows):
        """Python's ONNX Runtime on the same graph: one thread, as the engine."""
        return session(self.path).run(["score"], {"inputs": rows})[0]

    def __str__(self):
        return f"{self.bundle.name}-{self.precision}"


def card(bundle):
    return tomllib.loads((bundle / "model.toml").read_text())


@functools.cache
def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # As the engine: without VNNI, pairs of int8 products are else added in 16 bits, which saturate.
    if platform.machine() == "x86_64" and "vnni" not in Path("/proc/cpuinfo").read_text():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def trigsieve(*arguments, check=True, **kwargs):
    """Runs the engine, without the user's own choice of ONNX Runtime."""
    environment = {key: value for key, value in os.environ.items() if key not in ("ORT_DYLIB_PATH", "RUST_LOG")}
    command = [ENGINE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60, **kwargs)
    if check:
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stderr}"
    return done


@dataclasses.dataclass(frozen=True)
class Run:
    """What a replay left."""

    folder: Path

    @functools.cached_property
    def report(self):
        return json.loads((self.folder / "run.json").read_text())

    @functools.cached_property
    def tagged(self):
        return read_arrow(self.folder / "tagged.arrow")

    def column(self, name):
        return self.tagged.column(name).to_numpy()


def read_arrow(path):
    with pyarrow.ipc.open_file(path) as reader:
        return reader.read_all()


def rows_of(table):
    """The `inputs` column as [N, K]."""
    column = table.column("inputs").combine_chunks()
    return column.flatten().to_numpy().reshape(len(table), -1)


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """The bundled sample as event tables, by name."""
    folder = tmp_path_factory.mktemp("sample")
    names = {"background": 0, **{f"signal_{signal}": 1 for signal in SIGNALS}}
    tables = {name: folder / f"{name}.arrow" for name in names}
    for name, label in names.items():
        trigsieve("convert", ROOT / f"samples/{name}.h5", "--from", "adc2021", "--label", label, "-o", tables[name])
    return tables


@pytest.fixture(scope="session")
def background(sample):
    return sample["background"]


@pytest.fixture(scope="session")
def background_rows(background):
    return rows_of(read_arrow(background))


@pytest.fixture(scope="session")
def particles():
    """The sample as h5py reads it."""
    with h5py.File(ROOT / "samples/background.h5") as file:
        return file["Particles"][:]


@pytest.fixture
def replay(tmp_path):
    """`replay(events, graph, *flags)`: runs it into a new folder."""
    number = itertools.count()

    def run(events, graph, *flags, check=True):
        folder = tmp_path / f"run{next(number)}"
        events = [events] if isinstance(events, Path) else events
        model = ["--model", graph.bundle, "--precision", graph.precision]
        trigsieve("replay", *events, *model, "-o", folder, *flags, check=check)
        return Run(folder)

    return run


@pytest.fixture(scope="session")
def float_graph():
    """The float graph of the first bundle, for tests that are about something else than the model."""
    assert BUNDLES, "no bundle in models/"
    return Graph(ROOT / "models/l1_ae", "float.onnx")


def write_menu(path, *paths):
    lines = []
    for entry in paths:
        lines.append("[[path]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def assert_counters_add_up(report):
    dropped = report["events_dropped"]
    assert dropped["total"] == sum(count for cause, count in dropped.items() if cause != "total")
    assert report["events_in"] == report["events_scored"] + dropped["total"]
    assert report["counters_add_up"] is True


def relative_difference(left, right):
    left, right = numpy.asarray(left, "f8"), numpy.asarray(right, "f8")
    scale = numpy.maximum(numpy.maximum(abs(left), abs(right)), numpy.finfo("f4").tiny)
    return float((abs(left - right) / scale).max(initial=0))
