//! NEON.

use std::arch::aarch64::*;

use super::isa::Isa;
use super::rows::{DoorRows, ScaleRows};
use super::{Block, PlaneStep, Step, run_planes};

/// NEON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon(());

impl Neon {
    /// Some if the CPU has it.
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

#[target_feature(enable = "neon")]
fn run(isa: Neon, steps: &[Step], block: &mut Block) {
    super::run(isa, steps, block);
}

/// Runs steps on a block.
pub(crate) fn start(isa: Neon, steps: &[Step], block: &mut Block) {
    // SAFETY: `isa` exists only where `detect` found the instruction set.
    unsafe { run(isa, steps, block) }
}

#[target_feature(enable = "neon")]
fn planes(step: &PlaneStep, block: &mut Block) {
    run_planes(step, block);
}

/// Calls an intrinsic of the instruction set that `self` proves.
macro_rules! have {
    ($call:expr) => {
        // SAFETY: `self` exists only where `detect` found the instruction set.
        unsafe { $call }
    };
}

impl Isa for Neon {
    const LANES: usize = 4;
    const WIDE: bool = true;
    const BYTES: bool = false;
    const ROWS: bool = false;
    type V = int32x4_t;
    type Places = int32x4_t;

    fn planes(self, step: &PlaneStep, block: &mut Block) {
        have!(planes(step, block));
    }

    #[inline(always)]
    fn splat(self, value: i32) -> int32x4_t {
        have!(vdupq_n_s32(value))
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i32) -> int32x4_t {
        // SAFETY: the caller vouches for 4 values; `self` for the instruction set.
        unsafe { vld1q_s32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32, v: int32x4_t) {
        // SAFETY: the caller vouches for 4 values; `self` for the instruction set.
        unsafe { vst1q_s32(to, v) }
    }

    #[inline(always)]
    fn dot2(self, a: int32x4_t, x: int32x4_t, w: int32x4_t) -> int32x4_t {
        have!({
            let (x, w) = (vreinterpretq_s16_s32(x), vreinterpretq_s16_s32(w));
            let low = vmull_s16(vget_low_s16(x), vget_low_s16(w));
            vaddq_s32(a, vpaddq_s32(low, vmull_high_s16(x, w)))
        })
    }

    #[inline(always)]
    fn dot4(self, _: int32x4_t, _: int32x4_t, _: int32x4_t) -> int32x4_t {
        unreachable!("bytes are packed only where one instruction takes them")
    }

    /// NEON shifts by lane, to the right for negative distances.
    #[inline(always)]
    fn places32(self, count: u32) -> int32x4_t {
        have!(vdupq_n_s32(count.cast_signed()))
    }

    #[inline(always)]
    fn places16(self, count: u32) -> int32x4_t {
        have!(vreinterpretq_s32_s16(vdupq_n_s16(count as i16)))
    }

    #[inline(always)]
    fn add32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        have!(vaddq_s32(a, b))
    }

    #[inline(always)]
    fn less32(self, a: int32x4_t, bit: int32x4_t) -> int32x4_t {
        // The comparison is -1 where a bit is shared.
        have!(vaddq_s32(a, vreinterpretq_s32_u32(vtstq_s32(a, bit))))
    }

    #[inline(always)]
    fn left32(self, a: int32x4_t, places: int32x4_t) -> int32x4_t {
        have!(vshlq_s32(a, places))
    }

    #[inline(always)]
    fn right32(self, a: int32x4_t, places: int32x4_t) -> int32x4_t {
        have!(vshlq_s32(a, vnegq_s32(places)))
    }

    #[inline(always)]
    fn right32_unsigned(self, a: int32x4_t, places: int32x4_t) -> int32x4_t {
        have!(vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vnegq_s32(places))))
    }

    #[inline(always)]
    fn narrow(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        have!(vreinterpretq_s32_u16(vzip1q_u16(
            vcombine_u16(vqmovun_s32(a), vqmovun_s32(a)),
            vcombine_u16(vqmovun_s32(b), vqmovun_s32(b)),
        )))
    }

    #[inline(always)]
    fn bytes(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        have!({
            let (a, b) = (vreinterpretq_u16_s32(a), vreinterpretq_u16_s32(b));
            vreinterpretq_s32_u16(vsliq_n_u16::<8>(a, b))
        })
    }

    #[inline(always)]
    fn and(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        have!(vandq_s32(a, b))
    }

    #[inline(always)]
    fn add16(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        have!(vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b))))
    }

    #[inline(always)]
    fn excess16(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        have!(vreinterpretq_s32_u16(vqsubq_u16(vreinterpretq_u16_s32(a), vreinterpretq_u16_s32(b))))
    }

    #[inline(always)]
    fn right16(self, a: int32x4_t, places: int32x4_t) -> int32x4_t {
        have!({
            let left = vnegq_s16(vreinterpretq_s16_s32(places));
            vreinterpretq_s32_u16(vshlq_u16(vreinterpretq_u16_s32(a), left))
        })
    }

    #[inline(always)]
    fn less16(self, a: int32x4_t, bit: int32x4_t) -> int32x4_t {
        // The comparison is -1 where a bit is shared.
        have!({
            let (a, bit) = (vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(bit));
            vreinterpretq_s32_s16(vaddq_s16(a, vreinterpretq_s16_u16(vtstq_s16(a, bit))))
        })
    }

    fn scale_rows(self, _: &ScaleRows, _: &mut Block) {
        unreachable!("planned only where ROWS")
    }

    fn door_rows(self, _: &DoorRows, _: &mut Block) {
        unreachable!("planned only where ROWS")
    }

    #[inline(always)]
    fn prefetch(self, _: *const i16) {}
}
