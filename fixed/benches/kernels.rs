//! Throughput of the engine on a network of the shape of CMS's deployed anomaly trigger, by instruction set.
//!
//! Prints, for rows of hardware integers from a mapped file of 120 MB and from the cache, events a second and the share of
//! the peak: the time that all of the network's multiply-accumulates, those by zero included, would take at the rate of the
//! instruction set's dot products from register to register, which is measured beside; bytes for the layers whose inputs
//! bytes hold where the CPU multiplies those, 16-bit numbers else. Then what each step takes, beside what its products
//! would take at that rate. Everything is timed in turns of windows of about a millisecond, shorter than what the scheduler
//! gives to other work, and shown thrice: the medians, the ninth deciles, which on a busy machine say what the code takes,
//! and the best. The scores are checked before anything is timed.
//!
//! `kernels [TURNS [SIMD|all [FIXED_JSON]]]`: how many turns, on which instruction set, and a program to time instead.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use memmap2::{Mmap, MmapOptions};
use trigsieve_fixed::testing::deployed;
use trigsieve_fixed::{CheckedProgram, Engine, Interpreter, Kind, Simd, engine::Peak};

const EVENTS: usize = 1 << 20;
const CACHED: usize = 1 << 10;
const CHECKED: usize = 20_000;
/// Seconds of a window, roughly.
const WINDOW: f64 = 1e-3;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let turns = arguments.next().map_or(200, |turns| turns.parse().expect("a number of turns"));
    let only = arguments.next().filter(|name| name != "all");
    let only: Option<Simd> = only.map(|name| name.parse().unwrap_or_else(|error| panic!("{error}")));
    let program = match arguments.next() {
        Some(path) => CheckedProgram::read(Path::new(&path)).expect("a program"),
        None => deployed(1),
    };
    let map = mapped_rows(EVENTS * program.k());
    // SAFETY: every pattern of bits is a number.
    let (_, rows, _) = unsafe { map.align_to::<i16>() };
    let mut scores = vec![0.0; EVENTS];
    let wanted = |simd: &Simd| only.is_none_or(|only| only == *simd);
    let mut subjects: Vec<Subject> =
        Simd::available().filter(wanted).map(|simd| Subject::new(&program, simd)).collect();
    for subject in &mut subjects {
        check(&program, &mut subject.engine, rows, &mut scores);
    }
    println!("{CHECKED} events checked against the interpreter");
    println!("{}", subjects.last().expect("a subject").engine.describe());
    for _ in 0..turns {
        subjects.iter_mut().for_each(|subject| subject.turn(rows, &mut scores));
    }
    let layers = layers(&program);
    for subject in &mut subjects {
        subject.print_steps(rows, &layers);
    }
    for (name, quantile) in [("medians", 0.5), ("ninth deciles", 0.9), ("best", 1.0)] {
        print(name, quantile, &layers, &mut subjects);
    }
}

/// An engine and its measurements.
struct Subject {
    engine: Engine,
    peaks: [Peak; 2],
    /// Events a window.
    window: usize,
    next: usize,
    /// From memory, from the cache, multiply-accumulates of bytes and of 16-bit numbers: all a second.
    rates: [Vec<f64>; 4],
}

impl Subject {
    fn new(program: &CheckedProgram, simd: Simd) -> Self {
        let engine = Engine::new(program, Some(simd)).expect("an instruction set that is available");
        let peaks = [true, false].map(|bytes| Peak::new(simd, bytes).expect("the same"));
        Self { engine, peaks, window: CACHED, next: 0, rates: Default::default() }
    }

    fn turn(&mut self, rows: &[i16], scores: &mut [f32]) {
        let k = self.engine.k();
        let engine = &mut self.engine;
        let mut times = 1;
        let cached = rate(CACHED as f64, || {
            engine.score_i16(&rows[..CACHED * k], &mut scores[..CACHED]);
            times += 1;
            times <= self.window / CACHED
        });
        self.next = if self.next + self.window > EVENTS { 0 } else { self.next };
        let part = self.next..self.next + self.window;
        let memory = rate(self.window as f64, || {
            engine.score_i16(&rows[part.start * k..part.end * k], &mut scores[part.clone()]);
            false
        });
        self.next += self.window;
        self.window = ((memory * WINDOW) as usize).next_multiple_of(CACHED).min(EVENTS);
        let [bytes, words] = self.peaks.each_mut().map(|peak| {
            let start = Instant::now();
            let products = peak.run(32);
            products as f64 / start.elapsed().as_secs_f64()
        });
        for (rates, rate) in self.rates.iter_mut().zip([memory, cached, bytes, words]) {
            rates.push(rate);
        }
    }

    /// What each step takes, and a dense layer's products at the peak.
    fn print_steps(&mut self, rows: &[i16], layers: &[Layer]) {
        let [_, _, bytes, words] = self.quantiles(1.0);
        let block = self.engine.block();
        let mut layers = layers.iter();
        println!("\n{}, from the cache, nanoseconds an event by step (at the peak):", self.engine.simd());
        for (step, seconds) in self.engine.time_steps(&rows[..block * self.engine.k()], 200) {
            let layer = if step.contains("dense") { layers.next() } else { None };
            let ideal = layer.map(|layer| layer.products as f64 / if layer.bytes { bytes } else { words });
            let ideal = ideal.map_or_else(String::new, |seconds| format!("({:.2})", seconds * 1e9));
            println!("{:8.2} {ideal:8} {step}", seconds * 1e9 / block as f64);
        }
    }

    fn quantiles(&mut self, quantile: f64) -> [f64; 4] {
        self.rates.each_mut().map(|rates| {
            rates.sort_by(f64::total_cmp);
            rates[((rates.len() - 1) as f64 * quantile) as usize]
        })
    }
}

/// So many hardware integers in a file that is gone when the map is, every page of it present.
fn mapped_rows(values: usize) -> Mmap {
    let mut rng = fastrand::Rng::with_seed(2);
    let bytes: Vec<u8> = (0..values).flat_map(|_| rng.i16(-600..600).to_ne_bytes()).collect();
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&bytes).expect("rows");
    // SAFETY: nobody else has the file.
    unsafe { MmapOptions::new().populate().map(&file) }.expect("a map")
}

/// How much a second, `amount` each time until the work says that it is done.
fn rate(amount: f64, mut work: impl FnMut() -> bool) -> f64 {
    let start = Instant::now();
    let mut total = amount;
    while work() {
        total += amount;
    }
    total / start.elapsed().as_secs_f64()
}

fn print(name: &str, quantile: f64, layers: &[Layer], subjects: &mut [Subject]) {
    let products: usize = layers.iter().map(|layer| layer.products).sum();
    let nonzero: usize = layers.iter().map(|layer| layer.nonzero).sum();
    println!("\n{name}; {products} products an event, {nonzero} of them with a weight that is not zero");
    println!(
        "             from memory  from cache      peak, 8 and 16 bits  of peak: all  not zero  from cache"
    );
    for subject in subjects {
        let [memory, cached, bytes, words] = subject.quantiles(quantile);
        let ideal = |count: fn(&Layer) -> usize| -> f64 {
            layers.iter().map(|l| count(l) as f64 / if l.bytes { bytes } else { words }).sum()
        };
        println!(
            "{:12} {:9.2} M {:9.2} M {:10.1} {:6.1} GMAC/s {:13.2} {:9.2} {:11.2}",
            subject.engine.simd(),
            memory / 1e6,
            cached / 1e6,
            bytes / 1e9,
            words / 1e9,
            memory * ideal(|layer| layer.products),
            memory * ideal(|layer| layer.nonzero),
            cached * ideal(|layer| layer.products),
        );
    }
}

fn check(program: &CheckedProgram, engine: &mut Engine, rows: &[i16], scores: &mut [f32]) {
    let mut interpreter = Interpreter::new(program);
    let rows = &rows[..CHECKED * program.k()];
    let expected: Vec<f32> =
        rows.chunks_exact(program.k()).map(|row| program.score_value(interpreter.run_i16(row))).collect();
    engine.score_i16(rows, &mut scores[..CHECKED]);
    assert_eq!(scores[..CHECKED], expected, "{}", engine.describe());
}

/// A dense layer's products an event.
struct Layer {
    products: usize,
    nonzero: usize,
    /// Whether bytes hold its input.
    bytes: bool,
}

fn layers(program: &CheckedProgram) -> Vec<Layer> {
    let layer = |at: usize| match &program.operations[at].kind {
        Kind::Dense { weights, .. } => Some(Layer {
            products: weights.len(),
            nonzero: weights.iter().filter(|weight| **weight != 0).count(),
            bytes: program.format(program.sources(at)[0]).width <= 8,
        }),
        _ => None,
    };
    (0..program.operations.len()).filter_map(layer).collect()
}
