//! Values that make no sense, found before anything is read.

use std::path::Path;

use trigsieve::event::Encoding;
use trigsieve_fixed::{Overflow, Rounding};

use super::{
    Body, Combination, Data, Ensemble, Evaluation, Fixed, GradientClipping, Network, Optimiser,
    Preprocessing, PtTransform, Quantisation, Recipe, STATIC, Schedule, Score, Search, Svdd, Term, Training,
    Units, Vae, Width, saturating, written,
};
use crate::TrainError;
use crate::network::Activation;

/// Widest layer; a typing error would otherwise ask for all memory.
const MAX_WIDTH: usize = 4096;

/// Checks every value.
pub fn recipe(recipe: &Recipe, path: &Path) -> Result<(), TrainError> {
    Checker { path }.recipe(recipe)
}

/// Refuses settings that the family does not look at: whoever wrote them expects them to do something.
pub fn unused(recipe: &written::Recipe, path: &Path) -> Result<(), TrainError> {
    use written::Network::{Combination, DeepSvdd, DeepSvddEnsemble};
    let checker = Checker { path };
    let score = &recipe.score;
    if matches!(recipe.network, DeepSvdd { .. } | DeepSvddEnsemble { .. } | Combination { .. }) {
        let absent = "left out: the family reconstructs nothing";
        checker.require("score.masking", "set", absent, score.masking.is_none())?;
        checker.require("score.occupancy_exponent", "set", absent, score.occupancy_exponent.is_none())?;
        checker.require("score.angle_weight", "set", absent, score.angle_weight.is_none())?;
        checker.require("score.count_weight", "set", absent, score.count_weight.is_none())?;
        checker.require("score.category_weight", "set", absent, score.category_weight.is_none())?;
        checker.require("score.terms", "set", absent, score.terms.is_none())?;
    }
    if score.terms.is_some() {
        let absent = "left out: every one of score.terms has its own";
        checker.require("score.occupancy_exponent", "set", absent, score.occupancy_exponent.is_none())?;
        checker.require("score.angle_weight", "set", absent, score.angle_weight.is_none())?;
        checker.require("score.count_weight", "set", absent, score.count_weight.is_none())?;
    }
    if matches!(recipe.network, Combination { .. }) {
        let absent = "left out: a combination is not trained, its rule decides the score";
        checker.require("score.name", "set", absent, score.name.is_none())?;
    }
    Ok(())
}

/// The network that reads the inputs.
fn body(network: &Network) -> Option<&Body> {
    match network {
        Network::Autoencoder(body) => Some(body),
        Network::Vae(vae) => Some(&vae.body),
        Network::DeepSvdd(svdd) => Some(&svdd.body),
        Network::DeepSvddEnsemble(ensemble) => ensemble.members.first().map(|member| &member.body),
        Network::Combination(_) => None,
    }
}

/// Layers of the exported network, or of each of an ensemble's.
fn layers(recipe: &Recipe) -> usize {
    let decoder = match &recipe.network {
        Network::Vae(vae) if recipe.score.name.is_reconstruction() => vae.decoder_hidden.len() + 1,
        _ => 0,
    };
    body(&recipe.network).map_or(0, |body| body.hidden.len() + 1) + decoder
}

struct Checker<'a> {
    path: &'a Path,
}

impl Checker<'_> {
    fn recipe(&self, recipe: &Recipe) -> Result<(), TrainError> {
        self.name(&recipe.name)?;
        self.data(&recipe.data)?;
        self.network(&recipe.network)?;
        self.optimiser(&recipe.optimiser)?;
        self.training(&recipe.training)?;
        self.quantisation(&recipe.quantisation, layers(recipe))?;
        self.evaluation(&recipe.evaluation)?;
        if let Some(fixed) = &recipe.fixed {
            self.lowered(recipe, fixed)?;
            self.fixed(fixed)?;
        }
        self.score(&recipe.score, &recipe.network)?;
        self.preprocessing(&recipe.preprocessing)
    }

    fn name(&self, name: &str) -> Result<(), TrainError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let valid = !name.is_empty() && name.chars().all(plain);
        self.require("name", format!("{name:?}"), "letters, digits, `_` and `-`", valid)
    }

    fn data(&self, data: &Data) -> Result<(), TrainError> {
        self.require("data.files", "empty", "a list of event tables", !data.files.is_empty())?;
        let known = Encoding::known();
        let valid = data.encoding.parse::<Encoding>().is_ok() || data.encoding == STATIC;
        self.require("data.encoding", format!("{:?}", data.encoding), &format!("one of: {known}"), valid)?;
        let fraction = data.validation_fraction;
        let valid = fraction > 0.0 && fraction < 1.0;
        self.require("data.validation_fraction", fraction, "between 0 and 1, both excluded", valid)
    }

    fn score(&self, score: &Score, network: &Network) -> Result<(), TrainError> {
        let allowed = network.scores();
        let names = allowed.iter().map(|name| name.name()).collect::<Vec<_>>().join(", ");
        let valid = allowed.is_empty() || allowed.contains(&score.name);
        let expected = format!("one of those of {}: {names}", network.family());
        self.require("score.name", score.name.name(), &expected, valid)?;
        self.require("score.terms", "empty", "at least one", !score.terms.is_empty())?;
        score.terms.iter().try_for_each(|term| self.term(term))?;
        let weight = score.category_weight;
        self.require("score.category_weight", weight, "0 to 1000", (0.0..=1000.0).contains(&weight))
    }

    fn term(&self, term: &Term) -> Result<(), TrainError> {
        let exponent = term.occupancy_exponent;
        self.require("score.occupancy_exponent", exponent, "0 to 2", (0.0..=2.0).contains(&exponent))?;
        let weight = term.angle_weight;
        self.require("score.angle_weight", weight, "0 to 1", (0.0..=1.0).contains(&weight))?;
        let weight = term.count_weight;
        self.require("score.count_weight", weight, "0 to 1000", (0.0..=1000.0).contains(&weight))
    }

    fn preprocessing(&self, preprocessing: &Preprocessing) -> Result<(), TrainError> {
        if let PtTransform::Log1p { scale_gev } = preprocessing.pt {
            self.positive("preprocessing.pt.log1p.scale_gev", f64::from(scale_gev))?;
        }
        if let Some(saturation) = preprocessing.saturation {
            self.positive("preprocessing.saturation", saturation)?;
        }
        for exponent in preprocessing.input_occupancy_exponent.values() {
            let valid = (0.0..=2.0).contains(&exponent);
            self.require("preprocessing.input_occupancy_exponent", exponent, "0 to 2", valid)?;
        }
        self.positive("preprocessing.input_angle_weight", preprocessing.input_angle_weight)
    }

    fn network(&self, network: &Network) -> Result<(), TrainError> {
        match network {
            Network::Autoencoder(body) => {
                self.body(body)?;
                let found = format!("{:?}", body.hidden);
                self.require("network.hidden", found, "a list of widths", !body.hidden.is_empty())
            }
            Network::Vae(vae) => self.vae(vae),
            Network::DeepSvdd(svdd) => self.svdd(svdd),
            Network::DeepSvddEnsemble(ensemble) => self.ensemble(ensemble),
            Network::Combination(combination) => self.combination(combination),
        }
    }

    fn body(&self, body: &Body) -> Result<(), TrainError> {
        self.widths("network.hidden", &body.hidden)?;
        if let Activation::LeakyRelu { slope } = body.activation {
            let valid = (0.0..1.0).contains(&slope);
            self.require("network.activation.leaky_relu.slope", slope, "0 to 1, 1 excluded", valid)?;
        }
        let linear = body.activation == Activation::Linear;
        self.require("network.activation", "linear", "relu, tanh, elu or leaky_relu", !linear)
    }

    fn vae(&self, vae: &Vae) -> Result<(), TrainError> {
        self.body(&vae.body)?;
        self.widths("network.decoder_hidden", &vae.decoder_hidden)?;
        self.widths("network.latent", &[vae.latent])?;
        self.log_variance_limit(vae.log_variance_limit)?;
        self.require("network.beta", vae.beta, "0 to 1", (0.0..=1.0).contains(&vae.beta))
    }

    fn log_variance_limit(&self, limit: f64) -> Result<(), TrainError> {
        let valid = limit > 0.0 && limit <= 50.0;
        self.require("network.log_variance_limit", limit, "above 0 and at most 50", valid)
    }

    fn svdd(&self, svdd: &Svdd) -> Result<(), TrainError> {
        self.body(&svdd.body)?;
        self.widths("network.output_dimension", &[svdd.output_dimension])?;
        self.log_variance_limit(svdd.log_variance_limit)?;
        self.require("network.target", svdd.target, "a finite number", svdd.target.is_finite())
    }

    fn ensemble(&self, ensemble: &Ensemble) -> Result<(), TrainError> {
        let members = ensemble.members.len();
        let expected = "at least one output dimension and one target, and at most 100 pairs of them";
        self.require(
            "network.targets",
            format!("{members} members"),
            expected,
            (1..=100).contains(&members),
        )?;
        ensemble.members.iter().try_for_each(|member| self.svdd(member))
    }

    fn combination(&self, combination: &Combination) -> Result<(), TrainError> {
        let members = combination.members.len();
        let valid = (2..=100).contains(&members);
        self.require("network.members", format!("{members} bundles"), "2 to 100 bundles", valid)
    }

    fn widths(&self, key: &'static str, widths: &[usize]) -> Result<(), TrainError> {
        let valid = widths.iter().all(|width| (1..=MAX_WIDTH).contains(width));
        self.require(key, format!("{widths:?}"), &format!("1 to {MAX_WIDTH} for every width"), valid)
    }

    fn optimiser(&self, optimiser: &Optimiser) -> Result<(), TrainError> {
        let Optimiser::Adam { learning_rate, schedule, betas, epsilon, weight_decay, gradient_clipping } =
            *optimiser;
        let valid = learning_rate > 0.0 && learning_rate <= 1.0;
        self.require("optimiser.learning_rate", learning_rate, "above 0 and at most 1", valid)?;
        self.positive("optimiser.epsilon", f64::from(epsilon))?;
        let valid = betas.iter().all(|beta| (0.0..1.0).contains(beta));
        self.require("optimiser.betas", format!("{betas:?}"), "0 to 1, 1 excluded", valid)?;
        let valid = (0.0..=1.0).contains(&weight_decay);
        self.require("optimiser.weight_decay", weight_decay, "0 to 1", valid)?;
        if let Some(GradientClipping::Norm(limit) | GradientClipping::Value(limit)) = gradient_clipping {
            self.positive("optimiser.gradient_clipping", f64::from(limit))?;
        }
        self.schedule(schedule)
    }

    fn schedule(&self, schedule: Schedule) -> Result<(), TrainError> {
        let (factor, epochs) = match schedule {
            Schedule::Constant | Schedule::Cosine => return Ok(()),
            Schedule::Step { epochs, factor } => (factor, epochs),
            Schedule::Exponential { factor } => (factor, 1),
            Schedule::Plateau { patience, factor, minimum } => {
                let valid = (0.0..=1.0).contains(&minimum);
                self.require("optimiser.schedule.plateau.minimum", minimum, "0 to 1", valid)?;
                (factor, patience)
            }
        };
        let valid = factor > 0.0 && factor <= 1.0;
        self.require("optimiser.schedule.factor", factor, "above 0 and at most 1", valid)?;
        self.require("optimiser.schedule.epochs", epochs, "at least 1", epochs > 0)
    }

    fn training(&self, training: &Training) -> Result<(), TrainError> {
        self.require("training.batch", training.batch, "at least 1", training.batch > 0)?;
        self.require("training.max_epochs", training.max_epochs, "at least 1", training.max_epochs > 0)?;
        self.require("training.patience", training.patience, "at least 1", training.patience > 0)
    }

    fn quantisation(&self, quantisation: &Quantisation, layers: usize) -> Result<(), TrainError> {
        let events = quantisation.calibration_events;
        self.require("quantisation.calibration_events", events, "at least 1", events > 0)?;
        let coverage = quantisation.coverage;
        let valid = coverage > 0.5 && coverage <= 1.0;
        self.require("quantisation.coverage", coverage, "above 0.5 and at most 1", valid)?;
        let balance = quantisation.balance;
        self.require("quantisation.balance", balance, "0 to 1", (0.0..=1.0).contains(&balance))?;
        let float = &quantisation.float_layers;
        let known = float.iter().all(|layer| *layer < layers);
        let valid = float.is_empty() || known && (0..layers).any(|layer| !float.contains(&layer));
        let expected = format!("some of the {layers} layers of the graph, counted from 0, not all of them");
        self.require("quantisation.float_layers", format!("{float:?}"), &expected, valid)?;
        let bits = quantisation.weight_bits;
        self.require("quantisation.weight_bits", bits, "7 or 8", matches!(bits, 7 | 8))
    }

    fn evaluation(&self, evaluation: &Evaluation) -> Result<(), TrainError> {
        let complete = evaluation.background.is_some() != evaluation.signals.is_empty();
        let expected = "given together with evaluation.signals, or neither";
        self.require("evaluation.background", "not", expected, complete)
    }

    /// Whether a network has a fixed-point program.
    fn lowered(&self, recipe: &Recipe, fixed: &Fixed) -> Result<(), TrainError> {
        let (body, layers) = (body(&recipe.network), layers(recipe));
        let expected =
            "left out, or the family one of autoencoder, vae, deep_svdd with activation = \"relu\"";
        let ensemble = matches!(recipe.network, Network::DeepSvddEnsemble(_));
        let valid = !ensemble && body.is_some_and(|body| body.activation == Activation::Relu);
        self.require("fixed", "set", expected, valid)?;
        for (key, formats, layers) in [
            ("fixed.weights", &fixed.weights, layers),
            ("fixed.biases", &fixed.biases, layers),
            ("fixed.activations", &fixed.activations, layers - 1),
        ] {
            let expected = format!("one for all, or a list of {layers}, one a layer that the program has");
            let found = formats.layers().unwrap_or(layers);
            self.require(key, format!("a list of {found}"), &expected, found == layers)?;
        }
        Ok(())
    }

    fn fixed(&self, fixed: &Fixed) -> Result<(), TrainError> {
        let rates = fixed.learning_rate > 0.0 && fixed.learning_rate <= 1.0;
        self.require("fixed.learning_rate", fixed.learning_rate, "above 0 and at most 1", rates)?;
        let epochs = fixed.qat_epochs;
        self.require("fixed.qat_epochs", epochs, "at most 10000", epochs <= 10_000)?;
        let events = fixed.calibration_events;
        self.require("fixed.calibration_events", events, "at least 1", events > 0)?;
        if let Units::Steps(steps) = &fixed.units {
            steps.iter().try_for_each(|step| self.positive("fixed.units", *step))?;
        }
        self.bits("fixed.input", fixed.input, 16)?;
        fixed.weights.widths().try_for_each(|width| self.bits("fixed.weights", width, 16))?;
        fixed.biases.widths().try_for_each(|width| self.bits("fixed.biases", width, 32))?;
        fixed.activations.widths().try_for_each(|width| self.bits("fixed.activations", width, 16))?;
        self.bits("fixed.output", fixed.output, 24)?;
        for (key, format) in
            [("fixed.target", fixed.target), ("fixed.error", fixed.error), ("fixed.term", fixed.term)]
        {
            self.bits(key, Width::Format(format), 24)?;
            self.require(key, format, "signed", format.signed)?;
        }
        for (key, format) in fixed.formats() {
            let modes = [saturating(format), format.with(Rounding::default(), Overflow::default())];
            let expected =
                "without modes, or with AP_RND_CONV and AP_SAT: what the fine-tuning computes with";
            self.require(key, format, expected, modes.contains(&format))?;
        }
        fixed.search.as_ref().map_or(Ok(()), |search| self.search(search))
    }

    fn bits(&self, key: &'static str, width: Width, most: u32) -> Result<(), TrainError> {
        let bits = width.bits();
        self.require(key, bits, &format!("from 2 to {most} bits"), (2..=most).contains(&bits))
    }

    fn search(&self, search: &Search) -> Result<(), TrainError> {
        let valid = |bits: &[u32]| !bits.is_empty() && bits.iter().all(|bits| (2..=16).contains(bits));
        let expected = "a list of numbers of bits, each from 2 to 16";
        let (weights, activations) = (&search.weights, &search.activations);
        self.require("fixed.search.weights", format!("{weights:?}"), expected, valid(weights))?;
        self.require("fixed.search.activations", format!("{activations:?}"), expected, valid(activations))?;
        let efficiency = search.background_efficiency;
        let inside = efficiency > 0.0 && efficiency < 1.0;
        self.require("fixed.search.background_efficiency", efficiency, "between 0 and 1", inside)?;
        let loss = search.largest_loss;
        self.require("fixed.search.largest_loss", loss, "0 to 1, 1 excluded", (0.0..1.0).contains(&loss))
    }

    fn positive(&self, key: &'static str, value: f64) -> Result<(), TrainError> {
        self.require(key, value, "a positive number", value.is_finite() && value > 0.0)
    }

    fn require(
        &self,
        key: &'static str,
        found: impl ToString,
        expected: &str,
        valid: bool,
    ) -> Result<(), TrainError> {
        if valid {
            return Ok(());
        }
        let (path, found, expected) = (self.path.to_owned(), found.to_string(), expected.to_owned());
        Err(TrainError::RecipeValue { path, key, found, expected })
    }
}
