//! The comparison of scores that comes before any time is taken.

use super::{BenchError, BenchPlan, Peers, Subject, check_scores};
use crate::model::Precision;
use crate::score::{ScoreError, ScorerFactory};
use crate::source::{Cursor, EventSet};

/// One event in so many is accepted by the chain.
const ACCEPTED_ONE_IN: usize = 10_000;

/// Checks every subject at every batch against the first one of its model and precision, a program also against the
/// plainest instruction set, and the peers. The thresholds of the chain, a subject each.
pub(super) fn agree(
    set: &EventSet,
    subjects: &[Subject],
    plan: &BenchPlan,
    peers: &mut Peers,
) -> Result<Vec<f32>, BenchError> {
    let mut references: Vec<(&Subject, Vec<f32>)> = Vec::new();
    let mut thresholds = Vec::new();
    for subject in subjects {
        let is_of = |(other, _): &&(&Subject, Vec<f32>)| {
            other.model == subject.model && other.precision == subject.precision
        };
        if !references.iter().any(|reference| is_of(&reference)) {
            let factory = subject.plain.as_ref().unwrap_or(&subject.factory);
            references.push((subject, scores(set, factory, plan.batches[0])?));
        }
        let Some((reference, expected)) = references.iter().find(is_of) else { continue };
        let reference = (name(reference, plan.batches[0]), expected.as_slice());
        for &batch in &plan.batches {
            let found = scores(set, &subject.factory, batch)?;
            check(subject, (&name(subject, batch), &found), &reference, plan)?;
            check_python(subject, batch, &reference, plan, peers)?;
        }
        if let Some(emulator) = peers.emulator(subject) {
            let found = emulator.scores()?;
            let reference = (reference.0, &reference.1[..found.len()]);
            check(subject, (&format!("the emulator of {}", subject.model), &found), &reference, plan)?;
        }
        thresholds.push(threshold(expected));
    }
    Ok(thresholds)
}

fn name(subject: &Subject, batch: usize) -> String {
    format!("{} by {} ({}) at batch {batch}", subject.model, subject.engine.name(), subject.precision)
}

fn check(
    subject: &Subject,
    found: (&str, &[f32]),
    (reference, expected): &(String, &[f32]),
    plan: &BenchPlan,
) -> Result<(), BenchError> {
    let tolerance = if subject.precision == Precision::Fixed { 0.0 } else { plan.tolerance };
    check_scores(found, (reference, expected), tolerance, subject.precision == Precision::Int8)
}

fn check_python(
    subject: &Subject,
    batch: usize,
    reference: &(String, &[f32]),
    plan: &BenchPlan,
    peers: &mut Peers,
) -> Result<(), BenchError> {
    let Some(python) = peers.python(subject) else { return Ok(()) };
    let found = python.scores(&subject.folder.join(subject.precision.file()), batch)?;
    let peer = format!("{} in Python ({}) at batch {batch}", subject.model, subject.precision);
    check(subject, (&peer, &found), reference, plan)
}

/// The scores of all events, `batch` a call.
fn scores(set: &EventSet, factory: &ScorerFactory, batch: usize) -> Result<Vec<f32>, ScoreError> {
    let mut scorer = factory.scorer()?;
    let mut scores = vec![0.0; set.len() as usize];
    let (mut cursor, mut rest) = (Cursor::default(), scores.as_mut_slice());
    while !rest.is_empty() {
        let run = set.run_at(cursor, batch as u64);
        let (these, others) = rest.split_at_mut(run.len as usize);
        scorer.score(set.rows(run), these)?;
        set.advance(&mut cursor, run);
        rest = others;
    }
    Ok(scores)
}

/// The score that one event in [`ACCEPTED_ONE_IN`] is above.
fn threshold(scores: &[f32]) -> f32 {
    let mut finite: Vec<f32> = scores.iter().copied().filter(|score| score.is_finite()).collect();
    finite.sort_unstable_by(f32::total_cmp);
    let above = finite.len() / ACCEPTED_ONE_IN;
    finite.len().checked_sub(1 + above).map_or(f32::MAX, |place| finite[place])
}
