"""A second implementation of the trigger-size trainings, in JAX and optax: what `trigsieve-train` is measured against.

Reads the same recipe and the same event tables, trains on background alone, once with every seed, and writes AUC, signal
efficiencies at background efficiencies of 1e-2 to 1e-5 and the seconds an epoch as JSON:

    python training/reference/train_jax.py training/reference/plain_ae.toml --seeds 1 2 3 \\
        --background background_test.arrow --signal a_to_4l.arrow leptoquark.arrow -o plain_ae.json

What it does not know of a recipe, it refuses.
"""

import argparse
import json
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pyarrow as pa

from recipe import Recipe
from preprocessing import Preprocessing

EFFICIENCIES = (1e-2, 1e-3, 1e-4, 1e-5)


def read_table(path):
    """Inputs of an event table, [N, K]."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    encoding = (table.schema.metadata or {}).get(b"trigsieve.encoding", b"none").decode()
    if encoding != "l1_57":
        raise SystemExit(f"error: {path}: the encoding is {encoding}; the reference knows l1_57")
    inputs = table["inputs"].combine_chunks()
    return inputs.flatten().to_numpy().astype(np.float32).reshape(len(table), -1)


def initial_layers(widths, rng):
    """Zero biases; weights from U(-b, b), b = sqrt(6 / inputs) before a ReLU, sqrt(3 / inputs) in the last layer."""
    last = len(widths) - 2
    layers = []
    for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        bound = np.sqrt((3 if index == last else 6) / inputs)
        weights = rng.uniform(-bound, bound, (inputs, outputs)).astype(np.float32)
        layers.append((jnp.asarray(weights), jnp.zeros(outputs, jnp.float32)))
    return layers


def dense(layers, values, bias=True):
    for index, (weights, offset) in enumerate(layers):
        values = values @ weights + (offset if bias else 0.0)
        if index < len(layers) - 1:
            values = jax.nn.relu(values)
    return values


class Autoencoder:
    """Mean weighted squared error, in the loss and in the score."""

    def __init__(self, recipe, inputs):
        self.recipe = recipe
        self.widths = [inputs, *recipe.network["hidden"], inputs]

    def initial(self, rng):
        return [initial_layers(self.widths, rng)]

    def loss(self, stacks, network_inputs, truth, weights, key):
        return (jnp.square(dense(stacks[0], network_inputs) - truth) * weights).sum(1)

    def errors(self, stacks, network_inputs, truth):
        return jnp.square(dense(stacks[0], network_inputs) - truth)


class Vae:
    """(1 - beta) reconstruction error + beta KL (arXiv:2105.14027, section 4.2); the encoder gives mu and ln sigma^2."""

    def __init__(self, recipe, inputs):
        network = recipe.network
        self.latent, self.beta = network["latent"], network["beta"]
        self.limit = network.get("log_variance_limit", 10.0)
        hidden = network["hidden"]
        self.encoder = [inputs, *hidden, 2 * self.latent]
        self.decoder = [self.latent, *network.get("decoder_hidden", hidden[::-1]), inputs]

    def initial(self, rng):
        return [initial_layers(self.encoder, rng), initial_layers(self.decoder, rng)]

    def loss(self, stacks, network_inputs, truth, weights, key):
        mu, log_variance = jnp.split(dense(stacks[0], network_inputs), 2, axis=1)
        # A rare object is hundreds of standard deviations off: the exponential of an untrained output would overflow.
        log_variance = jnp.clip(log_variance, -self.limit, self.limit)
        noise = 0.0 if key is None else jnp.exp(0.5 * log_variance) * jax.random.normal(key, mu.shape)
        errors = (jnp.square(dense(stacks[1], mu + noise) - truth) * weights).sum(1)
        divergence = 0.5 * (jnp.square(mu) + jnp.exp(log_variance) - 1 - log_variance).sum(1)
        return (1 - self.beta) * errors + self.beta * divergence

    def errors(self, stacks, network_inputs, truth):
        return jnp.square(dense(stacks[0], network_inputs)[:, : self.latent])


class DeepSvdd:
    """Mean squared distance of the outputs to the fixed target C (arXiv:2105.14027, section 4.9)."""

    def __init__(self, recipe, inputs):
        network = recipe.network
        self.target, self.bias = network["target"], network.get("bias", True)
        self.widths = [inputs, *network["hidden"], network["output_dimension"]]

    def initial(self, rng):
        return [initial_layers(self.widths, rng)]

    def loss(self, stacks, network_inputs, truth, weights, key):
        return self.errors(stacks, network_inputs, truth).mean(1)

    def errors(self, stacks, network_inputs, truth):
        return jnp.square(dense(stacks[0], network_inputs, self.bias) - self.target)


FAMILIES = {"autoencoder": Autoencoder, "vae": Vae, "deep_svdd": DeepSvdd}


class Training:
    """A family's network on the events of a recipe."""

    def __init__(self, recipe, training, validation):
        self.recipe = recipe
        self.preprocessing = Preprocessing(recipe, training)
        self.family = FAMILIES[recipe.family](recipe, training.shape[1])
        self.training = [jnp.asarray(array) for array in self.preprocessing.arrays(training)]
        self.validation = self.preprocessing.arrays(validation)
        self.rows, self.batch = len(training), recipe.training["batch"]
        self.steps = self.rows // self.batch
        self.optimiser = self._optimiser()

    def _optimiser(self):
        settings = self.recipe.optimiser
        rate = settings["learning_rate"]
        if settings["schedule"] == "cosine":
            rate = optax.cosine_decay_schedule(rate, self.steps * self.recipe.training["max_epochs"])
        return optax.adam(rate, eps=settings["epsilon"])

    def _epoch(self, stacks, state, data, order, keys):
        def step(carry, chosen):
            stacks, state = carry
            rows, key = chosen
            mean = lambda stacks: self.family.loss(stacks, *(array[rows] for array in data), key).mean()
            loss, gradients = jax.value_and_grad(mean)(stacks)
            updates, state = self.optimiser.update(gradients, state, stacks)
            return (optax.apply_updates(stacks, updates), state), loss

        (stacks, state), losses = jax.lax.scan(step, (stacks, state), (order, keys))
        return stacks, state, losses.mean()

    def fit(self, seed):
        """The network of the best epoch (or the last), epochs run, seconds an epoch (without compilation and validation)."""
        rng, key = np.random.default_rng(seed), jax.random.key(seed)
        stacks = self.family.initial(rng)
        state = self.optimiser.init(stacks)
        order, keys = self._order(rng, key, 0)
        epoch_of = jax.jit(self._epoch).lower(stacks, state, self.training, order, keys).compile()
        validate = jax.jit(lambda stacks, arrays: self.family.loss(stacks, *arrays, None).mean())
        best, best_epoch, fitted, seconds = np.inf, 0, stacks, 0.0
        for epoch in range(1, self.recipe.training["max_epochs"] + 1):
            start = time.perf_counter()
            order, keys = self._order(rng, key, epoch)
            stacks, state, loss = jax.block_until_ready(epoch_of(stacks, state, self.training, order, keys))
            seconds += time.perf_counter() - start
            if not np.isfinite(loss):
                raise SystemExit(f"error: seed {seed}: the training loss is {loss} in epoch {epoch}")
            loss = float(validate(stacks, self.validation))
            if loss < best:
                best, best_epoch, fitted = loss, epoch, stacks
            if epoch - best_epoch >= self.recipe.training["patience"]:
                break
        if self.recipe.keep == "last":
            fitted = stacks
        return fitted, {"epochs": epoch, "best_epoch": best_epoch, "validation_loss": best, "seconds_an_epoch": seconds / epoch}

    def _order(self, rng, key, epoch):
        order = rng.permutation(self.rows)[: self.steps * self.batch].astype(np.int32)
        keys = jax.random.split(jax.random.fold_in(key, epoch), self.steps)
        return jnp.asarray(order.reshape(self.steps, self.batch)), keys

    def scorer(self, stacks, rows, batch=50_000):
        """Scores of events as a function; the divisors of the score's terms are taken from `rows`, training background."""
        errors = jax.jit(self.family.errors)

        def terms(rows):
            parts = []
            for first in range(0, len(rows), batch):
                network_inputs, truth, _ = self.preprocessing.arrays(rows[first : first + batch])
                part = np.asarray(errors(stacks, network_inputs, truth))
                parts.append(self.preprocessing.terms(rows[first : first + batch], part))
            return np.concatenate(parts)

        return self.preprocessing.combination(terms, rows)


def metrics(background, signal):
    """AUC, and the efficiency of the loosest threshold that at most a fraction of the background passes."""
    ascending = np.sort(background)
    below = np.searchsorted(ascending, signal, "left") + np.searchsorted(ascending, signal, "right")
    found = {"auc": float(below.mean() / (2 * len(background)))}
    for efficiency in EFFICIENCIES:
        passing = int(efficiency * len(background) + 1e-9)
        found[f"{efficiency:.0e}".replace("e-0", "e-")] = float((signal > ascending[len(background) - passing - 1]).mean())
    return found


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, default=Path("."), help="folder at which the recipe's relative paths start")
    parser.add_argument("--background", type=Path, required=True, help="event table of background to test on")
    parser.add_argument("--signal", type=Path, nargs="+", required=True, help="event tables of signals")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, help="instead of the recipe's max_epochs")
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser.parse_args()


def main():
    given = arguments()
    recipe = Recipe(given.recipe)
    if given.epochs:
        recipe.training["max_epochs"] = given.epochs
    rows = np.concatenate([read_table(given.data / file) for file in recipe.data["files"]])
    validation = round(len(rows) * recipe.data["validation_fraction"])
    train, validate = rows[: len(rows) - validation], rows[len(rows) - validation :]
    training = Training(recipe, train, validate)
    background, signals = read_table(given.background), {path.stem: read_table(path) for path in given.signal}
    runs = []
    for seed in given.seeds:
        stacks, run = training.fit(seed)
        start, processor = time.perf_counter(), time.process_time()
        score = training.scorer(stacks, train)
        on_background = score(background)
        run |= {"seed": seed, "signals": {name: metrics(on_background, score(rows)) for name, rows in signals.items()}}
        run["seconds_scoring"] = time.perf_counter() - start
        run["processor_seconds_scoring"] = time.process_time() - processor
        print(f"{recipe.name} seed {seed}: {json.dumps(run)}", flush=True)
        runs.append(run)
    events = training.steps * training.batch
    result = {"jax": jax.__version__, "cores": len(os.sched_getaffinity(0)), "events_an_epoch": events, "runs": runs}
    partial = given.output.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    partial.replace(given.output)


if __name__ == "__main__":
    main()
