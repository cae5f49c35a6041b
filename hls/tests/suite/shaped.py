"""Projects in the shapes of published trigger firmware, with random weights: namespaces, sizes as constants or macros,
one header of weights, a header of scales, and the class around the network that scales inputs and makes the score."""

import shutil
import zlib
from pathlib import Path

import hls4ml
import numpy as np

NNET_UTILS = Path(hls4ml.__file__).parent / "templates/vivado/nnet_utils"


def random(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def array(kind, name, values, digits=3):
    return f"{kind} {name}[{len(values)}] = {{{', '.join(f'{value:.{digits}f}' for value in values)}}};\n"


def save(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def copy_library(folder):
    shutil.copytree(NNET_UTILS, folder / "nnet_utils")


def dense_config(index, n_in, n_out, strategy="latency", reuse=1):
    kernel = "DenseLatency" if strategy == "latency" else "DenseResource_rf_leq_nin"
    return f"""struct config{index} : nnet::dense_config {{
    static const unsigned n_in = {n_in};
    static const unsigned n_out = {n_out};
    static const unsigned strategy = nnet::{strategy};
    static const unsigned reuse_factor = {reuse};
    static const unsigned multiplier_limit = DIV_ROUNDUP(n_in * n_out, reuse_factor);
    typedef accum{index}_t accum_t;
    typedef bias{index}_t bias_t;
    typedef weight{index}_t weight_t;
    template<class data_T, class res_T, class CONFIG_T>
    using kernel = nnet::{kernel}<data_T, res_T, CONFIG_T>;
    template<class x_T, class y_T>
    using product = nnet::product::mult<x_T, y_T>;
}};
"""


def activation_config(name, count):
    return f"struct {name} : nnet::activ_config {{\n    static const unsigned n_in = {count};\n}};\n"


class Chain:
    """Dense layers with activations between them."""

    def __init__(self, name, sizes, result, activation, weight="ap_fixed<6,3>", accum="ap_fixed<22,14>", density=0.5):
        self.random, self.sizes = random(name), sizes
        self.types, self.weights, self.configs, self.calls = [], [], [], []
        source, kind = "x", "input_t"
        for layer, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
            index = 2 * layer + 2
            last = layer + 2 == len(sizes)
            self.types += [f"typedef {accum} accum{index}_t;", f"typedef {accum} layer{index}_t;"]
            self.types += [f"typedef {weight} weight{index}_t;", f"typedef ap_fixed<10,7> bias{index}_t;"]
            weights = self.random.integers(-4, 5, n_in * n_out) / 8 * (self.random.random(n_in * n_out) < density)
            self.weights += [(f"weight{index}_t", f"w{index}", weights)]
            self.weights += [(f"bias{index}_t", f"b{index}", self.random.integers(-8, 9, n_out) / 8)]
            self.configs += [dense_config(index, n_in, n_out)]
            self.declare(f"layer{index}_t", f"layer{index}_out", n_out)
            self.calls += [f"nnet::dense<{kind}, layer{index}_t, config{index}>({source}, layer{index}_out, w{index}, b{index}); // dense"]
            after = f"layer{index + 1}"
            if last:
                self.types += [f"typedef {result} result_t;"]
                self.calls += [f"nnet::linear<layer{index}_t, result_t, linear_config{index + 1}>(layer{index}_out, {after}_out);"]
                self.configs += [activation_config(f"linear_config{index + 1}", n_out)]
                self.output = f"{after}_out"
            else:
                self.types += [f"typedef {activation} {after}_t;"]
                self.declare(f"{after}_t", f"{after}_out", n_out)
                self.calls += [f"nnet::relu<layer{index}_t, {after}_t, relu_config{index + 1}>(layer{index}_out, {after}_out);"]
                self.configs += [activation_config(f"relu_config{index + 1}", n_out)]
                source, kind = f"{after}_out", f"{after}_t"

    def declare(self, kind, name, count):
        self.calls += [f"{kind} {name}[{count}];", f"#pragma HLS ARRAY_PARTITION variable={name} complete dim=0"]


DEFINES = """#ifndef DEFINES_H_
#define DEFINES_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "nnet_utils/nnet_types.h"
#include <cstddef>

{before}
namespace {space} {{
{body}
}} // namespace {space}
#endif
"""

PARAMETERS = """#ifndef PARAMETERS_H_
#define PARAMETERS_H_

#include "nnet_utils/nnet_activation.h"
#include "nnet_utils/nnet_batchnorm.h"
#include "nnet_utils/nnet_conv2d.h"
#include "nnet_utils/nnet_dense.h"
#include "nnet_utils/nnet_merge.h"
//hls-fpga-machine-learning insert weights
#include "defines.h"
{includes}

namespace {space} {{
{body}
}} // namespace {space}
#endif
"""

TOP = """#include <iostream>

#include "{header}.h"
#include "parameters.h"

namespace {space} {{

void {name}(
    input_t x[{inputs}],
    result_t {output}[{outputs}]
) {{
    #pragma HLS PIPELINE
#ifdef LOAD_WEIGHTS_FROM_TXT
    static bool loaded_weights = false;
    if (!loaded_weights) {{
        nnet::load_weights_from_txt<weight2_t, 1>(w2, "w2.txt");
        loaded_weights = true;
    }}
#endif
    {body}
}}

}} // namespace {space}
"""

HEADER = """#ifndef TOP_H_
#define TOP_H_
#include "defines.h"
namespace {space} {{
void {name}({space}::input_t x[{space}::{inputs}], {space}::result_t {output}[{space}::{outputs}]);
}}
#endif
"""

EMULATOR = """#include "NN/{name}.h"
#include "emulator.h"
#include "NN/nnet_utils/nnet_common.h"
#include "scales.h"
#include <any>
#include <array>
#include <utility>

using namespace {space};

class {name}_emulator : public hls4mlEmulator::Model {{

private:
    unscaled_t _unscaled_input[N_INPUT];
    input_t _scaled_input[N_INPUT];
    result_t _result[N_OUTPUT];
    resultsq_t _loss;

    // the scales of the global trigger's firmware
    virtual void _scaleNNInputs(unscaled_t unscaled[N_INPUT], input_t scaled[N_INPUT])
    {{
        for (int i = 0; i < N_INPUT; i++)
        {{
            unscaled_t tmp0 = unscaled[i] - {space}::ad_offsets[i];
            input_t tmp1 = tmp0 >> {space}::ad_shift[i];
            scaled[i] = tmp1;
        }}
    }}

    virtual resultsq_t _computeLoss(result_t result_p[N_OUTPUT]) {{
{loss}
    }}

public:
    virtual void prepare_input(std::any input) {{
        unscaled_t *unscaled_input_p = std::any_cast<unscaled_t*>(input);
        for (int i = 0; i < N_INPUT; i++) {{
            _unscaled_input[i] = std::any_cast<unscaled_t>(unscaled_input_p[i]);
        }}
        _scaleNNInputs(_unscaled_input, _scaled_input);
    }}

    virtual void predict() {{
        {name}(_scaled_input, _result);
        _loss = _computeLoss(_result);
    }}

    virtual void read_result(std::any result) {{
        std::pair<std::array<result_t, N_OUTPUT>, resultsq_t> *result_p =
            std::any_cast<std::pair<std::array<result_t, N_OUTPUT>, resultsq_t>*>(result);
        for (int i = 0; i < N_OUTPUT; i++)
            result_p->first[i] = _result[i];
        result_p->second = _loss;
    }}
}};

extern "C" hls4mlEmulator::Model* create_model() {{
    return new {name}_emulator;
}}
"""

SQUARES = """        resultsq_t squares[N_OUTPUT];
        resultsq_t square_sum;
        for (int i = 0; i < N_OUTPUT; i++) {
            squares[i]  = result_p[i] * result_p[i];
        }
        nnet::Op_add<resultsq_t> op;
        square_sum = nnet::reduce<resultsq_t, N_OUTPUT, nnet::Op_add<resultsq_t>>(squares, op);
        return square_sum;"""

RUNNING = """        resultsq_t sum = 0;
        for (unsigned i = 0; i < N_OUTPUT; ++i)
            sum += result_p[i] * result_p[i];
        return sum;"""

FIRST = """        resultsq_t loss;
        loss = result_p[0];
        return loss;"""


def scales(space, name, generator, count, offset):
    shifts = generator.integers(-1, 8, count)
    offsets = generator.integers(-4, 600, count) / 2
    return f"""#ifndef SCALES_H
#define SCALES_H
#include "NN/{name}.h"
namespace {space} {{
typedef ap_fixed<5,5> ad_shift_t;
typedef {offset} ad_offset_t;
static const {array("ad_shift_t", "ad_shift", shifts, 0)}static const {array("ad_offset_t", "ad_offsets", offsets, 1)}}}
#endif
"""


def wrapped(folder, name, space, files, loss, offset="ap_fixed<10,10>", count=57):
    """A network in NN/, with its class and its scales above it."""
    generator = random(name + " scales")
    files = {f"NN/{path}": text for path, text in files.items()}
    files[f"{name}_emulator.cpp"] = EMULATOR.format(name=name, space=space, loss=loss)
    files["scales.h"] = scales(space, name, generator, count, offset)
    files["suite.txt"] = f"class {name}_emulator\nsource {name}_emulator.cpp\ntype unscaled_t\nscore _loss\n"
    save(folder, files)
    copy_library(folder / "NN")


def chain_files(name, space, chain, extra_types, one_header=True):
    """The files of a chain of dense layers with sizes as constants."""
    sizes = f"static const int N_INPUT = {chain.sizes[0]};\nstatic const int N_OUTPUT = {chain.sizes[-1]};\n"
    declared = "\n".join(f"extern {kind} {array}[{len(values)}];" for kind, array, values in chain.weights)
    body = sizes + "\n".join(extra_types + chain.types) + ("\n" + declared if one_header else "")
    includes = "weights" if one_header else [f"weights/{array}" for _, array, _ in chain.weights]
    includes = [includes] if one_header else includes
    files = {
        "defines.h": DEFINES.format(space=space, before="", body=body),
        "parameters.h": PARAMETERS.format(
            space=space, includes="\n".join(f'#include "{one}.h"' for one in includes), body="".join(chain.configs)
        ),
        f"{name}.h": HEADER.format(space=space, name=name, inputs="N_INPUT", outputs="N_OUTPUT", output=chain.output),
        f"{name}.cpp": TOP.format(
            space=space, name=name, header=name, inputs="N_INPUT", outputs="N_OUTPUT", output=chain.output, body="\n    ".join(chain.calls)
        ),
    }
    guard = "#ifndef {0}_H_\n#define {0}_H_\n{1}#endif\n"
    if one_header:
        text = "".join(array(*weights) for weights in chain.weights)
        files["weights.h"] = guard.format("WEIGHTS", f'#include "defines.h"\nnamespace {space} {{\n{text}}}\n')
    else:
        for kind, name, values in chain.weights:
            text = f"//Numpy array shape [{len(values)}]\n#ifdef LOAD_WEIGHTS_FROM_TXT\n{kind} {name}[{len(values)}];\n#else\n"
            text += array(kind, name, values) + "#endif\n"
            files[f"weights/{name}.h"] = guard.format(name.upper(), f"namespace {space} {{\n{text}}}\n")
    return files


SCALED = ["typedef ap_fixed<8,6,AP_RND_CONV,AP_SAT> input_t;", "typedef ap_ufixed<18,14> resultsq_t;", "typedef ap_fixed<18,13> unscaled_t;"]


def variational(folder):
    chain = Chain("variational", [57, 28, 15, 8], "ap_fixed<10,7,AP_RND_CONV,AP_SAT>", "ap_ufixed<10,6,AP_RND_CONV,AP_SAT>")
    wrapped(folder, "Variational", "trigger_v4", chain_files("Variational", "trigger_v4", chain, SCALED), SQUARES)


def variational_truncating(folder):
    chain = Chain("variational_truncating", [57, 32, 16, 13], "ap_fixed<10,7>", "ap_ufixed<10,7>", accum="ap_fixed<12,8>")
    files = chain_files("Truncating", "trigger_v1", chain, SCALED, one_header=False)
    wrapped(folder, "Truncating", "trigger_v1", files, RUNNING, offset="ap_fixed<10,9>")


def reconstruction(folder):
    """Ends in the distance between a layer and its reconstruction."""
    chain = Chain("reconstruction", [57, 20, 10, 6, 10], "ap_fixed<17,10>", "ap_ufixed<10,6,AP_RND_CONV,AP_SAT,0>", "ap_fixed<5,2>")
    chain.types = [one.replace("result_t", "decoded_t") for one in chain.types]
    chain.calls = [one.replace("result_t", "decoded_t") for one in chain.calls]
    chain.types += ["typedef ap_fixed<18,14,AP_RND_CONV,AP_SAT,0> result_t;", "typedef ap_fixed<18,11> subtract_t;", "typedef ap_fixed<37,23> dot_accum_t;"]
    decoded = chain.output
    chain.declare("decoded_t", decoded, 10)
    chain.calls = chain.calls[-2:] + chain.calls[:-2]
    chain.declare("subtract_t", "layer31_out", 10)
    chain.calls += [
        f"nnet::subtract<decoded_t, layer5_t, subtract_t, config31>({decoded}, layer5_out, layer31_out);",
        "nnet::dot1d<subtract_t, subtract_t, result_t, config32>(layer31_out, layer31_out, layer32_out);",
    ]
    chain.configs += [
        "struct config31 : nnet::merge_config {\n    static const unsigned n_elem = 10;\n};\n",
        "struct config32 : nnet::dot_config {\n    static const unsigned n_in = 10;\n    typedef dot_accum_t accum_t;\n"
        "    static const unsigned multiplier_limit = DIV_ROUNDUP(n_in, reuse_factor);\n};\n",
    ]
    chain.output, chain.sizes = "layer32_out", [57, 1]
    scaled = ["typedef ap_fixed<14,6,AP_RND_CONV,AP_SAT,0> input_t;", *SCALED[1:]]
    wrapped(folder, "Reconstruction", "trigger_v5", chain_files("Reconstruction", "trigger_v5", chain, scaled), FIRST)


def shifts_and_adds(folder):
    """A dense layer as a function of shifts and additions."""
    generator = random("shifts_and_adds")
    matrix = generator.integers(-7, 8, (57, 6)) * (generator.random((57, 6)) < 0.4)
    lines, count = [], 0
    for output in range(6):
        total, reach = None, 0
        for i in np.flatnonzero(matrix[:, output]):
            for bit in range(3):
                if abs(matrix[i, output]) >> bit & 1:
                    term = f"bit_shift<{bit - 3}>(inp[{i}])" if bit != 3 else f"inp[{i}]"
                    sign = "-" if matrix[i, output] < 0 else "+"
                    value = f"{total} {sign} {term}" if total else f"{'-' if sign == '-' else ''}{term}"
                    reach += 2 ** (bit - 3) * 32
                    integer = int(np.ceil(np.log2(reach))) + 2
                    lines.append(f"ap_fixed<{integer + 11}, {integer}> v{count} = {value};")
                    total, count = f"v{count}", count + 1
        bias = int(generator.integers(1, 4)) / 8
        lines.append(f"ap_fixed<{integer + 12}, {integer + 1}> v{count} = {total} + ap_ufixed<2, -1>({bias});")
        lines.append(f"out[{output}] = v{count};")
        count += 1
    name, space = "Shifts", "trigger_v6"
    code = f"""#ifndef CODE_H_
#define CODE_H_
#include "nnet_function_stubs.h"
namespace {name} {{
using nnet::bit_shift;
// hls4ml insert code
template <typename inp_t, typename out_t>
void dense_da_3(inp_t inp[57], out_t out[6]) {{
    #pragma HLS INLINE
    {chr(10).join("    " + line for line in lines)}
}}
}} // namespace {name}
#endif
"""
    types = ["typedef ap_fixed<14,6,AP_RND_CONV,AP_SAT,0> input_t;", *SCALED[1:], "typedef ap_fixed<18,9,AP_RND,AP_SAT> result_t;"]
    body = "static const int N_INPUT=57;\nstatic const int N_OUTPUT=6;\n" + "\n".join(types)
    files = {
        "defines.h": DEFINES.format(space=space, before="", body=body),
        "parameters.h": PARAMETERS.format(space=space, includes='#include "nnet_utils/nnet_code_gen.h"', body=""),
        f"{name}.h": HEADER.format(space=space, name=name, inputs="N_INPUT", outputs="N_OUTPUT", output="layer3_out"),
        f"{name}.cpp": TOP.format(
            space=space, name=name, header=name, inputs="N_INPUT", outputs="N_OUTPUT", output="layer3_out",
            body=f"{name}::dense_da_3<input_t, result_t>(x, layer3_out); // q_dense",
        ).replace(f"namespace {space} {{\n\nvoid", f"namespace {space} {{\n\nvoid"),
    }
    wrapped(folder, name, space, files, SQUARES)
    (folder / "NN/nnet_utils/nnet_code_gen.h").write_text(code)


CALORIMETER_CLASS = """#include "{header}.h" //include of the top level of HLS model
#include "emulator.h"
#include <any>
#include "ap_fixed.h"

using namespace {space};

class {name}Model : public hls4mlEmulator::Model{{
    private:
        input_t _input[N_INPUT_1_1];
        result_t _result[N_OUTPUT];
    public:
        virtual void prepare_input(std::any input)
        {{
            input_t* input_p = std::any_cast<input_t*>(input);
            for(int i = 0; i < N_INPUT_1_1; ++i)
                _input[i] = std::any_cast<input_t>(input_p[i]);
        }}

        virtual void predict()
        {{
            {name}(_input, _result);
        }}

        virtual void read_result(std::any result)
        {{
            result_t *result_p = std::any_cast<result_t*>(result);
            for (int i = 0; i < N_OUTPUT; ++i)
                result_p[i] = _result[i];
        }}
}};
"""


def calorimeter(folder, name, space, types, weights, configs, calls):
    """A network without scales, flat in one folder, its sizes macros; its output is the score."""
    guard = "#ifndef {0}_H_\n#define {0}_H_\nnamespace {2} {{\n{1}}}\n#endif\n"
    text = {"header": "network", "space": space, "name": name}
    macros = "#define N_INPUT_1_1 252\n#define N_OUTPUT 1\n#define N_OUTPUT 1\n"
    files = {
        "defines.h": DEFINES.format(space=space, before=macros, body="\n".join(types)),
        "parameters.h": PARAMETERS.format(
            space=space, includes="\n".join(f'#include "weights/{name}.h"' for _, name, _ in weights), body="".join(configs)
        ),
        "network.cpp": TOP.format(inputs="N_INPUT_1_1", outputs="N_OUTPUT", output="score_out", body="\n    ".join(calls), **text),
        "network.h": f'#pragma once\n#include "defines.h"\nnamespace {space} {{ void {name}(input_t x[N_INPUT_1_1], result_t score_out[N_OUTPUT]); }}\n',
        "model.cpp": CALORIMETER_CLASS.format(**text),
        "suite.txt": f"class {name}Model\nsource model.cpp\ntype input_t\nscore _result[0]\n",
    }
    for kind, array_name, values in weights:
        files[f"weights/{array_name}.h"] = guard.format(array_name.upper(), array(kind, array_name, values, 10), space)
    save(folder, files)
    copy_library(folder)


def student(folder):
    """Dense, normalise, relu, dense."""
    generator = random("student")
    types = """typedef ap_ufixed<10,10> input_t;
typedef ap_fixed<14,12> accum2_t;
typedef ap_fixed<14,12> layer2_t;
typedef ap_fixed<2,1> weight2_t;
typedef ap_uint<1> bias2_t;
typedef ap_fixed<15,12,AP_RND,AP_SAT,AP_SAT> layer4_t;
typedef ap_fixed<18,3> scale4_t;
typedef ap_fixed<18,3> bias4_t;
typedef ap_ufixed<5,2,AP_RND,AP_SAT,AP_SAT> layer5_t;
typedef ap_fixed<11,5> accum6_t;
typedef ap_fixed<11,5> result_t;
typedef ap_fixed<4,1> weight6_t;
typedef ap_uint<1> bias6_t;""".split("\n")
    weights = [
        ("weight2_t", "w2", generator.choice([-0.5, 0, 0.5], 252 * 15)), ("bias2_t", "b2", np.zeros(15)),
        ("scale4_t", "s4", generator.uniform(0.001, 0.03, 15)), ("bias4_t", "b4", generator.normal(0, 1, 15)),
        ("weight6_t", "w6", generator.integers(-8, 8, 15) / 8), ("bias6_t", "b6", np.zeros(1)),
    ]
    normal = """struct config4 : nnet::batchnorm_config {
    static const unsigned n_in = 15;
    static const unsigned n_filt = -1;
    static const unsigned n_scale_bias = (n_filt == -1) ? n_in : n_filt;
    static const unsigned multiplier_limit = DIV_ROUNDUP(n_in, reuse_factor);
    typedef bias4_t bias_t;
    typedef scale4_t scale_t;
};
"""
    configs = [dense_config(2, 252, 15, reuse=3), normal, activation_config("relu_config5", 15), dense_config(6, 15, 1)]
    calls = """layer2_t layer2_out[15];
nnet::dense<input_t, layer2_t, config2>(x, layer2_out, w2, b2);
layer4_t layer4_out[15];
nnet::normalize<layer2_t, layer4_t, config4>(layer2_out, layer4_out, s4, b4);
layer5_t layer5_out[15];
nnet::relu<layer4_t, layer5_t, relu_config5>(layer4_out, layer5_out);
nnet::dense<layer5_t, result_t, config6>(layer5_out, score_out, w6, b6);""".split("\n")
    calorimeter(folder, "student", "calorimeter_v1", types, weights, configs, calls)


PROJECTS = {
    "shaped_variational": variational,
    "shaped_variational_truncating": variational_truncating,
    "shaped_reconstruction": reconstruction,
    "shaped_shifts_and_adds": shifts_and_adds,
    "shaped_student": student,
}
