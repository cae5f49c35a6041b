//! The report: rankings and total improvements as CSV and Markdown, box-and-whisker plots as SVG.

mod boxes;
mod markdown;
mod quantity;

use std::path::Path;

use crate::durable::write_atomically;
use crate::table::{cell, write_csv};
use crate::{ArenaError, Definition, Metric, Ranking, Table, TotalImprovements, Values};

use quantity::Quantity;

/// Models a plot or a table of the report shows at most: more would not be readable.
pub const MODELS_SHOWN: usize = 40;

/// Name of the report's text, which is written last.
pub const REPORT: &str = "report.md";

/// Names of the plots.
const PLOTS: [&str; 5] =
    ["auc.svg", "efficiency_1e-2.svg", "efficiency_1e-3.svg", "efficiency_1e-4.svg", "total_improvement.svg"];

/// Everything the report says, computed once.
struct Findings<'a> {
    table: &'a Table,
    values: Vec<Values<'a>>,
    rankings: Vec<Ranking>,
    improvements: TotalImprovements,
}

impl<'a> Findings<'a> {
    fn of(table: &'a Table) -> Self {
        let values: Vec<Values> = Metric::ALL.iter().map(|metric| Values::of(table, *metric)).collect();
        let ranked = |values: &Values| Definition::ALL.map(|definition| values.rank(definition));
        let rankings = values.iter().flat_map(ranked).collect();
        Self { table, values, rankings, improvements: TotalImprovements::of(table) }
    }
}

/// Writes the report on `table` into the folder `out`, which is made if it is not there:
///
/// | file | content |
/// |---|---|
/// | `results.csv` | the table itself |
/// | `rankings.csv` | each model's place and value, for each figure of merit and definition |
/// | `total_improvement.csv` | place, minimum, median and maximum over physics signals |
/// | `total_improvement_signals.csv` | total improvement on each signal, with its channel and working point |
/// | `auc.svg`, `efficiency_1e-2.svg`, `..._1e-3.svg`, `..._1e-4.svg`, `total_improvement.svg` | box-and-whisker plots of models over signals, by median; [`MODELS_SHOWN`] models at most |
/// | `report.md` | the best of each, written last |
///
/// Files of these names are replaced; each is complete or absent. A plot without a single value, such as that of a
/// working point that no background sample could measure, is not drawn.
///
/// # Errors
/// [`ArenaError::NoResults`] for an empty table, [`ArenaError::Io`], [`ArenaError::Draw`].
pub fn write_report(table: &Table, out: &Path) -> Result<(), ArenaError> {
    if table.entries().is_empty() {
        return Err(ArenaError::NoResults("the table has a header and no lines".to_owned()));
    }
    std::fs::create_dir_all(out).map_err(|source| ArenaError::io(out, source))?;
    // What an earlier report has and this one will not must not be taken for a part of it.
    for name in PLOTS.into_iter().chain([REPORT]) {
        remove(&out.join(name))?;
    }
    let findings = Findings::of(table);
    table.write(&out.join("results.csv"))?;
    write_rankings(&findings, &out.join("rankings.csv"))?;
    write_improvements(&findings.improvements, &out.join("total_improvement.csv"))?;
    write_signals(&findings.improvements, &out.join("total_improvement_signals.csv"))?;
    let quantities: Vec<Quantity> = Quantity::all(&findings);
    for quantity in &quantities {
        boxes::draw(quantity, &out.join(&quantity.file))?;
    }
    write_atomically(&out.join(REPORT), markdown::report(&findings, &quantities).as_bytes())
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), ArenaError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ArenaError::io(path, error)),
        _ => Ok(()),
    }
}

fn write_rankings(findings: &Findings<'_>, path: &Path) -> Result<(), ArenaError> {
    let header = ["metric", "definition", "place", "model", "value"];
    let rows = findings.rankings.iter().flat_map(|ranking| {
        ranking.standings.iter().map(|standing| {
            vec![
                ranking.metric.name().to_owned(),
                ranking.definition.name().to_owned(),
                standing.place.to_string(),
                standing.model.clone(),
                standing.value.to_string(),
            ]
        })
    });
    write_csv(path, &header, rows)
}

fn write_improvements(improvements: &TotalImprovements, path: &Path) -> Result<(), ArenaError> {
    let header = ["place", "model", "minimum", "median", "maximum"];
    let rows = improvements.models.iter().map(|model| {
        let summary = &model.summary;
        let values =
            [summary.minimum, summary.median, summary.maximum].into_iter().map(|value| cell(Some(value)));
        [model.place.to_string(), model.model.clone()].into_iter().chain(values).collect()
    });
    write_csv(path, &header, rows)
}

fn write_signals(improvements: &TotalImprovements, path: &Path) -> Result<(), ArenaError> {
    let header = ["model", "signal", "total_improvement", "channel", "background_efficiency"];
    let rows = improvements.models.iter().flat_map(|model| {
        model.signals.iter().map(|(signal, best)| {
            vec![
                model.model.clone(),
                signal.clone(),
                best.value.to_string(),
                best.channel.clone(),
                best.working_point.name().to_owned(),
            ]
        })
    });
    write_csv(path, &header, rows)
}
