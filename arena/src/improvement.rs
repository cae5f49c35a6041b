//! The total improvement: what a model could do for a search, whatever the channel and the working point
//! (Figures 18 to 21 and Table 23 of arXiv:2105.14027).

use std::collections::{BTreeMap, BTreeSet};

use crate::ranking::standings;
use crate::statistics::Summary;
use crate::{ChannelSignal, Entry, Standing, Table, WorkingPoint};

/// The best a model does on a physics signal.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalImprovement {
    /// The highest eS / sqrt(eB).
    pub value: f64,
    /// The channel in which it is reached.
    pub channel: String,
    /// The working point at which it is reached.
    pub working_point: WorkingPoint,
}

/// Total improvements of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct TotalImprovement {
    /// The model.
    pub model: String,
    /// Place by the median, from 1; models of equal median share one.
    pub place: usize,
    /// By physics signal, each at its best channel and working point.
    pub signals: BTreeMap<String, SignalImprovement>,
    /// Of those values: minimum, median, maximum.
    pub summary: Summary,
}

/// Total improvements of the models of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TotalImprovements {
    /// By median, highest first; equals by name.
    pub models: Vec<TotalImprovement>,
    /// Models that lack a (channel, signal, working point) which another model has: a maximum over fewer would not be
    /// compared fairly.
    pub left_out: Vec<String>,
}

impl TotalImprovements {
    /// Total improvements from a table: for each model and physics signal the maximum of eS / sqrt(eB) over working
    /// points and channels, and over the signals the minimum, median and maximum.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        let needed: BTreeSet<_> = table.entries().iter().flat_map(measured).collect();
        let mut found: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in table.entries() {
            found.entry(&entry.model).or_default().push(entry);
        }
        let mut complete = BTreeMap::new();
        let mut left_out = Vec::new();
        for (model, entries) in found {
            let is_complete =
                entries.iter().map(|entry| measured(entry).count()).sum::<usize>() == needed.len();
            match best(&entries).filter(|_| is_complete) {
                Some(signals) => _ = complete.insert(model, signals),
                None => left_out.push(model.to_owned()),
            }
        }
        Self { models: ordered(complete), left_out }
    }
}

/// Where a model has a signal efficiency.
fn measured(entry: &Entry) -> impl Iterator<Item = (&ChannelSignal, WorkingPoint)> {
    let points = WorkingPoint::ALL.into_iter().zip(entry.efficiency);
    points.filter_map(|(point, value)| value.map(|_| (&entry.place, point)))
}

/// The best of each physics signal, and their summary; nothing when no working point is measured.
fn best(entries: &[&Entry]) -> Option<(BTreeMap<String, SignalImprovement>, Summary)> {
    let mut signals: BTreeMap<String, SignalImprovement> = BTreeMap::new();
    for entry in entries {
        let Some((value, working_point)) = entry.significance_improvement() else { continue };
        let improvement = SignalImprovement { value, channel: entry.place.channel.clone(), working_point };
        match signals.get_mut(&entry.place.signal) {
            Some(best) if best.value >= value => {}
            Some(best) => *best = improvement,
            None => _ = signals.insert(entry.place.signal.clone(), improvement),
        }
    }
    let values: Vec<f64> = signals.values().map(|signal| signal.value).collect();
    Summary::of(&values).map(|summary| (signals, summary))
}

fn ordered(
    mut models: BTreeMap<&str, (BTreeMap<String, SignalImprovement>, Summary)>,
) -> Vec<TotalImprovement> {
    let medians = models.iter().map(|(model, (_, summary))| (*model, summary.median)).collect();
    let place = |Standing { model, place, .. }: Standing| {
        let (signals, summary) = models.remove(model.as_str())?;
        Some(TotalImprovement { model, place, signals, summary })
    };
    standings(medians, false).into_iter().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::TotalImprovements;
    use crate::{ChannelSignal, Entry, Table, WorkingPoint};

    fn entry(model: &str, channel: &str, signal: &str, efficiency: [Option<f64>; 3]) -> Entry {
        let place = ChannelSignal { channel: channel.to_owned(), signal: signal.to_owned() };
        Entry { model: model.to_owned(), place, auc: 0.5, efficiency }
    }

    #[test]
    fn the_best_channel_and_working_point_of_each_signal_count() {
        let table = Table::from_entries(vec![
            entry("m", "1", "a", [Some(0.1), Some(0.1), Some(0.01)]),
            entry("m", "2", "a", [Some(0.3), Some(0.01), Some(0.05)]),
            entry("m", "2", "b", [Some(0.2), Some(0.0), Some(0.0)]),
            entry("m", "2", "c", [Some(0.0), Some(0.0), Some(0.0)]),
        ])
        .unwrap();
        let improvements = TotalImprovements::of(&table);
        let model = &improvements.models[0];
        assert_eq!((model.signals["a"].value, &*model.signals["a"].channel), (5.0, "2"));
        assert_eq!(model.signals["a"].working_point, WorkingPoint::OneIn10000);
        assert_eq!(model.signals["c"].value, 0.0);
        assert_eq!((model.summary.minimum, model.summary.median, model.summary.maximum), (0.0, 2.0, 5.0));
    }

    #[test]
    fn a_model_that_lacks_what_others_have_is_left_out() {
        let table = Table::from_entries(vec![
            entry("whole", "1", "a", [Some(0.1), Some(0.1), None]),
            entry("whole", "2", "a", [Some(0.1), Some(0.1), Some(0.1)]),
            entry("no_channel_2", "1", "a", [Some(0.9), Some(0.9), None]),
            entry("no_1e-4", "1", "a", [Some(0.9), Some(0.9), None]),
            entry("no_1e-4", "2", "a", [Some(0.9), Some(0.9), None]),
        ])
        .unwrap();
        let improvements = TotalImprovements::of(&table);
        assert_eq!(improvements.left_out, ["no_1e-4", "no_channel_2"]);
        assert_eq!(improvements.models.len(), 1);
    }

    #[test]
    fn nothing_measured_is_no_improvement() {
        let table = Table::from_entries(vec![entry("m", "1", "a", [None; 3])]).unwrap();
        let improvements = TotalImprovements::of(&table);
        assert_eq!((improvements.models.len(), improvements.left_out.len()), (0, 1));
    }
}
