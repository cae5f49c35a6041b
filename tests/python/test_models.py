"""The bundled graphs, as ONNX's own checker sees them."""

import hashlib

import onnx

from conftest import card


def test_the_checker_accepts_the_graph(any_graph):
    onnx.checker.check_model(str(any_graph.path), full_check=True)


def test_the_contract_holds(any_graph):
    model = onnx.load(any_graph.path, load_external_data=False)
    opset = {entry.domain: entry.version for entry in model.opset_import}
    assert set(opset) <= {"", "ai.onnx"} and max(opset.values()) >= 17
    assert model.ir_version <= 10, "the newest that ONNX Runtime 1.20 loads"
    (inputs,), (score,) = model.graph.input, model.graph.output
    assert (inputs.name, score.name) == ("inputs", "score")
    batch, k = inputs.type.tensor_type.shape.dim
    assert batch.HasField("dim_param") and k.dim_value == card(any_graph.bundle)["inputs"]
    (batch,) = score.type.tensor_type.shape.dim
    assert batch.HasField("dim_param")


def test_the_card_has_the_checksum(any_graph):
    assert hashlib.sha256(any_graph.path.read_bytes()).hexdigest() == card(any_graph.bundle)["files"][any_graph.file]


def test_int8_weights_are_quantised_per_channel(int8_graph):
    model = onnx.load(int8_graph.path)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    operators = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    weights = [
        tensors[node.input[1]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and len(tensors.get(node.input[0], onnx.TensorProto()).dims) == 2
    ]
    assert weights and all(scale.dims and scale.dims[0] > 1 for scale in weights)
