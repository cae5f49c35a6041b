//! Synthetic background: small tables in which every object of the encoding occurs.

#![allow(dead_code, reason = "every test file uses another part")]

use std::f32::consts::PI;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use trigsieve::event::{Encoding, EventSchema, EventWriter};
use trigsieve::score::Device;
use trigsieve_train::data::{self, Split};
use trigsieve_train::recipe::Evaluation;
use trigsieve_train::{
    BundleOutput, Options, Outcome, RecipeFile, TrainError, Trained, train, train_networks,
};

/// Inputs per event and objects of `l1_57`.
pub const K: usize = 57;
pub const OBJECTS: usize = 19;

/// A generator for test events that needs no crate and gives the same events everywhere
/// (SplitMix64, doi:10.1145/2660193.2660195).
pub struct Random(pub u64);

impl Random {
    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }
}

/// Background-like events: falling pT, every object present in about half of them, MET without eta.
pub fn background(events: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let mut values = Vec::with_capacity(events * K);
    for _ in 0..events {
        for object in 0..OBJECTS {
            let present = object == 0 || random.uniform() < 0.5;
            let pt = 5.0 - 20.0 * (1.0 - random.uniform()).ln();
            let eta = if object == 0 { 0.0 } else { 5.0 * random.uniform() - 2.5 };
            let phi = PI * (2.0 * random.uniform() - 1.0);
            values.extend(if present { [pt, eta, phi] } else { [0.0; 3] });
        }
    }
    values
}

pub fn write_table(path: &Path, inputs: Vec<f32>) {
    let events = (inputs.len() / K) as u64;
    let schema = EventSchema::of(Encoding::L1x57, vec![]).to_arrow([]);
    let mut writer = EventWriter::create(path, schema).unwrap();
    let ids: Vec<u64> = (0..events).collect();
    writer.write_events(ids.clone(), ids, inputs, vec![]).unwrap();
    writer.finish().unwrap();
}

/// A recipe that trains in a second; tests replace parts of it.
pub const RECIPE: &str = r#"
name = "tiny"
description = "A test."
seed = 7
[data]
files = ["background.arrow"]
encoding = "l1_57"
validation_fraction = 0.25
[preprocessing]
pt = "linear"
[network]
family = "autoencoder"
hidden = [8, 3, 8]
activation = "relu"
[score]
occupancy_exponent = 1.0
angle_weight = 0.1
[optimiser]
name = "adam"
learning_rate = 0.005
schedule = "cosine"
epsilon = 1e-8
[training]
batch = 64
max_epochs = 3
patience = 3
[quantisation]
calibration_events = 500
coverage = 0.9999
weight_bits = 8
"#;

/// The `[network]` table of [`RECIPE`], and the `[score]` table that goes with it.
pub const AUTOENCODER: &str = r#"[network]
family = "autoencoder"
hidden = [8, 3, 8]
activation = "relu"
[score]
occupancy_exponent = 1.0
angle_weight = 0.1
"#;

/// Settings of the score and of what the network reads, by name: what replaces `pt = "linear"`, and `[score]`.
pub const EXTRAS: [(&str, &str, &str); 4] = [
    ("saturated", "pt = \"linear\"\nsaturation = 1.5", "occupancy_exponent = 1.0\nangle_weight = 0.1\n"),
    (
        "saturated_logarithm",
        "pt = { log1p = { scale_gev = 10.0 } }\nsaturation = 1.5\nscaling = \"standardise\"",
        "occupancy_exponent = 1.0\nangle_weight = 0.1\n",
    ),
    (
        "terms",
        "pt = \"linear\"\nsaturation = 2.0",
        "[[score.terms]]\nobjects = [\"e_gamma\", \"muon\"]\noccupancy_exponent = 1.0\nangle_weight = 0.03\n\
         [[score.terms]]\nangle_weight = 0.5\n",
    ),
    (
        "weighted_inputs",
        "pt = \"linear\"\ninput_occupancy_exponent = { e_gamma = 0.4, muon = 0.3 }\ninput_angle_weight = 0.2",
        "[[score.terms]]\nobjects = [\"jet\"]\n[[score.terms]]\nobjects = [\"met\", \"muon\"]\n",
    ),
];

/// The other families, by name: `[network]` and `[score]`.
pub const FAMILIES: [(&str, &str); 14] = [
    ("tanh", "[network]\nfamily = \"autoencoder\"\nhidden = [8, 3, 8]\nactivation = \"tanh\"\n"),
    (
        "plain",
        "[network]\nfamily = \"autoencoder\"\nhidden = [6]\nactivation = \"elu\"\n[score]\nmasking = false\n",
    ),
    (
        "leaky",
        "[network]\nfamily = \"autoencoder\"\nhidden = [6]\nactivation = { leaky_relu = { slope = 0.1 } }\n",
    ),
    ("vae", "[network]\nfamily = \"vae\"\nhidden = [8]\nlatent = 3\nbeta = 0.5\n"),
    ("vae_masked", "[network]\nfamily = \"vae\"\nhidden = [8]\nlatent = 3\n[score]\nmasking = true\n"),
    (
        "vae_mu2",
        "[network]\nfamily = \"vae\"\nhidden = [8]\nlatent = 3\nbeta = 0.5\n[score]\nname = \"mu2\"\n",
    ),
    ("vae_radius", "[network]\nfamily = \"vae\"\nhidden = [8]\nlatent = 3\n[score]\nname = \"radius\"\n"),
    ("vae_r_z", "[network]\nfamily = \"vae\"\nhidden = [8]\nlatent = 3\n[score]\nname = \"r_z\"\n"),
    ("vae_kl", "[network]\nfamily = \"vae\"\nhidden = [8]\nlatent = 3\nbeta = 0.5\n[score]\nname = \"kl\"\n"),
    ("svdd", "[network]\nfamily = \"deep_svdd\"\nhidden = [8]\noutput_dimension = 4\ntarget = 2.0\n"),
    ("svdd_no_bias", "[network]\nfamily = \"deep_svdd\"\nhidden = [8]\noutput_dimension = 4\nbias = false\n"),
    ("svdd_kl", "[network]\nfamily = \"deep_svdd\"\nhidden = [8]\noutput_dimension = 4\nloss = \"kl\"\n"),
    (
        "ensemble",
        "[network]\nfamily = \"deep_svdd_ensemble\"\nhidden = [8]\noutput_dimensions = [2, 3]\ntargets = [0.0, 1.0]\n",
    ),
    (
        "ensemble_max",
        "[network]\nfamily = \"deep_svdd_ensemble\"\nhidden = [8]\ntargets = [1.0, 2.0]\nrule = \"max\"\nloss = \"kl\"\n\
         output_dimensions = [3]\n",
    ),
];

#[derive(Clone)]
pub struct Workbench {
    pub folder: Arc<TempDir>,
    pub recipe: String,
}

impl Workbench {
    /// A folder with `background.arrow` holding `inputs`.
    pub fn with_inputs(inputs: Vec<f32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_table(&folder.path().join("background.arrow"), inputs);
        Self { folder: Arc::new(folder), recipe: RECIPE.to_owned() }
    }

    pub fn new() -> Self {
        Self::with_inputs(background(2000, 1))
    }

    /// Replaces a part of the recipe.
    pub fn set(mut self, from: &str, to: &str) -> Self {
        assert!(self.recipe.contains(from), "no `{from}` in the recipe");
        self.recipe = self.recipe.replace(from, to);
        self
    }

    /// Other settings of the score and of what the network reads.
    pub fn extra(self, name: &str) -> Self {
        let (_, preprocessing, score) = EXTRAS.iter().find(|(other, ..)| *other == name).unwrap();
        self.set("pt = \"linear\"", preprocessing)
            .set("occupancy_exponent = 1.0\nangle_weight = 0.1\n", score)
    }

    /// Another `[network]` table, and what else goes with it.
    pub fn family(self, network: &str) -> Self {
        self.set(AUTOENCODER, network)
    }

    /// Further tables at the end of the recipe.
    pub fn append(mut self, tables: &str) -> Self {
        self.recipe += tables;
        self
    }

    pub fn recipe(&self) -> Result<RecipeFile, TrainError> {
        RecipeFile::parse(&self.recipe, Path::new("tiny.toml"))
    }

    /// The recipe on disk, for the command.
    pub fn recipe_file(&self) -> PathBuf {
        let path = self.folder.path().join("tiny.toml");
        std::fs::write(&path, &self.recipe).unwrap();
        path
    }

    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join("models/tiny")
    }

    pub fn train(&self) -> Result<Outcome, TrainError> {
        self.train_to(&self.bundle())
    }

    /// As [`Workbench::train`], with the bundle somewhere else.
    pub fn train_to(&self, bundle: &Path) -> Result<Outcome, TrainError> {
        let recipe = self.recipe()?;
        self.with_options(bundle, |options| train(&recipe, options))
    }

    /// As [`Workbench::train`], with metrics on the card.
    pub fn train_and_evaluate(&self, evaluation: Evaluation) -> Result<Outcome, TrainError> {
        let recipe = self.recipe()?;
        self.with_options(&self.bundle(), |options| {
            train(&recipe, &Options { evaluation: Some(evaluation), ..*options })
        })
    }

    /// As [`Workbench::train`], with the table of a search for bits.
    pub fn train_with_bits_table(&self, table: &Path) -> Result<Outcome, TrainError> {
        let recipe = self.recipe()?;
        self.with_options(&self.bundle(), |options| {
            train(&recipe, &Options { bits_table: Some(table), evaluation: None, ..*options })
        })
    }

    /// The networks, without a bundle, and the events.
    pub fn train_networks(&self) -> (Trained, Split) {
        let recipe = self.recipe().unwrap();
        let split = data::load(&recipe.recipe, self.folder.path()).unwrap();
        let trained =
            self.with_options(&self.bundle(), |options| train_networks(&recipe, &split, options)).unwrap();
        (trained, split)
    }

    fn with_options<T>(
        &self,
        bundle: &Path,
        run: impl FnOnce(&Options<'_>) -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        run(&Options {
            data_folder: self.folder.path(),
            output: &BundleOutput::new(bundle, true)?,
            checkpoint_every: None,
            resume: false,
            evaluation: None,
            bits_table: None,
            device: Device::Cpu,
            progress: &indicatif::ProgressBar::hidden(),
        })
    }
}
