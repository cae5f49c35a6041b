//! The parts of the chain, each alone: reading mapped rows, encoding, the kernels of every instruction set, a ring, deciding,
//! and the sink that gathers and writes accepted events. From the root:
//! `cargo run --release --manifest-path benches/parts/Cargo.toml -- --bench`, with the options of criterion.
//!
//! A package outside of the workspace: what criterion asks of shared dependencies would build the engines anew.

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use trigsieve::event::{
    Encoding, EventSchema, EventWriter, HardwareUnits, L1_PLACES, L1Event, Values, encode_l1,
};
use trigsieve::pipeline::{DecidedBlock, Sink};
use trigsieve::sink::{OutputFormat, TaggedEvents, TaggedWriter, tagged_schema};
use trigsieve::source::{Clock, Cursor, EventSet};
use trigsieve::trigger::{Decider, Prescaler, ResolvedPath};
use trigsieve_fixed::testing::deployed;
use trigsieve_fixed::{Engine, Simd};

const K: usize = 57;
const EVENTS: usize = 262_144;
const BATCH: u64 = 1024;

criterion_group!(parts, read, encode, kernels, rings, decide, sink);
criterion_main!(parts);

/// An event table of hardware integers, mapped.
fn events(folder: &Path) -> EventSet {
    let path = folder.join("events.arrow");
    let units = HardwareUnits::cms(Encoding::L1x57);
    let schema = EventSchema::of(Encoding::L1x57, Vec::new()).in_hardware_units(&units);
    let mut writer = EventWriter::create(&path, schema.to_arrow([])).expect("a table");
    let ids: Vec<u64> = (0..EVENTS as u64).collect();
    let inputs = (0..EVENTS * K).map(|at| (at * 7919 % 1201) as i16 - 600).collect();
    writer.write_integers(ids.clone(), ids, inputs, Vec::new()).expect("events");
    writer.finish().expect("a table");
    EventSet::open(&[path]).expect("the table")
}

fn integers(set: &EventSet) -> &[i16] {
    match set.batch(0).rows().values() {
        Values::I16(values) => values,
        Values::F32(_) => unreachable!("hardware integers were written"),
    }
}

fn read(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let set = events(folder.path());
    let mut group = criterion.benchmark_group("mapped_rows");
    group.throughput(Throughput::Bytes(2 * integers(&set).len() as u64));
    group.bench_function("sum", |bench| {
        bench.iter(|| integers(&set).iter().fold(0_i16, |sum, value| sum.wrapping_add(*value)));
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let event = |at: usize| -> L1Event {
        std::array::from_fn::<_, L1_PLACES, _>(|place| [(at % 97 + place) as f32, 0.5, -1.5])
    };
    let objects: Vec<L1Event> = (0..4096).map(event).collect();
    let units = HardwareUnits::cms(Encoding::L1x57);
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(objects.len() as u64));
    let mut inputs = Vec::with_capacity(objects.len() * K);
    group.bench_function("l1_57", |bench| {
        bench.iter(|| {
            inputs.clear();
            objects.iter().for_each(|event| encode_l1(event, &mut inputs));
            black_box(&inputs);
        });
    });
    let (mut counts, mut saturated) = (Vec::with_capacity(objects.len() * K), vec![0; K]);
    group.bench_function("hardware_units", |bench| {
        bench.iter(|| {
            counts.clear();
            units.count(&inputs, &mut counts, &mut saturated);
            black_box(&counts);
        });
    });
    group.finish();
}

fn kernels(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let set = events(folder.path());
    let program = deployed(1);
    let mut scores = vec![0.0; EVENTS];
    let mut group = criterion.benchmark_group("kernels");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for simd in Simd::available() {
        let mut engine = Engine::new(&program, Some(simd)).expect("an instruction set that is available");
        group.bench_function(simd.name(), |bench| {
            bench.iter(|| engine.score_i16(integers(&set), &mut scores))
        });
    }
    group.finish();
}

fn rings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    let (mut producer, mut consumer) = trigsieve_ring::ring(64);
    group.throughput(Throughput::Elements(32));
    group.bench_function("push_pop", |bench| {
        bench.iter(|| {
            (0..32_u64).for_each(|value| {
                let _ = black_box(producer.push(value));
            });
            (0..32).for_each(|_| {
                black_box(consumer.pop());
            });
        });
    });
    group.finish();
}

fn path(threshold: f32) -> ResolvedPath {
    ResolvedPath { name: "cut".to_owned(), model_index: 0, threshold, prescale: 1, bit: 0 }
}

fn decide(criterion: &mut Criterion) {
    let scores: Vec<f32> = (0..BATCH).map(|at| (at % 1000) as f32).collect();
    let decider = Decider::new(&[path(1e6)], 1);
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("a_batch_without_a_high_score", |bench| {
        bench.iter(|| decider.may_pass(0, black_box(&scores)));
    });
    group.bench_function("each_event", |bench| {
        let each = |scores: &[f32]| scores.iter().fold(0, |all, score| all | decider.decide(1, |_| *score));
        bench.iter(|| each(black_box(&scores)));
    });
    group.finish();
}

/// Every event accepted, gathered from the map and written.
fn sink(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let set = events(folder.path());
    let models = ["squares".to_owned()];
    let schema = tagged_schema(set.tables()[0].arrow_schema(), &models);
    let blocks = decided(&set);
    let mut group = criterion.benchmark_group("sink");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(10);
    for format in [OutputFormat::Arrow, OutputFormat::Parquet] {
        let file = folder.path().join(format.file());
        group.bench_function(format.file(), |bench| {
            let start = || {
                let writer = TaggedWriter::create(format, &file, schema.clone()).expect("a file");
                TaggedEvents::new(&set, Prescaler::new(&[path(0.0)]), writer, schema.clone(), 1)
                    .expect("a sink")
            };
            let run = |mut sink: TaggedEvents| {
                blocks.iter().for_each(|block| sink.accept(block).expect("accepted events"));
                sink.finish().1.expect("a file")
            };
            bench.iter_batched(start, run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn decided(set: &EventSet) -> Vec<DecidedBlock> {
    let (mut cursor, clock) = (Cursor::default(), Clock::fixed(40e6));
    let block = |sequence: u64| {
        let run = set.run_at(cursor, BATCH);
        set.advance(&mut cursor, run);
        let mut block = DecidedBlock::with_capacity(run.len as usize, 1);
        block.begin((sequence * BATCH, run.len.into()), run);
        (0..run.len).for_each(|row| block.push(row, 1, std::iter::once(1.0)));
        block.stamp(1_000_000, |row| clock.scheduled_ns(u64::from(row)));
        block
    };
    (0..EVENTS as u64 / BATCH).map(block).collect()
}
