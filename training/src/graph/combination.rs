use trigsieve_onnx::{ElementType, Error, GraphBuilder, TensorData, Value};

use super::{BATCH, dimension, information};
use crate::recipe::CombinationRule;

/// Knots of a table for every factor of 10 in background efficiency.
const KNOTS_A_DECADE: usize = 8;

/// Events above the last knot: fewer say nothing about an efficiency.
const MIN_EVENTS: usize = 10;

/// u(s) = -log10 of the background efficiency of a score s: the fraction of background events with a score of s or
/// more. Monotone and piecewise linear; 0 up to the lowest background score, and beyond the last knot it goes on with
/// its last slope, so that scores above all background are still told apart.
#[derive(Clone, Debug, PartialEq)]
pub struct EfficiencyTable {
    /// Scores, strictly rising.
    scores: Vec<f32>,
    /// u at each of them, strictly rising.
    values: Vec<f32>,
}

impl EfficiencyTable {
    /// The table of background scores; `None` when fewer than two of them differ, or one is not finite.
    #[must_use]
    pub fn fit(mut background: Vec<f32>) -> Option<Self> {
        if background.iter().any(|score| !score.is_finite()) {
            return None;
        }
        background.sort_unstable_by(|left, right| right.total_cmp(left));
        let events = background.len();
        let (mut scores, mut values) = (vec![*background.last()?], vec![0.0_f32]);
        for knot in 1.. {
            let value = knot as f64 / KNOTS_A_DECADE as f64;
            let above = (events as f64 * 10.0_f64.powf(-value)).round() as usize;
            if above < MIN_EVENTS.min(events) {
                break;
            }
            let score = background[above - 1];
            let passing = background.partition_point(|other| *other >= score);
            let value = -(passing as f64 / events as f64).log10() as f32;
            if scores.last().is_some_and(|last| *last < score)
                && values.last().is_some_and(|last| *last < value)
            {
                scores.push(score);
                values.push(value);
            }
        }
        (scores.len() > 1).then_some(Self { scores, values })
    }

    /// u(s), as the graph computes it: a sum of terms that are never negative, one a knot.
    #[must_use]
    pub fn value(&self, score: f32) -> f32 {
        let pieces = self.widths().zip(self.heights()).zip(&self.scores);
        let last = self.scores.len() - 2;
        let term = |(index, ((width, height), start)): (usize, ((f32, f32), &f32))| {
            let along = ((score - start) * width.recip()).max(0.0);
            height * if index == last { along } else { along.min(1.0) }
        };
        pieces.enumerate().map(term).sum()
    }

    fn widths(&self) -> impl Iterator<Item = f32> + '_ {
        self.scores.windows(2).map(|pair| pair[1] - pair[0])
    }

    fn heights(&self) -> impl Iterator<Item = f32> + '_ {
        self.values.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// [N] scores to [N, 1] values.
    fn write(&self, b: &mut GraphBuilder, score: &Value, prefix: &str) -> Result<Value, Error> {
        let pieces = self.scores.len() - 1;
        let mut limits = vec![1.0; pieces];
        limits[pieces - 1] = f32::MAX;
        let name = |name: &str| format!("{prefix}{name}");
        let mut row = |text: &str, values: Vec<f32>, shape: &[usize]| {
            b.constant(&name(text), shape, TensorData::F32(values))
        };
        let starts = row("knots", self.scores[..pieces].to_vec(), &[pieces])?;
        let inverse = row("inverse_widths", self.widths().map(f32::recip).collect(), &[pieces])?;
        let limits = row("limits", limits, &[pieces])?;
        let heights = row("heights", self.heights().collect(), &[pieces, 1])?;
        let shape = b.constant(&name("column"), &[2], TensorData::I64(vec![-1, 1]))?;
        let column = b.node("Reshape", &[score, &shape], &name("score_column"), vec![])?;
        let above = b.node("Sub", &[&column, &starts], &name("above_knots"), vec![])?;
        let along = b.node("Mul", &[&above, &inverse], &name("along"), vec![])?;
        let along = b.node("Relu", &[&along], &name("along_from_start"), vec![])?;
        let along = b.node("Min", &[&along, &limits], &name("along_piece"), vec![])?;
        b.node("MatMul", &[&along, &heights], &name("rarity"), vec![])
    }
}

/// The graph of a combination: the members' own graphs, their tables, and the rule.
///
/// Larger is more anomalous: the score is -log10 of max e (`and`), of min e (`or`), of the product (`product`) or of the mean
/// (`average`) of the members' background efficiencies e (arXiv:2105.14027, section 4.13, which orders events alike).
///
/// # Errors
/// When a member's graph cannot be embedded.
pub fn combination_graph(
    name: &str,
    encoding: &str,
    k: usize,
    members: &[(Vec<u8>, EfficiencyTable)],
    rule: CombinationRule,
) -> Result<Vec<u8>, Error> {
    let mut builder = GraphBuilder::new(name);
    let inputs = builder.input("inputs", ElementType::F32, &[BATCH, dimension(k)])?;
    let mut rarities = Vec::with_capacity(members.len());
    for (index, (graph, table)) in members.iter().enumerate() {
        let prefix = format!("member{index}_");
        let score = builder.embed(graph, &prefix, &[("inputs", &inputs)], "score")?;
        rarities.push(table.write(&mut builder, &score, &prefix)?);
    }
    let combined = combine(&mut builder, &rarities, rule)?;
    let shape = builder.constant("flat", &[1], TensorData::I64(vec![-1]))?;
    let score = builder.node("Reshape", &[&combined, &shape], "score", vec![])?;
    builder.output(&score, ElementType::F32, &[BATCH])?;
    builder.finish(&information(encoding, k))
}

fn combine(b: &mut GraphBuilder, rarities: &[Value], rule: CombinationRule) -> Result<Value, Error> {
    let all: Vec<&Value> = rarities.iter().collect();
    match rule {
        CombinationRule::And => b.node("Min", &all, "combined", vec![]),
        CombinationRule::Or => b.node("Max", &all, "combined", vec![]),
        CombinationRule::Product => b.node("Sum", &all, "combined", vec![]),
        CombinationRule::Average => average(b, rarities),
    }
}

/// -log10 of the mean of 10^-u, as least u - log10(mean of 10^(least u - u)): no power underflows to a sum of 0.
fn average(b: &mut GraphBuilder, rarities: &[Value]) -> Result<Value, Error> {
    let all: Vec<&Value> = rarities.iter().collect();
    let least = b.node("Min", &all, "least_rarity", vec![])?;
    let ln10 = b.constant("ln_10", &[], TensorData::F32(vec![std::f32::consts::LN_10]))?;
    let mut powers = Vec::with_capacity(rarities.len());
    for (index, rarity) in rarities.iter().enumerate() {
        let name = |text: &str| format!("member{index}_{text}");
        let less = b.node("Sub", &[&least, rarity], &name("less_rare"), vec![])?;
        let exponent = b.node("Mul", &[&less, &ln10], &name("exponent"), vec![])?;
        powers.push(b.node("Exp", &[&exponent], &name("relative_efficiency"), vec![])?);
    }
    let sum = b.node("Sum", &powers.iter().collect::<Vec<_>>(), "efficiency_sum", vec![])?;
    let share = b.constant("share", &[], TensorData::F32(vec![1.0 / rarities.len() as f32]))?;
    let mean = b.node("Mul", &[&sum, &share], "mean_efficiency", vec![])?;
    let logarithm = b.node("Log", &[&mean], "log_mean_efficiency", vec![])?;
    let decades = b.node("Div", &[&logarithm, &ln10], "mean_decades", vec![])?;
    b.node("Sub", &[&least, &decades], "combined", vec![])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_gives_the_efficiency_back() {
        let background: Vec<f32> = (1..=10_000).map(|event| (event as f32).powi(2)).collect();
        let table = EfficiencyTable::fit(background.clone()).unwrap();
        for passing in [10_000_usize, 5_000, 1_000, 300, 30, 10] {
            let score = background[10_000 - passing];
            let expected = -(passing as f32 / 10_000.0).log10();
            assert!((table.value(score) - expected).abs() < 0.02, "{passing}: {}", table.value(score));
        }
        assert_eq!((table.value(-1e9), table.value(1.0)), (0.0, 0.0));
        assert!(table.value(2e8) > table.value(1e8), "above all background");
        let rising: Vec<f32> = (0..1000).map(|step| table.value(step as f32 * 1.5e5)).collect();
        assert!(rising.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn scores_without_a_spread_have_no_table() {
        assert_eq!(EfficiencyTable::fit(vec![]), None);
        assert_eq!(EfficiencyTable::fit(vec![1.0; 1000]), None);
        assert_eq!(EfficiencyTable::fit(vec![1.0, 2.0, f32::NAN]), None);
    }
}
