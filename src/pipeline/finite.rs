//! The look for NaN and infinities that every event gets: with the instruction set's `unsafe`.

/// Whether no value is infinite or NaN.
pub(crate) fn are_finite(values: &[f32]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as was just checked.
        return unsafe { are_finite_avx2(values) };
    }
    are_finite_plain(values)
}

/// [`are_finite_plain`], compiled for vectors of eight.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn are_finite_avx2(values: &[f32]) -> bool {
    are_finite_plain(values)
}

/// A finite number minus itself is +0, whose bits are all zero; an infinity or a NaN minus itself is a NaN. Two
/// operations a value that vectorise, where a comparison with an early exit is one value at a time.
#[inline(always)]
fn are_finite_plain(values: &[f32]) -> bool {
    #[allow(clippy::eq_op)]
    let bits = values.iter().fold(0, |bits, &value| bits | (value - value).to_bits());
    bits == 0
}

#[cfg(test)]
mod tests {
    use super::{are_finite, are_finite_plain};

    #[test]
    fn only_infinities_and_nans_are_not_finite() {
        let bad = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7f80_0001)];
        let good = [0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1), -1.5];
        assert!(are_finite(&good) && are_finite(&[]));
        for value in bad {
            for place in 0..=good.len() {
                let mut values = good.to_vec();
                values.insert(place, value);
                assert!(!are_finite(&values), "{value} at {place}");
            }
        }
    }

    #[test]
    fn every_place_of_a_long_row_is_looked_at() {
        for length in 0..100 {
            let mut values = vec![1.0_f32; length];
            assert!(are_finite(&values) && are_finite_plain(&values));
            for place in 0..length {
                values[place] = f32::NAN;
                assert!(!are_finite(&values) && !are_finite_plain(&values), "{place} of {length}");
                values[place] = 1.0;
            }
        }
    }
}
