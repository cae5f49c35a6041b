//! AVX2.

use std::arch::x86_64::*;

use super::isa::{Isa, Rows};
use super::rows::{self, DoorRows, ScaleRows};
use super::{Block, PlaneStep, Step, run_planes};

/// AVX2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Some if the CPU has it.
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

#[target_feature(enable = "avx2")]
fn run(isa: Avx2, steps: &[Step], block: &mut Block) {
    super::run(isa, steps, block);
}

/// Runs steps on a block.
pub(crate) fn start(isa: Avx2, steps: &[Step], block: &mut Block) {
    // SAFETY: `isa` exists only where `detect` found the instruction set.
    unsafe { run(isa, steps, block) }
}

#[target_feature(enable = "avx2")]
fn planes(step: &PlaneStep, block: &mut Block) {
    run_planes(step, block);
}

#[target_feature(enable = "avx2")]
fn scale_rows(isa: Avx2, scale: &ScaleRows, block: &mut Block) {
    rows::run(isa, scale, block);
}

#[target_feature(enable = "avx2")]
fn door_rows(isa: Avx2, door: &DoorRows, block: &mut Block) {
    rows::door(isa, door, block);
}

/// Calls an intrinsic of the instruction set that `self` proves.
macro_rules! have {
    ($call:expr) => {
        // SAFETY: `self` exists only where `detect` found the instruction set.
        unsafe { $call }
    };
}

impl Isa for Avx2 {
    const LANES: usize = 8;
    const WIDE: bool = false;
    const BYTES: bool = false;
    const ROWS: bool = true;
    type V = __m256i;
    type Places = __m128i;

    fn planes(self, step: &PlaneStep, block: &mut Block) {
        have!(planes(step, block));
    }

    #[inline(always)]
    fn splat(self, value: i32) -> __m256i {
        have!(_mm256_set1_epi32(value))
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i32) -> __m256i {
        // SAFETY: the caller vouches for 8 values; `self` for the instruction set.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32, v: __m256i) {
        // SAFETY: the caller vouches for 8 values; `self` for the instruction set.
        unsafe { _mm256_storeu_si256(to.cast(), v) }
    }

    #[inline(always)]
    fn dot2(self, a: __m256i, x: __m256i, w: __m256i) -> __m256i {
        have!(_mm256_add_epi32(a, _mm256_madd_epi16(x, w)))
    }

    #[inline(always)]
    fn dot4(self, _: __m256i, _: __m256i, _: __m256i) -> __m256i {
        unreachable!("bytes are packed only where one instruction takes them")
    }

    #[inline(always)]
    fn places32(self, count: u32) -> __m128i {
        have!(_mm_cvtsi32_si128(count.cast_signed()))
    }

    #[inline(always)]
    fn places16(self, count: u32) -> __m128i {
        self.places32(count)
    }

    #[inline(always)]
    fn add32(self, a: __m256i, b: __m256i) -> __m256i {
        have!(_mm256_add_epi32(a, b))
    }

    #[inline(always)]
    fn less32(self, a: __m256i, bit: __m256i) -> __m256i {
        // The comparison is -1 where the bit is set.
        have!(_mm256_add_epi32(a, _mm256_cmpeq_epi32(_mm256_and_si256(a, bit), bit)))
    }

    #[inline(always)]
    fn left32(self, a: __m256i, places: __m128i) -> __m256i {
        have!(_mm256_sll_epi32(a, places))
    }

    #[inline(always)]
    fn right32(self, a: __m256i, places: __m128i) -> __m256i {
        have!(_mm256_sra_epi32(a, places))
    }

    #[inline(always)]
    fn right32_unsigned(self, a: __m256i, places: __m128i) -> __m256i {
        have!(_mm256_srl_epi32(a, places))
    }

    #[inline(always)]
    fn narrow(self, a: __m256i, b: __m256i) -> __m256i {
        // `packus` leaves, in each 128 bits, four numbers of a and then four of b.
        have!({
            let order = _mm_set_epi8(15, 14, 7, 6, 13, 12, 5, 4, 11, 10, 3, 2, 9, 8, 1, 0);
            _mm256_shuffle_epi8(_mm256_packus_epi32(a, b), _mm256_broadcastsi128_si256(order))
        })
    }

    #[inline(always)]
    fn bytes(self, a: __m256i, b: __m256i) -> __m256i {
        have!(_mm256_blendv_epi8(a, _mm256_slli_epi16::<8>(b), _mm256_set1_epi16(0xff00_u16.cast_signed())))
    }

    #[inline(always)]
    fn and(self, a: __m256i, b: __m256i) -> __m256i {
        have!(_mm256_and_si256(a, b))
    }

    #[inline(always)]
    fn add16(self, a: __m256i, b: __m256i) -> __m256i {
        have!(_mm256_add_epi16(a, b))
    }

    #[inline(always)]
    fn excess16(self, a: __m256i, b: __m256i) -> __m256i {
        have!(_mm256_subs_epu16(a, b))
    }

    #[inline(always)]
    fn right16(self, a: __m256i, places: __m128i) -> __m256i {
        have!(_mm256_srl_epi16(a, places))
    }

    #[inline(always)]
    fn less16(self, a: __m256i, bit: __m256i) -> __m256i {
        // The comparison is -1 where the bit is set.
        have!(_mm256_add_epi16(a, _mm256_cmpeq_epi16(_mm256_and_si256(a, bit), bit)))
    }

    fn scale_rows(self, scale: &ScaleRows, block: &mut Block) {
        have!(scale_rows(self, scale, block));
    }

    fn door_rows(self, door: &DoorRows, block: &mut Block) {
        have!(door_rows(self, door, block));
    }

    #[inline(always)]
    fn prefetch(self, at: *const i16) {
        have!(_mm_prefetch::<_MM_HINT_T1>(at.cast()));
    }
}

impl Rows for Avx2 {
    #[inline(always)]
    unsafe fn load16(self, from: *const i16, count: usize, valid: usize) -> __m256i {
        if valid >= 16 {
            // SAFETY: the caller vouches for `valid` numbers; `self` for the instruction set.
            return unsafe { _mm256_loadu_si256(from.cast()) };
        }
        let mut all = [0; 16];
        // SAFETY: the caller vouches for `count` numbers, and they are at most `valid`, fewer than 16.
        unsafe { std::ptr::copy_nonoverlapping(from, all.as_mut_ptr(), count) };
        // SAFETY: there are 16 numbers; `self` proves the instruction set.
        unsafe { _mm256_loadu_si256(all.as_ptr().cast()) }
    }

    /// There is no shift by a lane's own distance for 16-bit lanes, so `left` is the power of two to multiply with.
    #[inline(always)]
    fn scale16(self, h: __m256i, [left, offset, keep, step, factor]: &[__m256i; 5]) -> __m256i {
        have!({
            let u = _mm256_sub_epi16(_mm256_mullo_epi16(h, *left), *offset);
            let lower = _mm256_cmpeq_epi16(_mm256_and_si256(u, *keep), _mm256_setzero_si256());
            let u = _mm256_subs_epi16(u, _mm256_and_si256(lower, *step));
            _mm256_mulhrs_epi16(u, *factor)
        })
    }

    #[inline(always)]
    fn clamp16(self, v: __m256i, least: __m256i, most: __m256i) -> __m256i {
        have!(_mm256_min_epi16(_mm256_max_epi16(v, least), most))
    }

    #[inline(always)]
    fn bytes_plus_128(self, _: __m256i, _: __m256i) -> __m256i {
        unreachable!("bytes are packed only where one instruction takes them")
    }

    fn permute_bytes(self, _: __m256i, _: __m256i) -> __m256i {
        unreachable!("this instruction set does not permute")
    }

    #[inline(always)]
    fn quarter(self, [a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
        have!({
            let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
            [
                _mm256_unpacklo_epi64(ab, cd),
                _mm256_unpackhi_epi64(ab, cd),
                _mm256_unpacklo_epi64(ab_high, cd_high),
                _mm256_unpackhi_epi64(ab_high, cd_high),
            ]
        })
    }

    #[inline(always)]
    fn columns(self, [a, b, ..]: [__m256i; 4]) -> [__m256i; 4] {
        have!({
            let (low, high) =
                (_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b));
            [low, high, low, high]
        })
    }
}
