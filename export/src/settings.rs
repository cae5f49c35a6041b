//! What is chosen about a firmware besides the program.

use crate::{ExportError, PARTS, Part, Way};

/// A level of logic, that is a lookup table or carry chain with the wire to the next, in nanoseconds: what UltraScale+ at speed
/// grade -2 is assumed to take before anything is placed.
pub const LEVEL_NS: f64 = 0.8;

/// What every clock cycle loses to the registers and the clock's uncertainty, nanoseconds.
pub const OVERHEAD_NS: f64 = 0.3;

/// Which vendor's tool the standalone project is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vendor {
    /// AMD Vitis HLS.
    #[default]
    Vitis,
    /// Xilinx Vivado HLS, up to 2020.1.
    Vivado,
}

/// What differs from tool to tool.
pub(crate) struct VendorTable {
    pub name: &'static str,
    pub command: &'static str,
    pub hls4ml_backend: &'static str,
    /// Options of `open_solution`.
    pub solution: &'static str,
    /// How the clock's uncertainty is given.
    pub uncertainty: &'static str,
}

impl Vendor {
    /// Each of them, with the name on the command line.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Vitis, "vitis"), (Self::Vivado, "vivado")];

    pub(crate) const fn table(self) -> VendorTable {
        match self {
            Self::Vitis => VendorTable {
                name: "Vitis HLS",
                command: "vitis_hls -f build_prj.tcl",
                hls4ml_backend: "Vitis",
                solution: "-flow_target vivado -reset",
                uncertainty: "12.5%",
            },
            Self::Vivado => VendorTable {
                name: "Vivado HLS",
                command: "vivado_hls -f build_prj.tcl",
                hls4ml_backend: "Vivado",
                solution: "-reset",
                uncertainty: "12.5%",
            },
        }
    }
}

/// How hls4ml makes dense layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Everything in parallel.
    #[default]
    Latency,
    /// Multipliers that are shared.
    Resource,
}

impl Strategy {
    /// Each of them, with the name on the command line and, capitalised, in hls4ml.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Latency, "latency"), (Self::Resource, "resource")];

    pub(crate) const fn hls4ml(self) -> &'static str {
        match self {
            Self::Latency => "Latency",
            Self::Resource => "Resource",
        }
    }
}

/// Everything that is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name of the top function and module.
    pub name: String,
    /// Part number, `xcvu9p-flga2104-2-e`.
    pub part: String,
    /// Clock, MHz.
    pub clock_mhz: f64,
    /// The tool of the standalone project, and of hls4ml's back end.
    pub vendor: Vendor,
    /// hls4ml's.
    pub strategy: Strategy,
    /// hls4ml's: how often a multiplier is used for an event.
    pub reuse_factor: u32,
    /// Which ways are written.
    pub ways: Vec<Way>,
    /// Raw score from which the test bench expects an event to be accepted; the firmware takes it from a port.
    pub threshold: i64,
}

impl Settings {
    /// The part.
    ///
    /// # Errors
    /// [`ExportError::Part`] for one that is not known.
    pub fn part(&self) -> Result<&'static Part, ExportError> {
        Part::of(&self.part).ok_or_else(|| ExportError::Part {
            part: self.part.clone(),
            known: PARTS.map(|part| format!("{}-...", part.prefix)).join(", "),
        })
    }

    /// Nanoseconds of a clock cycle.
    #[must_use]
    pub fn period_ns(&self) -> f64 {
        1e3 / self.clock_mhz
    }

    /// Levels of logic that fit between two registers.
    ///
    /// # Errors
    /// [`ExportError::Clock`] when there is not one, or the part's clock is slower.
    pub fn levels(&self) -> Result<u32, ExportError> {
        let part = self.part()?;
        let fail = |why| Err(ExportError::Clock { clock_mhz: self.clock_mhz, why });
        if !(self.clock_mhz.is_finite() && self.clock_mhz > 0.0) {
            return fail("it has to be a positive number".to_owned());
        }
        if self.clock_mhz > part.max_clock_mhz {
            return fail(format!("the clocks of a {} run up to {} MHz", part.name, part.max_clock_mhz));
        }
        let levels = ((self.period_ns() - OVERHEAD_NS) / LEVEL_NS).floor();
        if levels < 1.0 {
            let least = OVERHEAD_NS + LEVEL_NS;
            return fail(format!("a level of logic between two registers takes some {least:.1} ns"));
        }
        Ok(levels as u32)
    }

    /// Checks what can be checked before any work.
    ///
    /// # Errors
    /// [`ExportError::Name`], [`ExportError::Part`], [`ExportError::Clock`].
    pub fn check(&self) -> Result<(), ExportError> {
        let mut letters = self.name.chars();
        let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
        if !first || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(ExportError::Name(self.name.clone()));
        }
        self.levels().map(|_| ())
    }
}
