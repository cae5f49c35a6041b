use std::path::PathBuf;

use trigsieve::evaluate::EvaluateError;
use trigsieve::event::EventError;
use trigsieve::model::ModelError;
use trigsieve::score::{Device, ScoreError};
use trigsieve_fixed::ProgramError;

/// Why a training did not end in a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The recipe is not TOML, has an unknown or missing key, or a value of the wrong type.
    #[error("{path}: {reason}")]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// The TOML reader's reason, with line and column.
        reason: String,
    },
    /// A value of the recipe makes no sense.
    #[error("{path}: `{key}` is {found}, but it must be {expected}")]
    RecipeValue {
        /// The recipe.
        path: PathBuf,
        /// The key, with its table.
        key: &'static str,
        /// The value.
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An event table could not be read, or has another encoding than the recipe's.
    #[error(transparent)]
    Events(#[from] EventError),
    /// The inputs of a table are hardware integers.
    #[error("{path}: the inputs are 16-bit hardware integers; train on a table in physical units (f32)")]
    IntegerInputs {
        /// The table.
        path: PathBuf,
    },
    /// An input is NaN or infinite.
    #[error("{path}: row {row}: input `{input}` is {value}; training data must be finite")]
    NonFiniteInput {
        /// The table.
        path: PathBuf,
        /// Row of the table, from 0.
        row: u64,
        /// Name of the input.
        input: String,
        /// The value.
        value: f32,
    },
    /// The split leaves too few events on one side.
    #[error("{split} split has {events} events, but needs at least {needed} ({why})")]
    TooFewEvents {
        /// `training` or `validation`.
        split: &'static str,
        /// Events there are.
        events: usize,
        /// Events needed.
        needed: usize,
        /// What needs them.
        why: &'static str,
    },
    /// Inputs that are the same in every training event in which their object is present, or whose object is
    /// never present, have no scale.
    #[error(
        "constant in all {events} training events: {inputs}; no scale can be fitted to them. \
         Use more events, or check the conversion"
    )]
    ConstantInputs {
        /// Training events.
        events: usize,
        /// Names of the inputs.
        inputs: String,
    },
    /// The loss became NaN or infinite.
    #[error(
        "the {split} loss is {loss} in epoch {epoch}, step {step}; lower optimiser.learning_rate \
         (now {learning_rate}) or check the data for extreme values"
    )]
    NonFiniteLoss {
        /// `training` or `validation`.
        split: &'static str,
        /// Epoch, from 1.
        epoch: usize,
        /// Step of the epoch, from 1.
        step: usize,
        /// The loss.
        loss: f64,
        /// Learning rate of the step.
        learning_rate: f64,
    },
    /// The tables of a recipe have the same encoding but not the same inputs.
    #[error(
        "{path}: its inputs have other names than those of the first table; convert both with the same sizes"
    )]
    Features {
        /// The table.
        path: PathBuf,
    },
    /// Objects of an encoding can have different numbers of types.
    #[error(
        "objects with {first} and with {other} types in one encoding; a cross-entropy needs as many for each"
    )]
    Types {
        /// Types of the first object.
        first: usize,
        /// Types of another.
        other: usize,
    },
    /// A recipe names objects that the encoding has not.
    #[error("no object of the encoding is a `{group}`; its objects are {objects}")]
    Group {
        /// The group.
        group: String,
        /// Names of the objects.
        objects: String,
    },
    /// Several terms in the score of an encoding with object types.
    #[error(
        "score.terms: an encoding with object types can have one term only, which has the cross-entropies"
    )]
    TypedTerms,
    /// More events than an order can number.
    #[error("more than 4,294,967,295 training events; train on fewer files")]
    TooManyEvents,
    /// A checkpoint cannot be gone on with, or must not be overwritten.
    #[error("{path}: the checkpoint {reason}")]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// A part of a checkpoint is not what the recipe needs.
    #[error("checkpoint: its {what} cannot be used; remove it to start anew")]
    CheckpointContent {
        /// The part.
        what: String,
    },
    /// The bundles of a combination do not fit together, or have no table.
    #[error("{path}: {reason}")]
    Member {
        /// The bundle.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The metrics for the card could not be measured.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// A device that this build cannot train on.
    #[error("cannot train on {device}: this program was built without the feature `cuda`; use --device cpu")]
    Device {
        /// The device.
        device: Device,
    },
    /// burn refused a setting or could not hand back a tensor.
    #[error("burn: {0}")]
    Burn(String),
    /// The model has no fixed-point program, or not with these settings.
    #[error("fixed point: {reason}")]
    Fixed {
        /// Why, and what to do.
        reason: String,
    },
    /// The fixed-point program would be too wide for its arithmetic, or too large.
    #[error("fixed point: {0}; use narrower formats")]
    Program(#[from] ProgramError),
    /// The graph could not be written.
    #[error("graph: {0}")]
    Graph(#[from] trigsieve_onnx::Error),
    /// The bundle cannot be written there, or, just written, does not pass the engine's checks.
    #[error(transparent)]
    Bundle(#[from] ModelError),
    /// The engine could not score with the bundle just written.
    #[error(transparent)]
    Score(#[from] ScoreError),
}
