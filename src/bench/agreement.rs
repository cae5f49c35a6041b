use super::BenchError;

/// Share of events that the engines of an int8 graph may score differently: where a value lies on the edge of two steps,
/// the order of a sum decides which it becomes.
const INT8_SHARE: f64 = 0.01;

/// Checks that `found` are the scores `expected`, up to `tolerance` relative to the larger of the score and their mean; of a
/// quantised graph, all but one in a hundred. Scores that are not numbers agree with each other.
///
/// # Errors
/// [`BenchError::Disagreement`], with both names.
pub fn check_scores(
    (entry, found): (&str, &[f32]),
    (reference, expected): (&str, &[f32]),
    tolerance: f64,
    is_quantised: bool,
) -> Result<(), BenchError> {
    let finite = expected.iter().filter(|score| score.is_finite());
    let mean = finite.map(|score| f64::from(score.abs())).sum::<f64>() / expected.len().max(1) as f64;
    let differ = |(a, b): (f32, f32)| {
        let scale = f64::from(b.abs()).max(mean);
        let both_invalid = !a.is_finite() && !b.is_finite();
        let is_close = f64::from((a - b).abs()) <= tolerance * scale;
        !both_invalid && a.to_bits() != b.to_bits() && !is_close
    };
    let pairs = found.iter().copied().zip(expected.iter().copied());
    let mut different = pairs.enumerate().filter(|(_, pair)| differ(*pair));
    let Some((event, (found_score, expected_score))) = different.next() else { return Ok(()) };
    let different = 1 + different.count();
    if is_quantised && different as f64 <= INT8_SHARE * expected.len() as f64 {
        return Ok(());
    }
    Err(BenchError::Disagreement {
        entry: entry.to_owned(),
        reference: reference.to_owned(),
        different,
        events: expected.len(),
        event,
        found: found_score,
        expected: expected_score,
    })
}

#[cfg(test)]
mod tests {
    use super::check_scores;

    fn agree(found: &[f32], tolerance: f64, is_quantised: bool) -> bool {
        let expected: Vec<f32> = (0..200).map(|event| event as f32 + 1.0).collect();
        check_scores(("a", found), ("b", &expected), tolerance, is_quantised).is_ok()
    }

    #[test]
    fn a_score_beyond_the_tolerance_is_a_disagreement() {
        let mut scores: Vec<f32> = (0..200).map(|event| event as f32 + 1.0).collect();
        assert!(agree(&scores, 0.0, false));
        scores[150] *= 1.0 + 1e-5;
        assert!(agree(&scores, 1e-4, false) && !agree(&scores, 0.0, false) && !agree(&scores, 1e-6, false));
        scores[150] = f32::NAN;
        assert!(!agree(&scores, 1e-4, false));
        assert!(agree(&scores, 1e-4, true));
        scores[..2].fill(1e6);
        assert!(!agree(&scores, 1e-4, true), "three of two hundred");
    }
}
