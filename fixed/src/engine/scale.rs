//! Which input scalings can be done in rows of 16-bit lanes (see [`ScaleRows`]).

use crate::kernel::rows::{CHUNK, Chunk, ScaleRows, packed_byte};
use crate::program::Input;
use crate::{Exact, Format, Interval, Kind, Overflow, Rounding};

use super::dense::Packing;

/// Constants of one input: left (as a power of two to multiply with), offset, keep, step, factor.
type Constants = [i16; 5];

/// The kernel's constants if `kind` is a scaling of the rows that 16-bit lanes do exactly.
pub(super) fn rows(input: &Input, kind: &Kind, out: Format, packing: Packing) -> Option<ScaleRows> {
    let Kind::Scale { offsets, offset_format, difference, shifts } = kind else { return None };
    let clamps = matches!(out.overflow, Overflow::Saturate | Overflow::SaturateSymmetric);
    if !(clamps && wraps_alike(input, *difference)) {
        return None;
    }
    let range = [i16::try_from(out.least()).ok()?, i16::try_from(out.max_raw()).ok()?];
    let fits = if packing.bytes { range == [-128, 127] && packing.least == -128 } else { packing.least == 0 };
    if !fits {
        return None;
    }
    let mut chunks = vec![Chunk([[0; CHUNK]; 5]); offsets.len().div_ceil(CHUNK)];
    for (at, (offset, shift)) in offsets.iter().zip(shifts).enumerate() {
        let offset = offset_format.exact((*offset).into());
        let constants = constants(input.hardware_fraction, offset, *difference, *shift, out)?;
        for (list, constant) in chunks[at / CHUNK].0.iter_mut().zip(constants) {
            list[at % CHUNK] = constant;
        }
    }
    Some(ScaleRows { k: offsets.len(), output: 0, bytes: packing.bytes, range, chunks, orders: Vec::new() })
}

/// Where each byte of the lanes comes from among a chunk's packed bytes; these are the elements of the lanes.
pub(super) fn byte_orders(lanes: &[Vec<Option<usize>>]) -> Vec<[u8; CHUNK]> {
    let bytes: Vec<Option<usize>> = lanes.iter().flatten().copied().collect();
    let from = |byte: &Option<usize>| byte.map_or(0, |input| packed_byte(input % CHUNK) as u8);
    bytes.chunks(CHUNK).map(|chunk| std::array::from_fn(|at| from(&chunk[at]))).collect()
}

/// Whether the door and the difference amount to one wrap at the difference's top: hardware integers lose nothing at the
/// bottom, and what wraps at the door wraps at or above the difference's top.
fn wraps_alike(input: &Input, difference: Format) -> bool {
    let door = input.tensor.format;
    let hardware = Interval::between(i16::MIN.into(), i16::MAX.into());
    let taken = hardware.assigned(input.hardware_fraction, &door);
    let wraps = |format: Format| format.overflow == Overflow::Wrap;
    taken.keeps_bits
        && (taken.in_range || wraps(door) && door.integer >= difference.integer)
        && wraps(difference)
        && difference.signed
}

/// The constants of an input, or None where 16 bits are not enough.
fn constants(
    hardware_fraction: i32,
    offset: Exact,
    difference: Format,
    shift: i32,
    out: Format,
) -> Option<Constants> {
    // Bits after the point of a number without zeros at its end.
    let finest = match offset.mantissa {
        0 => hardware_fraction,
        mantissa => hardware_fraction.max(offset.fraction - mantissa.trailing_zeros().cast_signed()),
    };
    if finest > difference.fraction() {
        return None;
    }
    // u has the difference's integer bits above its point; a shift to the left moves bits out at the top.
    let (up, down) = ((-shift).max(0), shift.max(0));
    let point = 16 - difference.integer;
    let left = u32::try_from(point + up - hardware_fraction).ok().filter(|left| *left < 16)?;
    let zeros = u32::try_from(point + up - finest).ok()?;
    // Bits of u below the output's last one, and those of them that the shift to the right loses.
    let below = u32::try_from(point + down - out.fraction()).ok().filter(|bits| (1..16).contains(bits))?;
    let lost = u32::try_from(point + down - difference.fraction()).unwrap_or(0);
    let (keep, step) = if lost >= below {
        // Nothing is left to round; what is lost has to be zero.
        (zeros >= lost).then_some((0, 0))?
    } else {
        match out.rounding {
            Rounding::Round => (0, 0),
            Rounding::RoundToMinusInfinity => (0, 1 << lost),
            Rounding::RoundConvergent => (1 << below, 1 << lost),
            Rounding::Truncate => (0, 1 << (below - 1)),
            _ => return None,
        }
    };
    let whole = shifted(offset, point + up)?;
    Some([1 << left, whole as i16, keep, step, 1 << (15 - below)])
}

/// A number times 2^`places`, if that is whole.
fn shifted(number: Exact, places: i32) -> Option<i128> {
    let places = places - number.fraction;
    let distance = places.unsigned_abs().min(127);
    let result = if places >= 0 { number.mantissa << distance } else { number.mantissa >> distance };
    let back = if places >= 0 { result >> distance } else { result << distance };
    (back == number.mantissa).then_some(result)
}
