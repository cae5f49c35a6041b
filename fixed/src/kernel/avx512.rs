//! AVX-512 (F, BW, DQ, VL), with and without VNNI.

use std::arch::x86_64::*;

use super::isa::{Isa, Rows};
use super::rows::{self, DoorRows, ScaleRows};
use super::{Block, PlaneStep, Step, run_planes};

/// AVX-512, and with `VNNI` its dot products.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512<const VNNI: bool> {
    /// Whether there is VBMI as well.
    vbmi: bool,
}

impl<const VNNI: bool> Avx512<VNNI> {
    /// Some if the CPU has it.
    pub(crate) fn detect() -> Option<Self> {
        let base = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let vbmi = is_x86_feature_detected!("avx512vbmi");
        (base && (!VNNI || is_x86_feature_detected!("avx512vnni"))).then_some(Self { vbmi })
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn run(isa: Avx512<false>, steps: &[Step], block: &mut Block) {
    super::run(isa, steps, block);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn run_vnni(isa: Avx512<true>, steps: &[Step], block: &mut Block) {
    super::run(isa, steps, block);
}

/// Runs steps on a block.
pub(crate) fn start(isa: Avx512<false>, steps: &[Step], block: &mut Block) {
    // SAFETY: `isa` exists only where `detect` found the instruction set.
    unsafe { run(isa, steps, block) }
}

/// Runs steps on a block.
pub(crate) fn start_vnni(isa: Avx512<true>, steps: &[Step], block: &mut Block) {
    // SAFETY: `isa` exists only where `detect` found the instruction set.
    unsafe { run_vnni(isa, steps, block) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn planes(step: &PlaneStep, block: &mut Block) {
    run_planes(step, block);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
fn scale_rows_permuted<const VNNI: bool>(isa: Avx512<VNNI>, scale: &ScaleRows, block: &mut Block) {
    rows::run(isa, scale, block);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn scale_rows<const VNNI: bool>(isa: Avx512<VNNI>, scale: &ScaleRows, block: &mut Block) {
    rows::run(isa, scale, block);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn door_rows<const VNNI: bool>(isa: Avx512<VNNI>, door: &DoorRows, block: &mut Block) {
    rows::door(isa, door, block);
}

/// The low words of two vectors' lanes in turn.
const LOW_WORDS: [i16; 32] = {
    let mut words = [0; 32];
    let mut at = 0;
    while at < 32 {
        words[at] = (at / 2 * 2 + at % 2 * 32) as i16;
        at += 1;
    }
    words
};

/// Calls an intrinsic of the instruction set that `self` proves.
macro_rules! have {
    ($call:expr) => {
        // SAFETY: `self` exists only where `detect` found the instruction set.
        unsafe { $call }
    };
}

impl<const VNNI: bool> Isa for Avx512<VNNI> {
    const LANES: usize = 16;
    const WIDE: bool = true;
    const BYTES: bool = VNNI;
    const FLOATS: bool = true;
    const ROWS: bool = true;
    type V = __m512i;
    type Places = __m512i;

    fn permutes(self) -> bool {
        self.vbmi
    }

    fn planes(self, step: &PlaneStep, block: &mut Block) {
        have!(planes(step, block));
    }

    #[inline(always)]
    fn splat(self, value: i32) -> __m512i {
        have!(_mm512_set1_epi32(value))
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i32) -> __m512i {
        // SAFETY: the caller vouches for 16 values; `self` for the instruction set.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32, v: __m512i) {
        // SAFETY: the caller vouches for 16 values; `self` for the instruction set.
        unsafe { _mm512_storeu_si512(to.cast(), v) }
    }

    #[inline(always)]
    fn dot2(self, a: __m512i, x: __m512i, w: __m512i) -> __m512i {
        if VNNI {
            have!(_mm512_dpwssd_epi32(a, x, w))
        } else {
            have!(_mm512_add_epi32(a, _mm512_madd_epi16(x, w)))
        }
    }

    #[inline(always)]
    fn dot4(self, a: __m512i, x: __m512i, w: __m512i) -> __m512i {
        if VNNI {
            have!(_mm512_dpbusd_epi32(a, x, w))
        } else {
            unreachable!("bytes are packed only for VNNI")
        }
    }

    #[inline(always)]
    fn places32(self, count: u32) -> __m512i {
        have!(_mm512_set1_epi32(count.cast_signed()))
    }

    #[inline(always)]
    fn places16(self, count: u32) -> __m512i {
        have!(_mm512_set1_epi16(count as i16))
    }

    #[inline(always)]
    fn add32(self, a: __m512i, b: __m512i) -> __m512i {
        have!(_mm512_add_epi32(a, b))
    }

    #[inline(always)]
    fn less32(self, a: __m512i, bit: __m512i) -> __m512i {
        have!(_mm512_mask_sub_epi32(a, _mm512_test_epi32_mask(a, bit), a, _mm512_set1_epi32(1)))
    }

    #[inline(always)]
    fn left32(self, a: __m512i, places: __m512i) -> __m512i {
        have!(_mm512_sllv_epi32(a, places))
    }

    #[inline(always)]
    fn right32(self, a: __m512i, places: __m512i) -> __m512i {
        have!(_mm512_srav_epi32(a, places))
    }

    #[inline(always)]
    fn right32_unsigned(self, a: __m512i, places: __m512i) -> __m512i {
        have!(_mm512_srlv_epi32(a, places))
    }

    #[inline(always)]
    fn narrow(self, a: __m512i, b: __m512i) -> __m512i {
        // `packus` leaves, in each 128 bits, four numbers of a and then four of b.
        have!({
            let order = _mm_set_epi8(15, 14, 7, 6, 13, 12, 5, 4, 11, 10, 3, 2, 9, 8, 1, 0);
            _mm512_shuffle_epi8(_mm512_packus_epi32(a, b), _mm512_broadcast_i32x4(order))
        })
    }

    #[inline(always)]
    fn bytes(self, a: __m512i, b: __m512i) -> __m512i {
        have!(_mm512_mask_blend_epi8(0xaaaa_aaaa_aaaa_aaaa, a, _mm512_slli_epi16::<8>(b)))
    }

    #[inline(always)]
    fn round_pair(self, a: __m512i, b: __m512i, even: bool, [least, most]: [__m512i; 2]) -> __m512i {
        const EVEN: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
        have!({
            let (a, b) = if even {
                (_mm512_cvt_roundepi32_ps::<EVEN>(a), _mm512_cvt_roundepi32_ps::<EVEN>(b))
            } else {
                (_mm512_cvt_roundepi32_ps::<DOWN>(a), _mm512_cvt_roundepi32_ps::<DOWN>(b))
            };
            let low_words = _mm512_loadu_si512(LOW_WORDS.as_ptr().cast());
            let pairs = _mm512_permutex2var_epi16(_mm512_castps_si512(a), low_words, _mm512_castps_si512(b));
            _mm512_min_epi16(_mm512_max_epi16(pairs, least), most)
        })
    }

    #[inline(always)]
    fn and(self, a: __m512i, b: __m512i) -> __m512i {
        have!(_mm512_and_si512(a, b))
    }

    #[inline(always)]
    fn add16(self, a: __m512i, b: __m512i) -> __m512i {
        have!(_mm512_add_epi16(a, b))
    }

    #[inline(always)]
    fn excess16(self, a: __m512i, b: __m512i) -> __m512i {
        have!(_mm512_subs_epu16(a, b))
    }

    #[inline(always)]
    fn right16(self, a: __m512i, places: __m512i) -> __m512i {
        have!(_mm512_srlv_epi16(a, places))
    }

    #[inline(always)]
    fn less16(self, a: __m512i, bit: __m512i) -> __m512i {
        // A masked subtraction that the compiler does not turn into two instructions.
        have!(_mm512_mask_subs_epu16(a, _mm512_test_epi16_mask(a, bit), a, _mm512_set1_epi16(1)))
    }

    fn scale_rows(self, scale: &ScaleRows, block: &mut Block) {
        if self.vbmi {
            have!(scale_rows_permuted(self, scale, block));
        } else {
            have!(scale_rows(self, scale, block));
        }
    }

    fn door_rows(self, door: &DoorRows, block: &mut Block) {
        have!(door_rows(self, door, block));
    }

    #[inline(always)]
    fn prefetch(self, at: *const i16) {
        have!(_mm_prefetch::<_MM_HINT_T0>(at.cast()));
    }
}

impl<const VNNI: bool> Rows for Avx512<VNNI> {
    #[inline(always)]
    unsafe fn load16(self, from: *const i16, count: usize, _: usize) -> __m512i {
        let mask = u32::MAX.checked_shr(32 - count as u32).unwrap_or(0);
        // SAFETY: the mask leaves out all but the `count` numbers that the caller vouches for, and masked lanes are not
        // accessed; `self` proves the instruction set.
        unsafe { _mm512_maskz_loadu_epi16(mask, from) }
    }

    #[inline(always)]
    fn scale16(self, h: __m512i, [left, offset, keep, step, factor]: &[__m512i; 5]) -> __m512i {
        have!({
            let u = _mm512_sub_epi16(_mm512_mullo_epi16(h, *left), *offset);
            let u = _mm512_mask_subs_epi16(u, _mm512_testn_epi16_mask(u, *keep), u, *step);
            _mm512_mulhrs_epi16(u, *factor)
        })
    }

    #[inline(always)]
    fn clamp16(self, v: __m512i, least: __m512i, most: __m512i) -> __m512i {
        have!(_mm512_min_epi16(_mm512_max_epi16(v, least), most))
    }

    #[inline(always)]
    fn bytes_plus_128(self, low: __m512i, high: __m512i) -> __m512i {
        have!(_mm512_xor_si512(_mm512_packs_epi16(low, high), _mm512_set1_epi8(-128)))
    }

    #[inline(always)]
    fn permute_bytes(self, v: __m512i, order: __m512i) -> __m512i {
        assert!(self.vbmi, "planned only where there is VBMI");
        have!(_mm512_permutexvar_epi8(order, v))
    }

    #[inline(always)]
    fn quarter(self, [a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
        have!({
            let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
            [
                _mm512_unpacklo_epi64(ab, cd),
                _mm512_unpackhi_epi64(ab, cd),
                _mm512_unpacklo_epi64(ab_high, cd_high),
                _mm512_unpackhi_epi64(ab_high, cd_high),
            ]
        })
    }

    #[inline(always)]
    fn columns(self, [a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
        have!({
            // Of each two, the even 128 bits and the odd ones.
            let (ab, cd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0x88>(c, d));
            let (ab_odd, cd_odd) = (_mm512_shuffle_i32x4::<0xdd>(a, b), _mm512_shuffle_i32x4::<0xdd>(c, d));
            [
                _mm512_shuffle_i32x4::<0x88>(ab, cd),
                _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd),
                _mm512_shuffle_i32x4::<0xdd>(ab, cd),
                _mm512_shuffle_i32x4::<0xdd>(ab_odd, cd_odd),
            ]
        })
    }
}
