//! `hls4ml/`: the network for hls4ml, and C++ around it for what hls4ml has no layer for.

use std::fmt::Write as _;

use trigsieve_fixed::{CheckedProgram, Format, Overflow, Rounding};

use crate::cpp::Emitter;
use crate::qonnx::{Model, model};
use crate::standalone::OPERATIONS;
use crate::template::filled;
use crate::{ExportError, Network, Project, Settings};

const BUILD: &str = include_str!("../templates/hls4ml/build.py");
const HEADER: &str = include_str!("../templates/hls4ml/around.h");
const SOURCE: &str = include_str!("../templates/hls4ml/around.cpp");
const STREAM: &str = include_str!("../templates/standalone/stream.cpp");
const CONFIG: &str = include_str!("../templates/hls4ml/hls4ml_config.yml");

/// Writes the project.
pub fn write(
    program: &CheckedProgram,
    network: &Network,
    settings: &Settings,
    project: &mut Project,
) -> Result<(), ExportError> {
    let Model { bytes, accumulators } = model(program, network, &settings.name)?;
    project.put_bytes("hls4ml/model.onnx", bytes);
    project.put("hls4ml/hls4ml_config.yml", &config(program, network, settings, &accumulators));
    project.put("hls4ml/build.py", &filled(BUILD, &[("NAME", &settings.name)]));
    project.put("hls4ml/operations.h", OPERATIONS);
    around(program, network, settings, project)
}

/// hls4ml's settings, layer by layer.
fn config(
    program: &CheckedProgram,
    network: &Network,
    settings: &Settings,
    accumulators: &[Format],
) -> String {
    let mut layers = String::new();
    for (at, accumulator) in accumulators.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(
            layers,
            "    MatMul_{at}:\n      Precision:\n        accum: {}\n      Strategy: {}\n      ReuseFactor: {}\n",
            precision(*accumulator),
            settings.strategy.hls4ml(),
            settings.reuse_factor
        );
    }
    let input =
        Format { rounding: Rounding::Truncate, overflow: Overflow::Wrap, ..program.format(network.input) };
    let vendor = settings.vendor.table();
    filled(
        CONFIG,
        &[
            ("NAME", settings.name.as_str()),
            ("BACKEND", vendor.hls4ml_backend),
            ("UNCERTAINTY", vendor.uncertainty),
            ("PART", &settings.part),
            ("CLOCK_NS", &format!("{:.4}", settings.period_ns())),
            ("INPUT", &precision(input)),
            ("OUTPUT", &precision(program.format(network.output))),
            ("STRATEGY", settings.strategy.hls4ml()),
            ("REUSE", &settings.reuse_factor.to_string()),
            ("LAYERS", layers.trim_end()),
        ],
    )
}

/// A format as hls4ml writes it.
fn precision(format: Format) -> String {
    format!("\"{}\"", format.to_string().replace("ap_", "").replace("AP_", ""))
}

fn around(
    program: &CheckedProgram,
    network: &Network,
    settings: &Settings,
    project: &mut Project,
) -> Result<(), ExportError> {
    let emitter = Emitter::new(program, "hls4ml");
    let (before, after) = network.around(program);
    let others = [before.clone(), after.clone()].concat();
    let tensors = |operations: &[usize]| operations.iter().map(|at| at + 1).collect::<Vec<_>>();
    let arrays = [tensors(&before), vec![network.output], tensors(&after)].concat();
    let typed = [vec![0], arrays.clone()].concat();
    let count = |tensor: usize| program.tensor_at(tensor).len().to_string();
    let name = settings.name.as_str();
    let common = [
        ("NAME", name),
        ("GUARD", &name.to_uppercase()),
        ("K", &program.k().to_string()),
        ("INPUT", emitter.name(0)),
        ("SCORE", emitter.name(program.score_tensor())),
        ("NETWORK_INPUT", emitter.name(network.input)),
        ("NETWORK_OUTPUT", emitter.name(network.output)),
        ("N_IN", &count(network.input)),
        ("N_OUT", &count(network.output)),
    ];
    let source = filled(
        &filled(SOURCE, &common),
        &[
            ("CONSTANTS", &emitter.constants(&others)),
            ("ORDERS", &emitter.orders(&others)),
            ("ARRAYS", &emitter.arrays(arrays)),
            ("BEFORE", &emitter.calls(&before)?),
            ("AFTER", &emitter.calls(&after)?),
        ],
    );
    let header = filled(&filled(HEADER, &common), &[("TYPES", &emitter.types(typed))]);
    project.put(&format!("hls4ml/{name}.h"), &header);
    project.put(&format!("hls4ml/{name}.cpp"), &source);
    project.put("hls4ml/stream.cpp", &filled(STREAM, &common));
    Ok(())
}
