//! The model bundle `models/<name>/`: a card, the graphs, and the checks that they belong together.

mod bundle;
mod card;
mod error;

pub use bundle::{BundleFile, CARD_FILE, Graph, ModelBundle, sha256_hex, sha256_of_file};
pub use card::{
    Card, DataSource, MemberCard, Metrics, Precision, ScoreCard, SignalMetrics, Threshold, TrainingCard,
};
pub use error::ModelError;
