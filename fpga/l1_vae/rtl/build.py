"""Verilog of the whole program in ../program.json, pipelined for the clock of ../export.json.

    python build.py            writes build/ (or -o BUILD): *.v, *.mem and pipeline.json

Needs the packages of ../requirements.txt.
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

try:
    from da4ml.codegen.rtl import verilog
    from da4ml.codegen.rtl.verilog.comb import table_mem_gen
    from da4ml.codegen.rtl.verilog.pipeline import pipeline_logic_gen
    from da4ml.trace import comb_trace, to_pipeline
    from da4ml.types import minimal_kif
except ImportError as error:
    sys.exit(f"error: {error}: install what is missing with `pip install -r requirements.txt`")

from logic import Format, Tracer, Unsupported

TOP = """`timescale 1 ns / 1 ps

// {name}: an anomaly score of {k} inputs. An event may enter at each clock cycle; `score` and `accept` belong to the event of
// {latency} cycles before. Inputs and score are raw values of {input_format} and {score_format}, the first input in the lowest bits.
module {name} (
    input clk,
    input [{inputs}:0] inputs,
    input [{high}:0] threshold,
    output reg [{high}:0] score,
    output reg accept
);

    wire [{found}:0] found;
    wire [{high}:0] raw;
    {name}_pipeline pipeline (.clk(clk), .model_inp(inputs), .model_out(found));
    assign raw = {raw};

    always @(posedge clk) begin
        score <= raw;
        accept <= {sign}(raw) >= {sign}(threshold);
    end
endmodule
"""


def extended(kif, form):
    """The score's raw value from the bits that the pipeline gives, which may be fewer."""
    sign, i, fraction = kif
    width = sign + i + fraction
    right = form.fraction - fraction
    left = form.width - width - right
    parts = [f"{{{left}{{{f'found[{width - 1}]' if sign else chr(49) + chr(39) + 'b0'}}}}}"] if left > 0 else []
    parts.append(f"found[{width - 1 if left >= 0 else form.width - right - 1}:0]")
    parts += [f"{right}'b0"] if right > 0 else []
    return f"{{{', '.join(parts)}}}"


def source(text):
    """da4ml's modules, for tools that are older than the warning they switch off, or would rather choose a memory themselves."""
    lines = text.replace("WIDTHTRUNC", "WIDTH").splitlines()
    return "\n".join(line for line in lines if "rom_style" not in line) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "build", help="folder of the Verilog")
    output = parser.parse_args().output
    program = json.loads((HERE.parent / "program.json").read_text())
    info = json.loads((HERE.parent / "export.json").read_text())
    name, levels = info["name"], info["levels_a_stage"]
    tracer = Tracer(program, levels)
    try:
        inputs, score = tracer.run()
    except Unsupported as error:
        sys.exit(f"error: {error}")
    logic = comb_trace(inputs, [score], keep_dead_inputs=True)
    pipeline = to_pipeline(logic, levels, retiming=False, verbose=False)
    forms = Format(program["input"]["tensor"]["format"]), tracer.score_format()
    kif = tuple(int(part) for part in minimal_kif(pipeline.out_qint[0]))
    cycles = len(pipeline.solutions) + 1
    top = TOP.format(
        name=name, k=len(inputs), latency=cycles, input_format=program["input"]["tensor"]["format"],
        score_format=tracer.score_text(), inputs=len(inputs) * forms[0].width - 1, high=forms[1].width - 1, found=sum(kif) - 1,
        raw=extended(kif, forms[1]), sign="$signed" if forms[1].signed else "$unsigned",
    )
    output.mkdir(parents=True, exist_ok=True)
    for old in [*output.glob("*.v"), *output.glob("*.mem")]:
        old.unlink()
    modules = pipeline_logic_gen(pipeline, f"{name}_pipeline") | {name: top}
    for module, text in modules.items():
        (output / f"{module}.v").write_text(text)
    for stage in pipeline.solutions:
        for table, text in table_mem_gen(stage).items():
            # Verilator 5.006 does not take in a last line that has no end.
            (output / table).write_text(text + "\n")
    for path in (Path(verilog.__file__).parent / "source").glob("*.v"):
        (output / path.name).write_text(source(path.read_text()))
    facts = {
        "latency_cycles": cycles, "initiation_interval": 1, "levels": int(score.latency), "levels_a_stage": levels,
        "operations": len(logic.ops), "register_bits": int(pipeline.reg_bits),
        "ready_at_level": {tensor: int(max(value.latency for value in values)) for tensor, values in tracer.tensors.items()},
    }
    (output / "pipeline.json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
