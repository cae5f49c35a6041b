"""Small networks, layer by layer, written out by hls4ml."""

import os
import zlib

os.environ.setdefault("HLS4ML_BACKEND_LOG", "0")

import numpy as np
from hls4ml.model.graph import ModelGraph

DEFAULT = "ap_fixed<16,6>"


class Network:
    """Layers in a row, or with branches; `precision` gives the formats of each (result, weight, bias, accum, ...)."""

    def __init__(self, name, shape, input_precision, strategy="Latency", reuse=1, txt=True, namespace=None, **suite):
        self.name, self.layers, self.config = name, [], {}
        self.strategy, self.reuse, self.txt, self.namespace = strategy, reuse, txt, namespace
        self.shapes, self.suite = {}, suite | ({"space": namespace} if namespace else {})
        # A seed of its own for each network: adding one changes no other.
        self.random = np.random.default_rng(zlib.crc32(name.encode()))
        shape = list(np.atleast_1d(shape))
        self.input_precision = input_precision
        self.last = self.layer("x", "InputLayer", [], shape, {"result": input_precision}, input_shape=shape)

    def layer(self, name, kind, inputs, shape, precision, reuse=None, options=None, **attributes):
        self.layers.append({"name": name, "class_name": kind, "inputs": inputs, "outputs": [name], **attributes})
        self.config[name] = {"Precision": precision, "ReuseFactor": reuse or self.reuse, **(options or {})}
        self.config[name].setdefault("Strategy", self.strategy)
        self.shapes[name] = list(shape)
        self.last = name
        return name

    def weights(self, shape, scale, least=None):
        values = self.random.normal(0, scale, shape)
        values[self.random.random(shape) < 0.2] = 0
        return values if least is None else np.maximum(values, least)

    def dense(self, n_out, source=None, scale=1.0, weights=None, biases=None, reuse=None, name=None, **precision):
        source = source or self.last
        n_in = int(np.prod(self.shapes[source]))
        if len(self.shapes[source]) > 1:
            source = self.flat(source)
        name = name or f"dense{len(self.layers)}"
        weights = self.weights((n_in, n_out), scale) if weights is None else weights
        biases = self.weights((n_out,), scale) if biases is None else biases
        formats = {"result": DEFAULT, "weight": "ap_fixed<8,3>", "bias": "ap_fixed<10,4>", "accum": "ap_fixed<24,12>"}
        return self.layer(
            name, "Dense", [source], [n_out], {**formats, **precision}, reuse, n_in=n_in, n_out=n_out,
            weight_data=weights, bias_data=biases,
        )

    def flat(self, source):
        size = int(np.prod(self.shapes[source]))
        name = f"flat{len(self.layers)}"
        return self.layer(name, "Reshape", [source], [size], {}, target_shape=[size])

    def activation(self, function, source=None, kind="Activation", name=None, options=None, result=DEFAULT,
                   table="ap_fixed<18,8>", **attributes):
        source = source or self.last
        name = name or f"{function}{len(self.layers)}"
        size = int(np.prod(self.shapes[source]))
        options = {"TableSize": 1024, **(options or {})}
        precision = {"result": result, "table": table, **attributes.pop("precision", {})}
        return self.layer(name, kind, [source], self.shapes[source], precision, options=options, activation=function, n_in=size, **attributes)

    def normalise(self, channels=None, source=None, scale=0.5, **precision):
        source = source or self.last
        size = int(np.prod(self.shapes[source]))
        count = channels or size
        formats = {"result": DEFAULT, "scale": "ap_fixed<10,2>", "bias": "ap_fixed<10,3>"}
        return self.layer(
            f"normalise{len(self.layers)}", "BatchNormalization", [source], self.shapes[source], {**formats, **precision},
            n_in=size, n_filt=channels or -1, scale_data=self.weights((count,), scale), bias_data=self.weights((count,), scale),
        )

    def merge(self, operation, first, second, kind="Merge", shape=None, axis=None, **precision):
        shape = shape or self.shapes[first if np.prod(self.shapes[first]) >= np.prod(self.shapes[second]) else second]
        attributes = {"op": operation} if axis is None else {"op": operation, "axis": axis}
        return self.layer(
            f"{operation}{len(self.layers)}", kind, [first, second], shape, {"result": DEFAULT, **precision}, **attributes
        )

    def convolution(self, filters, window, stride=1, padding=0, source=None, scale=0.7, reuse=None, **precision):
        """Of a line where the input has two axes, of an image where it has three."""
        source = source or self.last
        shape = self.shapes[source]
        axes = len(shape) - 1
        window, stride = np.broadcast_to(window, axes), np.broadcast_to(stride, axes)
        padding = np.broadcast_to(padding, (axes, 2))
        out = [int((n + p.sum() - w) // s + 1) for n, p, w, s in zip(shape, padding, window, stride)]
        keys = {1: ["width"], 2: ["height", "width"]}[axes]
        sides = {1: [("left", "right")], 2: [("top", "bottom"), ("left", "right")]}[axes]
        attributes = {"n_chan": shape[-1], "n_filt": filters, "data_format": "channels_last", "dilation_width": 1, "dilation_height": 1}
        for i, key in enumerate(keys):
            attributes |= {f"in_{key}": shape[i], f"filt_{key}": int(window[i]), f"stride_{key}": int(stride[i]), f"out_{key}": out[i]}
            attributes |= {f"pad_{side}": int(padding[i][k]) for k, side in enumerate(sides[i])}
        attributes["weight_data"] = self.weights((*window, shape[-1], filters), scale)
        attributes["bias_data"] = self.weights((filters,), scale)
        formats = {"result": DEFAULT, "weight": "ap_fixed<8,3>", "bias": "ap_fixed<10,4>", "accum": "ap_fixed<24,12>"}
        return self.layer(
            f"convolution{len(self.layers)}", f"Conv{axes}D", [source], [*out, filters], {**formats, **precision}, reuse, **attributes
        )

    def write(self, folder):
        config = {
            "OutputDir": str(folder), "ProjectName": "myproject", "Backend": "Vitis", "IOType": "io_parallel",
            "Part": "xcvu13p-flga2577-2-e", "ClockPeriod": 5, "ClockUncertainty": "27%", "Version": "1.0.0",
            "HLSConfig": {
                "Model": {"Precision": {"default": DEFAULT, "maximum": "ap_fixed<64,32>"}, "ReuseFactor": self.reuse, "Strategy": self.strategy},
                "LayerName": self.config,
            },
            "WriterConfig": {"Namespace": self.namespace, "WriteWeightsTxt": self.txt, "WriteTar": False, "TBOutputStream": "both"},
        }
        folder.mkdir(parents=True)
        (folder / "suite.txt").write_text("".join(f"{key} {value}\n" for key, value in self.suite.items()))
        model = ModelGraph.from_layer_list(config, self.layers, inputs=["x"], outputs=[self.last])
        model.apply_flow(model.config.backend.get_default_flow())
        model.write()
