//! `rtl/`: the program as Verilog through da4ml, and its simulation.

use trigsieve_fixed::{CheckedProgram, Kind};

use crate::template::filled;
use crate::{ExportError, Project, Settings};

const BUILD: &str = include_str!("../templates/rtl/build.py");
const LOGIC: &str = include_str!("../templates/rtl/logic.py");
const SIMULATE: &str = include_str!("../templates/rtl/simulate.cpp");
const SYNTHESISE: &str = include_str!("../templates/rtl/synthesise.ys");

/// Writes the scripts and the simulation's driver.
pub fn write(
    program: &CheckedProgram,
    settings: &Settings,
    project: &mut Project,
) -> Result<(), ExportError> {
    check(program)?;
    let score = program.format(program.score_tensor());
    let values = [
        ("NAME", settings.name.as_str()),
        ("K", &program.k().to_string()),
        ("WIDTH", &program.input.tensor.format.width.to_string()),
        ("SCORE_WIDTH", &score.width.to_string()),
        ("SCORE_SIGNED", if score.signed { "true" } else { "false" }),
        ("FAMILY", settings.part()?.family),
    ];
    project.put("rtl/build.py", BUILD);
    project.put("rtl/logic.py", LOGIC);
    project.put("rtl/simulate.cpp", &filled(SIMULATE, &values));
    project.put("rtl/synthesise.ys", &filled(SYNTHESISE, &values));
    Ok(())
}

fn check(program: &CheckedProgram) -> Result<(), ExportError> {
    let convolution = |kind: &Kind| matches!(kind, Kind::Conv2d { .. });
    match program.operations.iter().find(|operation| convolution(&operation.kind)) {
        None => Ok(()),
        Some(operation) => Err(ExportError::Unsupported {
            layer: operation.layer.clone(),
            what: "a convolution".to_owned(),
            way: "rtl",
            why: "dense layers, activations, tables and arithmetic are".to_owned(),
        }),
    }
}
