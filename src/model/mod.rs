//! The model bundle `models/<name>/`: a card, the graphs, and the checks that they belong together.

mod bundle;
mod card;
mod error;
mod fixed;
mod output;
mod signature;

pub(crate) use bundle::MAX_CARD_BYTES;
pub use bundle::{BundleFile, CARD_FILE, Graph, ModelBundle};
pub use card::{
    Card, DataSource, ImportCard, ImportedFile, MemberCard, Metrics, Precision, ScoreCard, SignalMetrics,
    Threshold, TrainingCard,
};
pub use error::ModelError;
pub use fixed::FixedProgram;
pub use output::{BundleDraft, BundleOutput};
pub(crate) use signature::MAX_SIGNATURE_BYTES;
pub use signature::{SIGNATURE_FILE, VerifyKey};
pub use trigsieve_files::checksum::{sha256_hex, sha256_of_file};
