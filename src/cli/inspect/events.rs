//! What is in an event file.

use serde::Serialize;
use trigsieve::event::schema::{KEY_SCHEMA, SCHEMA_VERSION};
use trigsieve::event::{ColumnCount, EventTable, Feature, FeatureStats, Source, TableStats};

use super::Report;
use crate::cli::text::{facts, number, numbers};

/// The report, in the form of its JSON.
#[derive(Serialize)]
pub struct EventsReport {
    file: String,
    schema: String,
    encoding: String,
    k: usize,
    element: String,
    events: u64,
    batches: usize,
    bytes: u64,
    zero_copy: bool,
    columns: Vec<ColumnReport>,
    sources: Vec<Source>,
    labels: Vec<ColumnCount>,
    processes: Vec<ColumnCount>,
    features: Vec<FeatureReport>,
}

#[derive(Serialize)]
struct ColumnReport {
    name: String,
    r#type: String,
}

#[derive(Serialize)]
struct FeatureReport {
    name: String,
    unit: String,
    #[serde(flatten)]
    stats: FeatureStats,
}

impl EventsReport {
    pub fn of(table: &EventTable) -> Self {
        let schema = table.schema();
        let stats = TableStats::of(table);
        let column = |field: &arrow_schema::FieldRef| ColumnReport {
            name: field.name().clone(),
            r#type: field.data_type().to_string(),
        };
        let version = table.arrow_schema().metadata().get(KEY_SCHEMA);
        Self {
            file: table.path().display().to_string(),
            schema: version.map_or(SCHEMA_VERSION, String::as_str).to_owned(),
            encoding: schema.encoding.clone(),
            k: schema.k,
            element: schema.element.to_string(),
            events: table.len(),
            batches: table.batches().len(),
            bytes: table.bytes(),
            zero_copy: table.is_zero_copy(),
            columns: table.arrow_schema().fields().iter().map(column).collect(),
            sources: schema.sources.clone(),
            labels: stats.labels,
            processes: stats.processes,
            features: features(table, stats.features),
        }
    }

    fn overview(&self) -> String {
        let access = if self.zero_copy { "mapped" } else { "decoded into memory" };
        let columns = self.columns.iter().map(|column| format!("{}: {}", column.name, column.r#type));
        let mut rows = vec![
            ("file", self.file.clone()),
            ("schema", format!("version {}", self.schema)),
            ("encoding", format!("{}, K = {}, {}", self.encoding, self.k, self.element)),
            ("events", format!("{} in {} record batches", self.events, self.batches)),
            ("size", format!("{} bytes, {access}", self.bytes)),
            ("columns", columns.collect::<Vec<_>>().join("\n")),
        ];
        rows.extend(self.sources.iter().map(|source| ("source", source_line(source))));
        rows.extend(counts("label", &self.labels));
        rows.extend(counts("process", &self.processes));
        facts(rows)
    }
}

impl Report for EventsReport {
    fn text(&self) -> String {
        let header = ["input", "name", "unit", "min", "mean", "max", "zero", "NaN", "inf"];
        let rows = self.features.iter().enumerate().map(|(index, feature)| feature.row(index));
        format!("{}\n\n{}", self.overview(), numbers(&header, 3, rows))
    }
}

impl FeatureReport {
    fn row(&self, index: usize) -> Vec<String> {
        let stats = &self.stats;
        let zero = stats.zero_fraction.map_or("-".to_owned(), |zero| format!("{:.2} %", 100.0 * zero));
        vec![
            index.to_string(),
            self.name.clone(),
            self.unit.clone(),
            number(stats.min),
            number(stats.mean),
            number(stats.max),
            zero,
            stats.nan.to_string(),
            stats.infinite.to_string(),
        ]
    }
}

/// Names the inputs; a file may have no names, they stay empty then.
fn features(table: &EventTable, stats: Vec<FeatureStats>) -> Vec<FeatureReport> {
    let named = |(index, stats)| {
        let feature = table.schema().features.get(index).cloned();
        let Feature { name, unit } =
            feature.unwrap_or_else(|| Feature { name: String::new(), unit: String::new() });
        FeatureReport { name, unit, stats }
    };
    stats.into_iter().enumerate().map(named).collect()
}

fn source_line(source: &Source) -> String {
    format!("{}, {} events, by {}\nsha256 {}", source.file, source.events, source.converter, source.sha256)
}

fn counts(name: &'static str, counts: &[ColumnCount]) -> Option<(&'static str, String)> {
    let list = counts.iter().map(|count| format!("{}: {}", count.value, count.events)).collect::<Vec<_>>();
    (!list.is_empty()).then(|| (name, list.join(", ")))
}
