//! Runs a program on many events at a time, each event a lane of a vector, with the interpreter's bits.

mod dense;
mod operation;
mod order;
mod peak;
mod plan;
mod scale;
mod simd;
mod span;
mod squares;

use std::fmt::Write;
use std::time::Instant;

use crate::kernel::lane::Lane;
use crate::kernel::{Ahead, BLOCK, Block, GRAIN, Memory, Width};
use crate::{CheckedProgram, Input};

use plan::Plan;
use simd::Runner;

pub use peak::Peak;
pub use simd::{Simd, SimdError};

/// A program laid out for an instruction set, with the memory of a block of events.
///
/// Nothing is allocated after construction. Every instruction set gives the bits of the
/// [`Interpreter`](crate::Interpreter).
#[derive(Debug)]
pub struct Engine {
    simd: Simd,
    runner: Runner,
    plan: Plan,
    memory: Memory,
    input: Input,
    layers: Vec<String>,
    k: usize,
    /// 2^-fraction of the score.
    step: f64,
    /// A block of rows for the events that do not fill a grain, and for physical values in hardware units.
    rows_i16: Vec<i16>,
    rows_f32: Vec<f32>,
}

/// Runs of a step between two looks at the clock.
const REPEATS: usize = 200;

/// Events of one kind.
#[derive(Clone, Copy)]
enum Rows<'a> {
    Hardware(&'a [i16]),
    Physical(&'a [f32]),
}

impl<'a> Rows<'a> {
    /// At most `values` values from `first` on, and as many hardware integers after the next ones: memory is slower than a
    /// block.
    fn block(self, first: usize, values: usize) -> (Self, &'a [i16]) {
        match self {
            Self::Hardware(rows) => {
                let rows = &rows[first..];
                let (now, later) = rows.split_at(rows.len().min(values));
                let later = later.get(values..).unwrap_or_default();
                (Self::Hardware(now), &later[..later.len().min(values)])
            }
            Self::Physical(rows) => {
                let rows = &rows[first..];
                (Self::Physical(&rows[..rows.len().min(values)]), &[])
            }
        }
    }
}

impl Engine {
    /// An engine for the given instruction set, or else the best that this CPU has.
    ///
    /// # Errors
    /// When the CPU lacks the instruction set.
    pub fn new(program: &CheckedProgram, simd: Option<Simd>) -> Result<Self, SimdError> {
        let simd = simd.unwrap_or_else(Simd::best);
        let runner = Runner::require(simd)?;
        let plan = Plan::new(program, runner.shape());
        let k = program.k();
        let score = program.format(program.score_tensor());
        let physical = program.input.units.is_none();
        Ok(Self {
            simd,
            runner,
            memory: Memory::new(plan.lanes.narrow, plan.lanes.wide, plan.lanes.widest),
            input: program.input.clone(),
            layers: program.operations.iter().map(|operation| operation.layer.clone()).collect(),
            k,
            step: (-f64::from(score.fraction())).exp2(),
            rows_i16: vec![0; BLOCK * k],
            rows_f32: vec![0.0; if physical { BLOCK * k } else { 0 }],
            plan,
        })
    }

    /// The instruction set.
    #[must_use]
    pub const fn simd(&self) -> Simd {
        self.simd
    }

    /// Inputs an event.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.k
    }

    /// Events that are computed together.
    #[must_use]
    pub const fn block(&self) -> usize {
        BLOCK
    }

    /// Scores events of hardware integers, row by row.
    ///
    /// # Panics
    /// When there are not K inputs to a score.
    pub fn score_i16(&mut self, rows: &[i16], scores: &mut [f32]) {
        self.assert_rows(rows.len(), scores.len());
        for (at, scores) in scores.chunks_mut(BLOCK).enumerate() {
            self.run(Rows::Hardware(rows), at);
            self.scores(scores);
        }
    }

    /// Scores events of physical values, row by row.
    ///
    /// # Panics
    /// When there are not K inputs to a score.
    pub fn score_f32(&mut self, rows: &[f32], scores: &mut [f32]) {
        self.assert_rows(rows.len(), scores.len());
        for (at, scores) in scores.chunks_mut(BLOCK).enumerate() {
            self.run(Rows::Physical(rows), at);
            self.scores(scores);
        }
    }

    /// Raw scores of events of hardware integers; those of an `ap_ufixed` of 64 bits as two's complement.
    ///
    /// # Panics
    /// When there are not K inputs to a score.
    pub fn score_raw_i16(&mut self, rows: &[i16], scores: &mut [i64]) {
        self.assert_rows(rows.len(), scores.len());
        for (at, scores) in scores.chunks_mut(BLOCK).enumerate() {
            self.run(Rows::Hardware(rows), at);
            self.raw_scores(scores);
        }
    }

    /// Raw scores of events of physical values, likewise.
    ///
    /// # Panics
    /// When there are not K inputs to a score.
    pub fn score_raw_f32(&mut self, rows: &[f32], scores: &mut [i64]) {
        self.assert_rows(rows.len(), scores.len());
        for (at, scores) in scores.chunks_mut(BLOCK).enumerate() {
            self.run(Rows::Physical(rows), at);
            self.raw_scores(scores);
        }
    }

    /// The instruction set and the lanes of each layer, a line each.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = format!("{}, blocks of {BLOCK} events", self.simd);
        for (layer, note) in self.layers.iter().zip(&self.plan.notes) {
            // Writing to a string does not fail.
            let _ = write!(text, "\n{layer}: {note}");
        }
        text
    }

    /// Seconds that each step takes on a block of events in the cache, the least of `turns`, with what the step does.
    ///
    /// # Panics
    /// When the rows are not a block of events of K inputs, or there are no turns.
    pub fn time_steps(&mut self, rows: &[i16], turns: usize) -> Vec<(String, f64)> {
        assert_eq!(rows.len(), BLOCK * self.k, "a block of events");
        let mut block = Block {
            memory: &mut self.memory,
            hardware: rows,
            physical: &[],
            lanes: BLOCK,
            ahead: Ahead::new(&[], 1),
        };
        let steps = self.plan.hardware.iter().chain(&self.plan.body);
        steps
            .map(|step| {
                let step = std::slice::from_ref(step);
                let mut seconds: Vec<f64> = (0..turns)
                    .map(|_| {
                        let start = Instant::now();
                        (0..REPEATS).for_each(|_| self.runner.run(step, &mut block));
                        start.elapsed().as_secs_f64() / REPEATS as f64
                    })
                    .collect();
                seconds.sort_by(f64::total_cmp);
                (step[0].to_string(), seconds[0])
            })
            .collect()
    }

    fn assert_rows(&self, values: usize, scores: usize) {
        assert_eq!(Some(values), scores.checked_mul(self.k), "{} inputs an event", self.k);
    }

    /// Computes every tensor of block `at` of the events.
    fn run(&mut self, rows: Rows, at: usize) {
        let (rows, ahead) = rows.block(at * BLOCK * self.k, BLOCK * self.k);
        let values = match rows {
            Rows::Hardware(rows) => rows.len(),
            Rows::Physical(rows) => rows.len(),
        };
        let lanes = (values / self.k).next_multiple_of(GRAIN);
        let full = values == lanes * self.k;
        let none: (&[i16], &[f32]) = (&[], &[]);
        let (hardware, physical) = match rows {
            Rows::Hardware(rows) if full => (rows, none.1),
            Rows::Hardware(rows) => {
                self.rows_i16[..values].copy_from_slice(rows);
                (&self.rows_i16[..lanes * self.k], none.1)
            }
            Rows::Physical(rows) if self.input.units.is_some() => {
                to_hardware(&self.input, rows, &mut self.rows_i16);
                (&self.rows_i16[..lanes * self.k], none.1)
            }
            Rows::Physical(rows) if full => (none.0, rows),
            Rows::Physical(rows) => {
                self.rows_f32[..values].copy_from_slice(rows);
                (none.0, &self.rows_f32[..lanes * self.k])
            }
        };
        let door = if hardware.is_empty() { &self.plan.physical } else { &self.plan.hardware };
        let ahead = Ahead::new(ahead, self.plan.parts);
        let mut block = Block { memory: &mut self.memory, hardware, physical, lanes, ahead };
        self.runner.run(door, &mut block);
        self.runner.run(&self.plan.body, &mut block);
    }

    fn scores(&self, scores: &mut [f32]) {
        let at = self.plan.score.plane(0);
        let step = self.step;
        match self.plan.score.width {
            Width::Narrow => {
                let raw = &i32::all(&self.memory)[at..];
                // Where neither end of the range of single precision is near, the step is exact and no product rounds.
                if step.log2().abs() < 64.0 {
                    let step = step as f32;
                    convert(raw, scores, |raw| raw as f32 * step);
                } else {
                    convert(raw, scores, |raw| (f64::from(raw) * step) as f32);
                }
            }
            Width::Wide => convert(&i64::all(&self.memory)[at..], scores, |raw| (raw as f64 * step) as f32),
            Width::Widest => {
                convert(&i128::all(&self.memory)[at..], scores, |raw| (raw as f64 * step) as f32)
            }
        }
    }

    fn raw_scores(&self, scores: &mut [i64]) {
        let at = self.plan.score.plane(0);
        match self.plan.score.width {
            Width::Narrow => convert(&i32::all(&self.memory)[at..], scores, i64::from),
            Width::Wide => convert(&i64::all(&self.memory)[at..], scores, |raw| raw),
            Width::Widest => convert(&i128::all(&self.memory)[at..], scores, |raw| raw as i64),
        }
    }
}

fn convert<S: Copy, T>(from: &[S], to: &mut [T], number: impl Fn(S) -> T) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = number(*from);
    }
}

/// Hardware integers of physical values, by the formula of [`Input`].
fn to_hardware(input: &Input, rows: &[f32], to: &mut [i16]) {
    let Some(units) = &input.units else { return };
    for (row, to) in rows.chunks_exact(units.len()).zip(to.chunks_exact_mut(units.len())) {
        for ((value, unit), to) in row.iter().zip(units).zip(to) {
            *to = (f64::from(*value) / unit).round_ties_even() as i16;
        }
    }
}
