//! The C++ that hls4ml's own headers make of a project, built and run beside the interpreter.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The folder of the drivers.
pub fn drivers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cpp")
}

/// The Python with the pinned hls4ml: the one that `TRIGSIEVE_HLS_PYTHON` names, or else that of the environment
/// `.venv-hls4ml` in the root of the repository, which is made where it is missing.
pub fn python() -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(environment).clone()
}

fn environment() -> PathBuf {
    if let Some(python) = std::env::var_os("TRIGSIEVE_HLS_PYTHON") {
        return python.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let environment = root.join(".venv-hls4ml");
    let python = environment.join("bin/python");
    let requirements = root.join("hls/tests/requirements.txt");
    let wanted = std::fs::read(&requirements).expect("hls/tests/requirements.txt");
    let stamp = environment.join("installed");
    if std::fs::read(&stamp).is_ok_and(|done| done == wanted) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run(Command::new(&python).args(pip).arg(&requirements));
    std::fs::write(&stamp, wanted).expect("stamp of the environment");
    python
}

/// The folder with `ap_fixed.h`, from the wheel of hls4ml.
pub fn ap_types() -> PathBuf {
    let code =
        "import importlib.util; print(importlib.util.find_spec('hls4ml').submodule_search_locations[0])";
    let output = Command::new(python()).args(["-c", code]).output().expect("python");
    let package = String::from_utf8(output.stdout).expect("a path");
    Path::new(package.trim()).join("templates/vivado/ap_types")
}

/// A compiler with the headers that every driver includes compiled beforehand.
pub struct Compiler {
    prelude: PathBuf,
    optimisation: &'static str,
    ap_types: PathBuf,
}

impl Compiler {
    /// Compiles the common headers into a folder.
    pub fn new(folder: &Path, optimisation: &'static str) -> Self {
        let prelude = folder.join("prelude.h");
        let compiler = Self { prelude, optimisation, ap_types: ap_types() };
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::copy(drivers().join("prelude.h"), &compiler.prelude).expect("the prelude");
        run(compiler.command().arg("-o").arg(folder.join("prelude.h.gch")).arg(&compiler.prelude));
        compiler
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "g++".into()));
        command.args(["-std=c++17", "-w", self.optimisation, "-isystem"]).arg(&self.ap_types);
        command
    }

    /// Compiles sources into a program.
    pub fn compile(&self, sources: &[PathBuf], options: &[String], includes: &[PathBuf], program: &Path) {
        let mut command = self.command();
        command.arg("-include").arg(&self.prelude).args(options).arg("-I").arg(drivers());
        for include in includes {
            command.arg("-I").arg(include);
        }
        run(command.arg("-o").arg(program).args(sources));
    }
}

/// Runs a driver on rows of hardware integers; its raw values.
pub fn outputs(program: &Path, rows: &[i16]) -> Vec<i64> {
    let input: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("driver");
    let mut stdin = child.stdin.take().expect("stdin");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("driver");
    writer.join().expect("writer").expect("rows");
    assert!(output.status.success(), "{}: {}", program.display(), output.status);
    output.stdout.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
}

/// Runs a command to success.
pub fn run(command: &mut Command) {
    let shown = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}: {}\n{error}", output.status);
}

/// A small, seeded generator (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Rows of `k` hardware integers in turn over the full range, small, sparse, at the edges, and as quiet detectors give them.
    pub fn rows(&mut self, k: usize, events: usize) -> Vec<i16> {
        const EDGES: [i16; 12] = [0, 1, -1, 2, 255, 256, -256, 1023, 4095, -4096, i16::MIN, i16::MAX];
        let mut rows = Vec::with_capacity(k * events);
        for event in 0..events {
            for _ in 0..k {
                let random = self.next();
                let value = (random >> 48) as i16;
                rows.push(match event % 5 {
                    0 => value,
                    1 => value >> 7,
                    2 if random & 3 == 0 => value >> 4,
                    2 => 0,
                    3 if random & 7 == 0 => (random >> 8 & 15) as i16,
                    3 => 0,
                    _ if random & 1 == 0 => EDGES[(random >> 8) as usize % EDGES.len()],
                    _ => value >> (random % 12),
                });
            }
        }
        rows
    }
}

/// All files below a folder with an extension, outside of hls4ml's own folders.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name();
    let files = entries.into_iter().map(|entry| entry.expect("an entry").into_path());
    files.filter(|path| path.extension() == Some(OsStr::new(extension))).collect()
}
