"""Network inputs, weights of errors, and scores, fitted on training background: the formulas of `trigsieve-train`."""

import numpy as np

OBJECTS = 19
BLOCKS = {"met": slice(0, 1), "e_gamma": slice(1, 5), "muon": slice(5, 9), "jet": slice(9, 19)}
# eta of missing transverse momentum.
MEANINGLESS = 1
# Background efficiency at which the terms of a score have the same share.
WORKING_POINT = 1e-4


class Preprocessing:
    """z = (g(x) - a) / b. g is the identity or, for pT, ln(1 + pT / scale). With the scaling `rms`, a is 0 and b the root mean
    square over the training events with the object, with `standardise` they are mean and standard deviation over all."""

    def __init__(self, recipe, training):
        self.recipe = recipe
        values, present = self._transformed(training), self._present(training)
        self.occupancy = present.mean(0)
        if recipe.scaling == "rms":
            weights = np.repeat(present, 3, axis=1)
            self.offset = np.zeros(values.shape[1])
            spread = np.sqrt((np.square(values, dtype=np.float64) * weights).sum(0) / weights.sum(0))
        else:
            self.offset, spread = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
        self.used = spread > 0
        self.scale = np.divide(1.0, spread, where=self.used, out=np.zeros_like(spread)) * self._input_weights()
        self.term_weights = np.stack([self._term(term) for term in recipe.terms], 1).astype(np.float32)

    def _transformed(self, rows):
        if self.recipe.pt == "linear":
            return rows
        values = rows.copy()
        values[:, ::3] = np.log(rows[:, ::3] / self.recipe.pt["log1p"]["scale_gev"] + 1)
        return values

    @staticmethod
    def _present(rows):
        return rows[:, ::3] > 0

    def _input_weights(self):
        """Factors of the network inputs: occupancy^-exponent, block by block, and a weight of the angles."""
        factors = np.ones(OBJECTS)
        for block, exponent in self.recipe.input_exponents.items():
            factors[BLOCKS[block]] = self.occupancy[BLOCKS[block]] ** -exponent
        return np.outer(factors, [1, self.recipe.input_angle_weight, self.recipe.input_angle_weight]).reshape(-1)

    def _term(self, term):
        """w_j = q_j / (O f_j^a): f occupancy, a exponent, q weight of angles, O objects (without masking: inputs)."""
        weights = np.zeros((OBJECTS, 3))
        for block in term.get("objects", BLOCKS):
            angle = term.get("angle_weight", 1.0)
            shares = self.occupancy[BLOCKS[block]] ** -term.get("occupancy_exponent", 0.0)
            weights[BLOCKS[block]] = np.outer(shares, [1, angle, angle])
        return weights.reshape(-1) * self.used / (OBJECTS if self.recipe.masking else self.used.sum())

    def arrays(self, rows):
        """What the network reads, what it has to reconstruct, and the weights of the errors, [N, K] each."""
        truth = ((self._transformed(rows) - self.offset) * self.scale).astype(np.float32)
        limit = self.recipe.saturation
        network_inputs = truth if limit is None else np.clip(truth, -limit, limit)
        return network_inputs, truth, (self.term_weights.sum(1) * self._mask(rows)).astype(np.float32)

    def _mask(self, rows):
        if not self.recipe.masking:
            return np.ones(rows.shape, np.float32)
        return np.repeat(self._present(rows), 3, axis=1).astype(np.float32)

    def terms(self, rows, errors):
        """The terms of the score, [N, terms]: weighted sums of reconstruction errors, or the sum of latent errors."""
        if errors.shape != rows.shape:
            return errors.sum(1, keepdims=True)
        return (errors * self._mask(rows)) @ self.term_weights

    @staticmethod
    def combination(terms, training):
        """The score as a function of rows: the largest term, each divided by the value that it exceeds in an equal
        share of the working point's background efficiency."""
        reference = terms(training)
        count = reference.shape[1]
        if count == 1:
            return lambda rows: terms(rows)[:, 0]
        divisors = np.quantile(reference, 1 - WORKING_POINT / count, axis=0)
        return lambda rows: (terms(rows) / divisors).max(1)
