use serde::{Deserialize, Serialize};

use super::ResolvedPath;

/// Bit of a decision that marks an event with a non-finite input or score. Such an event fires no path; it is
/// written out all the same, so that whoever looks for the broken channel finds it.
pub const INVALID_BIT: u32 = 1 << 31;

/// Compares scores with the thresholds of a menu: one bit a path.
#[derive(Clone, Debug)]
pub struct Decider {
    cuts: Vec<Cut>,
    /// Lowest threshold by model, less the band; infinite for a model without a path.
    lowest: Vec<f32>,
    /// Relative distance from a threshold within which a score is near it.
    band: f32,
}

/// How far the scores of a float engine may be apart where it gets the same events in batches of another size, relative.
/// An event whose score is as near as this to a threshold may be decided otherwise then.
pub const FLOAT_BAND: f32 = 1e-5;

#[derive(Clone, Copy, Debug)]
struct Cut {
    model: usize,
    threshold: f32,
    bit: u32,
}

impl Decider {
    /// The decider of `paths` over the scores of `models` models; path i sets bit i.
    #[must_use]
    pub fn new(paths: &[ResolvedPath], models: usize) -> Self {
        let cut = |path: &ResolvedPath| Cut {
            model: path.model_index,
            threshold: path.threshold,
            bit: 1 << path.bit,
        };
        let lowest = |model| {
            let of_model = paths.iter().filter(|path| path.model_index == model);
            of_model.map(|path| path.threshold).fold(f32::INFINITY, f32::min)
        };
        Self { cuts: paths.iter().map(cut).collect(), lowest: (0..models).map(lowest).collect(), band: 0.0 }
    }

    /// The same decisions, but scores within the relative distance `band` of a threshold are known as near it.
    #[must_use]
    pub fn with_band(mut self, band: f32) -> Self {
        self.lowest.iter_mut().for_each(|lowest| *lowest -= band * lowest.abs());
        self.band = band;
        self
    }

    /// Whether a score, by model, is so near a threshold that another rounding could decide otherwise.
    pub fn is_near(&self, score: impl Fn(usize) -> f32) -> bool {
        let near = |cut: &Cut| (score(cut.model) - cut.threshold).abs() <= self.band * cut.threshold.abs();
        self.band > 0.0 && self.cuts.iter().any(near)
    }

    /// Whether any of several events with finite scores may pass a path: a quick look with the lowest threshold of
    /// `model`. Without an exit in the loop, so that it is done for many at once.
    #[must_use]
    pub fn may_pass(&self, model: usize, scores: &[f32]) -> bool {
        let lowest = self.lowest[model];
        scores.iter().fold(false, |any, score| any | (*score >= lowest))
    }

    /// The decision on one event, before prescales. `score` gives the event's score by model. A path passes when
    /// score >= threshold; with any score not finite only [`INVALID_BIT`] is set.
    pub fn decide(&self, models: usize, score: impl Fn(usize) -> f32) -> u32 {
        if (0..models).any(|model| !score(model).is_finite()) {
            return INVALID_BIT;
        }
        self.cuts
            .iter()
            .filter(|cut| score(cut.model) >= cut.threshold)
            .fold(0, |decision, cut| decision | cut.bit)
    }
}

/// Keeps one in `prescale` of the events that pass a path, the first of each group, in event order.
#[derive(Clone, Debug)]
pub struct Prescaler {
    paths: Vec<PathCounter>,
    /// By path, passing events until the next one is kept.
    until_kept: Vec<u32>,
}

/// Counts of one path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathCounter {
    /// Keep one in this many.
    pub prescale: u32,
    /// Events with score >= threshold.
    pub passed: u64,
    /// Of those, kept by the prescale.
    pub accepted: u64,
}

impl Prescaler {
    /// The prescaler of `paths`.
    #[must_use]
    pub fn new(paths: &[ResolvedPath]) -> Self {
        let counter =
            |path: &ResolvedPath| PathCounter { prescale: path.prescale.max(1), ..PathCounter::default() };
        Self { paths: paths.iter().map(counter).collect(), until_kept: vec![0; paths.len()] }
    }

    /// The prescaler that goes on from these counts.
    #[must_use]
    pub fn resumed(paths: Vec<PathCounter>) -> Self {
        let until_kept = |path: &PathCounter| {
            let prescale = path.prescale.max(1);
            // Less than the prescale.
            let since_kept = (path.passed % u64::from(prescale)) as u32;
            if since_kept == 0 { 0 } else { prescale - since_kept }
        };
        Self { until_kept: paths.iter().map(until_kept).collect(), paths }
    }

    /// Clears the bits of `decision` that the prescales take away. Must see the events in order.
    pub fn apply(&mut self, decision: u32) -> u32 {
        let mut kept = decision & INVALID_BIT;
        for (bit, (path, until_kept)) in self.paths.iter_mut().zip(&mut self.until_kept).enumerate() {
            if decision & (1 << bit) == 0 {
                continue;
            }
            if *until_kept == 0 {
                kept |= 1 << bit;
                path.accepted += 1;
                *until_kept = path.prescale;
            }
            *until_kept -= 1;
            path.passed += 1;
        }
        kept
    }

    /// Gives the path at `index` another prescale: from now on one in `prescale` is kept, the first of each group.
    pub fn set_prescale(&mut self, index: usize, prescale: u32) {
        self.paths[index].prescale = prescale.max(1);
        self.until_kept[index] = 0;
    }

    /// The counts, by path.
    #[must_use]
    pub fn counters(&self) -> &[PathCounter] {
        &self.paths
    }
}
