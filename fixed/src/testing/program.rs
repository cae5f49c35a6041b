//! Random programs and rows: every kind, format and mode, wrap-around and saturation included.

use fastrand::Rng;

use crate::check::CheckedProgram;
use crate::program::{Input, Kind, Operation, Program, SumOrder, Tensor, VERSION};
use crate::window::Windows;
use crate::{Format, Overflow, Rounding};

/// A random program of at most seven operations and 48 inputs; equal seeds give equal programs.
///
/// Half of them use formats as trigger firmware does (up to 18 bits, accumulators up to 32), the others anything up to
/// 64 bits.
#[must_use]
pub fn program(seed: u64) -> CheckedProgram {
    let mut rng = Rng::with_seed(seed);
    loop {
        let program = Builder::new(&mut rng).program();
        // Some exact intermediates come out too wide; the next draw is another program.
        if let Ok(checked) = program.check() {
            return checked;
        }
    }
}

/// `count` rows of hardware integers for a program of `k` inputs: extremes, zeros, small and arbitrary values.
#[must_use]
pub fn rows_i16(seed: u64, k: usize, count: usize) -> Vec<i16> {
    let mut rng = Rng::with_seed(seed);
    (0..k * count).map(|_| row_value(&mut rng)).collect()
}

/// As [`rows_i16`], but physical values: also tiny, huge and broken ones, infinities and NaN among them.
#[must_use]
pub fn rows_f32(seed: u64, k: usize, count: usize) -> Vec<f32> {
    let mut rng = Rng::with_seed(seed);
    (0..k * count)
        .map(|_| match rng.u8(0..16) {
            0 => f32::from_bits(rng.u32(..)),
            1 => 0.5 + f32::from(rng.i16(..)),
            2 => [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX][rng.usize(..6)],
            3..8 => f32::from(row_value(&mut rng)),
            _ => (rng.f32() - 0.5) * f32::from(rng.u16(1..=2048)),
        })
        .collect()
}

fn row_value(rng: &mut Rng) -> i16 {
    match rng.u8(0..8) {
        0 => [0, 1, -1, i16::MAX, i16::MIN, i16::MAX - 1, i16::MIN + 1][rng.usize(..7)],
        1 => rng.i16(..),
        2 => 1 << rng.u32(0..15),
        3..6 => rng.i16(-16..=16),
        _ => rng.i16(-1000..=1000),
    }
}

struct Builder<'a> {
    rng: &'a mut Rng,
    firmware_like: bool,
    tensors: Vec<Tensor>,
    operations: Vec<Operation>,
}

impl<'a> Builder<'a> {
    fn new(rng: &'a mut Rng) -> Self {
        let firmware_like = rng.bool();
        Self { rng, firmware_like, tensors: Vec::new(), operations: Vec::new() }
    }

    fn program(mut self) -> Program {
        let shape = self.input_shape();
        let k = shape.iter().product();
        let tensor = Tensor { name: "x".to_owned(), shape, format: self.format(24) };
        let hardware_fraction = if self.rng.bool() { 0 } else { self.rng.i32(-3..=8) };
        let units = self
            .rng
            .bool()
            .then(|| (0..k).map(|_| [0.5, 1.0, 0.043_633_231_3][self.rng.usize(..3)]).collect());
        self.tensors.push(tensor.clone());
        for _ in 0..self.rng.usize(0..6) {
            self.step();
        }
        let score = self.score();
        let input = Input { tensor, hardware_fraction, units };
        Program { version: VERSION, name: "random".to_owned(), input, operations: self.operations, score }
    }

    fn input_shape(&mut self) -> Vec<usize> {
        match self.rng.u8(0..4) {
            0 => vec![self.rng.usize(1..=5), self.rng.usize(1..=5), self.rng.usize(1..=3)],
            1 => vec![self.rng.usize(1..=4)],
            _ => vec![self.rng.usize(1..=48)],
        }
    }

    /// A random format, of at most `most` bits in firmware-like programs.
    fn format(&mut self, most: u32) -> Format {
        let width = match self.rng.u8(0..4) {
            _ if self.firmware_like => self.rng.u32(2..=most),
            0 => self.rng.u32(1..=8),
            1 => self.rng.u32(9..=20),
            2 => self.rng.u32(21..=40),
            _ => self.rng.u32(41..=64),
        };
        let integer = match self.rng.u8(0..16) {
            0 => self.rng.i32(-6..=width as i32 + 6),
            1 if !self.firmware_like => self.rng.i32(-40..=80),
            _ => self.rng.i32(0..=width as i32),
        };
        let signed = self.rng.u8(0..4) > 0;
        let format = Format { signed, ..Format::signed(width, integer) };
        let plain = self.rng.u8(0..3) == 0;
        if plain { format } else { format.with(self.rounding(), self.overflow()) }
    }

    fn rounding(&mut self) -> Rounding {
        Rounding::ALL[self.rng.usize(..Rounding::ALL.len())].0
    }

    fn overflow(&mut self) -> Overflow {
        Overflow::ALL[self.rng.usize(..Overflow::ALL.len())].0
    }

    /// An accumulator for products (or elements) with `fraction` bits after the point; half of them lose none.
    fn accumulator(&mut self, fraction: i32) -> Format {
        if self.rng.bool() {
            return self.format(32);
        }
        let width = self.rng.u32(12..=40);
        Format::signed(width, width as i32 - fraction).with(self.rounding(), self.overflow())
    }

    /// A constant of a format: mostly small, sometimes at an end of the range.
    fn constant(&mut self, format: &Format) -> i64 {
        let least = i64::try_from(format.least()).unwrap_or(i64::MIN);
        let most = i64::try_from(format.max_raw()).unwrap_or(i64::MAX);
        match self.rng.u8(0..16) {
            0 => least,
            1 => most,
            2..5 => 0,
            5..8 => self.rng.i64(least.max(-3)..=most.min(3)),
            _ => self.rng.i64(least..=most),
        }
    }

    fn constants(&mut self, format: &Format, count: usize) -> Vec<i64> {
        (0..count).map(|_| self.constant(format)).collect()
    }

    /// One of the tensors, preferably the last.
    fn source(&mut self) -> Tensor {
        let last = self.tensors.len() - 1;
        let at = if self.rng.u8(0..3) == 0 { self.rng.usize(0..=last) } else { last };
        self.tensors[at].clone()
    }

    fn push(&mut self, inputs: &[&Tensor], shape: Vec<usize>, kind: Kind) {
        let index = self.operations.len();
        let output = Tensor { name: format!("t{index}"), shape, format: self.format(18) };
        let inputs = inputs.iter().map(|input| input.name.clone()).collect();
        self.tensors.push(output.clone());
        self.operations.push(Operation { layer: format!("layer{index}"), inputs, output, kind });
    }

    fn step(&mut self) {
        let x = self.source();
        match self.rng.u8(0..17) {
            0 => self.scale(&x),
            1..4 => {
                let outputs = self.rng.usize(1..=24);
                self.dense(&x, outputs);
            }
            4..6 => self.convolution(),
            6 => self.normalise(&x),
            7 => {
                let maximum = self.rng.bool().then(|| self.rng.u32(0..=40));
                self.push(&[&x], x.shape.clone(), Kind::Relu { maximum });
            }
            8 => {
                let slope_format = self.format(8);
                let slope = self.constant(&slope_format);
                self.push(&[&x], x.shape.clone(), Kind::LeakyRelu { slope, slope_format });
            }
            9 => self.push(&[&x], vec![x.len()], Kind::Requantise {}),
            10 => self.table(&x),
            11..14 => self.of_two(&x),
            14 => self.push(&[&x], x.shape.clone(), Kind::Absolute {}),
            15 => {
                let z = self.source();
                self.push(&[&x, &z], vec![x.len() + z.len()], Kind::Concatenate {});
            }
            _ => {
                let count = self.rng.usize(1..=20);
                let indices: Vec<u32> = (0..count).map(|_| self.rng.usize(..x.len()) as u32).collect();
                self.push(&[&x], vec![count], Kind::Select { indices });
            }
        }
    }

    fn scale(&mut self, x: &Tensor) {
        let (offset_format, difference) = (self.format(12), self.format(20));
        let offsets = self.constants(&offset_format, x.len());
        let most = (difference.width as i32 + 1).min(if self.firmware_like { 6 } else { 64 });
        let shifts = (0..x.len()).map(|_| self.rng.i32(-2..=most)).collect();
        self.push(&[x], x.shape.clone(), Kind::Scale { offsets, offset_format, difference, shifts });
    }

    fn dense(&mut self, x: &Tensor, outputs: usize) {
        let (weight_format, bias_format) = (self.format(9), self.format(12));
        let weights = self.constants(&weight_format, x.len() * outputs);
        let biases = self.constants(&bias_format, outputs);
        let accumulator = self.accumulator(x.format.fraction() + weight_format.fraction());
        let order = (self.rng.u8(0..4) == 0).then(|| {
            let mut order: Vec<u32> = (0..x.len() as u32).collect();
            self.rng.shuffle(&mut order);
            order
        });
        let kind = Kind::Dense { weights, weight_format, biases, bias_format, accumulator, order };
        self.push(&[x], vec![outputs], kind);
    }

    /// A convolution of the first image there is, or a dense layer.
    fn convolution(&mut self) {
        let image = self.tensors.iter().rev().find(|tensor| tensor.shape.len() == 3).cloned();
        let Some(x) = image else {
            let x = self.source();
            return self.dense(&x, 3);
        };
        let shape = [x.shape[0], x.shape[1], x.shape[2]];
        let kernel = [self.rng.usize(1..=3), self.rng.usize(1..=3)];
        let stride = [self.rng.usize(1..=2), self.rng.usize(1..=2)];
        let padding = [0; 4].map(|_: usize| self.rng.usize(0..=1));
        let Some(windows) = Windows::new(shape, kernel, stride, padding) else { return };
        let filters = self.rng.usize(1..=4);
        let (weight_format, bias_format) = (self.format(9), self.format(12));
        let weights = self.constants(&weight_format, windows.places() * filters);
        let biases = self.constants(&bias_format, filters);
        let accumulator = self.accumulator(x.format.fraction() + weight_format.fraction());
        let [down, across] = windows.positions();
        let kind = Kind::Conv2d {
            weights,
            weight_format,
            biases,
            bias_format,
            accumulator,
            kernel,
            stride,
            padding,
        };
        self.push(&[&x], vec![down, across, filters], kind);
    }

    fn normalise(&mut self, x: &Tensor) {
        let (scale_format, bias_format) = (self.format(10), self.format(12));
        let count = if x.shape.len() == 3 { x.shape[2] } else { x.len() };
        let scales = self.constants(&scale_format, count);
        let biases = self.constants(&bias_format, count);
        self.push(&[x], x.shape.clone(), Kind::Normalise { scales, scale_format, biases, bias_format });
    }

    fn table(&mut self, x: &Tensor) {
        let size = [1, 7, 64, 1024][self.rng.usize(..4)];
        let table_format = self.format(18);
        let table = self.constants(&table_format, size);
        let range = [8, 16, 3, 1][self.rng.usize(..4)];
        let offset = if self.rng.u8(0..8) == 0 { self.rng.i32(..) } else { size as i32 / 2 };
        self.push(&[x], x.shape.clone(), Kind::Table { range, offset, table, table_format });
    }

    fn of_two(&mut self, x: &Tensor) {
        let alike: Vec<Tensor> = self.tensors.iter().filter(|z| z.len() == x.len()).cloned().collect();
        let mut z = alike[self.rng.usize(..alike.len())].clone();
        let kind = match self.rng.u8(0..3) {
            0 => Kind::Multiply {},
            sum => {
                let single = self.tensors.iter().find(|tensor| tensor.len() == 1).filter(|_| self.rng.bool());
                z = single.cloned().unwrap_or(z);
                if sum == 1 { Kind::Add {} } else { Kind::Subtract {} }
            }
        };
        self.push(&[x, &z], x.shape.clone(), kind);
    }

    /// Reduces the last tensor to one element; the name of that.
    fn score(&mut self) -> String {
        let x = self.tensors[self.tensors.len() - 1].clone();
        match self.rng.u8(0..5) {
            0 if x.len() == 1 => return x.name,
            0 | 1 => self.dense(&x, 1),
            2 => {
                let accumulator = self.accumulator(2 * x.format.fraction());
                self.push(&[&x, &x], vec![1], Kind::Dot { accumulator });
            }
            _ => {
                let accumulator = self.accumulator(x.format.fraction());
                let order = if self.rng.bool() { SumOrder::Sequential } else { SumOrder::Tree };
                self.push(&[&x], vec![1], Kind::Sum { accumulator, order });
            }
        }
        self.tensors[self.tensors.len() - 1].name.clone()
    }
}
