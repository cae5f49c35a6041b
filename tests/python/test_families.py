"""Graphs of every family that can be trained, as ONNX's own checker sees them."""

import hashlib
import subprocess

import onnx
import pytest

from conftest import ROOT, Graph, card, trigsieve

TRAINER = ROOT / "target/release/trigsieve-train"

RECIPE = """
name = "{name}"
description = "A test."
seed = 1
[data]
files = ["background.arrow"]
encoding = "{encoding}"
validation_fraction = 0.4
[preprocessing]
pt = {{ log1p = {{ scale_gev = 10.0 }} }}
constant_inputs = "ignore"
[training]
batch = 256
max_epochs = 1
[network]
{network}
"""

NETWORKS = {
    "autoencoder": 'family = "autoencoder"\nhidden = [8]\nactivation = "elu"',
    "unmasked": 'family = "autoencoder"\nhidden = [8]\n[score]\nmasking = false',
    "vae_mse": 'family = "vae"\nhidden = [8]\nlatent = 3',
    **{
        f"vae_{score}": f'family = "vae"\nhidden = [8]\nlatent = 3\n[score]\nname = "{score}"'
        for score in ("mu2", "radius", "r_z", "kl")
    },
    "deep_svdd": 'family = "deep_svdd"\nhidden = [8]\noutput_dimension = 3',
    "deep_svdd_kl": 'family = "deep_svdd"\nhidden = [8]\noutput_dimension = 3\nloss = "kl"',
    "ensemble": 'family = "deep_svdd_ensemble"\nhidden = [8]\noutput_dimensions = [2]\ntargets = [0.0, 1.0]',
}

CHALLENGE = """
1;ttbar;1.0;30000;0.5;j,90000,60000,0.3,1.2;b,80000,50000,-0.7,2.0
2;ttbar;1.0;70000;-1.5;j,95000,40000,1.3,-1.2;e-,50000,30000,0.2,0.1
3;wjets;1.0;20000;2.5;m+,90000,35000,0.3,-2.2;j,60000,50000,0.7,1.0;g,30000,25000,0.1,-0.4
"""


def train(folder, name, network, encoding="l1_57"):
    recipe = folder / f"{name}.toml"
    recipe.write_text(RECIPE.format(name=name, encoding=encoding, network=network))
    command = [TRAINER, recipe, "-o", folder / name, "--data", folder, "--force", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder / name


def check(bundle):
    """ONNX's checker, and what the card says of the files."""
    assert Graph.files(bundle) == ["float.onnx", "int8.onnx"]
    for file in Graph.files(bundle):
        onnx.checker.check_model(str(bundle / file), full_check=True)
        model = onnx.load(bundle / file)
        assert "Identity" not in {node.op_type for node in model.graph.node}
        read = {name for node in model.graph.node for name in node.input} | {"score"}
        written = {name for node in model.graph.node for name in node.output}
        written |= {tensor.name for tensor in model.graph.initializer} | {"inputs"}
        assert read == written, "nothing is computed for nobody"
        assert hashlib.sha256((bundle / file).read_bytes()).hexdigest() == card(bundle)["files"][file]


@pytest.fixture(scope="module")
def l1(background, tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    (folder / "background.arrow").symlink_to(background)
    return folder


@pytest.mark.parametrize("name", NETWORKS)
def test_the_checker_accepts_every_family(l1, name):
    check(train(l1, name, NETWORKS[name]))


@pytest.mark.parametrize("rule", ["and", "or", "product", "average"])
def test_the_checker_accepts_combinations(l1, rule):
    members = [train(l1, name, NETWORKS[name]).name for name in ("unmasked", "deep_svdd")]
    network = f'family = "combination"\nmembers = {members}\nrule = "{rule}"'
    check(train(l1, f"combined_{rule}", network))


@pytest.mark.parametrize("encoding", ["simple_ae_34", "dm_dynamic"])
def test_the_checker_accepts_other_encodings(tmp_path, encoding):
    """Object types and their cross-entropy are in the graph of `dm_dynamic`."""
    lines = [line for line in CHALLENGE.strip().splitlines()] * 500
    source = tmp_path / "background.csv"
    source.write_text("\n".join(lines) + "\n")
    convert = ["--from", "darkmachines", "--encoding", encoding, "-o", tmp_path / "background.arrow"]
    trigsieve("convert", source, *convert)
    check(train(tmp_path, "vae", NETWORKS["vae_mse"], encoding))
