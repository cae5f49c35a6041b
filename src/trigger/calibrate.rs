//! The threshold for a target rate, from the scores of a background sample.

use crate::model::Threshold;
use crate::statistics::{Cut, MIN_BACKGROUND_EVENTS, Scores, background_cut};

/// A threshold for a target rate, and what it really does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateCut {
    /// The threshold with its statistical error.
    pub cut: Cut,
    /// Fraction of the background that passes: at most target / input rate.
    pub background_efficiency: f64,
    /// Rate of events that pass, before any prescale, Hz: at most the target.
    pub achieved_rate_hz: f64,
    /// Its binomial standard error, Hz.
    pub achieved_rate_error_hz: f64,
}

/// Why there is no threshold for a rate.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// Rates that no threshold can give.
    #[error(
        "a target rate of {target_rate_hz} Hz at an input rate of {input_rate_hz} Hz: both must be positive and \
         finite, the target not above the input"
    )]
    Rates {
        /// Rate asked for, Hz.
        target_rate_hz: f64,
        /// Rate of scored events, Hz.
        input_rate_hz: f64,
    },
    /// The sample is too small for the rate.
    #[error(
        "too few background events: {target_rate_hz} Hz of {input_rate_hz} Hz is a background efficiency of \
         {efficiency:e}, which {expected:.1} of the {events} valid events would pass; at least \
         {MIN_BACKGROUND_EVENTS} have to, so {needed} events are needed (or a target rate of {lowest_rate_hz} Hz)"
    )]
    TooFewEvents {
        /// Rate asked for, Hz.
        target_rate_hz: f64,
        /// Rate of scored events, Hz.
        input_rate_hz: f64,
        /// Background efficiency asked for.
        efficiency: f64,
        /// Events that would pass, a fraction.
        expected: f64,
        /// Valid events in the sample.
        events: u64,
        /// Valid events that the rate needs.
        needed: u64,
        /// The lowest rate for which this sample is enough, Hz.
        lowest_rate_hz: f64,
    },
    /// Equal scores leave no threshold near the rate.
    #[error(
        "no threshold gives {target_rate_hz} Hz: of the {events} valid background events {looser} share or exceed \
         the score {score}, more than the {allowed} allowed, and only {tighter} exceed it; the score takes too few values"
    )]
    Ties {
        /// Rate asked for, Hz.
        target_rate_hz: f64,
        /// Valid events in the sample.
        events: u64,
        /// Events that may pass.
        allowed: u64,
        /// The score that too many share.
        score: f32,
        /// Events that pass at that score.
        looser: u64,
        /// Events above that score.
        tighter: u64,
    },
}

/// Finds the loosest threshold that passes at most `target_rate_hz` of a background that comes at
/// `input_rate_hz`, judged by the sample `background`.
///
/// The threshold is the smallest score s of the sample such that the events with score >= s are at most the
/// fraction target / input of the valid events ([`background_cut`], which also defines the error). Equal
/// scores pass together, so ties make the achieved rate lower than the target, never higher. Its error is
/// sqrt(e (1 - e) / N) times the input rate, for the efficiency e of N events.
///
/// # Errors
/// [`CalibrationError`], and no threshold, when fewer than [`MIN_BACKGROUND_EVENTS`] events would pass.
pub fn calibrate(
    background: &Scores,
    target_rate_hz: f64,
    input_rate_hz: f64,
) -> Result<RateCut, CalibrationError> {
    let efficiency = target_rate_hz / input_rate_hz;
    if !(target_rate_hz > 0.0 && input_rate_hz.is_finite() && efficiency <= 1.0) {
        return Err(CalibrationError::Rates { target_rate_hz, input_rate_hz });
    }
    if background.allowed(efficiency) < MIN_BACKGROUND_EVENTS {
        return Err(too_few(background, target_rate_hz, input_rate_hz));
    }
    background_cut(background, efficiency)
        .filter(|cut| cut.passing >= MIN_BACKGROUND_EVENTS)
        .map(|cut| achieved(cut, background, input_rate_hz))
        .ok_or_else(|| ties(background, efficiency, target_rate_hz))
}

/// Thresholds for a model's card at each of `efficiencies`, without those for which the sample is too small or
/// its scores too equal. `background_efficiency` is the one asked for, not the one achieved.
#[must_use]
pub fn card_thresholds(background: &Scores, efficiencies: &[f64]) -> Vec<Threshold> {
    let threshold = |efficiency: f64| {
        let cut = background_cut(background, efficiency)?;
        let entry = Threshold {
            background_efficiency: efficiency,
            value: cut.threshold,
            error: cut.error(),
            events: cut.passing,
        };
        (cut.passing >= MIN_BACKGROUND_EVENTS).then_some(entry)
    };
    efficiencies.iter().filter_map(|efficiency| threshold(*efficiency)).collect()
}

fn achieved(cut: Cut, background: &Scores, input_rate_hz: f64) -> RateCut {
    let events = background.len() as f64;
    let efficiency = cut.passing as f64 / events;
    RateCut {
        cut,
        background_efficiency: efficiency,
        achieved_rate_hz: efficiency * input_rate_hz,
        achieved_rate_error_hz: (efficiency * (1.0 - efficiency) / events).sqrt() * input_rate_hz,
    }
}

fn too_few(background: &Scores, target_rate_hz: f64, input_rate_hz: f64) -> CalibrationError {
    let efficiency = target_rate_hz / input_rate_hz;
    let least = MIN_BACKGROUND_EVENTS as f64;
    let events = background.len();
    CalibrationError::TooFewEvents {
        target_rate_hz,
        input_rate_hz,
        efficiency,
        expected: efficiency * events as f64,
        events,
        needed: (least / efficiency).ceil() as u64,
        lowest_rate_hz: least * input_rate_hz / events as f64,
    }
}

fn ties(background: &Scores, efficiency: f64, target_rate_hz: f64) -> CalibrationError {
    let allowed = background.allowed(efficiency);
    let score = background.highest(allowed).unwrap_or(f32::NAN);
    CalibrationError::Ties {
        target_rate_hz,
        events: background.len(),
        allowed,
        score,
        looser: background.passing(score),
        tighter: background.above(score),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(events: u32) -> Scores {
        Scores::new(&(0..events).map(|score| score as f32).collect::<Vec<_>>())
    }

    #[test]
    fn a_threshold_gives_the_rate() {
        let found = calibrate(&ramp(250_000), 40e3, 40e6).unwrap();
        assert_eq!((found.cut.threshold, found.cut.passing), (249_750.0, 250));
        assert_eq!(found.achieved_rate_hz, 40e3);
        // sqrt(250) = 15.8 events of 250,000 at 40 MHz, binomially 0.05 % less.
        assert!((found.achieved_rate_error_hz - 2528.6).abs() < 0.1, "{}", found.achieved_rate_error_hz);
        assert_eq!((found.cut.low, found.cut.high), (249_734.0, 249_766.0));
    }

    #[test]
    fn everything_may_pass() {
        let found = calibrate(&ramp(100), 5.0, 5.0).unwrap();
        assert_eq!(
            (found.cut.threshold, found.achieved_rate_hz, found.achieved_rate_error_hz),
            (0.0, 5.0, 0.0)
        );
    }

    #[test]
    fn ties_lower_the_rate_and_never_raise_it() {
        let scores: Vec<f32> = (0..1000).map(|score| (score / 30) as f32).collect();
        // 100 may pass; score 30 is passed by 1000 - 900 = 100, the next case by 1000 - 990 = 10.
        assert_eq!(calibrate(&Scores::new(&scores), 10.0, 100.0).unwrap().cut.passing, 100);
        let found = calibrate(&Scores::new(&scores), 9.9, 100.0).unwrap();
        assert_eq!((found.cut.threshold, found.cut.passing), (31.0, 70));
        let error = calibrate(&Scores::new(&[1.0; 1000]), 10.0, 100.0).unwrap_err();
        assert!(
            matches!(error, CalibrationError::Ties { looser: 1000, tighter: 0, allowed: 100, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_small_sample_is_refused_with_the_events_it_needs() {
        let error = calibrate(&ramp(250_000), 1e3, 40e6).unwrap_err();
        assert!(matches!(error, CalibrationError::TooFewEvents { needed: 400_000, .. }), "{error}");
        assert!(error.to_string().contains("6.2 of the 250000 valid events"), "{error}");
        assert!(
            error.to_string().contains("400000 events are needed (or a target rate of 1600 Hz)"),
            "{error}"
        );
        assert!(calibrate(&ramp(400_000), 1e3, 40e6).is_ok());
        assert!(calibrate(&ramp(250_000), 1600.0, 40e6).is_ok());
        assert!(calibrate(&Scores::default(), 1.0, 1.0).is_err());
    }

    #[test]
    fn impossible_rates_are_refused() {
        for (target, input) in [(2.0, 1.0), (0.0, 1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY), (-1.0, -1.0)] {
            let error = calibrate(&ramp(100), target, input).unwrap_err();
            assert!(matches!(error, CalibrationError::Rates { .. }), "{error}");
        }
    }

    #[test]
    fn a_card_gets_what_the_sample_can_tell() {
        let found = card_thresholds(&ramp(10_000), &[1e-2, 1e-3, 1e-4]);
        assert_eq!(found.iter().map(|point| point.events).collect::<Vec<_>>(), [100, 10]);
        assert_eq!(found[1].value, 9_990.0);
    }
}
