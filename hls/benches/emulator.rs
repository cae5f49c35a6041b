//! The fixed-point engine beside the emulator that trigger firmware has today, in one run on one core.
//!
//! `emulator [EVENTS [ROUNDS]]`: hls4ml's wheel writes a project in the shape of CMS's AXOL1TL v4 (57-28-15-8 with the input
//! scaling and the sum of squares around it, random weights), g++ -O3 compiles it with the wheel's own `ap_types`, and it
//! is imported. The events are random hardware integers in a mapped file. Every path of the engine has to give the
//! emulator's score of every event that the emulator is timed on, bit by bit, and the interpreter's; then rounds
//! alternate: a slice of events in the emulator, all events in each path. The emulator's own clock leaves out how its rows
//! come and its scores go. A table goes to stderr; JSON to stdout: medians, and the ratio to the emulator by round (median,
//! least, greatest).

#[path = "../tests/common/mod.rs"]
#[allow(dead_code)]
mod common;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use memmap2::{Mmap, MmapOptions};
use trigsieve_fixed::{CheckedProgram, Engine, Interpreter, Simd};
use trigsieve_hls::{Options, import};

/// The project of the suite.
const PROJECT: &str = "shaped_variational";
/// Events of the emulator in a round: a tenth of a second or so.
const SLICE: usize = 4_000;

fn main() {
    let numbers = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let numbers: Vec<usize> = numbers.map(|text| text.parse().expect("a number")).collect();
    let at = |place: usize, default| numbers.get(place).copied().unwrap_or(default);
    let (events, rounds) = (at(0, 1_000_000), at(1, 11));
    assert!(events >= SLICE * rounds && rounds > 0, "at least {SLICE} events a round");
    pin();
    let folder = tempfile::tempdir().expect("a folder");
    let (program, mut emulator) = prepare(folder.path());
    let k = program.k();
    let map = mapped_rows(&folder.path().join("rows"), k, events);
    // SAFETY: every pattern of bits is a number.
    let (_, rows, _) = unsafe { map.align_to::<i16>() };
    let mut engines: Vec<Engine> =
        Simd::available().map(|simd| Engine::new(&program, Some(simd)).expect("an engine")).collect();

    let compared = SLICE * rounds;
    check(&program, &mut emulator, &mut engines, &rows[..compared * k], compared);

    let mut emulator_hz = Vec::new();
    let mut engine_hz = vec![Vec::new(); engines.len()];
    let mut scores = vec![0.0; events];
    for round in 0..rounds {
        let slice = &rows[round * SLICE * k..][..SLICE * k];
        emulator_hz.push(SLICE as f64 / emulator.run(slice, SLICE).0);
        for (engine, rates) in engines.iter_mut().zip(&mut engine_hz) {
            let start = Instant::now();
            engine.score_i16(rows, &mut scores);
            rates.push(events as f64 / start.elapsed().as_secs_f64());
            std::hint::black_box(&scores);
        }
    }
    let names: Vec<&str> = engines.iter().map(|engine| engine.simd().name()).collect();
    report((events, rounds, compared), &emulator_hz, &names, &engine_hz);
}

/// Binds this process, and with it the emulator, to the last core that it may run on.
fn pin() {
    let allowed = rustix::thread::sched_getaffinity(None).expect("affinity");
    let last = (0..rustix::thread::CpuSet::MAX_CPU).rev().find(|core| allowed.is_set(*core)).expect("a core");
    let mut core = rustix::thread::CpuSet::new();
    core.set(last);
    rustix::thread::sched_setaffinity(None, &core).expect("affinity");
}

/// Writes the project, imports it and compiles it.
fn prepare(folder: &Path) -> (CheckedProgram, Emulator) {
    let generator = common::drivers().join("../suite/generate.py");
    common::run(Command::new(common::python()).arg(generator).arg(folder).arg(PROJECT));
    let project = folder.join(PROJECT);
    let imported = import(&project, &Options::default()).unwrap_or_else(|error| panic!("{error}"));
    let settings = std::fs::read_to_string(project.join("suite.txt")).expect("suite.txt");
    let setting = |key: &str| {
        let mut lines = settings.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == key).unwrap_or_else(|| panic!("no {key}")).1.to_owned()
    };
    let options = [
        format!("-DSOURCE=\"{}\"", setting("source")),
        format!("-DCLASS={}", setting("class")),
        format!("-DTYPE={}", setting("type")),
        format!("-DSCORE={}", setting("score")),
        format!("-DINPUTS={}", imported.program.k()),
    ];
    let network = project.join(imported.report.place.split_once(':').expect("a place").0);
    let driver = folder.join("driver");
    let sources = [common::drivers().join("timed.cpp"), network];
    common::Compiler::new(&folder.join("prelude"), "-O3").compile(&sources, &options, &[project], &driver);
    (imported.program.check().expect("a program that was checked"), Emulator::start(&driver))
}

/// Random hardware integers in a mapped file, every page of it present.
fn mapped_rows(path: &Path, k: usize, events: usize) -> Mmap {
    let rows = common::Random(1).rows(k, events);
    let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_ne_bytes()).collect();
    std::fs::write(path, bytes).expect("rows");
    let file = std::fs::File::open(path).expect("rows");
    // SAFETY: nobody else writes to a file of our own folder.
    unsafe { MmapOptions::new().populate().map(&file) }.expect("a map")
}

/// The compiled C++, waiting for rows.
struct Emulator {
    child: Child,
    rows: Option<ChildStdin>,
    scores: ChildStdout,
}

impl Emulator {
    fn start(program: &Path) -> Self {
        let mut command = Command::new(program);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("driver");
        let (rows, scores) = (child.stdin.take(), child.stdout.take().expect("stdout"));
        Self { child, rows, scores }
    }

    /// Seconds and raw scores.
    fn run(&mut self, rows: &[i16], events: usize) -> (f64, Vec<i64>) {
        let mut request = u32::try_from(events).expect("few events").to_le_bytes().to_vec();
        request.extend(rows.iter().flat_map(|value| value.to_le_bytes()));
        self.rows.as_mut().expect("stdin").write_all(&request).expect("rows");
        let mut answer = vec![0; 8 * (1 + events)];
        self.scores.read_exact(&mut answer).expect("scores");
        let (seconds, scores) = answer.split_first_chunk::<8>().expect("seconds");
        let scores = scores.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        (f64::from_le_bytes(*seconds), scores)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It ends where its input does.
        self.rows = None;
        let _ = self.child.wait();
    }
}

/// Interpreter and every engine against the emulator, event by event.
fn check(
    program: &CheckedProgram,
    emulator: &mut Emulator,
    engines: &mut [Engine],
    rows: &[i16],
    events: usize,
) {
    let expected: Vec<i64> =
        rows.chunks(SLICE * program.k()).flat_map(|rows| emulator.run(rows, SLICE).1).collect();
    let mut interpreter = Interpreter::new(program);
    for (event, (row, expected)) in rows.chunks(program.k()).zip(&expected).enumerate() {
        assert_eq!(interpreter.run_i16(row), i128::from(*expected), "interpreter, event {event}");
    }
    let mut scores = vec![0; events];
    for engine in engines {
        engine.score_raw_i16(rows, &mut scores);
        let differs = scores.iter().zip(&expected).position(|(score, expected)| score != expected);
        assert_eq!(differs, None, "{}: the first event whose score differs", engine.simd());
    }
    let different: std::collections::BTreeSet<&i64> = expected.iter().collect();
    assert!(different.len() > 100, "scores that say something");
}

/// Least, median and greatest.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

fn report(
    (events, rounds, compared): (usize, usize, usize),
    emulator: &[f64],
    names: &[&str],
    engines: &[Vec<f64>],
) {
    let [_, emulator_hz, _] = spread(emulator);
    eprintln!("{compared} events compared on every path, 0 differ; {rounds} rounds of {events} events");
    eprintln!("g++ -O3, ap_types {:>12.0} events/s", emulator_hz);
    let mut paths = serde_json::Map::new();
    for (name, rates) in names.iter().zip(engines) {
        let ratios: Vec<f64> = rates.iter().zip(emulator).map(|(ours, theirs)| ours / theirs).collect();
        let ([_, hz, _], [low, ratio, high]) = (spread(rates), spread(&ratios));
        eprintln!("{name:17} {hz:>12.0} events/s {ratio:8.0} times ({low:.0} to {high:.0})");
        let path = serde_json::json!({ "hz": hz, "ratio": { "median": ratio, "low": low, "high": high } });
        paths.insert((*name).to_owned(), path);
    }
    let report = serde_json::json!({
        "project": PROJECT, "events": events, "rounds": rounds, "compared": compared, "mismatches": 0,
        "emulator_hz": emulator_hz, "paths": paths,
    });
    println!("{report:#}");
}
