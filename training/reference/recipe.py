"""Recipes of `trigsieve-train`, as far as the reference knows them."""

import tomllib

# Default score, scaling and masking of a family.
FAMILIES = {
    "autoencoder": ("mse", "rms", True),
    "vae": ("mu2", "standardise", False),
    "deep_svdd": ("distance", "standardise", False),
}
NETWORK_KEYS = {"family", "hidden", "activation", "latent", "beta", "decoder_hidden", "log_variance_limit"}
NETWORK_KEYS |= {"output_dimension", "target", "bias", "loss"}


class Recipe:
    """A recipe; a setting that the reference does not know is an error, since it would train something else."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.text = tomllib.load(file)
        self.name, self.data, self.training = self.text["name"], self.text["data"], dict(self.text["training"])
        self.keep = self.training.pop("keep", "best")
        self._require("training.keep", self.keep, ["best", "last"])
        self.network = self.text["network"]
        self.family = self.network["family"]
        self._require("network.family", self.family, FAMILIES)
        self._require("network.activation", self.network.get("activation", "relu"), ["relu"])
        self._require("network.loss", self.network.get("loss", "mse"), ["mse"])
        self._known("network", self.network, NETWORK_KEYS)
        self._preprocessing(dict(self.text.get("preprocessing", {})))
        self._score(dict(self.text.get("score", {})))
        self._optimiser(self.text.get("optimiser", {}))

    def _preprocessing(self, table):
        self.pt = table.pop("pt", "linear")
        self.scaling = table.pop("scaling", FAMILIES[self.family][1])
        self._require("preprocessing.scaling", self.scaling, ["rms", "standardise"])
        self.saturation = table.pop("saturation", None)
        self.input_exponents = table.pop("input_occupancy_exponent", {})
        self.input_angle_weight = table.pop("input_angle_weight", 1.0)
        # An input that is always the same is left out in any case.
        table.pop("constant_inputs", None)
        self._known("preprocessing", table, ())

    def _score(self, table):
        default, _, masking = FAMILIES[self.family]
        self._require("score.name", table.pop("name", default), [default])
        self.masking = table.pop("masking", masking)
        plain = {"occupancy_exponent": table.pop("occupancy_exponent", 0.0), "angle_weight": table.pop("angle_weight", 1.0)}
        self.terms = table.pop("terms", [plain])
        for term in self.terms:
            self._known("score.terms", term, {"objects", "occupancy_exponent", "angle_weight"})
        self._known("score", table, ())

    def _optimiser(self, table):
        self.optimiser = {"name": "adam", "learning_rate": 1e-3, "schedule": "constant", "epsilon": 1e-8} | table
        self._known("optimiser", table, {"name", "learning_rate", "schedule", "epsilon"})
        self._require("optimiser.name", self.optimiser["name"], ["adam"])
        self._require("optimiser.schedule", self.optimiser["schedule"], ["constant", "cosine"])

    def _known(self, place, table, known):
        for key in table:
            self._require(f"{place}: key", key, known)

    def _require(self, place, found, known):
        if found not in known:
            raise SystemExit(f"error: {self.path}: {place} {found!r}: the reference knows {', '.join(known) or 'no more'}")
