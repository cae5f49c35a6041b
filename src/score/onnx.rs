use std::path::Path;

use ort::ep::{CUDA, ExecutionProviderDispatch};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::runtime::{LoadedRuntime, environment};
use super::{Device, ScoreError, Scorer, float_rows};
use crate::event::Rows;
use crate::model::Graph;

/// Name of the engine in messages.
const ENGINE: &str = "onnx";

/// Whether ONNX Runtime's fastest kernels for int8 graphs add pairs of products of an unsigned and a signed byte in 16 bits, which
/// saturate: on x86 without VNNI (its documentation, "Quantize ONNX models", on U8S8). Its precise mode makes the weights unsigned
/// and adds in 32 bits, with VNNI too, where it would only be slower.
pub(crate) fn fast_int8_saturates() -> bool {
    #[cfg(target_arch = "x86_64")]
    return !std::arch::is_x86_feature_detected!("avx512vnni")
        && !std::arch::is_x86_feature_detected!("avxvnni");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Scores through ONNX Runtime with one session and one intra-op thread of its own.
///
/// A session a worker: two threads in one session contend for its arena, two sessions share nothing.
pub struct OnnxScorer {
    session: Session,
    k: usize,
    description: String,
}

impl OnnxScorer {
    /// Loads ONNX Runtime (once a process) and makes a session for `graph` on `device`.
    ///
    /// # Errors
    /// [`ScoreError::Runtime`] when the library cannot be found or loaded, [`ScoreError::Device`] when the
    /// device cannot be had, [`ScoreError::Graph`] when the runtime refuses the graph.
    pub fn new(graph: &Graph, device: Device, library: Option<&Path>) -> Result<Self, ScoreError> {
        let runtime = environment(library)?;
        let session = session(runtime, graph, device)?;
        let description = format!("onnx ({}, {}, {device})", runtime.build, runtime.library.path.display());
        Ok(Self { session, k: graph.k, description })
    }
}

impl Scorer for OnnxScorer {
    fn score(&mut self, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), ScoreError> {
        let values = float_rows(rows, self.k, scores, ENGINE)?;
        if scores.is_empty() {
            return Ok(());
        }
        // The view borrows the event rows: nothing is copied on the way in.
        let inputs = TensorRef::from_array_view(([scores.len(), self.k], values)).map_err(run_error)?;
        let outputs = self.session.run(ort::inputs![inputs]).map_err(run_error)?;
        let (_, output) = outputs[0].try_extract_tensor::<f32>().map_err(run_error)?;
        if output.len() != scores.len() {
            return Err(ScoreError::Shape {
                expected: format!("{} scores", scores.len()),
                found: format!("{} from the graph", output.len()),
            });
        }
        scores.copy_from_slice(output);
        Ok(())
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

fn session(runtime: &LoadedRuntime, graph: &Graph, device: Device) -> Result<Session, ScoreError> {
    let refused = |reason: String| match device {
        Device::Cpu => ScoreError::Graph { path: graph.path.clone(), engine: ENGINE, reason },
        Device::Cuda(_) => ScoreError::Device { device, reason },
    };
    let mut builder = Session::builder(&runtime.environment)
        .and_then(|builder| Ok(builder.with_intra_threads(1)?))
        .and_then(|builder| Ok(builder.with_optimization_level(GraphOptimizationLevel::All)?))
        .and_then(|builder| Ok(if fast_int8_saturates() { builder.with_precise_qmm()? } else { builder }))
        .map_err(|error| ScoreError::Runtime { reason: error.to_string() })?;
    if let Device::Cuda(number) = device {
        builder =
            builder.with_execution_providers([cuda(number)]).map_err(|error| refused(error.to_string()))?;
    }
    builder.commit_from_memory(&graph.bytes).map_err(|error| refused(error.to_string()))
}

/// The CUDA provider, told to fail aloud: its default is to leave the graph to the CPU.
fn cuda(number: i32) -> ExecutionProviderDispatch {
    CUDA::default().with_device_id(number).build().error_on_failure()
}

fn run_error(error: ort::Error) -> ScoreError {
    ScoreError::Run { engine: ENGINE, reason: error.to_string() }
}
