use super::{Decider, INVALID_BIT, Prescaler, ResolvedPath};

fn path(model_index: usize, threshold: f32, prescale: u32, bit: u32) -> ResolvedPath {
    ResolvedPath { name: format!("path{bit}"), model_index, threshold, prescale, bit }
}

#[test]
fn a_path_passes_at_its_threshold() {
    let decider = Decider::new(&[path(0, 1.0, 1, 0), path(1, 2.0, 1, 1)], 2);
    let decide = |scores: [f32; 2]| decider.decide(2, |model| scores[model]);
    assert_eq!(decide([1.0, 2.0]), 0b11);
    assert_eq!(decide([1.0f32.next_down(), 2.0]), 0b10);
    assert_eq!(decide([5.0, 0.0]), 0b01);
    assert_eq!(decide([0.0, 0.0]), 0);
}

#[test]
fn a_score_that_is_no_number_fires_no_path() {
    let decider = Decider::new(&[path(0, f32::NEG_INFINITY, 1, 0)], 1);
    for score in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(decider.decide(1, |_| score), INVALID_BIT);
    }
    assert_eq!(decider.decide(1, |_| f32::MIN), 1);
}

#[test]
fn a_prescale_keeps_the_first_of_each_group() {
    let mut prescaler = Prescaler::new(&[path(0, 0.0, 3, 0), path(0, 1.0, 1, 1)]);
    let kept: Vec<u32> = [1, 1, 3, 1, 0, 1].map(|decision| prescaler.apply(decision)).to_vec();
    assert_eq!(kept, [1, 0, 2, 1, 0, 0]);
    let counts = prescaler.counters();
    assert_eq!((counts[0].passed, counts[0].accepted), (5, 2));
    assert_eq!((counts[1].passed, counts[1].accepted), (1, 1));
}

#[test]
fn invalid_events_are_never_prescaled() {
    let mut prescaler = Prescaler::new(&[path(0, 0.0, 1000, 0)]);
    prescaler.apply(1);
    assert_eq!(prescaler.apply(INVALID_BIT), INVALID_BIT);
    assert_eq!(prescaler.apply(INVALID_BIT | 1), INVALID_BIT);
}
