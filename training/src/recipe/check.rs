//! Values that make no sense, found before anything is read.

use std::path::Path;

use trigsieve::event::Encoding;

use super::{
    Body, Combination, Data, Ensemble, Evaluation, GradientClipping, Network, Optimiser, Preprocessing,
    PtTransform, Quantisation, Recipe, STATIC, Schedule, Score, Svdd, Term, Training, Vae, written,
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
        self.quantisation(&recipe.quantisation)?;
        self.evaluation(&recipe.evaluation)?;
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

    fn quantisation(&self, quantisation: &Quantisation) -> Result<(), TrainError> {
        let events = quantisation.calibration_events;
        self.require("quantisation.calibration_events", events, "at least 1", events > 0)?;
        let coverage = quantisation.coverage;
        let valid = coverage > 0.5 && coverage <= 1.0;
        self.require("quantisation.coverage", coverage, "above 0.5 and at most 1", valid)?;
        let bits = quantisation.weight_bits;
        self.require("quantisation.weight_bits", bits, "7 or 8", matches!(bits, 7 | 8))
    }

    fn evaluation(&self, evaluation: &Evaluation) -> Result<(), TrainError> {
        let complete = evaluation.background.is_some() != evaluation.signals.is_empty();
        let expected = "given together with evaluation.signals, or neither";
        self.require("evaluation.background", "not", expected, complete)
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
