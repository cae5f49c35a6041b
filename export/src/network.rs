//! The part of a program that hls4ml takes: dense layers in a row, with ReLU and rounding between them.

use trigsieve_fixed::{CheckedProgram, Kind};

use crate::ExportError;

/// A run of operations, each of which is read by the next one alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The operations, in their order; the first and the last are dense layers.
    pub operations: Vec<usize>,
    /// The tensor that the first one reads: 0 is the program's input, i + 1 what operation i writes.
    pub input: usize,
    /// The tensor that the last one writes.
    pub output: usize,
}

impl Network {
    /// The row with the most weights.
    ///
    /// # Errors
    /// [`ExportError::NoNetwork`] for a program without a dense layer.
    pub fn of(program: &CheckedProgram) -> Result<Self, ExportError> {
        let starts = (0..program.operations.len()).filter(|at| is_dense(program, *at));
        let rows = starts.map(|start| row(program, start));
        let best = rows.max_by_key(|row| (weights(program, row), std::cmp::Reverse(row[0])));
        let operations = best.ok_or(ExportError::NoNetwork)?;
        let (first, last) = (operations[0], operations[operations.len() - 1]);
        Ok(Self { input: program.sources(first)[0], output: last + 1, operations })
    }

    /// Operations that come before what the network reads or beside it, and those that need its output.
    #[must_use]
    pub fn around(&self, program: &CheckedProgram) -> (Vec<usize>, Vec<usize>) {
        let mut depends = vec![false; program.operations.len() + 1];
        depends[self.output] = true;
        let others = (0..program.operations.len()).filter(|at| !self.operations.contains(at));
        others.partition(|at| {
            depends[at + 1] = program.sources(*at).iter().any(|tensor| depends[*tensor]);
            !depends[at + 1]
        })
    }
}

fn is_dense(program: &CheckedProgram, operation: usize) -> bool {
    matches!(&program.operations[operation].kind, Kind::Dense { order: None, .. })
}

fn weights(program: &CheckedProgram, row: &[usize]) -> usize {
    let of = |at: &usize| match &program.operations[*at].kind {
        Kind::Dense { weights, .. } => weights.len(),
        _ => 0,
    };
    row.iter().map(of).sum()
}

/// The longest row from a dense layer on that ends in one.
fn row(program: &CheckedProgram, start: usize) -> Vec<usize> {
    let mut row = vec![start];
    while let Some(next) = only_reader(program, row[row.len() - 1] + 1) {
        let kind = &program.operations[next].kind;
        let continues = matches!(
            kind,
            Kind::Dense { order: None, .. } | Kind::Relu { maximum: None } | Kind::Requantise {}
        );
        if !continues {
            break;
        }
        row.push(next);
    }
    let last = row.iter().rposition(|at| is_dense(program, *at)).unwrap_or(0);
    row.truncate(last + 1);
    row
}

/// The operation that alone reads a tensor, once; none for the score, which the outside reads, too.
fn only_reader(program: &CheckedProgram, tensor: usize) -> Option<usize> {
    if tensor == program.score_tensor() {
        return None;
    }
    let reads = |at: usize| program.sources(at).iter().filter(|source| **source == tensor).count();
    let mut readers = (0..program.operations.len()).flat_map(|at| std::iter::repeat_n(at, reads(at)));
    readers.next().filter(|_| readers.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trigsieve_fixed::testing::deployed;

    #[test]
    fn the_network_lies_between_scaling_and_score() {
        let program = deployed(1);
        let network = Network::of(&program).expect("a network");
        let (before, after) = network.around(&program);
        let mut all = [before.clone(), network.operations.clone(), after.clone()].concat();
        assert!(all.is_sorted(), "{all:?}");
        all.dedup();
        assert_eq!(all.len(), program.operations.len());
        assert!(!before.is_empty() && !after.is_empty());
        assert_eq!(network.operations.iter().filter(|at| is_dense(&program, **at)).count(), 3);
    }
}
