//! No instruction set in particular: what the compiler makes of plain loops.

use super::isa::Isa;
use super::rows::{DoorRows, ScaleRows};
use super::{Block, PlaneStep, run_planes};

/// Present everywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

const LANES: usize = 4;
type V = [i32; LANES];

fn each(f: impl Fn(usize) -> i32) -> V {
    std::array::from_fn(f)
}

/// Applies a function to both halves of each lane.
#[inline(always)]
fn halves(a: V, b: V, f: impl Fn(u16, u16) -> u16) -> V {
    each(|i| {
        let (low, high) = (f(a[i] as u16, b[i] as u16), f((a[i] >> 16) as u16, (b[i] >> 16) as u16));
        i32::from(low) | i32::from(high) << 16
    })
}

impl Isa for Scalar {
    const LANES: usize = LANES;
    const WIDE: bool = false;
    const BYTES: bool = false;
    const ROWS: bool = false;
    type V = V;
    type Places = u32;

    #[inline(always)]
    fn splat(self, value: i32) -> V {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const i32) -> V {
        // SAFETY: the caller vouches for LANES values.
        unsafe { from.cast::<V>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32, v: V) {
        // SAFETY: the caller vouches for LANES values.
        unsafe { to.cast::<V>().write_unaligned(v) }
    }

    #[inline(always)]
    fn dot2(self, a: V, x: V, w: V) -> V {
        // As numbers of 16 bits, which the compiler turns into an instruction that most CPUs have.
        let words = |v: V| -> [[i16; 2]; LANES] { v.map(|v| [v as i16, (v >> 16) as i16]) };
        let (x, w) = (words(x), words(w));
        let product = |i: usize, half: usize| i32::from(x[i][half]) * i32::from(w[i][half]);
        each(|i| a[i].wrapping_add(product(i, 0).wrapping_add(product(i, 1))))
    }

    #[inline(always)]
    fn dot4(self, a: V, x: V, w: V) -> V {
        each(|i| {
            let products = x[i].to_le_bytes().into_iter().zip(w[i].to_le_bytes());
            products.fold(a[i], |a, (x, w)| a.wrapping_add(i32::from(x) * i32::from(w.cast_signed())))
        })
    }

    #[inline(always)]
    fn places32(self, count: u32) -> u32 {
        count
    }

    #[inline(always)]
    fn places16(self, count: u32) -> u32 {
        count
    }

    #[inline(always)]
    fn add32(self, a: V, b: V) -> V {
        each(|i| a[i].wrapping_add(b[i]))
    }

    #[inline(always)]
    fn less32(self, a: V, bit: V) -> V {
        each(|i| a[i].wrapping_sub(i32::from(a[i] & bit[i] != 0)))
    }

    #[inline(always)]
    fn left32(self, a: V, places: u32) -> V {
        a.map(|a| a << places)
    }

    #[inline(always)]
    fn right32(self, a: V, places: u32) -> V {
        a.map(|a| a >> places)
    }

    #[inline(always)]
    fn right32_unsigned(self, a: V, places: u32) -> V {
        a.map(|a| (a.cast_unsigned() >> places).cast_signed())
    }

    #[inline(always)]
    fn narrow(self, a: V, b: V) -> V {
        each(|i| a[i].clamp(0, 0xffff) | b[i].clamp(0, 0xffff) << 16)
    }

    #[inline(always)]
    fn bytes(self, a: V, b: V) -> V {
        each(|i| a[i] & 0x00ff_00ff | (b[i] & 0x00ff_00ff) << 8)
    }

    #[inline(always)]
    fn and(self, a: V, b: V) -> V {
        each(|i| a[i] & b[i])
    }

    #[inline(always)]
    fn add16(self, a: V, b: V) -> V {
        halves(a, b, u16::wrapping_add)
    }

    #[inline(always)]
    fn excess16(self, a: V, b: V) -> V {
        halves(a, b, u16::saturating_sub)
    }

    #[inline(always)]
    fn right16(self, a: V, places: u32) -> V {
        let mask = 0xffff_u32 >> places;
        let mask = (mask << 16 | mask).cast_signed();
        a.map(|a| a >> places & mask)
    }

    #[inline(always)]
    fn less16(self, a: V, bit: V) -> V {
        halves(a, bit, |a, bit| a.wrapping_sub(u16::from(a & bit != 0)))
    }

    fn planes(self, step: &PlaneStep, block: &mut Block) {
        run_planes(step, block);
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
