//! Which input scalings can be done in rows of 16-bit lanes (see [`ScaleRows`]).

use crate::kernel::BLOCK;
use crate::kernel::scale::{Chunk, ScaleRows, lane_inputs};
use crate::program::Input;
use crate::{Exact, Format, Interval, Kind, Overflow, Rounding};

use super::dense::Packing;

/// Inputs of a chunk.
const CHUNK: usize = 64;

/// Constants of one input.
struct Lane {
    left: u16,
    offset: i16,
    keep: u16,
    step: i16,
    factor: i16,
}

/// The kernel's constants if `kind` is a scaling of the rows that 16-bit lanes do exactly; `used` says which outputs
/// anything reads. The output's planes begin at `output`, four inputs each.
pub(super) fn rows(
    input: &Input,
    kind: &Kind,
    out: Format,
    packing: Packing,
    used: &[bool],
    output: usize,
) -> Option<ScaleRows> {
    let Kind::Scale { offsets, offset_format, difference, shifts } = kind else { return None };
    let k = used.len();
    let signed = out == Format { signed: true, width: 8, ..out } && packing.least == -128;
    let clamps = matches!(out.overflow, Overflow::Saturate);
    if !(packing.bytes && signed && clamps && wraps_alike(input, *difference)) {
        return None;
    }
    let mut scale = ScaleRows { k, output, chunks: Vec::new(), planes: Vec::new() };
    for first in (0..k).step_by(CHUNK) {
        let mut chunk = Chunk::ZERO;
        for (at, input_at) in (first..k.min(first + CHUNK)).enumerate() {
            let offset = offset_format.exact(offsets[input_at].into());
            let lane = lane(input.hardware_fraction, offset, *difference, shifts[input_at], out)?;
            chunk.left[at] = lane.left;
            chunk.offset[at] = lane.offset;
            chunk.keep[at] = lane.keep;
            chunk.step[at] = lane.step;
            chunk.factor[at] = lane.factor;
        }
        scale.chunks.push(chunk);
        scale.planes.push(std::array::from_fn(|lane| {
            let inputs = lane_inputs(lane).map(|input| first + input);
            let read = inputs.iter().any(|input| used.get(*input).copied().unwrap_or(false));
            read.then_some((inputs[0] / 4 * BLOCK) as u32)
        }));
    }
    Some(scale)
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
fn lane(hardware_fraction: i32, offset: Exact, difference: Format, shift: i32, out: Format) -> Option<Lane> {
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
            Rounding::RoundConvergent => (1_u16 << below, 1 << lost),
            Rounding::Truncate => (0, 1 << (below - 1)),
            _ => return None,
        }
    };
    let whole = shifted(offset, point + up)?;
    Some(Lane { left: left as u16, offset: whole as i16, keep, step, factor: 1 << (15 - below) })
}

/// A number times 2^`places`, if that is whole.
fn shifted(number: Exact, places: i32) -> Option<i128> {
    let places = places - number.fraction;
    let distance = places.unsigned_abs().min(127);
    let result = if places >= 0 { number.mantissa << distance } else { number.mantissa >> distance };
    let back = if places >= 0 { result >> distance } else { result << distance };
    (back == number.mantissa).then_some(result)
}
