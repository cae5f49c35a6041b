use serde::Serialize;
use statrs::distribution::{Beta, Continuous, ContinuousCDF};

/// Probability within one standard deviation of a normal distribution, erf(1/sqrt 2): 68.27 %.
pub const ONE_SIGMA: f64 = 0.682_689_492_137_085_9;

/// A confidence interval of an efficiency.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end, in 0..=1.
    pub low: f64,
    /// Upper end, in 0..=1.
    pub high: f64,
}

/// The central interval of Clopper and Pearson, Biometrika 26 (1934) 404, for `passing` of `events`: the beta
/// quantiles of Particle Data Group, Review of Particle Physics, section "Statistics", on binomial
/// efficiencies. It covers at least `level` (0..1, for example [`ONE_SIGMA`]), whatever the efficiency is.
///
/// No events, or more passing than there are, give the interval 0..1: nothing is known.
#[must_use]
pub fn binomial_interval(passing: u64, events: u64, level: f64) -> Interval {
    let Some(failing) = events.checked_sub(passing) else { return Interval { low: 0.0, high: 1.0 } };
    let (passing, failing) = (passing as f64, failing as f64);
    let tail = (1.0 - level) / 2.0;
    let low = if passing == 0.0 { 0.0 } else { beta_quantile(passing, failing + 1.0, tail) };
    let high = if failing == 0.0 { 1.0 } else { beta_quantile(passing + 1.0, failing, 1.0 - tail) };
    Interval { low, high }
}

/// The x with `Beta(a, b).cdf(x) = probability`, by Newton's method inside a shrinking bracket. statrs' own
/// inverse (0.19.1) is good to 1e-5 only for small quantiles, and does not end for some of the tests' cases.
///
/// `a` and `b` are > 0, so the constructor cannot refuse; should it do so, the NaN shows.
fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    let Ok(beta) = Beta::new(a, b) else { return f64::NAN };
    let (mut low, mut high, mut x) = (0.0, 1.0, a / (a + b));
    for _ in 0..MAX_STEPS {
        let excess = beta.cdf(x) - probability;
        if excess > 0.0 {
            high = x
        } else {
            low = x
        }
        let newton = x - excess / beta.pdf(x);
        let next = if newton > low && newton < high { newton } else { f64::midpoint(low, high) };
        if (next - x).abs() <= f64::EPSILON * x {
            return next;
        }
        x = next;
    }
    x
}

/// Bisection alone ends within the 1074 halvings that a double has; Newton's method takes some ten.
const MAX_STEPS: usize = 1100;
