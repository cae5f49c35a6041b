//! What a bare ONNX Runtime call costs, to hold the engine against: no ring, no clock thread, no sink.
//!
//! `bare_ort LIBRARY GRAPH EVENTS.arrow [SECONDS]` prints JSON: latency percentiles of single events at 100 kHz,
//! measured from their schedule, for a plain `run` on a view of the event rows and for an IO binding with a
//! preallocated input and output; and the throughput of the plain `run` by batch.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use ort::memory::Allocator;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, Session};
use ort::value::{Tensor, TensorRef};
use trigsieve::event::{EventTable, Values};
use trigsieve::latency::{Percentiles, histogram};

const INTERVAL_NS: u64 = 10_000;
const BATCHES: [usize; 6] = [1, 16, 256, 1024, 4096, 16_384];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [library, graph, events, rest @ ..] = args.as_slice() else {
        bail!("usage: bare_ort LIBRARY GRAPH EVENTS.arrow [SECONDS]");
    };
    let seconds: f64 = rest.first().map_or(Ok(2.0), |text| text.parse())?;
    let table = EventTable::open(Path::new(events))?;
    let rows = table.batches().first().context("no events")?.rows();
    let Values::F32(values) = rows.values() else { bail!("not f32 events") };
    let k = rows.k();

    let environment = ort::init_from(library)?.build()?;
    let new_session = || -> Result<Session> {
        let builder = Session::builder(&environment)?;
        let builder = builder.with_intra_threads(1).map_err(|error| anyhow!("{error}"))?;
        let level = GraphOptimizationLevel::All;
        let mut builder = builder.with_optimization_level(level).map_err(|error| anyhow!("{error}"))?;
        Ok(builder.commit_from_file(graph)?)
    };
    let mut plain = new_session()?;
    let mut bound = Bound::new(new_session()?, k)?;
    check(&mut plain, &mut bound, values, k)?;

    let run_single = |session: &mut Session, row: &[f32]| run(session, row, k).map(|_| ());
    let report = serde_json::json!({
        "latency_ns_100kHz": {
            "run": paced(values, k, seconds, |row| run_single(&mut plain, row))?,
            "binding": paced(values, k, seconds, |row| bound.score(row).map(|_| ()))?,
        },
        "throughput_hz": BATCHES
            .iter()
            .map(|&batch| Ok((batch.to_string(), throughput(&mut plain, values, k, batch, seconds)?)))
            .collect::<Result<serde_json::Map<_, _>>>()?,
    });
    println!("{report:#}");
    Ok(())
}

/// A session with its input and output bound once.
struct Bound {
    session: Session,
    input: Tensor<f32>,
    binding: IoBinding,
}

impl Bound {
    fn new(session: Session, k: usize) -> Result<Self> {
        let input = Tensor::<f32>::new(&Allocator::default(), [1_usize, k])?;
        let mut binding = session.create_binding()?;
        binding.bind_input("inputs", &input)?;
        binding.bind_output("score", Tensor::<f32>::new(&Allocator::default(), [1_usize])?)?;
        Ok(Self { session, input, binding })
    }

    fn score(&mut self, row: &[f32]) -> Result<f32> {
        self.input.extract_tensor_mut().1.copy_from_slice(row);
        self.binding.bind_input("inputs", &self.input)?;
        let outputs = self.session.run_binding(&self.binding)?;
        Ok(outputs[0].try_extract_tensor::<f32>()?.1[0])
    }
}

fn run(session: &mut Session, values: &[f32], k: usize) -> Result<f32> {
    let inputs = TensorRef::from_array_view(([values.len() / k, k], values))?;
    let outputs = session.run(ort::inputs![inputs])?;
    Ok(outputs[0].try_extract_tensor::<f32>()?.1[0])
}

/// The two ways must agree before they are timed.
fn check(plain: &mut Session, bound: &mut Bound, values: &[f32], k: usize) -> Result<()> {
    for row in values.chunks_exact(k).take(100) {
        let (a, b) = (run(plain, row, k)?, bound.score(row)?);
        if a.to_bits() != b.to_bits() {
            bail!("a plain run scores {a}, the binding {b}");
        }
    }
    Ok(())
}

fn paced(
    values: &[f32],
    k: usize,
    seconds: f64,
    mut call: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Percentiles> {
    let mut latencies = histogram();
    let start = Instant::now();
    let calls = (seconds * 1e9) as u64 / INTERVAL_NS;
    for (index, row) in (0..calls).zip(values.chunks_exact(k).cycle()) {
        let scheduled = start + Duration::from_nanos(index * INTERVAL_NS);
        while Instant::now() < scheduled {
            std::hint::spin_loop();
        }
        call(row)?;
        latencies.saturating_record(scheduled.elapsed().as_nanos() as u64);
    }
    Ok((&latencies).into())
}

fn throughput(
    session: &mut Session,
    values: &[f32],
    k: usize,
    batch: usize,
    seconds: f64,
) -> Result<serde_json::Value> {
    let start = Instant::now();
    let mut events = 0;
    while start.elapsed().as_secs_f64() < seconds / 4.0 {
        for rows in values.chunks(batch * k) {
            run(session, rows, k)?;
            events += rows.len() / k;
        }
    }
    Ok((events as f64 / start.elapsed().as_secs_f64()).into())
}
