use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool};
use rten_tensor::NdTensorView;
use rten_tensor::prelude::*;

use super::{ScoreError, Scorer, float_rows};
use crate::event::Rows;
use crate::model::Graph;

/// Name of the engine in messages.
const ENGINE: &str = "rten";

/// A thread for the scorers of one worker. rten makes its calls on a thread pool's thread whoever asks for them; on another
/// thread than the caller's each call costs two wake-ups and leaves the caller's core. A caller that is on that thread costs nothing.
pub struct Home(Arc<ThreadPool>);

impl Home {
    /// A thread for these, where one of them has a use for it; their calls are made on it from now on.
    #[must_use]
    pub fn of(scorers: &mut [Box<dyn Scorer>]) -> Option<Self> {
        let home = scorers.iter().any(|scorer| scorer.wants_home()).then(Self::new)?;
        scorers.iter_mut().for_each(|scorer| scorer.settle(&home));
        Some(home)
    }

    fn new() -> Self {
        // One thread: a worker owns one core, and a pool of more would take its neighbours'.
        Self(Arc::new(ThreadPool::with_num_threads(1)))
    }

    /// Does `work` on the thread, if there is one, else here.
    pub fn run<T: Send>(home: Option<&Self>, work: impl FnOnce() -> T + Send) -> T {
        match home {
            Some(Self(pool)) => pool.run(work),
            None => work(),
        }
    }
}

/// Scores through rten, compiled in, on the thread of its [`Home`].
pub struct RtenScorer {
    model: Model,
    input: NodeId,
    output: NodeId,
    options: RunOptions,
    k: usize,
}

impl RtenScorer {
    /// Loads `graph`.
    ///
    /// # Errors
    /// [`ScoreError::Graph`] when rten has no such operator or refuses the graph.
    pub fn new(graph: &Graph) -> Result<Self, ScoreError> {
        let refused = |reason: String| ScoreError::Graph { path: graph.path.clone(), engine: ENGINE, reason };
        let model = Model::load(graph.bytes.clone()).map_err(|error| refused(error.to_string()))?;
        let input = model.node_id("inputs").map_err(|error| refused(error.to_string()))?;
        let output = model.node_id("score").map_err(|error| refused(error.to_string()))?;
        let options = RunOptions::default().with_thread_pool(Some(Home::new().0));
        Ok(Self { model, input, output, options, k: graph.k })
    }
}

impl Scorer for RtenScorer {
    fn score(&mut self, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), ScoreError> {
        let values = float_rows(rows, self.k, scores, ENGINE)?;
        if scores.is_empty() {
            return Ok(());
        }
        let view = NdTensorView::from_data([scores.len(), self.k], values);
        let [output] = self
            .model
            .run_n(vec![(self.input, view.into())], [self.output], Some(self.options.clone()))
            .map_err(run_error)?;
        let output: rten_tensor::Tensor<f32> = output.try_into().map_err(run_error)?;
        if output.len() != scores.len() {
            return Err(ScoreError::Shape {
                expected: format!("{} scores", scores.len()),
                found: format!("{} from the graph", output.len()),
            });
        }
        for (score, value) in scores.iter_mut().zip(output.iter()) {
            *score = *value;
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "rten (compiled in, cpu)".to_owned()
    }

    fn wants_home(&self) -> bool {
        true
    }

    fn settle(&mut self, home: &Home) {
        self.options.thread_pool = Some(Arc::clone(&home.0));
    }
}

fn run_error(error: impl std::fmt::Display) -> ScoreError {
    ScoreError::Run { engine: ENGINE, reason: error.to_string() }
}
