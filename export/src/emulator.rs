//! The firmware's C++ as the emulator that an experiment's software has: compiled with `-O3`, kept running, and timed by its
//! own clock.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use trigsieve_fixed::CheckedProgram;

use crate::cpp::Emitter;
use crate::template::filled;
use crate::verify::Workshop;
use crate::{Events, ExportError, Project, Settings, Strategy, ToolError, Tools, Vendor, Way};

const TIMED: &str = include_str!("../templates/standalone/timed.cpp");
/// Name of the top function.
const NAME: &str = "emulated";
/// How the C++ is optimised.
const OPTIMISATION: &str = "-O3";
/// Bytes of an event's answer: time and score.
const RESULT_BYTES: usize = 16;

/// A compiled program that waits for events. It ends with this value.
#[derive(Debug)]
pub struct Emulator {
    way: Way,
    compiler: String,
    program: PathBuf,
    k: usize,
    child: Child,
    rows: Option<BufWriter<ChildStdin>>,
    results: BufReader<ChildStdout>,
}

/// What an event gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emulated {
    /// How long it took.
    pub time_ns: u64,
    /// The raw score.
    pub score: i64,
}

impl Emulator {
    /// Compiles `program` in `folder`: hls4ml's C++ of the network with the rest around it, or where hls4ml cannot make its
    /// bits the standalone C++; and starts it. `note` hears what begins.
    ///
    /// # Errors
    /// What neither has firmware for; [`ExportError::Tool`] for a tool that is missing or fails, [`ExportError::Io`].
    pub fn build(
        program: &CheckedProgram,
        folder: &Path,
        tools: &Tools,
        note: &mut dyn FnMut(&str),
    ) -> Result<Self, ExportError> {
        match Self::build_way(Way::Hls4ml, program, folder, tools, note) {
            Err(error) if is_refusal(&error) => {
                note(&format!("hls4ml: {error}"));
                Self::build_way(Way::Standalone, program, folder, tools, note)
            }
            built => built,
        }
    }

    fn build_way(
        way: Way,
        program: &CheckedProgram,
        folder: &Path,
        tools: &Tools,
        note: &mut dyn FnMut(&str),
    ) -> Result<Self, ExportError> {
        let mut project = Project::new(program, &settings(way), &Events::none(program.k()))?;
        let emitter = Emitter::new(program, way.name());
        let (input, score) = (emitter.name(0), emitter.name(program.score_tensor()));
        let values = [("NAME", NAME), ("K", &program.k().to_string()), ("INPUT", input), ("SCORE", score)];
        project.put(&format!("{}/timed.cpp", way.name()), &filled(TIMED, &values));
        project.write_into(folder)?;
        let build = folder.join("build").join(way.name());
        std::fs::create_dir_all(&build).map_err(ExportError::io(&build))?;
        let mut workshop = Workshop { folder, build, tools, name: NAME, optimisation: OPTIMISATION, note };
        let path = workshop.compile(way, "timed.cpp")?;
        let version = tools.capture(Command::new(&tools.cxx).arg("-dumpfullversion"))?;
        let compiler = format!("{} {} {OPTIMISATION}", tools.cxx.display(), version.trim());
        Self::start((way, compiler), path, program.k(), tools)
    }

    fn start(
        (way, compiler): (Way, String),
        program: PathBuf,
        k: usize,
        tools: &Tools,
    ) -> Result<Self, ExportError> {
        let mut command = Command::new(&program);
        // hls4ml's C++ looks for its weights from where it runs.
        command.current_dir(program.parent().unwrap_or(Path::new(".")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| tools.start_error(&command, error))?;
        let (Some(rows), Some(results)) = (child.stdin.take(), child.stdout.take()) else {
            let reason = "it has no standard input and output".to_owned();
            return Err(ToolError::Result { path: program, reason }.into());
        };
        let (rows, results) = (Some(BufWriter::new(rows)), BufReader::new(results));
        Ok(Self { way, compiler, program, k, child, rows, results })
    }

    /// Which C++ it is, and by which compiler.
    #[must_use]
    pub fn describe(&self) -> String {
        let source = match self.way {
            Way::Hls4ml => "hls4ml's C++ with input scaling and score around it",
            Way::Standalone | Way::Rtl => "standalone HLS C++",
        };
        format!("{source}, {}", self.compiler)
    }

    /// Scores events, one after another.
    ///
    /// # Errors
    /// [`ExportError::Tool`] when it ended.
    pub fn run(&mut self, events: &Events) -> Result<Vec<Emulated>, ExportError> {
        let mut answer = vec![0; events.len() * RESULT_BYTES];
        let sent = match &mut self.rows {
            Some(rows) if events.k == self.k => send(rows, events),
            _ => Err(std::io::ErrorKind::InvalidInput.into()),
        };
        sent.and_then(|()| self.results.read_exact(&mut answer)).map_err(|error| self.failed(&error))?;
        let numbers = answer.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
        let numbers: Vec<i64> = numbers.collect();
        let of_event =
            |[time_ns, score]: &[i64; 2]| Emulated { time_ns: time_ns.unsigned_abs(), score: *score };
        Ok(numbers.as_chunks::<2>().0.iter().map(of_event).collect())
    }

    fn failed(&self, error: &std::io::Error) -> ExportError {
        ToolError::Result { path: self.program.clone(), reason: format!("ended without an answer: {error}") }
            .into()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended already; nobody can be told, and nothing is lost.
        let _ = self.child.kill();
        self.rows = None;
        let _ = self.child.wait();
    }
}

fn send(rows: &mut impl Write, events: &Events) -> std::io::Result<()> {
    let count = u32::try_from(events.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    rows.write_all(&count.to_le_bytes())?;
    events.inputs.iter().try_for_each(|value| rows.write_all(&value.to_le_bytes()))?;
    rows.flush()
}

/// Whether hls4ml has no layers for a program, or would compute other bits.
fn is_refusal(error: &ExportError) -> bool {
    matches!(
        error,
        ExportError::Unsupported { .. }
            | ExportError::NoNetwork
            | ExportError::Tool(ToolError::Failed { .. })
    )
}

/// Nothing of part and clock shows in C++ that no vendor's tool compiles.
fn settings(way: Way) -> Settings {
    Settings {
        name: NAME.to_owned(),
        part: "xcvu9p-flga2104-2-e".to_owned(),
        clock_mhz: 360.0,
        vendor: Vendor::default(),
        strategy: Strategy::default(),
        reuse_factor: 1,
        ways: vec![way],
        threshold: 0,
    }
}
