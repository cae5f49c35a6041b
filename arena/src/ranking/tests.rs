use proptest::prelude::*;

use super::{Definition, Standing, Values};
use crate::{ChannelSignal, Entry, Metric, Table};

fn table(models: &[(&str, &[f64])]) -> Table {
    let entry = |model: &str, place: usize, auc: f64| Entry {
        model: model.to_owned(),
        place: ChannelSignal { channel: "1".to_owned(), signal: format!("s{place}") },
        auc,
        efficiency: [None; 3],
    };
    let of_model = |(model, values): &(&str, &[f64])| {
        values.iter().enumerate().map(|(place, auc)| entry(model, place, *auc)).collect::<Vec<_>>()
    };
    Table::from_entries(models.iter().flat_map(of_model).collect()).unwrap()
}

fn ranking(table: &Table, definition: Definition) -> Vec<(String, f64, usize)> {
    let standings = Values::of(table, Metric::Auc).rank(definition).standings;
    standings.into_iter().map(|Standing { model, value, place }| (model, value, place)).collect()
}

fn named(expected: &[(&str, f64, usize)]) -> Vec<(String, f64, usize)> {
    expected.iter().map(|(model, value, place)| ((*model).to_owned(), *value, *place)).collect()
}

#[test]
fn six_definitions_by_hand() {
    let table = table(&[("a", &[0.9, 0.2, 0.5]), ("b", &[0.8, 0.2, 0.7]), ("c", &[0.1, 0.1, 0.9])]);
    let of = |definition| ranking(&table, definition);
    assert_eq!(of(Definition::TopScorer), named(&[("a", 2.0, 1), ("b", 1.0, 2), ("c", 1.0, 2)]));
    assert_eq!(of(Definition::TopFive), named(&[("a", 3.0, 1), ("b", 3.0, 1), ("c", 3.0, 1)]));
    // a: 1, 1.5, 3; b: 2, 1.5, 2; c: 3, 3, 1.
    let ranks = [("a", 5.5 / 3.0, 1), ("b", 5.5 / 3.0, 1), ("c", 7.0 / 3.0, 3)];
    assert_eq!(of(Definition::AverageRank), named(&ranks));
    let medians = [("b", 0.7, 1), ("a", 0.5, 2), ("c", 0.1, 3)];
    assert_eq!(of(Definition::Median), named(&medians));
    assert_eq!(of(Definition::Minimum), named(&[("a", 0.2, 1), ("b", 0.2, 1), ("c", 0.1, 3)]));
    let means: Vec<f64> = of(Definition::Mean).iter().map(|(_, mean, _)| *mean).collect();
    for (mean, expected) in means.iter().zip([1.7 / 3.0, 1.6 / 3.0, 1.1 / 3.0]) {
        assert!((mean - expected).abs() < 1e-12);
    }
}

#[test]
fn top_five_counts_those_with_at_most_four_above_them() {
    let values: Vec<(String, f64)> = (0..7).map(|i| (format!("m{i}"), 0.9 - 0.1 * f64::from(i))).collect();
    let models: Vec<(&str, &[f64])> =
        values.iter().map(|(name, value)| (name.as_str(), std::slice::from_ref(value))).collect();
    let counted: Vec<f64> =
        ranking(&table(&models), Definition::TopFive).into_iter().map(|(_, count, _)| count).collect();
    assert_eq!(counted, [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn nothing_found_is_no_top_score() {
    let table = table(&[("a", &[0.0]), ("b", &[0.0])]);
    assert_eq!(ranking(&table, Definition::TopScorer), named(&[("a", 0.0, 1), ("b", 0.0, 1)]));
    assert_eq!(ranking(&table, Definition::AverageRank), named(&[("a", 1.5, 1), ("b", 1.5, 1)]));
}

#[test]
fn a_model_without_a_value_that_another_has_is_left_out() {
    let table = table(&[("a", &[0.9, 0.2]), ("b", &[0.8])]);
    let values = Values::of(&table, Metric::Auc);
    assert_eq!((values.models.len(), values.left_out.as_slice()), (1, &["b"][..]));
    let unmeasured = Values::of(&table, Metric::ALL[1]);
    assert_eq!((unmeasured.places.len(), unmeasured.models.len()), (0, 0));
}

proptest! {
    /// Ranks count what their definition says, the mean of all ranks is that of 1 to N, and the order of lines
    /// changes nothing.
    #[test]
    fn ranks_are_what_counting_gives(
        values in prop::collection::vec(prop::collection::vec(0u8..6, 3), 1..12),
    ) {
        let values: Vec<Vec<f64>> =
            values.into_iter().map(|row| row.into_iter().map(|value| f64::from(value) / 5.0).collect()).collect();
        let names: Vec<String> = (0..values.len()).map(|i| format!("m{i:02}")).collect();
        let models: Vec<(&str, &[f64])> =
            names.iter().zip(&values).map(|(name, row)| (name.as_str(), row.as_slice())).collect();
        let forward = table(&models);
        let reverse = table(&models.iter().rev().copied().collect::<Vec<_>>());
        let ranks = Values::of(&forward, Metric::Auc).ranks();
        for (name, row) in &models {
            for (place, rank) in ranks[name].iter().enumerate() {
                let higher = values.iter().filter(|other| other[place] > row[place]).count();
                let equal = values.iter().filter(|other| other[place] == row[place]).count();
                prop_assert_eq!((rank.best, rank.worst), (higher + 1, higher + equal));
            }
        }
        let shared: f64 = ranks.values().flatten().map(super::Rank::shared).sum();
        let count = models.len() as f64;
        prop_assert!((shared / (3.0 * count) - (count + 1.0) / 2.0).abs() < 1e-9);
        for definition in Definition::ALL {
            prop_assert_eq!(ranking(&forward, definition), ranking(&reverse, definition));
        }
    }
}
