//! What a card says in words and formulae.

use std::collections::BTreeMap;

use trigsieve::model::{Card, MemberCard, ScoreCard, TrainingCard};

use crate::checkpoint::trainer;
use crate::data::Split;
use crate::model::{Head, TrainedModel};
use crate::preprocessing::Preprocessing;
use crate::recipe::{
    Combination, CombinationRule, EnsembleRule, GroupExponents, Network, PtTransform, RecipeFile, Scaling,
    Term, WORKING_POINT,
};

/// The card of trained networks.
pub fn of_model(file: &RecipeFile, model: &TrainedModel, members: Vec<MemberCard>, split: &Split) -> Card {
    let preprocessing = preprocessing_text(file, &model.preprocessing, split);
    // A single network is the training itself.
    let training = TrainingCard {
        members: if members.len() > 1 { members.clone() } else { vec![] },
        ..training_card(file, &members, split)
    };
    card(file, split, score_card(file, model), preprocessing, training)
}

/// The card of a combination.
pub fn of_combination(
    file: &RecipeFile,
    settings: &Combination,
    members: Vec<MemberCard>,
    split: &Split,
) -> Card {
    let what = match settings.rule {
        CombinationRule::And => "max_i e_i",
        CombinationRule::Or => "min_i e_i",
        CombinationRule::Product => "prod_i e_i",
        CombinationRule::Average => "mean_i e_i",
    };
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let formula = format!(
        "-log10({what}), e_i: fraction of background events whose score by member i is at least the event's, from a \
         table of -log10 e_i over the score, piecewise linear, fitted to the validation events and continued with its \
         last slope. Members: {}.",
        names.join(", ")
    );
    let score = ScoreCard { name: format!("combined_efficiency_{}", settings.rule.name()), formula };
    let training = TrainingCard { members: members.clone(), ..training_card(file, &members, split) };
    card(file, split, score, "That of each member, inside its part of the graph.".to_owned(), training)
}

fn card(
    file: &RecipeFile,
    split: &Split,
    score: ScoreCard,
    preprocessing: String,
    training: TrainingCard,
) -> Card {
    let recipe = &file.recipe;
    Card {
        name: recipe.name.clone(),
        family: recipe.network.family().to_owned(),
        description: recipe.description.trim().to_owned(),
        encoding: split.encoding.clone(),
        inputs: split.training.k(),
        files: BTreeMap::new(),
        score,
        preprocessing,
        training: Some(training),
        import: None,
        thresholds: BTreeMap::new(),
        metrics: BTreeMap::new(),
    }
}

fn training_card(file: &RecipeFile, members: &[MemberCard], split: &Split) -> TrainingCard {
    let losses: f64 = members.iter().map(|member| member.validation_loss).sum();
    TrainingCard {
        recipe: file.file_name(),
        recipe_sha256: file.sha256.clone(),
        trainer: trainer(),
        seed: file.recipe.seed,
        data: split.sources.clone(),
        training_events: split.training.len() as u64,
        validation_events: split.validation.len() as u64,
        epochs: members.iter().map(|member| member.epochs).sum(),
        best_epoch: members.iter().map(|member| member.best_epoch).max().unwrap_or(0),
        validation_loss: losses / members.len().max(1) as f64,
        members: vec![],
    }
}

fn score_card(file: &RecipeFile, model: &TrainedModel) -> ScoreCard {
    let Some(first) = model.members.first() else {
        return ScoreCard { name: String::new(), formula: String::new() };
    };
    let (name, formula) = match first.head {
        Head::Reconstruction => reconstruction_score(file, model),
        head => latent_score(head, first.log_variance_limit, &file.recipe.network),
    };
    if model.members.len() == 1 {
        return ScoreCard { name, formula };
    }
    let (joined, rule) = match model.rule {
        EnsembleRule::Mean => ("mean", "Mean"),
        EnsembleRule::Max => ("max", "Largest"),
    };
    let formula = format!(
        "{rule} over {} networks of s / <s>, <s>: mean of s over training background; s = {formula}",
        model.members.len()
    );
    ScoreCard { name: format!("{joined}_{name}"), formula }
}

fn latent_score(head: Head, limit: f32, network: &Network) -> (String, String) {
    let (name, formula) = match (head, network) {
        (Head::SquaredNorm, Network::DeepSvdd(_) | Network::DeepSvddEnsemble(_)) => {
            ("squared_distance", "sum_i (f_i - C)^2; f: outputs of the network, C: the target")
        }
        (Head::KullbackLeibler, Network::DeepSvdd(_) | Network::DeepSvddEnsemble(_)) => (
            "divergence_from_target",
            "sum_i [(f_i - C)^2 + sigma_i^2 - 1 - ln sigma_i^2] / 2; f, ln sigma: outputs of the network, C: the target",
        ),
        (Head::Norm, _) => ("latent_radius", "sqrt(sum_i mu_i^2); mu: mean of the latent variables"),
        (Head::RelativeSquaredNorm, _) => (
            "r_z",
            "sum_i mu_i^2 / sigma_i^2; mu, sigma: mean and standard deviation of the latent variables",
        ),
        (Head::KullbackLeibler, _) => (
            "latent_divergence",
            "sum_i [mu_i^2 + sigma_i^2 - 1 - ln sigma_i^2] / 2; mu, sigma: mean and standard deviation of the latent \
             variables",
        ),
        _ => ("squared_latent_radius", "sum_i mu_i^2; mu: mean of the latent variables"),
    };
    let invalid =
        "An event with a NaN or infinite input may have a finite score; the engine marks it invalid.";
    let limits =
        if head.has_variance() { format!("; ln sigma^2 is kept within +-{limit}") } else { String::new() };
    (name.to_owned(), format!("{formula}{limits}. {invalid}"))
}

fn reconstruction_score(file: &RecipeFile, model: &TrainedModel) -> (String, String) {
    let (settings, preprocessing) = (&file.recipe.score, &model.preprocessing);
    let decoded = match file.recipe.network {
        Network::Vae(_) => ", decoded from the mean of the latent variables",
        _ => "",
    };
    let z = format!("z: network inputs, zhat: their reconstruction{decoded}");
    let types = match preprocessing.type_weight() {
        0.0 => String::new(),
        weight => format!(
            " + {weight} sum over objects of the cross-entropy of the type, softmax of its reconstruction against \
             the one-hot inputs"
        ),
    };
    let invalid = if settings.terms.len() > 1 {
        "An event with a NaN or infinite input may have a finite score; the engine marks it invalid."
    } else {
        "An event with a NaN or infinite input has a NaN or infinite score."
    };
    let inputs = preprocessing.weight().iter().filter(|weight| **weight > 0.0).count();
    let plain = |term: &Term| {
        term.objects.is_empty()
            && (term.occupancy_exponent, term.angle_weight, term.count_weight) == (0.0, 1.0, 1.0)
    };
    if let ([term], false) = (settings.terms.as_slice(), settings.masking)
        && plain(term)
    {
        let formula =
            format!("sum_j (zhat_j - z_j)^2 / {inputs}{types}; {z}; without the eta of MET. {invalid}");
        return ("mean_squared_error".to_owned(), formula);
    }
    let (mask, shares, masked) = if settings.masking {
        let mask = "; m_j: 1 where the object of input j is present, else 0";
        (mask, preprocessing.layout().objects.len(), "m_j ")
    } else {
        ("", inputs, "")
    };
    let square = format!("{masked}w_j (zhat_j - z_j)^2");
    let f = "f_j: the fraction of training events with the object; the eta of MET has weight 0";
    if let [term] = settings.terms.as_slice() {
        let weights = weights_text(term, shares);
        let name = if settings.masking { "masked_weighted_squared_error" } else { "weighted_squared_error" };
        return (name.to_owned(), format!("sum_j {square}{types}; {z}{mask}; {weights}; {f}. {invalid}"));
    }
    let terms = settings.terms.iter().zip(&model.divisors).enumerate().map(|(index, (term, divisor))| {
        format!("t = {}: d = {divisor}, {}", index + 1, weights_text(term, shares))
    });
    let terms = terms.collect::<Vec<_>>().join("; ");
    let square = square.replace("w_j", "w_tj");
    let formula = format!(
        "max_t (sum_j {square}) / d_t; {z}{mask}; d_t: what the sum exceeds in training background at an efficiency \
         of {WORKING_POINT:e} / {}; {terms}; {f}. {invalid}",
        settings.terms.len()
    );
    (format!("largest_of_{}_squared_errors", settings.terms.len()), formula)
}

fn weights_text(term: &Term, shares: usize) -> String {
    let objects = match term.objects.as_slice() {
        [] => String::new(),
        objects => format!(" for {}, 0 for other objects", objects.join(", ")),
    };
    format!(
        "w_j = q_j / ({shares} f_j^{}){objects}, q_j = {} for eta and phi, {} for numbers of objects and 1 for others",
        term.occupancy_exponent, term.angle_weight, term.count_weight
    )
}

fn preprocessing_text(file: &RecipeFile, preprocessing: &Preprocessing, split: &Split) -> String {
    let g = match preprocessing.pt() {
        PtTransform::Linear => "g: the input itself (pT in GeV, phi in rad)".to_owned(),
        PtTransform::Log1p { scale_gev } => {
            format!("g: ln(1 + x / {scale_gev} GeV) for inputs in GeV, others themselves (phi in rad)")
        }
    };
    let map = match file.recipe.preprocessing.scaling {
        Scaling::Rms => {
            "z_j = g_j / b_j without offset, so that an absent object stays zero; b_j: root mean square of g_j over the \
             training events in which the object is present"
        }
        Scaling::Standardise => {
            "z_j = (g_j - a_j) / b_j; a_j, b_j: mean and standard deviation of g_j over all training events"
        }
        Scaling::None => "z_j = g_j",
    };
    let folded = match preprocessing.pt() {
        PtTransform::Linear if preprocessing.saturation().is_none() => {
            " float.onnx holds a and b inside the weights of its layers."
        }
        _ => "",
    };
    let numbers = preprocessing.scale().iter().zip(preprocessing.offset()).zip(&split.features);
    let numbers: Vec<String> = numbers
        .filter(|((scale, _), _)| **scale != 0.0)
        .map(|((scale, offset), feature)| match *offset {
            0.0 => format!("{} {}", feature.name, scale.recip()),
            offset => format!("{} {} {}", feature.name, -offset / scale, scale.recip()),
        })
        .collect();
    let legend = if file.recipe.preprocessing.scaling == Scaling::Standardise { "a, b" } else { "b" };
    let weighted = " a and b include the recipe's input weights.";
    let settings = &file.recipe.preprocessing;
    let plain =
        settings.input_angle_weight == 1.0 && settings.input_occupancy_exponent == GroupExponents::All(0.0);
    let saturation = preprocessing.saturation().map_or_else(String::new, |limit| {
        format!(" The network reads z within +-{limit}; what it has to reconstruct is z itself.")
    });
    format!(
        "{map}; {g}.{} Inputs that are not listed are not used.{saturation}{folded} {legend}: {}.",
        if plain { "" } else { weighted },
        numbers.join(", ")
    )
}
