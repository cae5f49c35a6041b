use proptest::prelude::*;

use super::*;

/// In Python: `b = numpy.array([...], numpy.float32)`; a -0 among them ties with 0.
const BACKGROUND: [f32; 12] = [0.1, 0.4, 0.35, 0.8, 0.4, 0.2, -0.5, 0.0, -0.0, 0.9, 0.3, 0.3];
const SIGNAL: [f32; 7] = [0.4, 0.9, 0.7, 0.3, 1.5, 0.0, 0.85];

fn tiny() -> (Scores, Scores) {
    (Scores::new(&BACKGROUND), Scores::new(&SIGNAL))
}

/// A linear congruential generator, so that Python makes the same numbers:
/// `x = (x * 6364136223846793005 + 1442695040888963407) % 2**64; (x >> 40) / 2**24`.
fn uniform(seed: u64) -> impl Iterator<Item = f32> {
    let step = |x: u64| x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    std::iter::successors(Some(step(seed)), move |x| Some(step(*x))).map(|x| (x >> 40) as f32 / 16_777_216.0)
}

/// Background u^2 and signal sqrt(u), rounded down to multiples of 1/4096 for many ties.
fn large() -> (Scores, Scores) {
    let grid = |score: f32| (score * 4096.0).floor() / 4096.0;
    let background: Vec<f32> = uniform(1).take(20_000).map(|u| grid(u * u)).collect();
    let signal: Vec<f32> = uniform(2).take(3_000).map(|u| grid(u.sqrt())).collect();
    (Scores::new(&background), Scores::new(&signal))
}

fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{found} is not {expected}");
}

#[test]
fn auc_is_scikit_learns() {
    // sklearn.metrics.roc_auc_score(labels, scores), scikit-learn 1.9.1
    for ((background, signal), expected) in
        [(tiny(), 0.732_142_857_142_857_2), (large(), 0.802_875_108_333_333_3)]
    {
        assert_close(auc(&background, &signal).unwrap().value, expected, 1e-12);
    }
}

#[test]
fn auc_error_is_delongs() {
    // r = scipy.stats.rankdata(numpy.r_[b, s]); v10 = (r[signal] - rankdata(s)) / len(b);
    // v01 = 1 - (r[background] - rankdata(b)) / len(s);
    // sqrt(v10.var(ddof=1) / len(s) + v01.var(ddof=1) / len(b))
    for ((background, signal), expected) in
        [(tiny(), 0.130_944_181_823_865_75), (large(), 0.003_506_772_319_194_586_6)]
    {
        assert_close(auc(&background, &signal).unwrap().error.unwrap(), expected, 1e-12);
    }
}

#[test]
fn signal_efficiency_is_scikit_learns() {
    // fpr, tpr, threshold = sklearn.metrics.roc_curve(labels, scores, drop_intermediate=False)
    // i = numpy.searchsorted(fpr, efficiency, side="right") - 1; tpr[i], len(b) * fpr[i], threshold[i]
    let tiny_expected = [
        (0.05, 0.142_857_142_857_142_85, 0, Some(1.5)),
        (0.1, 0.428_571_428_571_428_55, 1, Some(0.85)),
        (0.2, 0.571_428_571_428_571_4, 2, Some(0.7)),
        (0.25, 0.571_428_571_428_571_4, 2, Some(0.7)),
        (0.5, 0.714_285_714_285_714_3, 5, Some(0.35)),
        (1.0, 1.0, 12, Some(-0.5)),
    ];
    let large_expected = [
        (1e-2, 0.047_333_333_333_333_33, 198, Some(4009.0 / 4096.0)),
        (1e-3, 0.007, 19, Some(4086.0 / 4096.0)),
        (1e-4, 0.0, 0, None),
    ];
    let check = |(background, signal): (Scores, Scores), expected: &[(f64, f64, u64, Option<f32>)]| {
        for &(efficiency, value, passing, threshold) in expected {
            let found = signal_efficiency(&background, &signal, efficiency).unwrap();
            assert_close(found.value, value, 1e-15);
            assert_eq!(
                (found.background_events_passing, found.threshold),
                (passing, threshold),
                "{efficiency}"
            );
        }
    };
    check(tiny(), &tiny_expected);
    check(large(), &large_expected);
}

#[test]
fn significance_improvement_is_the_curves_maximum() {
    // si = tpr / sqrt(fpr) where len(b) * fpr >= 10; its last maximum
    let (background, signal) = large();
    let found = max_significance_improvement(&background, &signal).unwrap();
    assert_close(found.value, 1.408_236_975_335_117, 1e-12);
    assert_close(found.background_efficiency, 0.3081, 1e-12);
    assert_close(found.signal_efficiency, 0.781_666_666_666_666_6, 1e-12);
    assert_eq!(found.threshold, 1961.0 / 4096.0);
    let (background, signal) = (Scores::new(&[0.0; 9]), Scores::new(&SIGNAL));
    assert_eq!(max_significance_improvement(&background, &signal), None);
}

#[test]
fn binomial_intervals_are_the_beta_quantiles_of_scipy() {
    // q = (1 - 0.6826894921370859) / 2
    // scipy.stats.beta.ppf(q, k, n - k + 1), scipy.stats.beta.ppf(1 - q, k + 1, n - k), scipy 1.17.1
    let expected = [
        (0, 10, 0.0, 0.168_149_186_137_976_4),
        (10, 10, 0.831_850_813_862_023_6, 1.0),
        (1, 10, 0.017_127_014_136_728_243, 0.294_135_389_638_466_97),
        (3, 7, 0.206_083_815_454_949_42, 0.676_412_416_846_303_5),
        (2, 250_000, 2.832_743_412_552_537_7e-6, 1.855_134_062_191_631_2e-5),
        (2_500, 250_000, 0.009_800_976_189_070_219, 0.010_202_983_220_078_57),
        (29_999, 30_000, 0.999_890_019_996_473_9, 0.999_994_241_557_279_1),
        (123_456, 250_000, 0.492_822_103_049_862_2, 0.494_825_946_456_842_3),
        (1, 100_000_000, 1.727_537_788_742_305_5e-9, 3.299_526_522_288_604e-8),
        (50_000_000, 100_000_000, 0.499_949_995_000_25, 0.500_050_004_999_75),
    ];
    for (passing, events, low, high) in expected {
        let found = binomial_interval(passing, events, ONE_SIGMA);
        // ln Gamma of 1e8 is 1.7e9: its difference keeps seven digits.
        let tolerance = if events > 10_000_000 { 1e-7 } else { 1e-9 };
        assert_close(found.low, low, tolerance);
        assert_close(found.high, high, tolerance);
    }
    assert_eq!(binomial_interval(0, 0, ONE_SIGMA), Interval { low: 0.0, high: 1.0 });
    assert_eq!(binomial_interval(3, 2, ONE_SIGMA), Interval { low: 0.0, high: 1.0 });
}

#[test]
fn equal_scores_tell_nothing() {
    let (background, signal) = (Scores::new(&[2.0; 50]), Scores::new(&[2.0; 20]));
    let found = auc(&background, &signal).unwrap();
    assert_eq!((found.value, found.error), (0.5, Some(0.0)));
    let point = signal_efficiency(&background, &signal, 0.5).unwrap();
    assert_eq!((point.value, point.threshold, point.background_events_passing), (0.0, None, 0));
    assert_eq!(background_cut(&background, 0.5), None, "all or none would pass");
    assert_eq!(background_cut(&background, 1.0).map(|cut| cut.passing), Some(50));
    assert_eq!(roc(&background, &signal).count(), 2);
}

#[test]
fn samples_apart_and_swapped() {
    let (low, high) = (Scores::new(&[0.0, 1.0]), Scores::new(&[2.0, 3.0]));
    assert_eq!(auc(&low, &high).unwrap().value, 1.0);
    assert_eq!(auc(&high, &low).unwrap().value, 0.0);
    assert_eq!(auc(&Scores::new(&[1.0]), &high).unwrap().error, None);
}

#[test]
fn scores_that_are_not_finite_are_counted_and_left_out() {
    let mut values = BACKGROUND.to_vec();
    values.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    let (clean, signal) = tiny();
    let background = Scores::new(&values);
    assert_eq!((background.len(), background.invalid()), (12, 3));
    assert_eq!(auc(&background, &signal), auc(&clean, &signal));
}

#[test]
fn empty_samples_have_no_statistics() {
    let (none, some) = (Scores::new(&[f32::NAN]), Scores::new(&SIGNAL));
    for (background, signal) in [(&none, &some), (&some, &none), (&none, &none)] {
        assert_eq!(auc(background, signal), None);
        assert_eq!(signal_efficiency(background, signal, 0.1), None);
        assert_eq!(max_significance_improvement(background, signal), None);
    }
    assert_eq!(background_cut(&none, 0.5), None);
}

#[test]
fn a_cut_never_passes_more_than_asked() {
    let scores: Vec<f32> = (0..1000).map(|score| score as f32).collect();
    let cut = background_cut(&Scores::new(&scores), 0.1).unwrap();
    assert_eq!((cut.threshold, cut.passing), (900.0, 100));
    // sqrt(100 * 0.9) = 9.49: ranks 100 +- 9.
    assert_eq!((cut.low, cut.high, cut.error()), (891.0, 909.0, 9.0));
    let tied: Vec<f32> = scores.iter().map(|score| (score / 16.0).floor()).collect();
    // 900 / 16 = 56.25: score 56 has the 104 highest, 57 the 88 highest.
    let cut = background_cut(&Scores::new(&tied), 0.1).unwrap();
    assert_eq!((cut.threshold, cut.passing), (57.0, 88));
}

#[test]
fn efficiencies_compare_as_rounded_quotients() {
    let scores = Scores::new(&vec![0.0; 250_000]);
    for (efficiency, events) in [(1e-2, 2_500), (1e-3, 250), (1e-4, 25), (1e-5, 2), (1e-6, 0), (1.0, 250_000)]
    {
        assert_eq!(scores.allowed(efficiency), events);
    }
    assert_eq!(Scores::default().allowed(0.5), 0);
}

fn sample() -> impl Strategy<Value = Vec<f32>> {
    let score = prop_oneof![
        6 => (-8i8..8).prop_map(|score| f32::from(score) / 4.0),
        3 => -2.0f32..2.0,
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(-0.0)],
    ];
    prop::collection::vec(score, 0..60)
}

/// The definition: over all pairs, 1 for a signal event above, 1/2 for a tie.
fn brute_force_auc(background: &[f32], signal: &[f32]) -> f64 {
    let pairs = signal.iter().flat_map(|s| background.iter().map(move |b| (s, b)));
    let won: f64 = pairs
        .map(|(s, b)| {
            if s > b {
                1.0
            } else if s == b {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    won / (background.len() * signal.len()) as f64
}

fn finite(values: &[f32]) -> Vec<f32> {
    values.iter().copied().filter(|value| value.is_finite()).collect()
}

proptest! {
    #[test]
    fn auc_is_the_fraction_of_pairs_in_order(background in sample(), signal in sample()) {
        let (finite_background, finite_signal) = (finite(&background), finite(&signal));
        let found = auc(&Scores::new(&background), &Scores::new(&signal));
        prop_assert_eq!(found.is_none(), finite_background.is_empty() || finite_signal.is_empty());
        if let Some(found) = found {
            prop_assert!((found.value - brute_force_auc(&finite_background, &finite_signal)).abs() < 1e-12);
        }
    }

    #[test]
    fn signal_efficiency_is_a_point_of_the_curve(
        background in sample(), signal in sample(), efficiency in 0.0f64..1.0,
    ) {
        let (background, signal) = (Scores::new(&background), Scores::new(&signal));
        if let Some(found) = signal_efficiency(&background, &signal, efficiency) {
            let loosest = roc(&background, &signal)
                .filter(|point| point.background as f64 / background.len() as f64 <= efficiency)
                .last()
                .unwrap();
            prop_assert_eq!(found.signal_events_passing, loosest.signal);
            prop_assert_eq!(found.background_events_passing, loosest.background);
            prop_assert_eq!(found.threshold.unwrap_or(f32::INFINITY), loosest.threshold);
        }
    }

    #[test]
    fn a_cut_is_the_loosest_score_that_fits(background in sample(), efficiency in 0.0f64..=1.0) {
        let scores = Scores::new(&background);
        let fits = |threshold: &f32| scores.passing(*threshold) as f64 / scores.len() as f64 <= efficiency;
        let expected = scores.ascending().iter().copied().find(fits);
        let cut = background_cut(&scores, efficiency);
        prop_assert_eq!(cut.map(|cut| cut.threshold), expected);
        if let Some(cut) = cut {
            prop_assert!(cut.low <= cut.threshold && cut.threshold <= cut.high);
        }
    }
}
