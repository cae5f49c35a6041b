//! The FPGAs whose size is known.

use serde::Serialize;

/// What a part has, by its data sheet (AMD DS890).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Short name, `VU9P`.
    pub name: &'static str,
    /// How part numbers begin, without package and speed grade.
    pub prefix: &'static str,
    /// Yosys's name of the family.
    #[serde(skip)]
    pub family: &'static str,
    /// Lookup tables of six inputs.
    pub luts: u64,
    /// Flip-flops.
    pub ffs: u64,
    /// Multipliers (DSP48E2).
    pub dsps: u64,
    /// Block memories of 36 kbit.
    pub brams: u64,
    /// Fastest clock of the global buffers at speed grade -2, MHz (AMD DS923).
    pub max_clock_mhz: f64,
}

/// All of them; reports give the shares of the first two.
pub const PARTS: [Part; 4] = [
    Part {
        name: "VU9P",
        prefix: "xcvu9p",
        family: "xcup",
        luts: 1_182_240,
        ffs: 2_364_480,
        dsps: 6_840,
        brams: 2_160,
        max_clock_mhz: 775.0,
    },
    Part {
        name: "VU13P",
        prefix: "xcvu13p",
        family: "xcup",
        luts: 1_728_000,
        ffs: 3_456_000,
        dsps: 12_288,
        brams: 2_688,
        max_clock_mhz: 775.0,
    },
    Part {
        name: "KU115",
        prefix: "xcku115",
        family: "xcu",
        luts: 663_360,
        ffs: 1_326_720,
        dsps: 5_520,
        brams: 2_160,
        max_clock_mhz: 725.0,
    },
    Part {
        name: "ZU9EG",
        prefix: "xczu9eg",
        family: "xcup",
        luts: 274_080,
        ffs: 548_160,
        dsps: 2_520,
        brams: 912,
        max_clock_mhz: 775.0,
    },
];

impl Part {
    /// The part of a part number such as `xcvu9p-flga2104-2-e`.
    #[must_use]
    pub fn of(number: &str) -> Option<&'static Self> {
        let device = number.split('-').next().unwrap_or_default();
        PARTS.iter().find(|part| part.prefix == device)
    }
}
