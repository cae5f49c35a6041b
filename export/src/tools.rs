//! The programs that an export needs: found, run, and named with the way to get them where they are missing.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A tool that can't be started, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not there.
    #[error("`{program}` is not installed ({needed}): {advice}")]
    Missing {
        /// What was started.
        program: String,
        /// What it is for.
        needed: &'static str,
        /// How to get it.
        advice: String,
    },
    /// It could not be run for another reason.
    #[error("cannot run `{program}`: {source}")]
    Start {
        /// What was started.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ran and failed.
    #[error("`{command}` failed ({status}): {tail}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it wrote.
        tail: String,
    },
    /// It left something else than expected.
    #[error("{}: {reason}", path.display())]
    Result {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Which programs to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// Python with the packages of an export's `requirements.txt`.
    pub python: PathBuf,
    /// C++ compiler.
    pub cxx: PathBuf,
    /// Verilator.
    pub verilator: PathBuf,
    /// Yosys.
    pub yosys: PathBuf,
    /// Folder with `ap_fixed.h`; absent: the one inside of the hls4ml package.
    pub ap_types: Option<PathBuf>,
}

/// Tells where hls4ml keeps the headers, without loading it.
const FIND_AP_TYPES: &str = "import importlib.util, sys
spec = importlib.util.find_spec('hls4ml')
sys.exit('hls4ml is not installed') if spec is None else print(spec.submodule_search_locations[0])";

impl Default for Tools {
    fn default() -> Self {
        Self {
            python: "python3".into(),
            cxx: "g++".into(),
            verilator: "verilator".into(),
            yosys: "yosys".into(),
            ap_types: None,
        }
    }
}

impl Tools {
    /// The folder with `ap_fixed.h`.
    ///
    /// # Errors
    /// [`ToolError`] when there is none.
    pub fn ap_types(&self) -> Result<PathBuf, ToolError> {
        let folder = match &self.ap_types {
            Some(folder) => folder.clone(),
            None => {
                let output = self.capture(Command::new(&self.python).args(["-c", FIND_AP_TYPES]))?;
                Path::new(output.trim()).join("templates/vivado/ap_types")
            }
        };
        if folder.join("ap_fixed.h").is_file() {
            return Ok(folder);
        }
        Err(ToolError::Result {
            path: folder,
            reason: format!("there is no ap_fixed.h; {}", self.advice(&self.python)),
        })
    }

    /// Runs a command to success.
    pub(crate) fn run(&self, command: &mut Command) -> Result<(), ToolError> {
        self.capture(command).map(|_| ())
    }

    /// Runs a command to success; its standard output.
    pub(crate) fn capture(&self, command: &mut Command) -> Result<String, ToolError> {
        let output =
            command.stdin(Stdio::null()).output().map_err(|error| self.start_error(command, error))?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(out);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        let said = if errors.trim().is_empty() { &out } else { &*errors };
        Err(ToolError::Failed { command: shown(command), status: output.status, tail: tail(said) })
    }

    /// Why a command could not be started, with the way to get it.
    pub(crate) fn start_error(&self, command: &Command, error: io::Error) -> ToolError {
        let program = command.get_program();
        let shown = program.to_string_lossy().into_owned();
        if error.kind() != io::ErrorKind::NotFound {
            return ToolError::Start { program: shown, source: error };
        }
        ToolError::Missing { program: shown, needed: self.needed(program), advice: self.advice(program) }
    }

    fn needed(&self, program: impl AsRef<OsStr>) -> &'static str {
        let program = program.as_ref();
        if program == self.cxx {
            "compiles the C++ of an export"
        } else if program == self.verilator {
            "simulates the Verilog"
        } else if program == self.yosys {
            "estimates the Verilog's resources"
        } else if program == self.python {
            "runs hls4ml and da4ml"
        } else {
            "a program made here"
        }
    }

    fn advice(&self, program: impl AsRef<OsStr>) -> String {
        let program = program.as_ref();
        if program == self.cxx {
            "apt-get install g++, or name a compiler with --cxx".to_owned()
        } else if program == self.verilator {
            "apt-get install verilator, or name it with --verilator".to_owned()
        } else if program == self.yosys {
            "apt-get install yosys, or name it with --yosys".to_owned()
        } else {
            "make an environment (python3 -m venv .venv-hls), install the export's requirements.txt with its pip, and name its \
             python with --python; in a clone of trigsieve `cargo xtask fpga-tools` does all of this"
                .to_owned()
        }
    }
}

/// A command as one could type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The last lines of a text, in one.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join(" | ")
}
