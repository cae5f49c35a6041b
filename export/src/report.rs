//! What a firmware takes: latency, initiation interval, and resources by Yosys.

mod budget;
mod markdown;

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trigsieve_fixed::{CheckedProgram, Kind};

use crate::verify::write_verilog;
use crate::{ExportError, PARTS, Part, ProjectInfo, ToolError, Tools};

pub use budget::{Budget, Limit};

/// `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name of the export.
    pub name: String,
    /// Part number.
    pub part: String,
    /// Clock, MHz.
    pub clock_mhz: f64,
    /// Clock cycles from an event's inputs to its score and decision, both in registers.
    pub latency_cycles: u32,
    /// The same in nanoseconds.
    pub latency_ns: f64,
    /// Clock cycles between two events.
    pub initiation_interval: u32,
    /// Levels of logic from the inputs to the score, as assumed.
    pub levels: u32,
    /// Levels between two registers.
    pub levels_a_stage: u32,
    /// How the resources were found.
    pub method: String,
    /// What Yosys counts.
    pub resources: Resources,
    /// Shares of parts.
    pub usage: Vec<Usage>,
    /// Every tensor.
    pub tensors: Vec<TensorBits>,
    /// Every layer with weights.
    pub weights: Vec<Weights>,
}

/// Cells after synthesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Lookup tables: logic, inverters, distributed memories and shift registers.
    pub luts: u64,
    /// Flip-flops.
    pub ffs: u64,
    /// Multipliers.
    pub dsps: u64,
    /// Block memories of 36 kbit; those of 18 kbit count half, rounded up.
    pub brams: u64,
    /// Carry chains of four bits.
    pub carries: u64,
}

/// Percent of a part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Usage {
    /// The part.
    pub part: Part,
    /// Of its lookup tables.
    pub luts_percent: f64,
    /// Of its flip-flops.
    pub ffs_percent: f64,
    /// Of its multipliers.
    pub dsps_percent: f64,
    /// Of its block memories.
    pub brams_percent: f64,
}

/// A tensor's numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorBits {
    /// Name.
    pub tensor: String,
    /// How many numbers.
    pub elements: usize,
    /// Their format.
    pub format: String,
    /// Bits of all together.
    pub bits: usize,
}

/// A layer's weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weights {
    /// Name of the layer.
    pub layer: String,
    /// Their format.
    pub format: String,
    /// How many.
    pub weights: usize,
    /// How many are zero, and so take nothing.
    pub pruned: usize,
}

/// Makes the Verilog of an export below `build` and has Yosys count what it takes. `note` hears what begins.
///
/// # Errors
/// [`ExportError::Tool`] for a tool that is missing or fails.
pub fn measure(
    folder: &Path,
    (info, program): (&ProjectInfo, &CheckedProgram),
    (tools, build): (&Tools, &Path),
    note: &mut dyn FnMut(&str),
) -> Result<Report, ExportError> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(ExportError::io(path));
    let (folder, build) = (absolute(folder)?, absolute(build)?.join("rtl"));
    std::fs::create_dir_all(&build).map_err(ExportError::io(&build))?;
    note("writing Verilog");
    let pipeline = write_verilog(&folder, &build, tools)?;
    note("synthesising with Yosys");
    let version = tools.capture(Command::new(&tools.yosys).arg("-V"))?;
    let mut yosys = Command::new(&tools.yosys);
    tools.run(yosys.current_dir(&build).arg("-q").arg(folder.join("rtl/synthesise.ys")))?;
    let resources = resources(&build.join("resources.json"))?;
    let part = Part::of(&info.part);
    let others = PARTS.iter().take(2).filter(|other| Some(*other) != part);
    Ok(Report {
        name: info.name.clone(),
        part: info.part.clone(),
        clock_mhz: info.clock_mhz,
        latency_cycles: pipeline.latency_cycles,
        latency_ns: f64::from(pipeline.latency_cycles) * 1e3 / info.clock_mhz,
        initiation_interval: pipeline.initiation_interval,
        levels: pipeline.levels,
        levels_a_stage: info.levels_a_stage,
        method: method(&version, part),
        resources,
        usage: part.into_iter().chain(others).map(|part| Usage::of(&resources, part)).collect(),
        tensors: program.tensors().map(TensorBits::of).collect(),
        weights: program.operations.iter().filter_map(weights).collect(),
    })
}

fn method(yosys: &str, part: Option<&Part>) -> String {
    let family = part.map_or("xcup", |part| part.family);
    let version = yosys.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    format!(
        "{version}, synth_xilinx -family {family} on the Verilog of da4ml: an estimate before place and route. Two tables that share \
         a site are counted twice, so vendor tools usually find fewer. The clock is met if a level of logic with its wire takes {} ns \
         and a register {} ns, which is assumed, not measured.",
        crate::LEVEL_NS,
        crate::OVERHEAD_NS
    )
}

/// Counts the cells in what `stat -json` wrote.
fn resources(path: &Path) -> Result<Resources, ExportError> {
    let wrong = |reason: String| ToolError::Result { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(ExportError::io(path))?;
    // The pass's own log lines come before the object.
    let object = text.find('{').map_or("", |start| &text[start..]);
    let value: Value = serde_json::from_str(object).map_err(|error| wrong(error.to_string()))?;
    let cells = value["design"]["num_cells_by_type"].as_object();
    let cells = cells.ok_or_else(|| wrong("no cells are counted in it".to_owned()))?;
    let mut found = Resources::default();
    let mut half_brams = 0;
    for (cell, count) in cells {
        let count = count.as_u64().unwrap_or(0);
        match cell.as_str() {
            "INV" => found.luts += count,
            name if name.starts_with("LUT") || name.starts_with("SRL") => found.luts += count,
            name if name.starts_with("RAMB36") => half_brams += 2 * count,
            name if name.starts_with("RAMB18") => half_brams += count,
            name if name.starts_with("RAM") => found.luts += count * memory_tables(name),
            name if name.starts_with("FD") => found.ffs += count,
            name if name.starts_with("DSP") => found.dsps += count,
            "CARRY4" => found.carries += count,
            // A carry chain of eight bits is two of four.
            "CARRY8" => found.carries += 2 * count,
            _ => {}
        }
    }
    found.brams = u64::div_ceil(half_brams, 2);
    Ok(found)
}

/// Tables of a distributed memory, `RAM64M8` or `RAM32X1S`.
fn memory_tables(name: &str) -> u64 {
    match name {
        _ if name.contains("M16") => 16,
        _ if name.contains("M8") => 8,
        _ if name.contains('M') && name.ends_with('M') => 4,
        _ if name.contains("256") => 4,
        _ if name.contains("128") => 2,
        _ => 1,
    }
}

impl Usage {
    fn of(resources: &Resources, part: &Part) -> Self {
        let percent = |used: u64, all: u64| 100.0 * used as f64 / all as f64;
        Self {
            part: *part,
            luts_percent: percent(resources.luts, part.luts),
            ffs_percent: percent(resources.ffs, part.ffs),
            dsps_percent: percent(resources.dsps, part.dsps),
            brams_percent: percent(resources.brams, part.brams),
        }
    }
}

impl TensorBits {
    fn of(tensor: &trigsieve_fixed::Tensor) -> Self {
        Self {
            tensor: tensor.name.clone(),
            elements: tensor.len(),
            format: tensor.format.to_string(),
            bits: tensor.len() * tensor.format.width as usize,
        }
    }
}

fn weights(operation: &trigsieve_fixed::Operation) -> Option<Weights> {
    let Kind::Dense { weights, weight_format, .. } = &operation.kind else { return None };
    Some(Weights {
        layer: operation.layer.clone(),
        format: weight_format.to_string(),
        weights: weights.len(),
        pruned: weights.iter().filter(|weight| **weight == 0).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_counted_by_what_they_take() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "log\n{\"design\": {\"num_cells_by_type\": {\"LUT2\": 10, \"LUT6\": 5, \"INV\": 1, \"SRL16E\": 2, \
            \"RAM64M8\": 1, \"FDRE\": 7, \"FDSE\": 1, \"DSP48E2\": 3, \"RAMB36E2\": 2, \"RAMB18E2\": 1, \"CARRY4\": 4, \
            \"MUXF7\": 9}}}";
        std::fs::write(file.path(), text).expect("a file");
        let found = resources(file.path()).expect("resources");
        assert_eq!(found, Resources { luts: 26, ffs: 8, dsps: 3, brams: 3, carries: 4 });
        let usage = Usage::of(&found, &PARTS[0]);
        assert!((usage.luts_percent - 100.0 * 26.0 / 1_182_240.0).abs() < 1e-12);
        std::fs::write(file.path(), "no object").expect("a file");
        assert!(resources(file.path()).is_err());
    }
}
