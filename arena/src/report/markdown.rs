use std::fmt::Write as _;

use super::quantity::{Quantity, plural};
use super::{Findings, MODELS_SHOWN};
use crate::{Definition, Metric, Ranking, Standing, TotalImprovements};

/// Models of a ranking that the text shows.
const BEST: usize = 5;

/// The report as Markdown.
pub(super) fn report(findings: &Findings<'_>, quantities: &[Quantity<'_>]) -> String {
    let mut text = head(findings);
    text += &improvements(&findings.improvements);
    text += "\n## Rankings\n\n";
    text += "Over all channel-signal pairs; models of equal value share a place. `rankings.csv` has them in full.\n";
    for metric in Metric::ALL {
        text += &rankings(findings, metric);
    }
    text += &left_out(findings);
    text += "\n## Plots\n\n";
    for quantity in quantities {
        _ = writeln!(text, "![{}]({})\n", escaped(&quantity.title), quantity.file);
    }
    text += DEFINITIONS;
    text
}

const DEFINITIONS: &str = "\
## Definitions

- top scorer: pairs on which no model has a higher value; top 5: pairs on which at most four have. Equals all count, a value of 0 never.
- average rank: mean rank over the pairs, from 1; equals share the mean of their ranks.
- mean, median, minimum: of the values over the pairs.
- total improvement (TI): the highest eS / √eB over working points and channels of a physics signal; minimum, median and maximum are over signals.
- boxes: quartiles and median over pairs (TI: over physics signals), whiskers to the furthest value within 1.5 box lengths.

The definitions are those of the Dark Machines challenge (arXiv:2105.14027).
";

fn head(findings: &Findings<'_>) -> String {
    let (models, places) = (findings.table.models().len(), findings.table.places());
    let channels: std::collections::BTreeSet<&str> =
        places.iter().map(|place| place.channel.as_str()).collect();
    let signals: std::collections::BTreeSet<&str> =
        places.iter().map(|place| place.signal.as_str()).collect();
    format!(
        "# Arena\n\n{models} {}, {} {} in {} {} ({} {}).\n",
        plural(models, "model"),
        signals.len(),
        plural(signals.len(), "physics signal"),
        channels.len(),
        plural(channels.len(), "channel"),
        places.len(),
        plural(places.len(), "channel-signal pair"),
    )
}

fn improvements(improvements: &TotalImprovements) -> String {
    let mut text = "\n## Total improvement\n\n".to_owned();
    if improvements.models.is_empty() {
        return text + "None: no model has a signal efficiency at every working point that another has.\n";
    }
    if improvements.models.len() > MODELS_SHOWN {
        _ = writeln!(
            text,
            "The best {MODELS_SHOWN} of {} models; `total_improvement.csv` has all.\n",
            improvements.models.len()
        );
    }
    text += "| place | model | minimum | median | maximum |\n|---:|---|---:|---:|---:|\n";
    for model in improvements.models.iter().take(MODELS_SHOWN) {
        let summary = &model.summary;
        _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {:.2} |",
            model.place,
            escaped(&model.model),
            summary.minimum,
            summary.median,
            summary.maximum
        );
    }
    text
}

fn rankings(findings: &Findings<'_>, metric: Metric) -> String {
    let of_metric = findings.rankings.iter().filter(|ranking| ranking.metric == metric);
    let ranked: Vec<&Ranking> = of_metric.filter(|ranking| !ranking.standings.is_empty()).collect();
    let mut text = format!("\n### {metric}\n\n");
    if ranked.is_empty() {
        return text + "Not measured.\n";
    }
    text += "| ranking | best, with its value |\n|---|---|\n";
    for ranking in ranked {
        _ = writeln!(text, "| {} | {} |", ranking.definition, best(ranking));
    }
    text
}

fn best(ranking: &Ranking) -> String {
    let named = |standing: &Standing| {
        let (place, model) = (standing.place, escaped(&standing.model));
        format!("{place}. {model} ({})", number(standing.value, ranking.definition))
    };
    let shown: Vec<String> = ranking.standings.iter().take(BEST).map(named).collect();
    let last = ranking.standings.get(BEST - 1).map(|standing| standing.place);
    // Equals of the last place that are not shown would otherwise look worse than it.
    let equals = ranking.standings.iter().skip(BEST).filter(|standing| Some(standing.place) == last).count();
    let more = if equals == 0 { String::new() } else { format!("<br>and {equals} more of this place") };
    shown.join("<br>") + &more
}

fn number(value: f64, definition: Definition) -> String {
    match definition {
        Definition::TopScorer | Definition::TopFive => format!("{value:.0}"),
        Definition::AverageRank => format!("{value:.2}"),
        Definition::Mean | Definition::Median | Definition::Minimum => format!("{value:.4}"),
    }
}

/// Who is not ranked, and why.
fn left_out(findings: &Findings<'_>) -> String {
    let by_metric = findings.values.iter().filter(|values| !values.places.is_empty());
    let mut lines: Vec<(String, Vec<&str>)> =
        by_metric.map(|values| (values.metric.to_string(), values.left_out.clone())).collect();
    let of_improvement = findings.improvements.left_out.iter().map(String::as_str).collect();
    lines.push(("total improvement".to_owned(), of_improvement));
    lines.retain(|(_, models)| !models.is_empty());
    if lines.is_empty() {
        return String::new();
    }
    let mut text =
        "\n## Left out\n\nModels without a value that another model has cannot be compared.\n\n".to_owned();
    for (what, models) in lines {
        let shown: Vec<String> = models.iter().take(MODELS_SHOWN).map(|model| escaped(model)).collect();
        let more = models.len().saturating_sub(MODELS_SHOWN);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        _ = writeln!(text, "- {what}: {}{more}", shown.join(", "));
    }
    text
}

/// A name without what Markdown would take for markup.
fn escaped(name: &str) -> String {
    let is_markup = |c: char| matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&');
    name.chars().flat_map(|c| is_markup(c).then_some('\\').into_iter().chain([c])).collect()
}
