//! The accumulators of one operation: partial sums as the firmware makes them, and as exact arithmetic would.

use super::{Accumulation, Log, Number, Place, Results, Source};
use crate::interpreter::tree_split;
use crate::{Format, Interval};

/// The accumulators of an operation, filled one output after the other.
pub(super) struct Accumulators<'a, 'b> {
    format: &'a Format,
    proof: Accumulation,
    numbers: Vec<Number>,
    log: &'a mut Log<'b>,
}

/// A partial sum: in the firmware, and in exact arithmetic at the common binary point.
#[derive(Clone, Copy)]
struct Partial {
    raw: Interval,
    exact: Interval,
}

/// The hulls of one output.
struct Steps {
    products: Interval,
    partial_sums: Interval,
    terms: Interval,
    sums: Interval,
    worst_term: Option<Interval>,
    sums_in_range: bool,
}

impl<'a, 'b> Accumulators<'a, 'b> {
    pub(super) fn new(format: &'a Format, fraction: i32, log: &'a mut Log<'b>) -> Self {
        let proof = Accumulation {
            fraction,
            products: Vec::new(),
            partial_sums: Vec::new(),
            terms: Vec::new(),
            sums: Vec::new(),
            terms_keep_bits: true,
            terms_in_range: true,
            sums_in_range: true,
        };
        Self { format, proof, numbers: Vec::new(), log }
    }

    /// One output: `start`, and then each of `products` in order.
    pub(super) fn add_up(&mut self, start: Number, products: impl Iterator<Item = Number>) {
        let mut steps = Steps::none();
        let mut partial = self.term(start, &mut steps);
        steps.include(partial);
        for product in products {
            let term = self.term(product, &mut steps);
            steps.products = steps.products.hull(term.exact);
            steps.terms = steps.terms.hull(term.raw);
            partial = self.join(partial, term, &mut steps);
        }
        self.close(partial, steps);
    }

    /// One output: the elements of x in a tree.
    pub(super) fn add_up_tree(&mut self, x: Source) {
        let mut steps = Steps::none();
        let elements: Vec<Partial> = (0..x.len()).map(|at| self.term(x.at(at), &mut steps)).collect();
        for term in &elements {
            steps.products = steps.products.hull(term.exact);
            steps.terms = steps.terms.hull(term.raw);
            steps.include(*term);
        }
        let partial = self.join_tree(&elements, &mut steps);
        self.close(partial, steps);
    }

    fn join_tree(&self, elements: &[Partial], steps: &mut Steps) -> Partial {
        if let [one] = elements {
            return *one;
        }
        let (left, right) = elements.split_at(tree_split(elements.len()));
        let left = self.join_tree(left, steps);
        let right = self.join_tree(right, steps);
        self.join(left, right, steps)
    }

    fn term(&mut self, number: Number, steps: &mut Steps) -> Partial {
        let assigned = number.assigned(self.format);
        self.proof.terms_keep_bits &= assigned.keeps_bits;
        if !assigned.in_range {
            steps.worst_term =
                Some(steps.worst_term.map_or(assigned.rounded, |worst| worst.hull(assigned.rounded)));
        }
        Partial { raw: assigned.raw, exact: number.at(self.proof.fraction) }
    }

    fn join(&self, left: Partial, right: Partial, steps: &mut Steps) -> Partial {
        let sum = left.raw.plus(right.raw);
        let raw = sum.bound(self.format);
        let exact = left.exact.plus(right.exact);
        steps.sums_in_range &= sum.least >= self.format.least() && sum.most <= self.format.max_raw();
        steps.sums = steps.sums.hull(sum);
        steps.partial_sums = steps.partial_sums.hull(exact);
        Partial { raw, exact }
    }

    fn close(&mut self, partial: Partial, steps: Steps) {
        let output = self.numbers.len();
        if let Some(worst) = steps.worst_term {
            self.proof.terms_in_range = false;
            self.log.note(Place::Term, output, worst, self.format);
        }
        if !steps.sums_in_range {
            self.proof.sums_in_range = false;
            self.log.note(Place::Sum, output, steps.sums, self.format);
        }
        self.proof.products.push(steps.products);
        self.proof.partial_sums.push(steps.partial_sums);
        self.proof.terms.push(steps.terms);
        self.proof.sums.push(steps.sums);
        self.numbers.push(Number { interval: partial.raw, fraction: self.format.fraction() });
    }

    pub(super) fn finish(self) -> Results {
        Results { accumulation: Some(self.proof), ..Results::from(self.numbers) }
    }
}

impl Steps {
    const fn none() -> Self {
        Self {
            products: Interval::ZERO,
            partial_sums: Interval::ZERO,
            terms: Interval::ZERO,
            sums: Interval::ZERO,
            worst_term: None,
            sums_in_range: true,
        }
    }

    /// Takes in a sum before the first addition.
    fn include(&mut self, partial: Partial) {
        self.sums = self.sums.hull(partial.raw);
        self.partial_sums = self.partial_sums.hull(partial.exact);
    }
}
