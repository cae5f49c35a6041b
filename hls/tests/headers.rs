//! The suite: every project that `suite/generate.py` writes gives the same bits here as the C++ of its own headers: the
//! network's outputs in the interpreter, and the score in the engine with each instruction set that this CPU has.
//!
//! `TRIGSIEVE_HLS_EVENTS` is the number of events a project, 10,000 where it is not set; `TRIGSIEVE_HLS_PROJECT` a part of
//! the names of those to run. For a million events in all: `cargo xtask firmware 18000`.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use common::Compiler;
use trigsieve_fixed::{CheckedProgram, Engine, Format, Interpreter, Kind, Program, Simd};
use trigsieve_hls::{Imported, Options, Score, import};

/// Projects that the suite has at least.
const PROJECTS: usize = 50;

/// What came of a project.
struct Outcome {
    name: String,
    events: usize,
    values: usize,
    mismatches: usize,
    /// Events in which wider accumulators and results give other values.
    changed: usize,
    wants_change: bool,
    /// Events in which another order of the additions gives other values; None where no order is given.
    reordered: Option<usize>,
    first: Option<String>,
}

#[test]
fn every_project_gives_the_bits_of_its_cpp() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suite");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the old suite");
    }
    let generator = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/generate.py");
    common::run(Command::new(common::python()).arg(generator).arg(&folder));
    let mut projects: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the suite").map(|e| e.expect("an entry").path()).collect();
    projects.sort();
    assert!(projects.len() >= PROJECTS, "{} projects", projects.len());
    if let Ok(part) = std::env::var("TRIGSIEVE_HLS_PROJECT") {
        projects
            .retain(|project| project.file_name().is_some_and(|name| name.to_string_lossy().contains(&part)));
    }
    let compiler = Compiler::new(&folder.with_file_name("prelude"), "-O1");
    let outcomes = in_parallel(&compiler, projects, events());
    for outcome in &outcomes {
        println!(
            "{:30} {} mismatches in {} events of {} values; {} with overflow, {} by another order",
            outcome.name,
            outcome.mismatches,
            outcome.events,
            outcome.values,
            outcome.changed,
            outcome.reordered.unwrap_or(0)
        );
    }
    let events: usize = outcomes.iter().map(|outcome| outcome.events).sum();
    println!("{} projects, {events} events", outcomes.len());
    for outcome in &outcomes {
        assert_eq!(outcome.mismatches, 0, "{}: {:?}", outcome.name, outcome.first);
        let (name, reordered) = (&outcome.name, outcome.reordered);
        assert_ne!(reordered, Some(0), "{name}: the order of its additions makes no difference");
        assert!(reordered.is_some() || !name.contains("reuse_"), "{name}: no order of additions is given");
        let enough = outcome.changed * 50 > outcome.events;
        assert!(
            enough || !outcome.wants_change,
            "{}: the overflow that it is about happens too rarely",
            outcome.name
        );
    }
}

fn events() -> usize {
    let events = std::env::var("TRIGSIEVE_HLS_EVENTS").ok();
    events.map_or(10_000, |events| events.parse().expect("TRIGSIEVE_HLS_EVENTS: a number"))
}

/// As many projects at a time as there are cores.
fn in_parallel(compiler: &Compiler, projects: Vec<PathBuf>, events: usize) -> Vec<Outcome> {
    let queue = Mutex::new(projects.into_iter());
    let outcomes = Mutex::new(Vec::new());
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(project) = queue.lock().expect("queue").next() else { break };
                    // A project that fails in any way must not hide what the others do.
                    let outcome = std::panic::catch_unwind(|| compare(compiler, &project, events));
                    outcomes
                        .lock()
                        .expect("outcomes")
                        .extend(outcome.inspect_err(|_| failed.store(true, Relaxed)));
                }
            });
        }
    });
    assert!(!failed.load(Relaxed), "projects failed, as said above");
    let mut outcomes = outcomes.into_inner().expect("outcomes");
    outcomes.sort_by(|a, b| a.name.cmp(&b.name));
    outcomes
}

/// What the generator says of a project.
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn of(project: &Path) -> Self {
        let text = std::fs::read_to_string(project.join("suite.txt")).expect("suite.txt");
        let pair = |line: &str| line.split_once(' ').map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self(text.lines().filter_map(pair).collect())
    }

    fn number(&self, key: &str) -> i32 {
        self.0.get(key).map_or(0, |value| value.parse().expect("a number"))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

fn compare(compiler: &Compiler, project: &Path, events: usize) -> Outcome {
    let name = project.file_name().expect("a name").to_string_lossy().into_owned();
    let settings = Settings::of(project);
    let imported = imported(project, &settings);
    let program = imported.program.clone().check().expect("an import that was checked");
    let output = output(&program);
    let k = program.k();
    let count = program.tensor_at(output).len();
    let driver = project.join("driver");
    build(compiler, project, &imported, &settings, (count, &driver));
    let rows = common::Random(events as u64).rows(k, events);
    let expected = common::outputs(&driver, &rows);
    assert_eq!(expected.len(), events * count, "{name}: values");

    let reordered = unordered(&imported.program).map(|other| differing(&program, &other, output, &rows));
    let wide = wider(imported.program).check().expect("a program with wider formats");
    let mut engines: Vec<Engine> =
        Simd::available().map(|simd| Engine::new(&program, Some(simd)).expect("an engine")).collect();
    let scores: Vec<Vec<i64>> = engines.iter_mut().map(|engine| raw_scores(engine, &rows, events)).collect();
    let (mut interpreter, mut other) = (Interpreter::new(&program), Interpreter::new(&wide));
    let (mut mismatches, mut changed, mut first) = (0, 0, None);
    for (event, (row, expected)) in rows.chunks(k).zip(expected.chunks(count)).enumerate() {
        let score = interpreter.run_i16(row);
        let found = &interpreter.trace()[output];
        let differs = found.iter().zip(expected).any(|(found, expected)| *found != i128::from(*expected));
        if differs || scores.iter().any(|scores| i128::from(scores[event]) != score) {
            mismatches += 1;
            first.get_or_insert_with(|| format!("{row:?} gives {found:?} instead of {expected:?}"));
        }
        other.run_i16(row);
        changed += usize::from(!same_numbers(&program, &wide, output, found, &other.trace()[output]));
    }
    if mismatches > 0 {
        println!("{name}: {mismatches} mismatches, {first:?}");
    }
    let wants_change = settings.number("changes") == 1;
    Outcome { name, events, values: count, mismatches, changed, wants_change, reordered, first }
}

/// What an engine makes of the rows.
fn raw_scores(engine: &mut Engine, rows: &[i16], events: usize) -> Vec<i64> {
    let mut scores = vec![0; events];
    engine.score_raw_i16(rows, &mut scores);
    scores
}

/// Networks without a score of their own get one, so that all of their outputs count.
fn imported(project: &Path, settings: &Settings) -> Imported {
    let wrapped = settings.text("class").is_some();
    let options = Options {
        score: if wrapped { Score::Project } else { Score::SumOfSquares },
        score_format: Some(Format::unsigned(32, 16)),
        hardware_fraction: settings.number("hardware_fraction"),
        ..Options::default()
    };
    import(project, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// The tensor that the driver prints: the score, or what the test's own score is made of.
fn output(program: &CheckedProgram) -> usize {
    let is_squares = |name: &str| name == "squares";
    let squares = program
        .operations
        .iter()
        .position(|operation| operation.layer == "score" && is_squares(&operation.output.name));
    squares.map_or_else(|| program.score_tensor(), |squares| program.sources(squares)[0])
}

fn build(
    compiler: &Compiler,
    project: &Path,
    imported: &Imported,
    settings: &Settings,
    (count, driver): (usize, &Path),
) {
    let weights = common::files(project, "txt")
        .into_iter()
        .find(|path| path.parent().is_some_and(|p| p.ends_with("weights")));
    let weights = weights.map_or_else(PathBuf::new, |path| path.parent().expect("a folder").to_owned());
    let network = project.join(imported.report.place.split_once(':').expect("a place").0);
    let mut options = vec![
        format!("-DINPUTS={}", imported.program.k()),
        format!("-DOUTPUTS={count}"),
        format!("-DHARDWARE_FRACTION={}", settings.number("hardware_fraction")),
        format!("-DWEIGHTS_DIR=\"{}\"", weights.display()),
    ];
    let mut sources = Vec::new();
    if let Some(class) = settings.text("class") {
        let value = |key: &str| settings.text(key).expect("a setting of the class");
        options.push(format!("-DSOURCE=\"{}\"", value("source")));
        options.push(format!("-DCLASS={class}"));
        options.push(format!("-DTYPE={}", value("type")));
        options.push(format!("-DSCORE={}", value("score")));
        sources.extend([common::drivers().join("wrapped.cpp"), network]);
    } else {
        let space = settings.text("space").map(|space| format!("{space}::")).unwrap_or_default();
        options.push(format!("-DSOURCE=\"{}\"", network.display()));
        options.push(format!("-DTOP={space}{}", imported.report.name));
        sources.push(common::drivers().join("network.cpp"));
    }
    let includes = [project.to_owned(), project.join("firmware")];
    compiler.compile(&sources, &options, &includes, driver);
}

/// The same network with room above: accumulators and results of 60 bits and the same places after the point.
fn wider(mut program: Program) -> Program {
    let wide = |format: &mut Format| {
        let fraction = format.fraction();
        *format = Format::signed(60, 60 - fraction).with(format.rounding, trigsieve_fixed::Overflow::Wrap);
    };
    for operation in program.operations.iter_mut().filter(|operation| operation.layer != "score") {
        let keeps =
            matches!(operation.kind, Kind::Multiply {} | Kind::LeakyRelu { .. } | Kind::Normalise { .. });
        match &mut operation.kind {
            Kind::Dense { accumulator, .. }
            | Kind::Conv2d { accumulator, .. }
            | Kind::Dot { accumulator }
            | Kind::Sum { accumulator, .. } => wide(accumulator),
            _ => {}
        }
        if !keeps {
            wide(&mut operation.output.format);
        }
    }
    program
}

/// The same network with each sum in the order of its inputs; None where that is so already.
fn unordered(program: &Program) -> Option<CheckedProgram> {
    let mut program = program.clone();
    let mut changed = false;
    for operation in &mut program.operations {
        if let Kind::Dense { order, .. } = &mut operation.kind {
            changed |= order.take().is_some();
        }
    }
    changed.then(|| program.check().expect("a program with another order"))
}

/// Events in which two programs give other values of a tensor.
fn differing(one: &CheckedProgram, other: &CheckedProgram, tensor: usize, rows: &[i16]) -> usize {
    let (mut left, mut right) = (Interpreter::new(one), Interpreter::new(other));
    let differs = |row: &&[i16]| {
        left.run_i16(row);
        right.run_i16(row);
        left.trace()[tensor] != right.trace()[tensor]
    };
    rows.chunks(one.k()).filter(differs).count()
}

/// Whether two raw values of each element are the same number, whatever the widths.
fn same_numbers(
    one: &CheckedProgram,
    other: &CheckedProgram,
    tensor: usize,
    left: &[i128],
    right: &[i128],
) -> bool {
    let (left_format, right_format) = (one.format(tensor), other.format(tensor));
    left.iter().zip(right).all(|(l, r)| left_format.exact(*l) == right_format.exact(*r))
}
