use crate::pipeline::PipelineError;
use crate::score::ScoreError;

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A scorer failed, or could not be made.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The chain failed.
    #[error(transparent)]
    Pipeline(Box<PipelineError>),
    /// Two entries score the same events differently: their times would not be those of the same work.
    #[error(
        "nothing was timed: {entry} and {reference} score {different} of {events} events differently, first event {event}: \
         {found} and {expected}"
    )]
    Disagreement {
        /// Who differs.
        entry: String,
        /// From whom.
        reference: String,
        /// How many events.
        different: usize,
        /// Of how many.
        events: usize,
        /// The first of them, counted from 0.
        event: usize,
        /// Its score.
        found: f32,
        /// And the reference's.
        expected: f32,
    },
    /// The interpreter is missing, or its loop failed.
    #[error("{interpreter}: {reason}")]
    Python {
        /// The interpreter.
        interpreter: String,
        /// What happened, in its own words if it had some.
        reason: String,
    },
    /// The emulator cannot be compiled, or ended.
    #[error("the C++ emulator: {0}")]
    Emulator(#[from] trigsieve_export::ExportError),
    /// A thread cannot be bound to a core.
    #[error("a thread cannot be pinned: {0}")]
    Pin(#[source] std::io::Error),
}

impl From<PipelineError> for BenchError {
    fn from(error: PipelineError) -> Self {
        Self::Pipeline(Box::new(error))
    }
}
