//! Arbitrary bytes as an ONNX graph: what no runtime should see is refused from the bytes alone.

use trigsieve_onnx::ModelSummary;

/// Runs the target on `bytes`; whether they were taken.
///
/// # Panics
/// When something does not hold that must.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(summary) = ModelSummary::from_bytes(bytes) else { return false };
    let refused = summary.check_deployable().is_err();
    if !summary.external_data.is_empty() || !summary.other_domains.is_empty() || summary.functions > 0 {
        assert!(refused, "{summary:?}");
    }
    !refused
}
