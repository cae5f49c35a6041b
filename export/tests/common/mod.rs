//! The Python that the tests use.

use std::path::{Path, PathBuf};

/// The one of `TRIGSIEVE_HLS_PYTHON`, or of the environment that `cargo xtask fpga-tools` makes.
pub fn python() -> PathBuf {
    let made = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv-hls4ml/bin/python");
    let python = std::env::var_os("TRIGSIEVE_HLS_PYTHON").map_or_else(made, PathBuf::from);
    assert!(python.exists(), "{}: run `cargo xtask fpga-tools`", python.display());
    python
}
