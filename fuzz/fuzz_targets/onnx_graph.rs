//! Arbitrary bytes as an ONNX graph: what no runtime should see is refused from the bytes alone.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trigsieve_onnx::ModelSummary;

fuzz_target!(|bytes: &[u8]| {
    let Ok(summary) = ModelSummary::from_bytes(bytes) else { return };
    let refused = summary.check_deployable().is_err();
    if !summary.external_data.is_empty() || !summary.other_domains.is_empty() || summary.functions > 0 {
        assert!(refused, "{summary:?}");
    }
});
