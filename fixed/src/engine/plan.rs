//! From a program to steps: which lanes each tensor lives in, and which kernel writes it.

use std::rc::Rc;

use crate::kernel::dense::{Dense, Finish, Pack, Places};
use crate::kernel::operation;
use crate::kernel::operation::{Door, Operation, What};
use crate::kernel::rows::{CHUNK, DoorRows, ScaleRows};
use crate::kernel::squares::Squares;
use crate::kernel::{BLOCK, PlaneStep, Planes, Step, Width};
use crate::{CheckedProgram, Format, Interval, Kind, Ranges};

use super::dense::{self, Exact, Layout, Packing, Target};
use super::operation::Source;
use super::order::Order;
use super::scale;
use super::simd::Shape;
use super::span::{format_bits, width, within};
use super::squares::SumOfSquares;

/// What to do with a block of events.
#[derive(Debug)]
pub(super) struct Plan {
    /// How hardware integers come in.
    pub(super) hardware: Vec<Step>,
    /// How physical values come in, to the same tensors.
    pub(super) physical: Vec<Step>,
    /// What follows.
    pub(super) body: Vec<Step>,
    /// Lanes of each width.
    pub(super) lanes: Lanes,
    /// Where the score is.
    pub(super) score: Planes,
    /// What was decided for each operation, for people.
    pub(super) notes: Vec<String>,
    /// Pieces of work between which the next rows can be asked for.
    pub(super) parts: usize,
}

/// How many lanes there are of each width.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lanes {
    pub(super) narrow: usize,
    pub(super) wide: usize,
    pub(super) widest: usize,
}

/// A packed tensor: from which lane on, and the elements of each plane.
#[derive(Clone, Debug)]
struct Packed {
    packing: Packing,
    at: usize,
    elements: Vec<Vec<Option<usize>>>,
}

/// Where a tensor is.
#[derive(Clone, Debug, Default)]
struct Place {
    planes: Option<Planes>,
    packed: Vec<Packed>,
}

/// What the sums of a dense layer become.
struct Fusion {
    /// The operation whose tensor is written.
    last: usize,
    target: Target,
}

struct Planner<'a> {
    program: &'a CheckedProgram,
    ranges: Ranges,
    shape: Shape,
    /// For each operation, its exact form if it is such a dense layer.
    exact: Vec<Option<Rc<Exact>>>,
    /// For each operation, its sum of squares if it is the multiplication of one.
    squares: Vec<Option<SumOfSquares>>,
    /// For each tensor, the operations that read it.
    readers: Vec<Vec<usize>>,
    places: Vec<Place>,
    lanes: Lanes,
    steps: Vec<Step>,
    notes: Vec<String>,
}

impl Plan {
    pub(super) fn new(program: &CheckedProgram, shape: Shape) -> Self {
        let mut planner = Planner::new(program, shape);
        let (hardware, physical, first) = planner.doors();
        let mut at = first;
        while at < program.operations.len() {
            at = planner.operation(at);
        }
        let score = planner.planes(program.score_tensor());
        let Planner { lanes, steps: body, notes, .. } = planner;
        let parts = |step: &Step| if let Step::Dense(layer) = step { layer.tiles.len() } else { 0 };
        let parts = body.iter().map(parts).sum();
        Self { hardware, physical, body, lanes, score, notes, parts }
    }
}

impl<'a> Planner<'a> {
    fn new(program: &'a CheckedProgram, shape: Shape) -> Self {
        let ranges = Ranges::of(program);
        let count = program.operations.len();
        let mut readers = vec![Vec::new(); count + 1];
        for at in 0..count {
            program.sources(at).iter().for_each(|tensor| readers[*tensor].push(at));
        }
        let exact = |at: usize| {
            let x = *program.sources(at).first()?;
            let input = (program.format(x), ranges.tensor(x));
            Exact::of(&program.operations[at].kind, program.input_shape(at), input, shape).map(Rc::new)
        };
        let exact = (0..count).map(exact).collect();
        let squares = (0..count).map(|at| SumOfSquares::of(program, &ranges, &readers, at)).collect();
        Self {
            program,
            ranges,
            shape,
            exact,
            squares,
            readers,
            places: vec![Place::default(); count + 1],
            lanes: Lanes::default(),
            steps: Vec::new(),
            notes: vec![String::new(); count],
        }
    }

    fn len(&self, tensor: usize) -> usize {
        self.program.tensor_at(tensor).len()
    }

    /// The planes of a tensor, allocated when first asked for.
    fn planes(&mut self, tensor: usize) -> Planes {
        if let Some(planes) = self.places[tensor].planes {
            return planes;
        }
        let width = width(format_bits(&self.program.format(tensor)));
        let planes = Planes { width, at: self.reserve(width, self.len(tensor)) };
        self.places[tensor].planes = Some(planes);
        planes
    }

    /// First lane of new planes.
    fn reserve(&mut self, width: Width, planes: usize) -> usize {
        let lanes = match width {
            Width::Narrow => &mut self.lanes.narrow,
            Width::Wide => &mut self.lanes.wide,
            Width::Widest => &mut self.lanes.widest,
        };
        let at = *lanes;
        *lanes += planes * BLOCK;
        at
    }

    /// The one packing in which everything that reads a tensor wants it, if there is one.
    fn wanted(&self, tensor: usize) -> Option<Packing> {
        let mut readers = self.readers[tensor].iter();
        let packing = |at: &usize| {
            let squares = self.squares[*at].as_ref().map(|_| SumOfSquares::PACKING);
            self.exact[*at].as_ref().map(|exact| exact.packing).or(squares)
        };
        let first = packing(readers.next()?)?;
        let same = readers.all(|at| packing(at) == Some(first));
        (same && tensor != self.program.score_tensor()).then_some(first)
    }

    /// The doors for both kinds of rows, and the first operation that is not part of them.
    fn doors(&mut self) -> (Vec<Step>, Vec<Step>, usize) {
        if let Some(scale) = self.scale_rows() {
            let physical = std::mem::take(&mut self.steps);
            return (vec![Step::ScaleRows(scale)], physical, 1);
        }
        let door = Step::Planes(PlaneStep::Door(self.door()));
        (self.door_rows().unwrap_or_else(|| vec![door.clone()]), vec![door], 0)
    }

    /// The door for hardware integers in rows of 16-bit lanes, and what brings them to the input's format.
    fn door_rows(&mut self) -> Option<Vec<Step>> {
        let k = self.program.k();
        let output = self.planes(0);
        let bits = format_bits(&self.program.format(0));
        let (rows, fraction) =
            (Interval::between(i16::MIN.into(), i16::MAX.into()), self.program.input.hardware_fraction);
        if !self.shape.rows || bits > 32 {
            return None;
        }
        let from =
            Planes { width: Width::Narrow, at: self.reserve(Width::Narrow, k.next_multiple_of(CHUNK)) };
        let then = assignment(from, rows, fraction, k, (self.program.format(0), output));
        Some(vec![Step::DoorRows(DoorRows { k, output: from.at }), then])
    }

    fn door(&mut self) -> Door {
        let input = self.program.input.clone();
        let rows = Interval::between(i16::MIN.into(), i16::MAX.into());
        let (assign, bits) = super::span::assign(rows, input.hardware_fraction, input.tensor.format);
        Door { k: self.program.k(), width: width(bits), assign, output: self.planes(0), input }
    }

    /// The input scaling straight from the rows, if that can be; `steps` then has what physical values take instead.
    fn scale_rows(&mut self) -> Option<ScaleRows> {
        let first = self.program.operations.first()?;
        let alone = self.readers[0] == [0] && self.program.score_tensor() != 0;
        if !(self.shape.rows && alone && matches!(first.kind, Kind::Scale { .. })) {
            return None;
        }
        let packing = self.wanted(1)?;
        let (input, kind) = (&self.program.input, &first.kind);
        let mut scale = scale::rows(input, kind, first.output.format, packing)?;
        let door = self.door();
        self.steps.push(Step::Planes(PlaneStep::Door(door)));
        self.general(0);
        // Rows are packed in whole chunks.
        let lanes = self.program.k().next_multiple_of(CHUNK) / packing.each();
        let permutes = self.shape.permutes && packing.bytes;
        let elements = self.input_order(1, packing, lanes, if permutes { CHUNK } else { 0 });
        if permutes {
            scale.orders = scale::byte_orders(&elements);
        }
        scale.output = self.reserve(Width::Narrow, elements.len());
        let input = self.planes(1);
        self.pack(input, packing, scale.output, elements.clone());
        self.places[1].packed.push(Packed { packing, at: scale.output, elements });
        self.notes[0] = "16-bit lanes, from rows".to_owned();
        Some(scale)
    }

    /// Plans an operation, perhaps together with the next; the first operation that is left.
    fn operation(&mut self, at: usize) -> usize {
        if let Some(exact) = self.exact[at].clone() {
            return self.dense(at, &exact);
        }
        if let Some(squares) = self.squares[at] {
            return self.sum_of_squares(at, squares);
        }
        self.general(at);
        at + 1
    }

    /// A multiplication of a tensor by itself and the sum of that; the first operation that is left.
    fn sum_of_squares(&mut self, at: usize, squares: SumOfSquares) -> usize {
        let input = self.packed(self.program.sources(at)[0], SumOfSquares::PACKING);
        let sum = at + 1;
        let out = self.program.operations[sum].output.format;
        let output = self.planes(sum + 1);
        let accumulator = squares.accumulator;
        let direct = (accumulator.signed, accumulator.width, accumulator.integer)
            == (out.signed, out.width, out.integer);
        let sums =
            if direct { output } else { Planes { width: Width::Narrow, at: self.reserve(Width::Narrow, 1) } };
        self.steps.push(Step::Squares(Squares {
            input: input.at,
            elements: self.len(self.program.sources(at)[0]),
            output: sums.at,
            dropped: squares.dropped,
            width: squares.accumulator.width,
            signed: squares.accumulator.signed,
        }));
        if !direct {
            let interval = Interval::of(&squares.accumulator);
            self.steps.push(assignment(sums, interval, squares.accumulator.fraction(), 1, (out, output)));
        }
        for note in &mut self.notes[at..=sum] {
            *note = "16-bit products, one 32-bit sum".to_owned();
        }
        sum + 1
    }

    fn general(&mut self, at: usize) {
        let program = self.program;
        let sources: Vec<usize> = program.sources(at).to_vec();
        let planes: Vec<Planes> = sources.iter().map(|tensor| self.planes(*tensor)).collect();
        let output = self.planes(at + 1);
        let source = |(tensor, planes): (&usize, Planes)| Source {
            planes,
            format: program.format(*tensor),
            intervals: self.ranges.tensor(*tensor),
        };
        let sources: Vec<Source> = sources.iter().zip(planes).map(source).collect();
        let operation = super::operation::plan(
            &program.operations[at],
            program.input_shape(at),
            &sources,
            self.ranges.proof(at),
            output,
        );
        self.notes[at] = format!("{}-bit lanes", bits(operation.width));
        self.steps.push(Step::Planes(PlaneStep::Operation(operation)));
    }

    /// The tensor packed, by a step of its own unless it is already.
    fn packed(&mut self, tensor: usize, packing: Packing) -> Packed {
        if let Some(packed) = self.places[tensor].packed.iter().find(|packed| packed.packing == packing) {
            return packed.clone();
        }
        let lanes = self.len(tensor).div_ceil(packing.each());
        let elements = self.input_order(tensor, packing, lanes, lanes * packing.each());
        let at = self.reserve(Width::Narrow, elements.len());
        let input = self.planes(tensor);
        self.pack(input, packing, at, elements.clone());
        let packed = Packed { packing, at, elements };
        self.places[tensor].packed.push(packed.clone());
        packed
    }

    /// A step that packs planes.
    fn pack(&mut self, input: Planes, packing: Packing, output: usize, elements: Vec<Vec<Option<usize>>>) {
        let Packing { bytes, least } = packing;
        self.steps.push(Step::Planes(PlaneStep::Pack(operation::Pack {
            input,
            elements,
            output,
            bytes,
            least,
        })));
    }

    /// The elements of each of so many lanes of a tensor that is packed on its own, in an order that suits the one layer that
    /// reads it; only elements within runs of `run` change places.
    fn input_order(
        &self,
        tensor: usize,
        packing: Packing,
        lanes: usize,
        run: usize,
    ) -> Vec<Vec<Option<usize>>> {
        let each = packing.each();
        let mut inputs: Vec<Option<usize>> =
            (0..lanes * each).map(|at| Some(at).filter(|at| *at < self.len(tensor))).collect();
        if let &[reader] = self.readers[tensor].as_slice()
            && let Some(exact) = &self.exact[reader]
        {
            inputs = Order::new(&exact.weights, inputs, each, run).search().inputs;
        }
        inputs.chunks(each).map(<[_]>::to_vec).collect()
    }

    /// An order of a layer's outputs that suits its input as it is packed.
    fn output_order(&self, input: &Packed, exact: &Exact) -> Vec<usize> {
        let inputs: Vec<Option<usize>> = input.elements.iter().flatten().copied().collect();
        Order::new(&exact.weights, inputs, exact.packing.each(), 0).search().outputs
    }

    /// A dense layer of exact sums, with what follows if that is but rounding and a range; the first operation left.
    fn dense(&mut self, at: usize, exact: &Exact) -> usize {
        let x = self.program.sources(at)[0];
        // A packed tensor that came without planes is all there is.
        let input = self.packed(x, exact.packing);
        let order = self.output_order(&input, exact);
        let fusion = self.fusion(at, exact);
        let finished = self.finish(&fusion, exact, &order);
        let (finish, starts, output, last, then) = match finished {
            Some((finish, starts, output)) => (finish, starts, output, fusion.last, None),
            None => {
                let (output, then) = self.sums(at, exact);
                (Finish::Sums { unused: exact.unused }, dense::starts(exact, 0), output, at, then)
            }
        };
        let to = match finish {
            Finish::Round { to, .. } => Some(to),
            Finish::Sums { .. } => None,
        };
        let layout = Layout::new(exact, &starts, &input.elements, &order, to);
        self.steps.push(Step::Dense(Dense {
            input: input.at,
            input_lanes: input.elements.len() * BLOCK,
            output,
            output_lanes: starts.len().div_ceil(dense::outputs_a_plane(to)) * BLOCK,
            outputs: starts.len(),
            bytes: exact.packing.bytes,
            tiles: layout.tiles,
            places: Places::new(layout.places),
            weights: layout.weights,
            finish,
        }));
        self.steps.extend(then);
        let kind = if exact.packing.bytes { "8-bit" } else { "16-bit" };
        let wraps = if exact.unused == 0 { "" } else { ", wrapping" };
        for note in &mut self.notes[at..=last] {
            *note = format!("{kind} products, 32-bit sums{wraps}");
        }
        last + 1
    }

    /// Whether the output holds the sums as they are.
    fn lossless(&self, at: usize, exact: &Exact) -> bool {
        let format = self.program.operations[at].output.format;
        exact.sums.assigned(exact.fraction, &format).keeps_bits
            && exact.sums.assigned(exact.fraction, &format).in_range
    }

    /// First lane of planes for the sums as they are, and a step that assigns them to the output unless they are it.
    fn sums(&mut self, at: usize, exact: &Exact) -> (usize, Option<Step>) {
        let out = self.program.operations[at].output.format;
        let output = self.planes(at + 1);
        if self.lossless(at, exact) && out.fraction() == exact.fraction && output.width == Width::Narrow {
            return (output.at, None);
        }
        let sums = Planes { width: Width::Narrow, at: self.reserve(Width::Narrow, exact.weights.len()) };
        let then = assignment(sums, exact.sums, exact.fraction, exact.weights.len(), (out, output));
        (sums.at, Some(then))
    }

    /// The operation that a layer's sums go to: the layer itself, or the ReLU or assignment that alone reads its output
    /// where that holds the sums as they are.
    fn fusion(&self, at: usize, exact: &Exact) -> Fusion {
        let target = |at: usize, relu, maximum| Fusion {
            last: at,
            target: Target { format: self.program.operations[at].output.format, relu, maximum },
        };
        let tensor = at + 1;
        let alone = self.readers[tensor] == [at + 1] && tensor != self.program.score_tensor();
        if alone && self.lossless(at, exact) {
            match &self.program.operations[at + 1].kind {
                Kind::Relu { maximum } => return target(at + 1, true, *maximum),
                Kind::Requantise {} => return target(at + 1, false, None),
                _ => {}
            }
        }
        target(at, false, None)
    }

    /// Rounding in the layer's registers, if 16 bits are enough: finish, starts and the output's first lane.
    fn finish(
        &mut self,
        fusion: &Fusion,
        exact: &Exact,
        order: &[usize],
    ) -> Option<(Finish, Vec<i32>, usize)> {
        let tensor = fusion.last + 1;
        let (mut window, offset, result) =
            dense::window(exact.sums, exact.fraction, fusion.target, self.shape)?;
        let starts = dense::starts_in_range(exact, offset)?;
        let packing = self.wanted(tensor).filter(|packing| {
            let range = if packing.bytes { 255 } else { 65_535 };
            let first = if packing.bytes { packing.least } else { packing.least - 32_768 };
            within(result, first.into(), i128::from(first) + range)
        });
        let (to, output) = match packing {
            Some(packing) => {
                let least = (result.least - i128::from(packing.least)) as u16;
                window.least = window.least.wrapping_add(least);
                let to = if packing.bytes { Pack::Quads } else { Pack::Pairs };
                let elements = dense::packed_elements(order, to);
                let at = self.reserve(Width::Narrow, elements.len());
                self.places[tensor].packed.push(Packed { packing, at, elements });
                (to, at)
            }
            None => {
                let planes = self.planes(tensor);
                let least = i32::try_from(result.least).ok()?;
                i32::try_from(result.most).ok().filter(|_| planes.width == Width::Narrow)?;
                (Pack::Planes(least), planes.at)
            }
        };
        let offset = i32::try_from(offset).ok()?;
        Some((Finish::Round { unused: exact.unused, offset, window, to }, starts, output))
    }
}

/// Assigns planes of 32-bit numbers.
fn assignment(from: Planes, numbers: Interval, fraction: i32, elements: usize, to: (Format, Planes)) -> Step {
    let (assign, bits) = super::span::assign(numbers, fraction, to.0);
    let parts = (0..elements).map(|element| (from, element as u32, assign)).collect();
    let width = width(bits.max(numbers.signed_width()).max(32));
    let operation = Operation { width, what: What::Copy(parts), elements, assign, output: to.1 };
    Step::Planes(PlaneStep::Operation(operation))
}

const fn bits(width: Width) -> u32 {
    match width {
        Width::Narrow => 32,
        Width::Wide => 64,
        Width::Widest => 128,
    }
}
