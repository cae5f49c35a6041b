//! What the commands for firmware share: where the tools are.

use std::path::{Path, PathBuf};

use clap::Args;
use trigsieve_export::Tools;

use super::Context;

/// Names the Python of `--python` where it is not given.
const PYTHON_VARIABLE: &str = "TRIGSIEVE_HLS_PYTHON";
/// What `cargo xtask fpga-tools` makes.
const ENVIRONMENT: &str = ".venv-hls4ml/bin/python";

/// Where the tools are.
#[derive(Args, Debug)]
pub struct ToolArgs {
    /// Python with hls4ml and da4ml [default: TRIGSIEVE_HLS_PYTHON, .venv-hls4ml/bin/python, python3].
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// Yosys.
    #[arg(long, value_name = "PROGRAM", default_value = "yosys")]
    yosys: PathBuf,
    /// Verilator.
    #[arg(long, value_name = "PROGRAM", default_value = "verilator")]
    verilator: PathBuf,
    /// C++ compiler.
    #[arg(long, value_name = "PROGRAM", default_value = "g++")]
    cxx: PathBuf,
    /// Folder with ap_fixed.h [default: the one inside of the hls4ml package].
    #[arg(long, value_name = "FOLDER")]
    ap_types: Option<PathBuf>,
}

impl ToolArgs {
    /// The tools.
    pub fn tools(&self) -> Tools {
        Tools {
            python: self.python.clone().unwrap_or_else(python),
            cxx: self.cxx.clone(),
            verilator: self.verilator.clone(),
            yosys: self.yosys.clone(),
            ap_types: self.ap_types.clone(),
        }
    }
}

/// Python with hls4ml where none is named on the command line.
pub fn python() -> PathBuf {
    let named = std::env::var_os(PYTHON_VARIABLE).map(PathBuf::from);
    // Not canonical: an environment is told by the place of the link.
    let made = || {
        Path::new(ENVIRONMENT)
            .exists()
            .then(|| std::path::absolute(ENVIRONMENT).unwrap_or(ENVIRONMENT.into()))
    };
    named.or_else(made).unwrap_or_else(|| "python3".into())
}

/// Says on standard error what begins, unless quiet is wanted.
pub fn note(context: Context) -> impl FnMut(&str) {
    move |text| {
        if !context.quiet {
            eprintln!("{text}");
        }
    }
}

/// The choice of this name.
pub fn named<T: Copy>(all: &[(T, &'static str)], name: &str) -> Result<T, String> {
    let known = || all.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
    let found = all.iter().find(|(_, known)| *known == name).map(|(value, _)| *value);
    found.ok_or_else(|| format!("choose one of {}", known()))
}
