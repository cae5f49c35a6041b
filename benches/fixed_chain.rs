//! What the chain costs around the fixed-point kernel: `replay` at its fastest against a loop that only scores.
//!
//! `fixed_chain [EVENTS [ROUNDS [BATCH [WORKERS [FOLDER]]]]]` makes hardware integers and a program in the shape of a deployed anomaly trigger
//! (57-28-15-8 and a sum of squares), maps the events, and interleaves rounds of the bare loop over the mapped rows with
//! rounds of a replay with as many workers as the bare loop has threads into a sink that keeps nothing. With FOLDER, which
//! must not exist, the events and the model stay there, for `trigsieve replay`. It prints JSON: events a second of each, medians, and
//! their ratio; and, because a busy machine gives three threads more of its time than one, processor time an event, of all
//! threads together; and what the chain alone costs, around a scorer that does nothing. The two must agree on the number of events above a threshold before anything is timed.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use trigsieve::event::{Encoding, EventSchema, EventWriter, HardwareUnits, Rows};
use trigsieve::model::{ModelBundle, Precision, sha256_hex};
use trigsieve::pipeline::{
    BUFFERED_EVENTS, DecidedBlock, Overload, PipelineError, ReplayPlan, Sink, Span, Stop, replay,
};
use trigsieve::score::{Engine, ScoreError, Scorer, ScorerSpec};
use trigsieve::source::{Clock, EventSet};
use trigsieve::trigger::{Decider, ResolvedPath};
use trigsieve_fixed::program::{SumOrder, VERSION};
use trigsieve_fixed::{Format, Input, Kind, Operation, Program, Tensor};

const K: usize = 57;
/// Times over the events in a round: a round is then much longer than starting and joining threads takes.
const PASSES: u64 = 8;
/// Length of a tick of the processor times in `/proc`, fixed on Linux.
const TICK_NS: f64 = 1e7;
/// Events in a record batch.
const BATCH_ROWS: usize = 65_536;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let numbers = args.iter().take(4).map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;
    let at = |index: usize, default: usize| numbers.get(index).copied().unwrap_or(default);
    let (events, rounds, batch, workers) = (at(0, 4_000_000), at(1, 9), at(2, 4096), at(3, 1));

    let temporary = tempfile::tempdir()?;
    let folder = args.get(4).map_or(temporary.path(), Path::new);
    if args.len() > 4 {
        std::fs::create_dir(folder)?;
    }
    let path = folder.join("events.arrow");
    write_events(&path, events)?;
    write_bundle(&folder.join("chain"))?;
    let bundle = ModelBundle::open(&folder.join("chain"))?;
    let spec = ScorerSpec { engine: Engine::Fixed, precision: Precision::Fixed, ..ScorerSpec::default() };
    let factory = spec.load(&bundle)?;
    let set = EventSet::open(&[path])?;
    let mut scorer = factory.scorer()?;

    let mut scores = vec![0.0; batch];
    let threshold = threshold(&set, scorer.as_mut(), batch)?;
    let above = bare(&set, scorer.as_mut(), &mut scores, threshold)?;
    let replayed = chain(&set, vec![factory.scorer()?], (batch, 1), threshold)?;
    ensure!(above == replayed, "the bare loop finds {above} events above {threshold}, the replay {replayed}");

    let (mut bare_time, mut chain_time, mut nothing_time) =
        (Times::default(), Times::default(), Times::default());
    for _ in 0..rounds {
        let mut of_workers = (0..workers).map(|_| factory.scorer()).collect::<Result<Vec<_>, _>>()?;
        bare_time.of(events * workers, || {
            let passes = |scorer: &mut Box<dyn Scorer>| {
                let mut scores = vec![0.0; batch];
                let pass = |_| bare(&set, scorer.as_mut(), &mut scores, threshold);
                (0..PASSES).map(pass).sum::<Result<u64>>()
            };
            std::thread::scope(|scope| {
                let passes = &passes;
                let threads: Vec<_> =
                    of_workers.iter_mut().map(|scorer| scope.spawn(move || passes(scorer))).collect();
                threads.into_iter().map(|thread| thread.join().expect("a bare loop panicked")).sum()
            })
        })?;
        let passes = PASSES * workers as u64;
        chain_time.of(events * workers, || chain(&set, of_workers, (batch, passes), threshold))?;
        let nothings = (0..workers).map(|_| Box::new(Nothing) as Box<dyn Scorer>).collect();
        nothing_time.of(events * workers, || chain(&set, nothings, (batch, passes), threshold))?;
    }
    let mut ratios: Vec<f64> =
        chain_time.hz.iter().zip(&bare_time.hz).map(|(chain, bare)| chain / bare).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let report = serde_json::json!({
        "engine": scorer.describe(),
        "events": events,
        "batch": batch,
        "workers": workers,
        "bare": bare_time.report(),
        "replay": chain_time.report(),
        "replay_of_nothing": nothing_time.report(),
        "ratio": median(ratios.clone()),
        "ratios": ratios,
        "ratio_of_processor_time": bare_time.cpu_ns / chain_time.cpu_ns,
    });
    println!("{report:#}");
    Ok(())
}

/// What rounds of one kind took.
#[derive(Default)]
struct Times {
    hz: Vec<f64>,
    cpu_ns: f64,
    events: f64,
}

impl Times {
    fn of(&mut self, events: usize, round: impl FnOnce() -> Result<u64>) -> Result<()> {
        let all = events as f64 * PASSES as f64;
        let (start, cpu_ns) = (Instant::now(), processor_ns()?);
        std::hint::black_box(round()?);
        self.hz.push(all / start.elapsed().as_secs_f64());
        self.cpu_ns += processor_ns()? - cpu_ns;
        self.events += all;
        Ok(())
    }

    fn report(&self) -> serde_json::Value {
        serde_json::json!({ "hz": median(self.hz.clone()), "processor_ns_an_event": self.cpu_ns / self.events })
    }
}

/// Processor time that this process has used, its threads that are gone included.
fn processor_ns() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field, the program's name, may have spaces; user and system time are fields 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() * TICK_NS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The score that about one event in ten thousand reaches.
fn threshold(set: &EventSet, scorer: &mut dyn Scorer, batch: usize) -> Result<f32> {
    let mut all = Vec::new();
    for table_batch in set.batches() {
        let rows = table_batch.rows();
        for first in (0..rows.len()).step_by(batch) {
            let rows = rows.slice(first, batch.min(rows.len() - first));
            let start = all.len();
            all.resize(start + rows.len(), 0.0);
            scorer.score(rows, &mut all[start..])?;
        }
    }
    all.sort_unstable_by(f32::total_cmp);
    Ok(all[all.len() - 1 - all.len() / 10_000])
}

/// Scores every event; how many reach the threshold.
fn bare(set: &EventSet, scorer: &mut dyn Scorer, scores: &mut [f32], threshold: f32) -> Result<u64> {
    let mut above = 0;
    for batch in set.batches() {
        let rows = batch.rows();
        for first in (0..rows.len()).step_by(scores.len()) {
            let rows = rows.slice(first, scores.len().min(rows.len() - first));
            let scores = &mut scores[..rows.len()];
            scorer.score(rows, scores)?;
            above += scores.iter().filter(|score| **score >= threshold).count() as u64;
        }
    }
    Ok(above)
}

#[derive(Default)]
struct Count {
    accepted: u64,
}

impl Sink for Count {
    fn accept(&mut self, block: &DecidedBlock) -> Result<(), PipelineError> {
        self.accepted += block.accepted().count() as u64;
        Ok(())
    }
}

/// Gives every event the same score, far below any threshold.
struct Nothing;

impl Scorer for Nothing {
    fn score(&mut self, _: Rows<'_>, scores: &mut [f32]) -> Result<(), ScoreError> {
        scores.fill(-1.0);
        Ok(())
    }

    fn describe(&self) -> String {
        "nothing".to_owned()
    }
}

/// A replay with a worker for each scorer; how many events are accepted.
fn chain(
    set: &EventSet,
    scorers: Vec<Box<dyn Scorer>>,
    (batch, passes): (usize, u64),
    threshold: f32,
) -> Result<u64> {
    let plan = ReplayPlan {
        clock: Clock::Unpaced,
        overload: Overload::Block,
        span: Span::Passes(passes),
        batch,
        pin: false,
        buffer: BUFFERED_EVENTS,
        wait: None,
    };
    let path = ResolvedPath { name: "cut".to_owned(), model_index: 0, threshold, prescale: 1, bit: 0 };
    let mut sink = Count::default();
    let scorers = scorers.into_iter().map(|scorer| vec![scorer]).collect();
    let decider = Decider::new(&[path], 1);
    let outcome = replay(set, &plan, &decider, scorers, &mut sink, &Stop::default(), &|_| {})?;
    outcome.counters.check(true)?;
    Ok(sink.accepted)
}

/// xorshift64* (Vigna, ACM TOMS 42 (2016) 30).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit) as i64
    }

    /// Weights of six bits, half of them zero.
    fn weights(&mut self, count: usize) -> Vec<i64> {
        (0..count).map(|_| if self.below(2) == 0 { 0 } else { self.below(63) - 31 }).collect()
    }
}

fn write_events(path: &Path, events: usize) -> Result<()> {
    let units = HardwareUnits::cms(Encoding::L1x57);
    let schema = EventSchema::of(Encoding::L1x57, Vec::new()).in_hardware_units(&units);
    let mut writer = EventWriter::create(path, schema.to_arrow([]))?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for first in (0..events as u64).step_by(BATCH_ROWS) {
        let ids: Vec<u64> = (first..(first + BATCH_ROWS as u64).min(events as u64)).collect();
        let value = |input: usize, random: &mut Random| match input % 3 {
            // A falling spectrum of pT.
            0 => (random.below(500) * random.below(500) / 500) as i16,
            1 => random.below(230) as i16 - 115,
            _ => random.below(144) as i16,
        };
        let inputs = (0..ids.len() * K).map(|index| value(index % K, &mut random)).collect();
        writer.write_integers(ids.clone(), ids, inputs, Vec::new())?;
    }
    writer.finish()?;
    Ok(())
}

/// A network of the deployed trigger's shape and formats, with other numbers.
fn program() -> Program {
    let format = |text: &str| text.parse::<Format>().unwrap_or_else(|error| panic!("{error}"));
    let tensor = |name: &str, elements: usize, text: &str| Tensor {
        name: name.to_owned(),
        shape: vec![elements],
        format: format(text),
    };
    let mut random = Random(42);
    let mut dense = |inputs: usize, outputs: usize, accumulator: &str| Kind::Dense {
        weights: random.weights(inputs * outputs),
        weight_format: format("ap_fixed<6,3>"),
        biases: random.weights(outputs),
        bias_format: format("ap_fixed<10,7>"),
        accumulator: format(accumulator),
        order: None,
    };
    let scale = Kind::Scale {
        offsets: (0..K).map(|input| [20, 0, 72][input % 3]).collect(),
        offset_format: format("ap_fixed<10,10>"),
        difference: format("ap_fixed<18,13>"),
        shifts: (0..K).map(|input| [5, 6, 6][input % 3]).collect(),
    };
    let relu = || Kind::Relu { maximum: None };
    let steps = [
        ("scale", "x", tensor("scaled", K, "ap_fixed<8,6,AP_RND_CONV,AP_SAT>"), scale),
        ("dense1", "scaled", tensor("a1", 28, "ap_fixed<29,16>"), dense(K, 28, "ap_fixed<29,16>")),
        ("relu1", "a1", tensor("z1", 28, "ap_ufixed<10,6,AP_RND_CONV,AP_SAT>"), relu()),
        ("dense2", "z1", tensor("a2", 15, "ap_fixed<22,15>"), dense(28, 15, "ap_fixed<22,15>")),
        ("relu2", "a2", tensor("z2", 15, "ap_ufixed<10,6,AP_RND_CONV,AP_SAT>"), relu()),
        ("mu", "z2", tensor("a3", 8, "ap_fixed<21,14>"), dense(15, 8, "ap_fixed<21,14>")),
        ("mu_out", "a3", tensor("mu", 8, "ap_fixed<10,7,AP_RND_CONV,AP_SAT>"), Kind::Requantise {}),
    ];
    let operation = |layer: &str, inputs: &[&str], output: Tensor, kind: Kind| Operation {
        layer: layer.to_owned(),
        inputs: inputs.iter().map(ToString::to_string).collect(),
        output,
        kind,
    };
    let mut operations: Vec<Operation> = steps
        .into_iter()
        .map(|(layer, input, output, kind)| operation(layer, &[input], output, kind))
        .collect();
    let squares = "ap_ufixed<18,14>";
    let sum = Kind::Sum { accumulator: format(squares), order: SumOrder::Tree };
    operations.push(operation("square", &["mu", "mu"], tensor("squares", 8, squares), Kind::Multiply {}));
    operations.push(operation("loss", &["squares"], tensor("score", 1, squares), sum));
    Program {
        version: VERSION,
        name: "chain".to_owned(),
        input: Input { tensor: tensor("x", K, "ap_fixed<18,13>"), hardware_fraction: 0, units: None },
        operations,
        score: "score".to_owned(),
    }
}

fn write_bundle(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder)?;
    let json = serde_json::to_vec(&program())?;
    let sha256 = sha256_hex(&json);
    std::fs::write(folder.join("fixed.json"), json)?;
    let card = format!(
        "name = \"chain\"\nfamily = \"bench\"\ndescription = \"\"\nencoding = \"l1_57\"\ninputs = {K}\n\
         preprocessing = \"\"\n[files]\n\"fixed.json\" = \"{sha256}\"\n[score]\nname = \"sum_of_squares\"\nformula = \"\"\n\
         [import]\nimporter = \"\"\nproject = \"\"\ntop = \"\"\nsources = []\n"
    );
    std::fs::write(folder.join("model.toml"), card)?;
    Ok(())
}
