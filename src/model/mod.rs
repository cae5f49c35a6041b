//! The model bundle `models/<name>/`: a card, the graphs, and the checks that they belong together.

mod bundle;
mod card;
mod error;
mod fixed;

pub use bundle::{BundleFile, CARD_FILE, Graph, ModelBundle, sha256_hex, sha256_of_file};
pub use card::{
    Card, DataSource, ImportCard, ImportedFile, MemberCard, Metrics, Precision, ScoreCard, SignalMetrics,
    Threshold, TrainingCard,
};
pub use error::ModelError;
pub use fixed::FixedProgram;
