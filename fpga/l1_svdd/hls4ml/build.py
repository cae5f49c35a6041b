"""The network of l1_svdd through hls4ml: reads model.onnx with hls4ml_config.yml and writes an HLS project.

    python build.py                 writes build/ (or -o BUILD)
    python build.py --compile       and compiles it for C simulation
    python build.py --synthesise    and runs the vendor's tool, where it is installed

Needs the packages of ../requirements.txt.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("HLS4ML_BACKEND_LOG", "0")

try:
    import hls4ml
    import numpy
    import yaml
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model
except ImportError as error:
    sys.exit(f"error: {error}: install what is missing with `pip install -r requirements.txt`")

HERE = Path(__file__).resolve().parent


def updated(config, changes):
    """The settings with those of the file in place of hls4ml's own."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            updated(config[key], value)
        else:
            config[key] = value
    return config


def converted(settings, output):
    """hls4ml's model."""
    model = cleanup_model(ModelWrapper(str(HERE / settings["OnnxModel"])))
    backend = settings["Backend"]
    config = hls4ml.utils.config_from_onnx_model(
        model, granularity="name", backend=backend, default_precision="ap_fixed<32,16>"
    )
    unknown = set(settings["HLSConfig"]["LayerName"]) - set(config["LayerName"])
    if unknown:
        sys.exit(f"error: hls4ml {hls4ml.__version__} knows no layer {', '.join(sorted(unknown))}")
    return hls4ml.converters.convert_from_onnx_model(
        model, hls_config=updated(config, settings["HLSConfig"]), output_dir=str(output), project_name=settings["ProjectName"],
        backend=backend, io_type=settings["IOType"], part=settings["Part"], clock_period=settings["ClockPeriod"],
        clock_uncertainty=settings["ClockUncertainty"],
    )


def check(model, settings):
    """hls4ml may choose another format than it was asked for; the network's bits depend on these."""
    expected = {f"{name}.accum": layer["Precision"]["accum"] for name, layer in settings["HLSConfig"]["LayerName"].items()
                if "accum" in layer["Precision"]}
    found = {}
    for layer in model.get_layers():
        if layer.class_name == "Dense":
            found[f"{layer.name.removeprefix('Dense_')}.accum"] = layer.get_attr("accum_t").precision
    expected["output"] = settings["Output"]
    (output,) = model.get_output_variables()
    found["output"] = output.type.precision
    for name, text in expected.items():
        precision = hls4ml.backends.get_backend(settings["Backend"]).convert_precision_string(text)
        if name not in found or not same(found[name], precision):
            sys.exit(f"error: hls4ml {hls4ml.__version__} made {name} {found.get(name, 'disappear')} instead of {text}")


def same(one, other):
    """Whether two formats are the same."""
    fields = ("width", "integer", "signed", "rounding_mode", "saturation_mode")
    return all(str(getattr(one, field)).split(".")[-1] == str(getattr(other, field)).split(".")[-1] for field in fields)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="folder of the HLS project")
    parser.add_argument("--compile", action="store_true", help="compile for C simulation")
    parser.add_argument("--synthesise", action="store_true", help="run the vendor's tool")
    arguments = parser.parse_args()
    settings = yaml.safe_load((HERE / "hls4ml_config.yml").read_text())
    output = arguments.output or HERE / settings["OutputDir"]
    model = converted(settings, output)
    check(model, settings)
    if arguments.compile:
        model.compile()
        zeros = numpy.zeros((1, *model.get_input_variables()[0].shape), dtype=numpy.float32)
        model.predict(zeros)
        # The name has a number that hls4ml draws anew each time.
        (library,) = sorted(output.glob("firmware/*.so"), key=os.path.getmtime)[-1:]
        (output / "library.txt").write_text(f"{library.name}\n")
    else:
        model.write()
    if arguments.synthesise:
        model.build(csim=False, synth=True, vsynth=False)


if __name__ == "__main__":
    main()
