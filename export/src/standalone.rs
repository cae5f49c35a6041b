//! `standalone/`: HLS C++ of the whole program, with nothing but the vendor's `ap_fixed.h`.

use trigsieve_fixed::CheckedProgram;

use crate::cpp::Emitter;
use crate::template::filled;
use crate::{ExportError, Project, Settings};

/// The operations, shared with the C++ around hls4ml's network.
pub const OPERATIONS: &str = include_str!("../templates/standalone/operations.h");
const HEADER: &str = include_str!("../templates/standalone/top.h");
const SOURCE: &str = include_str!("../templates/standalone/top.cpp");
const TEST_BENCH: &str = include_str!("../templates/standalone/test_bench.cpp");
const STREAM: &str = include_str!("../templates/standalone/stream.cpp");
const BUILD: &str = include_str!("../templates/standalone/build_prj.tcl");

/// Writes the project.
pub fn write(
    program: &CheckedProgram,
    settings: &Settings,
    project: &mut Project,
) -> Result<(), ExportError> {
    let emitter = Emitter::new(program, "standalone");
    let all: Vec<usize> = (0..program.operations.len()).collect();
    let name = settings.name.as_str();
    let k = program.k().to_string();
    let vendor = settings.vendor.table();
    let clock_ns = format!("{:.4}", settings.period_ns());
    let common = [
        ("NAME", name),
        ("K", &k),
        ("INPUT", emitter.name(0)),
        ("SCORE", emitter.name(program.score_tensor())),
        ("GUARD", &name.to_uppercase()),
        ("PART", &settings.part),
        ("CLOCK_NS", &clock_ns),
        ("VENDOR", vendor.name),
        ("COMMAND", vendor.command),
        ("SOLUTION", vendor.solution),
        ("UNCERTAINTY", vendor.uncertainty),
        ("THRESHOLD", &settings.threshold.to_string()),
    ];
    let source = filled(
        &filled(SOURCE, &common),
        &[
            ("CONSTANTS", &emitter.constants(&all)),
            ("ORDERS", &emitter.orders(&all)),
            ("ARRAYS", &emitter.arrays(1..=all.len())),
            ("CALLS", &emitter.calls(&all)?),
        ],
    );
    let header = filled(&filled(HEADER, &common), &[("TYPES", &emitter.types(0..=all.len()))]);
    project.put("standalone/operations.h", OPERATIONS);
    project.put(&format!("standalone/{name}.h"), &header);
    project.put(&format!("standalone/{name}.cpp"), &source);
    project.put("standalone/test_bench.cpp", &filled(TEST_BENCH, &common));
    project.put("standalone/stream.cpp", &filled(STREAM, &common));
    project.put("standalone/build_prj.tcl", &filled(BUILD, &common));
    Ok(())
}
