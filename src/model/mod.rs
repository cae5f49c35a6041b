//! The model bundle `models/<name>/`: a card, the graphs, and the checks that they belong together.

mod bundle;
mod card;
mod error;

pub(crate) use bundle::hex;
pub use bundle::{CARD_FILE, Graph, ModelBundle, sha256_hex};
pub use card::{Card, DataSource, Metrics, Precision, ScoreCard, SignalMetrics, Threshold, TrainingCard};
pub use error::ModelError;
