//! AVX-512 (F, BW, DQ, VL), with and without VNNI.

use std::arch::x86_64::*;

use super::isa::Isa;
use super::scale::{Chunk, ScaleRows};
use super::{Block, PlaneStep, Step, run_planes};

/// AVX-512, and with `VNNI` its dot products.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512<const VNNI: bool>(());

impl<const VNNI: bool> Avx512<VNNI> {
    /// Some if the CPU has it.
    pub(crate) fn detect() -> Option<Self> {
        let base = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        (base && (!VNNI || is_x86_feature_detected!("avx512vnni"))).then_some(Self(()))
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

/// Calls an intrinsic of the instruction set that `self` proves.
macro_rules! have {
    ($call:expr) => {
        // SAFETY: `self` exists only where `detect` found the instruction set.
        unsafe { $call }
    };
}

impl<const VNNI: bool> Isa for Avx512<VNNI> {
    const LANES: usize = 16;
    const TILE: usize = 14;
    const BYTES: bool = VNNI;
    const ROWS: bool = VNNI;
    type V = __m512i;
    type Places = __m512i;

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
    fn left32(self, a: __m512i, places: __m512i) -> __m512i {
        have!(_mm512_sllv_epi32(a, places))
    }

    #[inline(always)]
    fn right32(self, a: __m512i, places: __m512i) -> __m512i {
        have!(_mm512_srav_epi32(a, places))
    }

    #[inline(always)]
    fn high(self, a: __m512i) -> __m512i {
        have!(_mm512_srli_epi32::<16>(a))
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
        have!(_mm512_mask_sub_epi16(a, _mm512_test_epi16_mask(a, bit), a, _mm512_set1_epi16(1)))
    }

    #[inline(always)]
    fn scale_rows(self, scale: &ScaleRows, block: &mut Block) {
        let (k, lanes) = (scale.k, block.lanes);
        assert!(block.hardware.len() == lanes * k, "a row a lane");
        assert_eq!(scale.planes.len(), scale.chunks.len());
        let output = &mut block.memory.narrow.lanes_mut()[scale.output..];
        for lane in (0..lanes).step_by(16) {
            for (at, (chunk, planes)) in scale.chunks.iter().zip(&scale.planes).enumerate() {
                let first = at * 64;
                let mut rows = [have!(_mm512_setzero_si512()); 16];
                for (event, row) in rows.iter_mut().enumerate() {
                    let values = &block.hardware[(lane + event) * k..][first..k.min(first + 64)];
                    *row = self.scale_row(chunk, values);
                }
                for (v, plane) in self.transpose(rows).into_iter().zip(planes) {
                    if let Some(plane) = plane {
                        let to = &mut output[*plane as usize + lane..][..16];
                        // SAFETY: `to` has room for 16 values.
                        unsafe { self.store(to.as_mut_ptr(), v) };
                    }
                }
            }
        }
    }
}

impl<const VNNI: bool> Avx512<VNNI> {
    /// Scales at most 64 values of a row.
    #[inline(always)]
    fn scale_row(self, chunk: &Chunk, values: &[i16]) -> __m512i {
        let count = values.len();
        let mask = u64::MAX >> (64 - count.clamp(1, 64));
        let from = values.as_ptr();
        // SAFETY: the masks leave out what lies past `values`, and masked lanes are not accessed.
        let (low, high) = unsafe {
            (
                _mm512_maskz_loadu_epi16(mask as u32, from),
                _mm512_maskz_loadu_epi16((mask >> 32) as u32, from.wrapping_add(32)),
            )
        };
        let low = self.scale_half(chunk, 0, low);
        let high = self.scale_half(chunk, 32, high);
        have!(_mm512_xor_si512(_mm512_packs_epi16(low, high), _mm512_set1_epi8(-128)))
    }

    /// Scales 32 values, from input `first` of the chunk.
    #[inline(always)]
    fn scale_half(self, chunk: &Chunk, first: usize, h: __m512i) -> __m512i {
        // SAFETY: each constant has 64 numbers and `first` is 0 or 32; `self` proves the instruction set.
        unsafe {
            let constant = |numbers: *const i16| _mm512_loadu_si512(numbers.add(first).cast());
            let left = constant(chunk.left.as_ptr().cast());
            let u = _mm512_sub_epi16(_mm512_sllv_epi16(h, left), constant(chunk.offset.as_ptr()));
            let lower = _mm512_testn_epi16_mask(u, constant(chunk.keep.as_ptr().cast()));
            let u = _mm512_mask_subs_epi16(u, lower, u, constant(chunk.step.as_ptr()));
            _mm512_mulhrs_epi16(u, constant(chunk.factor.as_ptr()))
        }
    }

    /// The transpose of 16 rows of 16 lanes.
    #[inline(always)]
    fn transpose(self, rows: [__m512i; 16]) -> [__m512i; 16] {
        let mut a = rows;
        let mut b = rows;
        for i in 0..8 {
            b[2 * i] = have!(_mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]));
            b[2 * i + 1] = have!(_mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]));
        }
        for i in 0..4 {
            for j in 0..2 {
                a[4 * i + 2 * j] = have!(_mm512_unpacklo_epi64(b[4 * i + j], b[4 * i + j + 2]));
                a[4 * i + 2 * j + 1] = have!(_mm512_unpackhi_epi64(b[4 * i + j], b[4 * i + j + 2]));
            }
        }
        // a[4 i + c] now has, in each quarter q, column 4 q + c of rows 4 i to 4 i + 3.
        for i in 0..2 {
            for c in 0..4 {
                let (low, high) = (a[8 * i + c], a[8 * i + 4 + c]);
                b[8 * i + c] = have!(_mm512_shuffle_i32x4::<0x88>(low, high));
                b[8 * i + 4 + c] = have!(_mm512_shuffle_i32x4::<0xdd>(low, high));
            }
        }
        for c in 0..4 {
            a[c] = have!(_mm512_shuffle_i32x4::<0x88>(b[c], b[8 + c]));
            a[8 + c] = have!(_mm512_shuffle_i32x4::<0xdd>(b[c], b[8 + c]));
            a[4 + c] = have!(_mm512_shuffle_i32x4::<0x88>(b[4 + c], b[12 + c]));
            a[12 + c] = have!(_mm512_shuffle_i32x4::<0xdd>(b[4 + c], b[12 + c]));
        }
        a
    }
}
