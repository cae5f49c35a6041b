//! `trigsieve compare`: two engines or models on the same events.

mod table;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde::Serialize;
use trigsieve::compare::{
    Decisions, Difference, ExactComparison, Golden, GoldenOptions, Other, Party, Trace, exact, trace,
};
use trigsieve::event::EventTable;
use trigsieve::model::{ModelBundle, Precision};
use trigsieve::score::{Device, Engine, ScorerSpec};

use super::Context;
use super::engine::SimdArgs;
use super::exit::usage;
use super::output::print;
use super::progress::events_bar;

/// Mismatches that are shown with every layer's numbers.
const SHOWN: usize = 10;

/// Compare the scores of two engines or models event by event.
///
/// A party is a bundle and, after an `@`, the engine and precision that run it: models/l1_ae@fixed,
/// models/l1_ae@onnx:int8, models/l1_ae@rten. Without the `@` it is fixed for a bundle that has nothing else, and onnx
/// otherwise. Two fixed-point programs, or one and golden scores, have to agree to the last bit: the first ten events that
/// do not are printed with every layer's numbers side by side, and the exit code is 1. Anything else is compared by
/// statistics, and fails beyond --tolerance.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    trigsieve compare models/axol1tl@fixed models/axol1tl_v2@fixed events.arrow\n  \
    trigsieve compare models/l1_ae@onnx models/l1_ae@fixed events.arrow --threshold 12.5\n  \
    trigsieve compare models/axol1tl@fixed events.arrow --golden csim_scores.csv --raw")]
pub struct CompareArgs {
    /// The first party.
    #[arg(value_name = "A")]
    a: String,
    /// The second party (not with --golden) and the event table.
    #[arg(value_name = "B> <EVENTS", required = true, num_args = 1..=2)]
    rest: Vec<String>,
    /// Instead of B: scores from a file, one an event: Arrow IPC, Parquet or text (one number a line, or columns with a
    /// header).
    #[arg(long, value_name = "FILE")]
    golden: Option<PathBuf>,
    /// Column of the golden scores [default: the only one, or `score`].
    #[arg(long, value_name = "NAME", requires = "golden")]
    column: Option<String>,
    /// The golden scores are raw integers, in steps of the program's score.
    #[arg(long, requires = "golden")]
    raw: bool,
    /// Largest |B - A| that is no mismatch; also turns an exact comparison into one by statistics.
    #[arg(long, value_name = "SCORE", value_parser = parse_tolerance)]
    tolerance: Option<f64>,
    /// Count the events that the two decide differently at this threshold [default: those of the cards].
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    threshold: Option<f32>,
    /// cpu, cuda or cuda:N for the onnx engine.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// ONNX Runtime's library, instead of ORT_DYLIB_PATH or the one in `.venv`.
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    #[command(flatten)]
    simd: SimdArgs,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

fn parse_tolerance(text: &str) -> Result<f64, String> {
    let tolerance: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    let fits = tolerance.is_finite() && tolerance >= 0.0;
    fits.then_some(tolerance).ok_or_else(|| format!("`{text}` is negative or not finite"))
}

/// A party as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PartyName {
    bundle: PathBuf,
    engine: Option<(Engine, Option<Precision>)>,
}

impl FromStr for PartyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A folder may have an `@` in its name.
        let Some((bundle, engine)) = text.rsplit_once('@').filter(|_| !Path::new(text).is_dir()) else {
            return Ok(Self { bundle: PathBuf::from(text), engine: None });
        };
        let (engine, precision) = match engine.split_once(':') {
            None => (engine, None),
            Some((engine, precision)) => (engine, Some(precision)),
        };
        let engine = Engine::from_str(engine, false)
            .map_err(|_| format!("`{text}`: `{engine}` is no engine: onnx, rten or fixed"))?;
        let of_name = |name: &str| {
            let found = engine.precisions().iter().copied().find(|precision| precision.name() == name);
            found.ok_or_else(|| format!("`{text}`: the {} engine does not run `{name}`", engine.name()))
        };
        let engine = Some((engine, precision.map(of_name).transpose()?));
        Ok(Self { bundle: PathBuf::from(bundle), engine })
    }
}

impl PartyName {
    fn open(&self, args: &CompareArgs) -> anyhow::Result<Party> {
        let bundle = ModelBundle::open(&self.bundle)?;
        let files = &bundle.card().files;
        let only_fixed =
            files.contains_key(Precision::Fixed.file()) && !files.contains_key(Precision::Float.file());
        let default = if only_fixed { Engine::Fixed } else { Engine::Onnx };
        let (engine, precision) = self.engine.unwrap_or((default, None));
        let spec = ScorerSpec {
            engine,
            precision: precision.unwrap_or(engine.precisions()[0]),
            device: if engine == Engine::Onnx { args.device } else { Device::Cpu },
            onnxruntime: args.onnxruntime.clone(),
            simd: args.simd.get(),
        };
        let name = format!("{}@{}:{}", self.bundle.display(), engine.name(), spec.precision);
        Ok(Party::new(&name, &bundle, &spec)?)
    }
}

/// The other party.
enum Second {
    Party(Box<Party>),
    Golden(Golden),
}

/// The report, in the form of its JSON.
#[derive(Serialize)]
pub struct CompareReport {
    a: PartyReport,
    b: PartyReport,
    events_file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exact: Option<ExactComparison>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traces: Vec<EventTrace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
    tolerance: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<Decisions>,
}

#[derive(Serialize)]
struct PartyReport {
    name: String,
    engine: String,
    sha256: Option<String>,
}

#[derive(Serialize)]
struct EventTrace {
    row: u64,
    event_id: u64,
    #[serde(flatten)]
    trace: Trace,
}

/// Runs the command.
pub fn run(args: &CompareArgs, context: Context) -> anyhow::Result<()> {
    let (second, events) = positions(args)?;
    if let Some(threshold) = args.threshold.filter(|threshold| !threshold.is_finite()) {
        return Err(usage(format!("--threshold {threshold} is not a finite score")));
    }
    let party = |text: &str| text.parse::<PartyName>().map_err(usage);
    let (a_name, b_name) = (party(&args.a)?, second.map(party).transpose()?);
    let table = EventTable::open(&events)?;
    let mut a = a_name.open(args)?;
    a.check_events(&table)?;
    let mut b = match (b_name, &args.golden) {
        (Some(name), _) => {
            let party = name.open(args)?;
            party.check_events(&table)?;
            a.check_units(&party)?;
            Second::Party(Box::new(party))
        }
        (None, Some(path)) => {
            let options =
                GoldenOptions { column: args.column.clone(), raw: args.raw, events: Some(table.len()) };
            let golden = Golden::read(path, &options)?;
            golden.check_count(&table)?;
            Second::Golden(golden)
        }
        (None, None) => {
            return Err(usage("give two parties and the events, or one party, the events and --golden"));
        }
    };
    let report = compare(args, &mut a, &mut b, &table, context)?;
    if !context.quiet || args.json {
        print(if args.json { serde_json::to_string_pretty(&report)? } else { table::of(&report) })?;
    }
    report.verdict()
}

/// The second party, if it is no file of golden scores, and the events.
fn positions(args: &CompareArgs) -> anyhow::Result<(Option<&str>, PathBuf)> {
    match (args.rest.as_slice(), &args.golden) {
        ([events], Some(_)) => Ok((None, PathBuf::from(events))),
        ([b, events], None) => Ok((Some(b), PathBuf::from(events))),
        ([_, _], Some(_)) => {
            Err(usage("--golden takes the place of the second party: give A and EVENTS only"))
        }
        _ => Err(usage("give two parties and the events: trigsieve compare A B EVENTS")),
    }
}

fn compare(
    args: &CompareArgs,
    a: &mut Party,
    b: &mut Second,
    table: &EventTable,
    context: Context,
) -> anyhow::Result<CompareReport> {
    let bar = events_bar(context, table.len(), "comparing");
    let mut report = CompareReport {
        a: PartyReport::of(a),
        b: b.report(),
        events_file: table.path().display().to_string(),
        exact: None,
        traces: Vec::new(),
        difference: None,
        tolerance: args.tolerance,
        decisions: Vec::new(),
    };
    if args.tolerance.is_none() && a.program().is_some() && b.is_exact() {
        let found = exact(a, &mut b.other(), table, SHOWN, &mut |events| bar.set_position(events))?;
        report.traces = found.first.iter().filter_map(|found| EventTrace::of(a, b, table, found)).collect();
        let agree = found.mismatches == 0;
        report.exact = Some(found);
        if agree {
            bar.finish_and_clear();
            return Ok(report);
        }
    }
    let scores = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let a_scores = scores(a.score(table, &mut |_| {})?);
    let b_scores = match b {
        Second::Party(party) => scores(party.score(table, &mut |_| {})?),
        Second::Golden(golden) => golden.values(a.program()),
    };
    bar.finish_and_clear();
    report.difference = Some(Difference::of(&a_scores, &b_scores, args.tolerance));
    report.decisions = match (args.threshold, b) {
        (Some(threshold), _) => vec![Decisions::at(threshold.into(), &a_scores, &b_scores)],
        (None, Second::Party(b)) => {
            Decisions::of_cards((a.thresholds(), b.thresholds()), &a_scores, &b_scores)
        }
        (None, Second::Golden(_)) => Vec::new(),
    };
    Ok(report)
}

impl Second {
    fn report(&self) -> PartyReport {
        match self {
            Self::Party(party) => PartyReport::of(party),
            Self::Golden(golden) => PartyReport {
                name: golden.path().display().to_string(),
                engine: "golden scores".to_owned(),
                sha256: None,
            },
        }
    }

    fn is_exact(&self) -> bool {
        match self {
            Self::Party(party) => party.program().is_some(),
            Self::Golden(_) => true,
        }
    }

    fn other(&mut self) -> Other<'_> {
        match self {
            Self::Party(party) => Other::Party(party),
            Self::Golden(golden) => Other::Golden(golden),
        }
    }

    fn party(&self) -> Option<&Party> {
        match self {
            Self::Party(party) => Some(party),
            Self::Golden(_) => None,
        }
    }
}

impl PartyReport {
    fn of(party: &Party) -> Self {
        Self {
            name: party.name().to_owned(),
            engine: party.describe(),
            sha256: Some(party.sha256().to_owned()),
        }
    }
}

impl EventTrace {
    fn of(a: &Party, b: &Second, table: &EventTable, found: &trigsieve::compare::Mismatch) -> Option<Self> {
        let trace = trace(a, b.party(), table, found.row)?;
        Some(Self { row: found.row, event_id: found.event_id, trace })
    }
}

impl CompareReport {
    /// Fails on what the comparison must not find.
    fn verdict(&self) -> anyhow::Result<()> {
        if let Some(exact) = self.exact.as_ref().filter(|exact| exact.mismatches > 0) {
            bail!(
                "{} of {} events have different scores: {} against {}",
                exact.mismatches,
                exact.events,
                self.a.name,
                self.b.name
            );
        }
        let beyond = self.difference.as_ref().and_then(|difference| difference.beyond_tolerance).unwrap_or(0);
        if let Some(tolerance) = self.tolerance.filter(|_| beyond > 0) {
            bail!("{beyond} events differ by more than {tolerance}: {} against {}", self.a.name, self.b.name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_is_a_bundle_and_what_runs_it() {
        let party = |text: &str| text.parse::<PartyName>().unwrap();
        let name = |bundle: &str, engine| PartyName { bundle: PathBuf::from(bundle), engine };
        assert_eq!(party("models/a"), name("models/a", None));
        assert_eq!(party("models/a@fixed"), name("models/a", Some((Engine::Fixed, None))));
        let int8 = Some((Engine::Onnx, Some(Precision::Int8)));
        assert_eq!(party("models/a@onnx:int8"), name("models/a", int8));
        assert_eq!(party("a@b@rten"), name("a@b", Some((Engine::Rten, None))));
        for (text, word) in
            [("a@tpu", "`tpu`"), ("a@fixed:int8", "`int8`"), ("a@onnx:fixed", "`fixed`"), ("a@", "``")]
        {
            let error = text.parse::<PartyName>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
