//! Runs every way to firmware on the same events, and compares what comes out with the fixed-point engine.

use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use trigsieve_fixed::CheckedProgram;

use crate::events::accepts;
use crate::{Events, ExportError, ProjectInfo, ToolError, Tools};

/// A way to firmware, besides the engine that they are all compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The standalone C++ with the `ap_fixed` headers.
    Standalone,
    /// hls4ml's C simulation, with the C++ around it.
    Hls4ml,
    /// The Verilog under Verilator.
    Rtl,
}

impl Way {
    /// Each of them, with its name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Standalone, "standalone"), (Self::Hls4ml, "hls4ml"), (Self::Rtl, "rtl")];

    /// `standalone`, `hls4ml` or `rtl`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(way, _)| *way == self).map_or("", |(_, name)| name)
    }
}

/// What a way, or the engine, makes of the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// Raw scores.
    pub scores: Vec<i64>,
    /// Whether each event is accepted.
    pub accepted: Vec<bool>,
}

/// An event on which two parties differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its place among the events.
    pub event: usize,
    /// Raw scores.
    pub scores: (i64, i64),
}

/// The outcome: every party's outputs, the engine's first.
#[derive(Clone, Debug)]
pub struct Verification {
    /// Names and outputs.
    pub parties: Vec<(&'static str, Outputs)>,
}

/// Scores and decision of an event: two 64-bit integers.
const RESULT_BYTES: usize = 16;

impl Outputs {
    /// The engine's, which the events carry.
    #[must_use]
    pub fn of_engine(events: &Events, threshold: i64, signed: bool) -> Self {
        let accepted = events.scores.iter().map(|score| accepts(*score, threshold, signed)).collect();
        Self { scores: events.scores.clone(), accepted }
    }

    fn mismatches<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Mismatch> + 'a {
        (0..self.scores.len())
            .filter(|at| self.scores[*at] != other.scores[*at] || self.accepted[*at] != other.accepted[*at])
            .map(|event| Mismatch { event, scores: (self.scores[event], other.scores[event]) })
    }
}

impl Verification {
    /// Every pair of parties, with the number of events on which they differ and the first of these.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str, usize, Option<Mismatch>)> + '_ {
        (0..self.parties.len()).flat_map(move |one| {
            (one + 1..self.parties.len()).map(move |other| {
                let ((a, left), (b, right)) = (&self.parties[one], &self.parties[other]);
                let mut mismatches = left.mismatches(right);
                let first = mismatches.next();
                let count = mismatches.count() + usize::from(first.is_some());
                (*a, *b, count, first)
            })
        })
    }

    /// Whether all agree on every event.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.pairs().all(|(.., count, _)| count == 0)
    }
}

/// Builds the ways of the export in `folder` below `build`, and runs them on the events. `note` hears what begins.
///
/// # Errors
/// [`ExportError::Tool`] for a tool that is missing or fails, [`ExportError::Io`].
pub fn verify(
    folder: &Path,
    (info, program): (&ProjectInfo, &CheckedProgram),
    events: &Events,
    ways: &[Way],
    (tools, build): (&Tools, &Path),
    note: &mut dyn FnMut(&str),
) -> Result<Verification, ExportError> {
    let (folder, build) = (absolute(folder)?, absolute(build)?);
    let signed = program.format(program.score_tensor()).signed;
    let mut parties = vec![("fixed", Outputs::of_engine(events, info.threshold, signed))];
    for way in ways {
        let build = build.join(way.name());
        let workshop =
            Workshop { folder: &folder, build, tools, name: &info.name, optimisation: "-O2", note };
        std::fs::create_dir_all(&workshop.build).map_err(ExportError::io(&workshop.build))?;
        let outputs = match way {
            Way::Standalone | Way::Hls4ml => workshop.cpp(*way, events, info.threshold),
            Way::Rtl => workshop.rtl(events, info.threshold),
        };
        parties.push((way.name(), outputs?));
    }
    Ok(Verification { parties })
}

fn absolute(path: &Path) -> Result<PathBuf, ExportError> {
    std::path::absolute(path).map_err(ExportError::io(path))
}

/// Where one way is built.
pub(crate) struct Workshop<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) build: PathBuf,
    pub(crate) tools: &'a Tools,
    pub(crate) name: &'a str,
    /// Of the C++ that is compiled here; hls4ml chooses that of its network itself.
    pub(crate) optimisation: &'static str,
    pub(crate) note: &'a mut dyn FnMut(&str),
}

impl Workshop<'_> {
    fn cpp(mut self, way: Way, events: &Events, threshold: i64) -> Result<Outputs, ExportError> {
        let program = self.compile(way, "stream.cpp")?;
        (self.note)(&format!("{}: running", way.name()));
        let mut command = Command::new(&program);
        Ok(self.stream(command.current_dir(&self.build).arg(threshold.to_string()), events)?)
    }

    /// Compiles the C++ of a way with the main function of the file `main`, which lies beside it.
    pub(crate) fn compile(&mut self, way: Way, main: &str) -> Result<PathBuf, ExportError> {
        match way {
            Way::Hls4ml => self.compile_hls4ml(main),
            Way::Standalone | Way::Rtl => self.compile_standalone(main),
        }
    }

    fn compile_standalone(&mut self, main: &str) -> Result<PathBuf, ExportError> {
        (self.note)("standalone: compiling");
        let sources = self.folder.join("standalone");
        let program = self.build.join("stream");
        let mut compiler = self.compiler()?;
        compiler.arg(sources.join(format!("{}.cpp", self.name))).arg(sources.join(main));
        self.tools.run(compiler.arg("-o").arg(&program))?;
        Ok(program)
    }

    fn compile_hls4ml(&mut self, main: &str) -> Result<PathBuf, ExportError> {
        (self.note)("hls4ml: converting and compiling the network");
        let sources = self.folder.join("hls4ml");
        let script = sources.join("build.py");
        let mut python = Command::new(&self.tools.python);
        // The compiled library of an earlier run must not be taken for this one's.
        std::fs::remove_dir_all(&self.build).map_err(ExportError::io(&self.build))?;
        self.tools.run(python.arg(&script).arg("--compile").arg("-o").arg(&self.build))?;
        let firmware = self.build.join("firmware");
        let named = self.build.join("library.txt");
        let library = std::fs::read_to_string(&named).map_err(ExportError::io(&named))?;
        (self.note)("hls4ml: compiling the C++ around it");
        let program = self.build.join("stream");
        let mut compiler = self.compiler()?;
        compiler.arg("-I").arg(&self.build).arg("-I").arg(&firmware).arg("-I").arg(&sources);
        compiler.arg(sources.join(format!("{}.cpp", self.name))).arg(sources.join(main));
        compiler.arg(firmware.join(library.trim())).arg(format!("-Wl,-rpath,{}", firmware.display()));
        self.tools.run(compiler.arg("-o").arg(&program))?;
        Ok(program)
    }

    fn rtl(self, events: &Events, threshold: i64) -> Result<Outputs, ExportError> {
        (self.note)("rtl: writing Verilog");
        let latency = write_verilog(self.folder, &self.build, self.tools)?.latency_cycles;
        (self.note)("rtl: compiling with Verilator");
        let program = self.build.join("verilated").join(format!("V{}", self.name));
        let mut verilator = Command::new(&self.tools.verilator);
        verilator.current_dir(&self.build).args([
            "--cc",
            "--exe",
            "--build",
            "-j",
            "2",
            "-O3",
            "-Wno-fatal",
            "-Wno-lint",
        ]);
        // The compiler takes longer over optimising than the simulation over a hundred thousand events.
        verilator.args(["-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0", "-CFLAGS", "-w"]);
        verilator.args(["--Mdir", "verilated", "--top-module", self.name]);
        verilator.args(verilog_files(&self.build)?).arg(self.folder.join("rtl/simulate.cpp"));
        self.tools.run(&mut verilator)?;
        (self.note)("rtl: simulating");
        let mut command = Command::new(&program);
        command.current_dir(&self.build).arg(latency.to_string()).arg(threshold.to_string());
        Ok(self.stream(&mut command, events)?)
    }

    fn compiler(&self) -> Result<Command, ToolError> {
        let mut command = Command::new(&self.tools.cxx);
        // The headers shift by amounts that the compiler warns of; they are the vendor's.
        // The headers assert that a bit is inside of the number which they then leave unused: where an assignment drops
        // more bits than the number has.
        command
            .args(["-std=c++17", self.optimisation, "-DNDEBUG", "-w", "-isystem"])
            .arg(self.tools.ap_types()?);
        Ok(command)
    }

    /// Gives a program the events and takes its results.
    fn stream(&self, command: &mut Command, events: &Events) -> Result<Outputs, ToolError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| self.tools.start_error(command, error))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut bytes = Vec::with_capacity(events.len() * RESULT_BYTES);
        let read = std::thread::scope(|scope| {
            // A program that ends early closes its input; its exit status says more than the broken pipe.
            scope.spawn(move || input.map(|input| send(input, &events.inputs)));
            output.map_or(Ok(0), |mut output| output.read_to_end(&mut bytes))
        });
        let status = child.wait().map_err(|error| self.tools.start_error(command, error))?;
        let path = PathBuf::from(command.get_program());
        read.map_err(|error| ToolError::Result { path: path.clone(), reason: error.to_string() })?;
        if !status.success() {
            return Err(ToolError::Failed {
                command: crate::tools::shown(command),
                status,
                tail: String::new(),
            });
        }
        let (found, expected) = (bytes.len() / RESULT_BYTES, events.len());
        if found != expected {
            return Err(ToolError::Result { path, reason: format!("{found} results for {expected} events") });
        }
        Ok(outputs_of(&bytes))
    }
}

fn send(input: impl Write, values: &[i64]) -> std::io::Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 16, input);
    values.iter().try_for_each(|value| writer.write_all(&value.to_le_bytes()))?;
    writer.flush()
}

fn outputs_of(bytes: &[u8]) -> Outputs {
    let numbers: Vec<i64> = bytes.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
    let pairs = numbers.as_chunks::<2>().0;
    Outputs {
        scores: pairs.iter().map(|[score, _]| *score).collect(),
        accepted: pairs.iter().map(|[_, accepted]| *accepted != 0).collect(),
    }
}

/// What the Verilog's script says of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Pipeline {
    pub latency_cycles: u32,
    pub initiation_interval: u32,
    pub levels: u32,
}

/// Writes the Verilog of an export into `build`.
pub(crate) fn write_verilog(folder: &Path, build: &Path, tools: &Tools) -> Result<Pipeline, ExportError> {
    let mut python = Command::new(&tools.python);
    // No bytecode is left beside the scripts.
    tools.run(python.arg("-B").arg(folder.join("rtl/build.py")).arg("-o").arg(build))?;
    let path = build.join("pipeline.json");
    let text = std::fs::read(&path).map_err(ExportError::io(&path))?;
    serde_json::from_slice(&text)
        .map_err(|error| ToolError::Result { path, reason: error.to_string() }.into())
}

fn verilog_files(build: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let entries = std::fs::read_dir(build).map_err(ExportError::io(build))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "v"))
        .collect();
    files.sort();
    Ok(files)
}
