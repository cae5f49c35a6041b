//! What the machine can do, and how near the scorers come to it.
//!
//! `roofline [ROUNDS [MOST_THREADS]]` prints JSON, medians of interleaved rounds of 50 ms each, by threads (1, 2, ... MOST_THREADS):
//!
//! - `read`: bytes a second of a sum over memory, of a gigabyte and of half a megabyte a thread;
//! - `products`: multiply-accumulates a second of the widest instruction set's dot products from register to register, bytes and
//!   16-bit numbers;
//! - `kernel`: events a second of the fixed engine on hardware integers from a gigabyte of memory, for networks K-28-15-8 and a
//!   sum of squares of growing K, and 57-28f-15f-8f of growing f; with each the bytes read and the products an event, and the share of
//!   the roof, which is the slower of reading the rows and multiplying at the measured rates;
//! - `float`: the same shapes as float graphs in ONNX Runtime and in rten, batches of 1024.
//!
//! The engine's scores of the first events are compared with the interpreter's, and rten's with ONNX Runtime's, before anything is timed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trigsieve::event::{Rows, Values};
use trigsieve::model::{ModelBundle, Precision, sha256_hex};
use trigsieve::score::{Engine as Kind, ScorerFactory, ScorerSpec};
use trigsieve_fixed::engine::Peak;
use trigsieve_fixed::testing::deployed_of;
use trigsieve_fixed::{CheckedProgram, Engine, Interpreter, Kind as Step, Simd};
use trigsieve_onnx::{Dimension, ElementType, GraphBuilder, ModelInfo, TensorData, Value};

/// Far more than a last-level cache.
const MEMORY: usize = 1 << 30;
/// Within the second-level cache.
const CACHED: usize = 1 << 19;
/// Events a call.
const BATCH: usize = 4096;
const FLOAT_BATCH: usize = 1024;
const WINDOW: Duration = Duration::from_millis(50);
/// Events whose scores are compared.
const CHECKED: usize = 2_000;
const WIDTHS: [usize; 4] = [57, 28, 15, 8];
const INPUTS: [usize; 5] = [14, 28, 57, 114, 228];
/// Quarters of the hidden widths.
const QUARTERS: [usize; 6] = [1, 2, 4, 8, 16, 32];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let rounds: usize = args.first().map_or(Ok(7), |text| text.parse()).context("ROUNDS")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most: usize = args.get(1).map_or(Ok(cores), |text| text.parse()).context("MOST_THREADS")?;
    ensure!(rounds > 0 && most > 0, "no rounds, or no threads");
    let threads: Vec<usize> = (1..=most).collect();
    let simd = Simd::available().last().context("no instruction set")?;
    let memory = memory();
    let rows = &memory[..];
    let folder = tempfile::tempdir()?;
    let mut subjects = vec![
        Subject::new("read", "memory", Work::Read { bytes: MEMORY }),
        Subject::new("read", "cache", Work::Read { bytes: CACHED }),
        Subject::new("products", "8 bits", Work::Products { simd, bytes: true }),
        Subject::new("products", "16 bits", Work::Products { simd, bytes: false }),
    ];
    for widths in shapes() {
        let program = deployed_of(1, widths);
        check_program(&program, rows)?;
        subjects.push(Subject::new("kernel", &name(widths), Work::Program(Box::new(program))));
    }
    let floats: Vec<f32> =
        rows.iter().take(FLOAT_BATCH * 228 * 16).map(|value| f32::from(*value) / 600.0).collect();
    for widths in shapes() {
        let bundle = write_bundle(&folder.path().join(name(widths)), widths)?;
        let load = |engine| {
            ScorerSpec { engine, precision: Precision::Float, ..ScorerSpec::default() }.load(&bundle)
        };
        let (onnx, rten) = (load(Kind::Onnx)?, load(Kind::Rten)?);
        check_floats(&onnx, &rten, &floats, widths[0])?;
        for (engine, factory) in [("onnx", onnx), ("rten", rten)] {
            subjects.push(Subject::new(engine, &name(widths), Work::Float { factory, k: widths[0] }));
        }
    }
    for round in 0..rounds {
        for threads in &threads {
            for subject in &mut subjects {
                let rate = subject.work.rate(*threads, rows, &floats)?;
                subject.rates.entry(*threads).or_default().push(rate);
            }
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    println!("{:#}", report(simd, rounds, subjects));
    Ok(())
}

/// One thing that is measured.
struct Subject {
    group: &'static str,
    name: String,
    work: Work,
    /// By threads.
    rates: BTreeMap<usize, Vec<f64>>,
}

enum Work {
    Read { bytes: usize },
    Products { simd: Simd, bytes: bool },
    Program(Box<CheckedProgram>),
    Float { factory: ScorerFactory, k: usize },
}

impl Subject {
    fn new(group: &'static str, name: &str, work: Work) -> Self {
        Self { group, name: name.to_owned(), work, rates: BTreeMap::new() }
    }
}

impl Work {
    /// How much a second, of all threads together: bytes, products or events.
    fn rate(&self, threads: usize, rows: &[i16], floats: &[f32]) -> Result<f64> {
        let part = |thread: usize| (rows.len() / threads * thread, rows.len() / threads);
        match self {
            Self::Read { bytes } => Ok(together(threads, |thread| {
                let (first, length) = part(thread);
                let length = length.min(bytes / 2);
                let mut places = (0..length / CHUNK).cycle();
                move || {
                    let at = first + places.next().unwrap_or(0) * CHUNK;
                    std::hint::black_box(sum(&rows[at..at + CHUNK]));
                    (2 * CHUNK) as f64
                }
            })),
            Self::Products { simd, bytes } => {
                let peaks = (0..threads).map(|_| Peak::new(*simd, *bytes)).collect::<Result<Vec<_>, _>>()?;
                let mut peaks = peaks.into_iter();
                Ok(together(threads, |_| {
                    let mut peak = peaks.next().expect("one a thread");
                    move || peak.run(8) as f64
                }))
            }
            Self::Program(program) => {
                let engines =
                    (0..threads).map(|_| Engine::new(program, None)).collect::<Result<Vec<_>, _>>()?;
                let (mut engines, k) = (engines.into_iter(), program.k());
                Ok(together(threads, |thread| {
                    let mut engine = engines.next().expect("one a thread");
                    let (first, length) = part(thread);
                    let mut scores = vec![0.0; BATCH];
                    let mut places = (0..length / (BATCH * k)).cycle();
                    move || {
                        let at = first + places.next().unwrap_or(0) * BATCH * k;
                        engine.score_i16(&rows[at..at + BATCH * k], &mut scores);
                        std::hint::black_box(&mut scores);
                        BATCH as f64
                    }
                }))
            }
            Self::Float { factory, k } => {
                let scorers = (0..threads).map(|_| factory.scorer()).collect::<Result<Vec<_>, _>>()?;
                let (mut scorers, k) = (scorers.into_iter(), *k);
                Ok(together(threads, |_| {
                    let mut scorer = scorers.next().expect("one a thread");
                    let mut scores = vec![0.0; FLOAT_BATCH];
                    let mut batches = floats.chunks_exact(FLOAT_BATCH * k).cycle();
                    move || {
                        let batch = Rows::new(Values::F32(batches.next().unwrap_or(&[])), k);
                        scorer.score(batch, &mut scores).expect("a graph that scored before");
                        FLOAT_BATCH as f64
                    }
                }))
            }
        }
    }

    /// Bytes that are read, and multiply-accumulates from bytes and from 16-bit numbers, an event.
    fn of_an_event(&self) -> Option<(f64, f64, f64)> {
        let Self::Program(program) = self else { return None };
        let (mut of_bytes, mut of_words) = (0, 0);
        for (at, operation) in program.operations.iter().enumerate() {
            if let Step::Dense { weights, .. } = &operation.kind {
                let narrow = program.format(program.sources(at)[0]).width <= 8;
                *(if narrow { &mut of_bytes } else { &mut of_words }) += weights.len();
            }
        }
        Some((2.0 * program.k() as f64, of_bytes as f64, of_words as f64))
    }
}

/// Values of a read that is one step.
const CHUNK: usize = 1 << 15;

fn sum(values: &[i16]) -> i16 {
    values.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

/// Has each thread repeat its work for the length of a window, all of them at once; the sum of their rates.
fn together<W: FnMut() -> f64 + Send>(threads: usize, mut work: impl FnMut(usize) -> W) -> f64 {
    let works: Vec<W> = (0..threads).map(&mut work).collect();
    let ready = Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = |mut work: W| {
            let ready = &ready;
            move || {
                work();
                ready.wait();
                let (start, mut amount) = (Instant::now(), 0.0);
                while start.elapsed() < WINDOW {
                    amount += work();
                }
                amount / start.elapsed().as_secs_f64()
            }
        };
        let threads: Vec<_> = works.into_iter().map(|work| scope.spawn(run(work))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread panicked")).sum()
    })
}

/// Hardware integers, every page of them present.
fn memory() -> Vec<i16> {
    let mut rng = fastrand::Rng::with_seed(2);
    let some: Vec<i16> = (0..1 << 19).map(|_| rng.i16(-600..600)).collect();
    some.repeat(MEMORY / (2 * some.len()))
}

fn shapes() -> Vec<[usize; 4]> {
    let [k, first, second, latent] = WIDTHS;
    let scaled = |quarters: usize| [k, first * quarters / 4, second * quarters / 4, latent * quarters / 4];
    let mut shapes: Vec<_> = INPUTS.iter().map(|k| [*k, first, second, latent]).collect();
    shapes.extend(QUARTERS.iter().map(|quarters| scaled(*quarters)).filter(|widths| *widths != WIDTHS));
    shapes
}

fn name(widths: [usize; 4]) -> String {
    widths.map(|width| width.to_string()).join("-")
}

fn check_program(program: &CheckedProgram, rows: &[i16]) -> Result<()> {
    let (mut engine, mut interpreter) = (Engine::new(program, None)?, Interpreter::new(program));
    let rows = &rows[..CHECKED * program.k()];
    let expected: Vec<f32> =
        rows.chunks_exact(program.k()).map(|row| program.score_value(interpreter.run_i16(row))).collect();
    let mut scores = vec![0.0; CHECKED];
    engine.score_i16(rows, &mut scores);
    ensure!(scores == expected, "{} scores differently than the interpreter", engine.describe());
    Ok(())
}

fn check_floats(onnx: &ScorerFactory, rten: &ScorerFactory, floats: &[f32], k: usize) -> Result<()> {
    let scores = |factory: &ScorerFactory| -> Result<Vec<f32>> {
        let mut scores = vec![0.0; FLOAT_BATCH];
        factory.scorer()?.score(Rows::new(Values::F32(&floats[..FLOAT_BATCH * k]), k), &mut scores)?;
        Ok(scores)
    };
    for (a, b) in scores(onnx)?.iter().zip(scores(rten)?) {
        ensure!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "ONNX Runtime scores {a}, rten {b}");
    }
    Ok(())
}

/// The network as a float graph with random weights.
fn graph([k, first, second, latent]: [usize; 4]) -> Result<Vec<u8>> {
    let mut graph = GraphBuilder::new("roofline");
    let mut rng = fastrand::Rng::with_seed(3);
    let mut numbers = |count: usize| TensorData::F32((0..count).map(|_| rng.f32() - 0.5).collect());
    let mut value =
        graph.input("inputs", ElementType::F32, &[Dimension::Symbol("N"), Dimension::Size(k as u32)])?;
    for (layer, [inputs, outputs]) in [[k, first], [first, second], [second, latent]].into_iter().enumerate()
    {
        let weights = graph.constant(&format!("w{layer}"), &[inputs, outputs], numbers(inputs * outputs))?;
        let bias = graph.constant(&format!("b{layer}"), &[outputs], numbers(outputs))?;
        let dense = graph.node("Gemm", &[&value, &weights, &bias], &format!("d{layer}"), vec![])?;
        value = if layer < 2 { graph.node("Relu", &[&dense], &format!("h{layer}"), vec![])? } else { dense };
    }
    let score = sum_of_squares(&mut graph, &value)?;
    graph.output(&score, ElementType::F32, &[Dimension::Symbol("N")])?;
    Ok(graph.finish(&ModelInfo::default())?)
}

fn sum_of_squares(graph: &mut GraphBuilder, value: &Value) -> Result<Value> {
    let squares = graph.node("Mul", &[value, value], "squares", vec![])?;
    let axes = graph.constant("axes", &[1], TensorData::I64(vec![1]))?;
    let keep = vec![trigsieve_onnx::Attribute::int("keepdims", 0)];
    Ok(graph.node("ReduceSum", &[&squares, &axes], "score", keep)?)
}

fn write_bundle(folder: &Path, widths: [usize; 4]) -> Result<ModelBundle> {
    std::fs::create_dir(folder)?;
    let bytes = graph(widths)?;
    let (sha256, k) = (sha256_hex(&bytes), widths[0]);
    std::fs::write(folder.join("float.onnx"), bytes)?;
    let card = format!(
        "name = \"roofline\"\nfamily = \"bench\"\ndescription = \"\"\nencoding = \"bench_{k}\"\ninputs = {k}\n\
         preprocessing = \"\"\n[files]\n\"float.onnx\" = \"{sha256}\"\n[score]\nname = \"sum_of_squares\"\nformula = \"\"\n\
         [training]\nrecipe = \"none\"\nrecipe_sha256 = \"none\"\ntrainer = \"none\"\nseed = 0\ndata = []\ntraining_events = 0\n\
         validation_events = 0\nepochs = 0\nbest_epoch = 0\nvalidation_loss = 0.0\n"
    );
    std::fs::write(folder.join("model.toml"), card)?;
    Ok(ModelBundle::open(folder)?)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(simd: Simd, rounds: usize, subjects: Vec<Subject>) -> serde_json::Value {
    let find = |group: &str, name: &str| {
        subjects.iter().find(|subject| subject.group == group && subject.name == name).expect("measured")
    };
    let (memory, bytes, words) =
        (find("read", "memory"), find("products", "8 bits"), find("products", "16 bits"));
    let of = |subject: &Subject, threads: usize| median(&subject.rates[&threads]);
    let mut groups: BTreeMap<&str, serde_json::Map<String, serde_json::Value>> = BTreeMap::new();
    for subject in &subjects {
        let mut entry = serde_json::Map::new();
        for threads in subject.rates.keys().copied() {
            let rate = of(subject, threads);
            let mut measured = serde_json::json!({ "per_second": rate });
            if let Some((read, of_bytes, of_words)) = subject.work.of_an_event() {
                let reading = read / of(memory, threads);
                let multiplying = of_bytes / of(bytes, threads) + of_words / of(words, threads);
                measured["ns_an_event_a_thread"] = (1e9 * threads as f64 / rate).into();
                measured["share_of_roof"] = (rate * reading.max(multiplying)).into();
                measured["roof"] = if reading > multiplying { "memory" } else { "products" }.into();
            }
            entry.insert(format!("threads_{threads}"), measured);
        }
        if let Some((read, of_bytes, of_words)) = subject.work.of_an_event() {
            entry.insert("bytes_an_event".to_owned(), read.into());
            entry.insert(
                "products_an_event".to_owned(),
                serde_json::json!({ "8 bits": of_bytes, "16 bits": of_words }),
            );
        }
        groups.entry(subject.group).or_default().insert(subject.name.clone(), entry.into());
    }
    serde_json::json!({ "simd": simd.name(), "rounds": rounds, "window_s": WINDOW.as_secs_f64(), "measured": groups })
}
