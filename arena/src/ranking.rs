//! Six ways to say which model is best: those of Figures 12 to 17 of the Dark Machines paper (arXiv:2105.14027).
//!
//! Each (channel, signal) pair counts once, and equals count alike. The paper's own counts of Figures 12 to 14 take
//! one channel of each signal and rank equals in no particular order, so that they are not these.

use std::collections::BTreeMap;
use std::fmt;

use crate::statistics::Summary;
use crate::{ChannelSignal, Metric, Table};

/// What makes a model a good one, over all (channel, signal) pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Definition {
    /// Pairs on which no other model has a higher value. A value of 0 is no top score.
    TopScorer,
    /// Pairs on which at most four other models have a higher value. A value of 0 is no top score.
    TopFive,
    /// Mean rank over the pairs, from 1; equals share the mean of their ranks. The lower the better.
    AverageRank,
    /// Mean of the values.
    Mean,
    /// Median of the values.
    Median,
    /// The lowest value.
    Minimum,
}

impl Definition {
    /// All six, in the paper's order.
    pub const ALL: [Self; 6] =
        [Self::TopScorer, Self::TopFive, Self::AverageRank, Self::Mean, Self::Median, Self::Minimum];

    /// Name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TopScorer => "top_scorer",
            Self::TopFive => "top_5",
            Self::AverageRank => "average_rank",
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Minimum => "minimum",
        }
    }

    /// Whether a lower value is a better one.
    #[must_use]
    pub fn lower_is_better(self) -> bool {
        self == Self::AverageRank
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TopScorer => "top scorer",
            Self::TopFive => "top 5",
            Self::AverageRank => "average rank",
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Minimum => "minimum",
        })
    }
}

/// A model's place in a ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The model.
    pub model: String,
    /// What the definition counts or averages.
    pub value: f64,
    /// One more than the number of models with a better value: models of equal value share a place.
    pub place: usize,
}

/// The models, best first, equals by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// By what.
    pub metric: Metric,
    /// In which sense.
    pub definition: Definition,
    /// Best first.
    pub standings: Vec<Standing>,
}

/// The values of one figure of merit, complete: a value for each model and each (channel, signal) pair.
///
/// A model that lacks a pair which another model has is left out, since neither its ranks nor its averages could be
/// compared: it may have missed the hard signals.
#[derive(Clone, Debug, PartialEq)]
pub struct Values<'a> {
    /// The figure of merit.
    pub metric: Metric,
    /// The pairs, sorted: those on which at least one model has a value.
    pub places: Vec<&'a ChannelSignal>,
    /// A value for each of `places`, by model.
    pub models: BTreeMap<&'a str, Vec<f64>>,
    /// The models that are left out, sorted.
    pub left_out: Vec<&'a str>,
}

impl<'a> Values<'a> {
    /// Values of `metric` in `table`.
    #[must_use]
    pub fn of(table: &'a Table, metric: Metric) -> Self {
        let mut found: BTreeMap<&str, BTreeMap<&ChannelSignal, f64>> = BTreeMap::new();
        for entry in table.entries() {
            let of_model = found.entry(&entry.model).or_default();
            of_model.extend(entry.value(metric).map(|value| (&entry.place, value)));
        }
        let mut places: Vec<_> = found.values().flat_map(BTreeMap::keys).copied().collect();
        places.sort_unstable();
        places.dedup();
        let is_complete = |values: &BTreeMap<_, _>| !places.is_empty() && values.len() == places.len();
        let left_out =
            found.iter().filter(|(_, values)| !is_complete(values)).map(|(model, _)| *model).collect();
        found.retain(|_, values| is_complete(values));
        let models =
            found.into_iter().map(|(model, values)| (model, values.into_values().collect())).collect();
        Self { metric, places, models, left_out }
    }

    /// The models in the order of `definition`.
    #[must_use]
    pub fn rank(&self, definition: Definition) -> Ranking {
        let values = match definition {
            Definition::TopScorer => self.over_ranks(|ranks| count_within(ranks, 1)),
            Definition::TopFive => self.over_ranks(|ranks| count_within(ranks, 5)),
            Definition::AverageRank => self.over_ranks(average),
            Definition::Mean => self.over_values(|summary| summary.mean),
            Definition::Median => self.over_values(|summary| summary.median),
            Definition::Minimum => self.over_values(|summary| summary.minimum),
        };
        let standings = standings(values, definition.lower_is_better());
        Ranking { metric: self.metric, definition, standings }
    }

    /// Ranks of each model, in the order of `places`.
    #[must_use]
    pub fn ranks(&self) -> BTreeMap<&'a str, Vec<Rank>> {
        let columns: Vec<Vec<f64>> = (0..self.places.len()).map(|place| self.descending(place)).collect();
        let ranks = |values: &Vec<f64>| {
            values.iter().zip(&columns).map(|(value, column)| Rank::of(*value, column)).collect()
        };
        self.models.iter().map(|(model, values)| (*model, ranks(values))).collect()
    }

    /// The values of all models in one of `places`, highest first.
    fn descending(&self, place: usize) -> Vec<f64> {
        let mut column: Vec<f64> = self.models.values().map(|values| values[place]).collect();
        column.sort_by(|a, b| b.total_cmp(a));
        column
    }

    fn over_ranks(&self, measure: impl Fn(&[Rank]) -> f64) -> Vec<(&'a str, f64)> {
        self.ranks().into_iter().map(|(model, ranks)| (model, measure(&ranks))).collect()
    }

    fn over_values(&self, measure: impl Fn(&Summary) -> f64) -> Vec<(&'a str, f64)> {
        let of_model =
            |(model, values): (&&'a str, &Vec<f64>)| Some((*model, measure(&Summary::of(values)?)));
        self.models.iter().filter_map(of_model).collect()
    }
}

/// A model's rank on one (channel, signal) pair, from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rank {
    /// One more than the number of models with a higher value.
    pub best: usize,
    /// The number of models with a value at least as high, itself included.
    pub worst: usize,
    /// The value itself.
    pub value: f64,
}

impl Rank {
    fn of(value: f64, descending: &[f64]) -> Self {
        let higher = descending.partition_point(|other| *other > value);
        let as_high = descending.partition_point(|other| *other >= value);
        Self { best: higher + 1, worst: as_high, value }
    }

    /// The mean of the ranks that equals share.
    #[must_use]
    pub fn shared(&self) -> f64 {
        (self.best + self.worst) as f64 / 2.0
    }
}

fn count_within(ranks: &[Rank], highest: usize) -> f64 {
    ranks.iter().filter(|rank| rank.best <= highest && rank.value > 0.0).count() as f64
}

fn average(ranks: &[Rank]) -> f64 {
    ranks.iter().map(Rank::shared).sum::<f64>() / ranks.len() as f64
}

/// Best first, equals by name; `values` has each model once.
pub(crate) fn standings(mut values: Vec<(&str, f64)>, lower_is_better: bool) -> Vec<Standing> {
    let better_first = |a: f64, b: f64| if lower_is_better { a.total_cmp(&b) } else { b.total_cmp(&a) };
    values.sort_by(|a, b| better_first(a.1, b.1).then_with(|| a.0.cmp(b.0)));
    let mut standings: Vec<Standing> = Vec::with_capacity(values.len());
    for (index, (model, value)) in values.into_iter().enumerate() {
        let place = match standings.last() {
            Some(previous) if previous.value == value => previous.place,
            _ => index + 1,
        };
        standings.push(Standing { model: model.to_owned(), value, place });
    }
    standings
}

#[cfg(test)]
mod tests;
