use super::{Findings, MODELS_SHOWN};
use crate::statistics::Summary;
use crate::{Metric, TotalImprovement, Values};

/// A scale along which boxes are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// From 0 to 1.
    Unit,
    /// Logarithmic, over these decades; what is lower is drawn at the lower end.
    Decades {
        /// Exponent of ten at the lower end.
        from: i32,
        /// Exponent of ten at the upper end.
        to: i32,
    },
}

/// One plot: what it shows of which models.
pub(super) struct Quantity<'a> {
    pub(super) file: String,
    pub(super) title: String,
    pub(super) axis: String,
    pub(super) scale: Scale,
    /// Models and their values over signals, by median, highest first; [`MODELS_SHOWN`] at most.
    pub(super) boxes: Vec<(&'a str, Summary)>,
}

/// Lowest decade of the signal efficiencies, as in the paper's figures.
const EFFICIENCIES: Scale = Scale::Decades { from: -4, to: 0 };
/// Significance improvements reach 1 / sqrt(1e-4) = 100 at most.
const IMPROVEMENTS: Scale = Scale::Decades { from: -2, to: 2 };

impl<'a> Quantity<'a> {
    /// The four figures of merit and the total improvement, without those that nobody has a value of.
    pub(super) fn all(findings: &'a Findings<'_>) -> Vec<Self> {
        let metrics = findings.values.iter().map(Self::metric);
        let all = metrics.chain(std::iter::once(Self::improvement(&findings.improvements.models)));
        all.filter(|quantity| !quantity.boxes.is_empty()).collect()
    }

    fn metric(values: &'a Values<'_>) -> Self {
        let boxes =
            values.models.iter().filter_map(|(model, values)| Some((*model, Summary::of(values)?))).collect();
        let (file, axis, scale) = match values.metric {
            Metric::Auc => ("auc.svg".to_owned(), "area under the ROC curve".to_owned(), Scale::Unit),
            Metric::SignalEfficiency(point) => (
                format!("efficiency_{}.svg", point.name()),
                format!("signal efficiency at background efficiency {}", point.name()),
                EFFICIENCIES,
            ),
        };
        let pairs = values.places.len();
        let title = format!("{} on {pairs} {}", values.metric, plural(pairs, "channel-signal pair"));
        Self::best(file, title, axis, scale, boxes)
    }

    fn improvement(models: &'a [TotalImprovement]) -> Self {
        let boxes = models.iter().map(|model| (model.model.as_str(), model.summary.clone())).collect();
        let signals = models.first().map_or(0, |model| model.signals.len());
        let title = format!("Total improvement on {signals} {}", plural(signals, "physics signal"));
        let axis = "total improvement: max eS / √eB over channels and working points".to_owned();
        Self::best("total_improvement.svg".to_owned(), title, axis, IMPROVEMENTS, boxes)
    }

    fn best(
        file: String,
        title: String,
        axis: String,
        scale: Scale,
        mut boxes: Vec<(&'a str, Summary)>,
    ) -> Self {
        let models = boxes.len();
        boxes.sort_by(|a, b| b.1.median.total_cmp(&a.1.median).then_with(|| a.0.cmp(b.0)));
        boxes.truncate(MODELS_SHOWN);
        let title = match models {
            models if models > MODELS_SHOWN => format!("{title}: the best {MODELS_SHOWN} of {models} models"),
            _ => title,
        };
        Self { file, title, axis, scale, boxes }
    }
}

/// A noun in the number of what it counts.
pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
