//! Which instructions the kernels use: detected once, and never beyond what the CPU has.

use std::fmt;
use std::str::FromStr;

use crate::kernel::isa::Isa;
use crate::kernel::{Block, Step, run_scalar, scalar::Scalar};

#[cfg(target_arch = "aarch64")]
use crate::kernel::neon;
#[cfg(target_arch = "x86_64")]
use crate::kernel::{avx2, avx512};

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Simd {
    /// None in particular.
    Scalar,
    /// AVX2.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// The same with VNNI.
    Avx512Vnni,
    /// NEON.
    Neon,
}

/// An instruction set that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimdError {
    /// The CPU lacks it.
    #[error("this CPU has no {0}; it has {1}")]
    Absent(Simd, String),
    /// No such name.
    #[error("`{0}` is none of scalar, avx2, avx512, avx512-vnni, neon")]
    Unknown(String),
}

impl Simd {
    /// Every instruction set, from the slowest to the fastest.
    pub const ALL: [Self; 5] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512, Self::Avx512Vnni];

    /// Its name in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512-vnni",
            Self::Neon => "neon",
        }
    }

    /// Those that this CPU has, from the slowest to the fastest.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|simd| Runner::new(*simd).is_some())
    }

    /// The fastest that this CPU has.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::Scalar)
    }
}

impl fmt::Display for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Simd {
    type Err = SimdError;

    fn from_str(text: &str) -> Result<Self, SimdError> {
        let known = Self::ALL.into_iter().find(|simd| simd.name() == text);
        known.ok_or_else(|| SimdError::Unknown(text.to_owned()))
    }
}

/// What a plan has to know of an instruction set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// As [`Isa::LANES`].
    pub(crate) lanes: usize,
    /// As [`Isa::BYTES`].
    pub(crate) bytes: bool,
    /// As [`Isa::FLOATS`].
    pub(crate) floats: bool,
    /// As [`Isa::ROWS`].
    pub(crate) rows: bool,
    /// As [`Isa::permutes`].
    pub(crate) permutes: bool,
}

impl Shape {
    fn of<I: Isa>(isa: I) -> Self {
        Self { lanes: I::LANES, bytes: I::BYTES, floats: I::FLOATS, rows: I::ROWS, permutes: isa.permutes() }
    }
}

/// The proof that an instruction set is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runner {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512<false>),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(avx512::Avx512<true>),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl Runner {
    /// None if the CPU lacks it.
    pub(crate) fn new(simd: Simd) -> Option<Self> {
        match simd {
            Simd::Scalar => Some(Self::Scalar),
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => avx2::Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => avx512::Avx512::detect().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512Vnni => avx512::Avx512::detect().map(Self::Avx512Vnni),
            #[cfg(target_arch = "aarch64")]
            Simd::Neon => neon::Neon::detect().map(Self::Neon),
            #[allow(unreachable_patterns)]
            _ => None,
        }
    }

    /// As the error says it.
    pub(crate) fn require(simd: Simd) -> Result<Self, SimdError> {
        Self::new(simd).ok_or_else(|| {
            let available: Vec<&str> = Simd::available().map(Simd::name).collect();
            SimdError::Absent(simd, available.join(", "))
        })
    }

    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::Scalar => Shape::of(Scalar),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(isa) => Shape::of(isa),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(isa) => Shape::of(isa),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(isa) => Shape::of(isa),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(isa) => Shape::of(isa),
        }
    }

    /// Runs steps on a block.
    pub(crate) fn run(self, steps: &[Step], block: &mut Block) {
        match self {
            Self::Scalar => run_scalar(steps, block),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(isa) => avx2::start(isa, steps, block),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(isa) => avx512::start(isa, steps, block),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(isa) => avx512::start_vnni(isa, steps, block),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(isa) => neon::start(isa, steps, block),
        }
    }
}
