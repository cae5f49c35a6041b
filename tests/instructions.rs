//! Counts the instructions of the hot paths under callgrind and holds them to stored numbers: a rise above 3 % fails and
//! names the function. Time on a shared machine says nothing of that size; instructions do, and they are the same on every
//! machine: the paths are those that valgrind knows (no AVX-512), and only this program's own code counts, as the C library,
//! with its allocator, chooses its copies by the processor.
//!
//! `TRIGSIEVE_BLESS=1 cargo test --release --workspace --test instructions` stores what it counts. Needs `valgrind`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

/// A rise that fails, in per cent.
const TOLERANCE: f64 = 3.0;
/// The stored numbers.
const BASELINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/instructions.toml");

type Case = (&'static str, fn());

const CASES: [Case; 10] = [
    ("kernels_scalar", cases::kernels_scalar),
    ("kernels_avx2", cases::kernels_avx2),
    ("ring", cases::ring),
    ("decision", cases::decision),
    ("decision_of_a_batch", cases::decision_of_a_batch),
    ("prescaler", cases::prescaler),
    ("latency_ramps", cases::latency_ramps),
    ("clock", cases::clock),
    ("decided_block", cases::decided_block),
    ("sink", cases::sink),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = arguments.as_slice()
        && flag == "--case"
    {
        let (_, case) = CASES.iter().find(|(known, _)| known == name).expect("a case");
        case();
        return ExitCode::SUCCESS;
    }
    let counts: BTreeMap<String, u64> =
        CASES.iter().map(|(name, _)| ((*name).to_owned(), count(name))).collect();
    if std::env::var_os("TRIGSIEVE_BLESS").is_some() {
        let text: String = counts.iter().map(|(name, count)| format!("{name} = {count}\n")).collect();
        let head = "# Instructions of the hot paths, x86-64, written by tests/instructions.rs.\n";
        std::fs::write(BASELINES, format!("{head}{text}")).expect(BASELINES);
    }
    let text = std::fs::read_to_string(BASELINES).expect(BASELINES);
    let stored: BTreeMap<String, u64> = toml::from_str(&text).expect(BASELINES);
    let rises =
        counts.iter().filter(|(name, count)| rises(name, **count, stored.get(*name).copied())).count();
    ExitCode::from(u8::from(rises > 0))
}

/// Says how a count compares; whether it is too many, or has nothing to be compared with.
fn rises(name: &str, count: u64, stored: Option<u64>) -> bool {
    let Some(stored) = stored else {
        println!("{name}: {count} instructions, and none stored");
        return true;
    };
    let change = (count as f64 / stored as f64 - 1.0) * 100.0;
    let verdict = match change {
        _ if change > TOLERANCE => ": TOO MANY",
        _ if change < -TOLERANCE => ": fewer, store them (see tests/instructions.rs)",
        _ => "",
    };
    println!("{name}: {count} instructions, {change:+.2} % of the stored {stored}{verdict}");
    change > TOLERANCE
}

/// Runs a case under callgrind.
fn count(name: &str) -> u64 {
    let program = std::env::current_exe().expect("this program");
    let folder = tempfile::tempdir().expect("a folder");
    let profile = folder.path().join("profile");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=instructions::measured::*"])
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(&program)
        .args(["--case", name])
        .output()
        .expect("valgrind has to be installed (Debian: apt-get install valgrind)");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&profile).expect("a profile");
    let count = own_cost(&text, &program);
    assert!(count > 10_000, "{name}: {count} instructions are too few to be what was to be measured");
    count
}

/// The sum of a profile's costs in the functions of one program. A line of a cost is a place and a number; the line after
/// `calls=` is what the callee costs, which has lines of its own.
fn own_cost(profile: &str, program: &Path) -> u64 {
    let (mut sum, mut ours, mut callee) = (0, false, false);
    for line in profile.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            ours = Path::new(object) == program;
        } else if line.starts_with("calls=") {
            callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
            sum += cost.filter(|_| ours && !callee).unwrap_or(0);
            callee = false;
        }
    }
    sum
}

/// What is counted, each function from its call to its return. No closures here: what is called must not match the
/// pattern of names that switches the counting.
mod measured {
    use hdrhistogram::Histogram;
    use std::hint::black_box;
    use trigsieve::latency::Ramps;
    use trigsieve::pipeline::{DecidedBlock, Sink};
    use trigsieve::sink::TaggedEvents;
    use trigsieve::source::Clock;
    use trigsieve::trigger::{Decider, Prescaler};
    use trigsieve_fixed::Engine;
    use trigsieve_ring::{Consumer, Producer};

    #[inline(never)]
    pub fn kernels(engine: &mut Engine, rows: &[i16], scores: &mut [f32]) {
        engine.score_i16(rows, scores);
    }

    #[inline(never)]
    pub fn ring(producer: &mut Producer<u64>, consumer: &mut Consumer<u64>) {
        for round in 0..2_000_u64 {
            for value in 0..7 {
                let _ = black_box(producer.push(round + value));
            }
            for _ in 0..7 {
                black_box(consumer.pop());
            }
        }
    }

    #[inline(never)]
    pub fn decision(decider: &Decider, scores: &[f32]) -> u32 {
        let mut all = 0;
        for score in scores {
            all |= decider.decide(1, |_| *score);
        }
        all
    }

    #[inline(never)]
    pub fn decision_of_a_batch(decider: &Decider, scores: &[f32]) -> usize {
        let mut passing = 0;
        for group in scores.chunks(64) {
            passing += usize::from(decider.may_pass(0, group));
        }
        passing
    }

    #[inline(never)]
    pub fn prescaler(prescaler: &mut Prescaler) {
        for event in 0..10_000 {
            black_box(prescaler.apply(black_box(event & 3)));
        }
    }

    #[inline(never)]
    pub fn latency_ramps(ramps: &mut Ramps, histogram: &mut Histogram<u64>) {
        for batch in 0..5_000_u64 {
            ramps.record(black_box(30_000 + 7 * batch), 1024, histogram);
        }
        // Beyond the reach, bucket by bucket.
        for batch in 0..50_u64 {
            ramps.record(black_box(3_000_000 + 7 * batch), 1024, histogram);
        }
    }

    #[inline(never)]
    pub fn clock(clocks: &[Clock]) {
        for clock in clocks {
            for batch in 0..5_000_u64 {
                let due = clock.due(black_box(25_600 * batch));
                black_box(clock.scheduled_ns(due) + clock.evenly_spaced(due, 1024));
            }
        }
    }

    #[inline(never)]
    pub fn decided_block(block: &mut DecidedBlock, clock: &Clock) {
        for row in 0..4096 {
            block.push(row, black_box(1), std::iter::once(1.0));
        }
        block.stamp(black_box(1_000_000), |row| clock.scheduled_ns(u64::from(row)));
    }

    #[inline(never)]
    pub fn sink(sink: &mut TaggedEvents, blocks: &[DecidedBlock]) {
        for block in blocks {
            sink.accept(black_box(block)).expect("accepted events");
        }
    }
}

/// What is prepared for each.
mod cases {
    use std::hint::black_box;
    use std::path::Path;

    use trigsieve::event::{Encoding, EventSchema, EventWriter, HardwareUnits};
    use trigsieve::latency::{Ramps, histogram};
    use trigsieve::pipeline::DecidedBlock;
    use trigsieve::sink::{OutputFormat, TaggedEvents, TaggedWriter, tagged_schema};
    use trigsieve::source::{Clock, Cursor, EventSet, FillingScheme};
    use trigsieve::trigger::{Decider, Prescaler, ResolvedPath};
    use trigsieve_fixed::testing::deployed;
    use trigsieve_fixed::{Engine, Simd};

    use super::measured;

    const EVENTS: usize = 4096;

    fn kernels(simd: Simd) {
        let program = deployed(1);
        let mut engine = Engine::new(&program, Some(simd)).expect("an instruction set that valgrind knows");
        let rows: Vec<i16> = (0..EVENTS * program.k()).map(|at| (at * 7919 % 1201) as i16 - 600).collect();
        let mut scores = vec![0.0; EVENTS];
        measured::kernels(&mut engine, &rows, &mut scores);
        black_box(scores);
    }

    pub fn kernels_scalar() {
        kernels(Simd::Scalar);
    }

    pub fn kernels_avx2() {
        kernels(Simd::Avx2);
    }

    pub fn ring() {
        let (mut producer, mut consumer) = trigsieve_ring::ring(8);
        measured::ring(&mut producer, &mut consumer);
    }

    fn paths() -> Vec<ResolvedPath> {
        let path = |bit: u32, threshold, prescale| ResolvedPath {
            name: format!("path{bit}"),
            model_index: 0,
            threshold,
            prescale,
            bit,
        };
        vec![path(0, 0.999, 1), path(1, 0.9999, 10)]
    }

    /// Every thousandth score is high.
    fn scores() -> Vec<f32> {
        (0..65_536).map(|at| (at * 7919 % 1000) as f32 / 1000.0).collect()
    }

    pub fn decision() {
        black_box(measured::decision(&Decider::new(&paths(), 1), &scores()));
    }

    pub fn decision_of_a_batch() {
        black_box(measured::decision_of_a_batch(&Decider::new(&paths(), 1), &scores()));
    }

    pub fn prescaler() {
        measured::prescaler(&mut Prescaler::new(&paths()));
    }

    pub fn latency_ramps() {
        measured::latency_ramps(&mut Ramps::new(25), &mut histogram());
    }

    pub fn clock() {
        // Trains of 48 bunches.
        let trains: String = (0..60).map(|train| format!("{}-{}\n", 56 * train, 56 * train + 47)).collect();
        let scheme = FillingScheme::parse(&trains, Path::new("trains")).expect("a scheme");
        measured::clock(&[Clock::fixed(40e6), Clock::fixed(1.1e6), Clock::Filled(scheme)]);
    }

    /// Every event of a table accepted, gathered and written.
    pub fn sink() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.arrow");
        let encoding = Encoding::L1x57;
        let schema = EventSchema::of(encoding, Vec::new()).in_hardware_units(&HardwareUnits::cms(encoding));
        let mut writer = EventWriter::create(&path, schema.to_arrow([])).expect("a table");
        let ids: Vec<u64> = (0..65_536).collect();
        let inputs = (0..ids.len() * 57).map(|at| (at * 7919 % 1201) as i16 - 600).collect();
        writer.write_integers(ids.clone(), ids, inputs, Vec::new()).expect("events");
        writer.finish().expect("a table");
        let set = EventSet::open(&[path]).expect("the table");
        let mut cursor = Cursor::default();
        let block = |sequence: u64| {
            let run = set.run_at(cursor, 1024);
            set.advance(&mut cursor, run);
            let mut block = DecidedBlock::with_capacity(1024, 1);
            block.begin((sequence * 1024, run.len.into()), run);
            (0..run.len).for_each(|row| block.push(run.first + row, 1, std::iter::once(1.0)));
            block.stamp(1_000_000, |_| 0);
            block
        };
        let blocks: Vec<DecidedBlock> = (0..64).map(block).collect();
        let schema = tagged_schema(set.tables()[0].arrow_schema(), &["score".to_owned()]);
        let writer = TaggedWriter::create(OutputFormat::Arrow, &folder.path().join("out"), schema.clone());
        let prescaler = Prescaler::new(&paths()[..1]);
        let mut sink =
            TaggedEvents::new(&set, prescaler, writer.expect("a file"), schema, 1).expect("a sink");
        measured::sink(&mut sink, &blocks);
        let (tagged, finished) = sink.finish();
        finished.expect("a file");
        assert_eq!(tagged.handed.rows, 65_536);
    }

    pub fn decided_block() {
        measured::decided_block(&mut DecidedBlock::with_capacity(4096, 1), &Clock::fixed(40e6));
    }
}
