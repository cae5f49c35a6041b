//! In which order a dense layer's inputs are packed and its outputs computed, so that zero weights fall together.
//!
//! A tile of outputs skips the lanes of inputs in which it has no weight. Pruned networks have many zeros, but which fall
//! together is chance; swapping inputs and outputs at random, and keeping what is not worse, finds a fifth of a trigger's
//! products to skip. Equal layers get equal orders.

use fastrand::Rng;

/// Outputs of a tile.
const TILE: usize = 4;
/// Swaps tried for each input and output.
const TRIES: usize = 60;
/// Beyond so many weights the search takes longer than it is worth.
const MOST_WEIGHTS: usize = 1 << 16;

/// An order to be found.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// For each output and input, whether there is a weight.
    nonzero: Vec<Vec<bool>>,
    /// Inputs in lanes, as many as a lane holds, and none where it holds fewer.
    pub(super) inputs: Vec<Option<usize>>,
    /// Inputs a lane.
    each: usize,
    /// Inputs may be swapped within runs of so many; 0: not at all.
    pub(super) run: usize,
    /// Outputs in tiles.
    pub(super) outputs: Vec<usize>,
    /// For each output and each lane, whether there is a weight.
    lanes: Vec<Vec<bool>>,
}

impl Order {
    /// The order as it is. `weights` has the weights of each output.
    pub(super) fn new(weights: &[Vec<i32>], inputs: Vec<Option<usize>>, each: usize, run: usize) -> Self {
        let nonzero: Vec<Vec<bool>> =
            weights.iter().map(|row| row.iter().map(|weight| *weight != 0).collect()).collect();
        let lanes = vec![vec![false; inputs.len() / each]; weights.len()];
        let outputs = (0..weights.len()).collect();
        let mut order = Self { nonzero, inputs, each, run, outputs, lanes };
        (0..order.inputs.len() / each).for_each(|lane| order.look(lane));
        order
    }

    /// Notes for each output whether a lane has a weight.
    fn look(&mut self, lane: usize) {
        let inputs = &self.inputs[lane * self.each..][..self.each];
        for (nonzero, lanes) in self.nonzero.iter().zip(&mut self.lanes) {
            lanes[lane] = inputs.iter().flatten().any(|input| nonzero[*input]);
        }
    }

    /// Lanes in which a tile has a weight.
    fn tile(&self, tile: usize) -> usize {
        let outputs = &self.outputs[tile * TILE..][..TILE.min(self.outputs.len() - tile * TILE)];
        let used = |lane: &usize| outputs.iter().any(|output| self.lanes[*output][*lane]);
        (0..self.inputs.len() / self.each).filter(used).count()
    }

    /// Tiles that have a weight in a lane.
    fn lane(&self, lane: usize) -> usize {
        let used = |tile: &&[usize]| tile.iter().any(|output| self.lanes[*output][lane]);
        self.outputs.chunks(TILE).filter(used).count()
    }

    /// Looks for a better order.
    pub(super) fn search(mut self) -> Self {
        let (inputs, outputs) = (self.inputs.len(), self.outputs.len());
        if inputs * outputs > MOST_WEIGHTS {
            return self;
        }
        let mut rng = Rng::with_seed(1);
        for _ in 0..TRIES * (inputs + outputs) {
            if self.run > 0 && rng.bool() {
                let a = rng.usize(..inputs);
                let run = a / self.run * self.run;
                self.try_inputs(a, rng.usize(run..inputs.min(run + self.run)));
            } else {
                self.try_outputs(rng.usize(..outputs), rng.usize(..outputs));
            }
        }
        self
    }

    fn try_inputs(&mut self, a: usize, b: usize) {
        let lanes = [a / self.each, b / self.each];
        if lanes[0] == lanes[1] {
            return;
        }
        let cost = |order: &Self| order.lane(lanes[0]) + order.lane(lanes[1]);
        let before = cost(self);
        let swap = |order: &mut Self| {
            order.inputs.swap(a, b);
            lanes.into_iter().for_each(|lane| order.look(lane));
        };
        swap(self);
        if cost(self) > before {
            swap(self);
        }
    }

    fn try_outputs(&mut self, a: usize, b: usize) {
        let tiles = [a / TILE, b / TILE];
        if tiles[0] == tiles[1] {
            return;
        }
        let cost = |order: &Self| order.tile(tiles[0]) + order.tile(tiles[1]);
        let before = cost(self);
        self.outputs.swap(a, b);
        if cost(self) > before {
            self.outputs.swap(a, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every other output reads the even inputs, the rest the odd ones: half of the products can be skipped.
    #[test]
    fn zeros_fall_together() {
        let weights: Vec<Vec<i32>> = (0..8)
            .map(|output| (0..16).map(|input| i32::from((input + output) % 2 == 0)).collect())
            .collect();
        let order = Order::new(&weights, (0..16).map(Some).collect(), 4, 16).search();
        assert_eq!((0..2).map(|tile| order.tile(tile)).sum::<usize>(), 4, "{order:?}");
        let mut inputs: Vec<usize> = order.inputs.iter().copied().flatten().collect();
        inputs.sort_unstable();
        assert_eq!(inputs, (0..16).collect::<Vec<_>>());
    }
}
