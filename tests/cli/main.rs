//! `trigsieve convert`, `inspect` and `import-hls` as a user meets them: exit codes, messages, files left.

mod convert;
mod import_hls;
mod inspect;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder to work in.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn trigsieve(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trigsieve"));
        command.current_dir(self.folder.path()).env_remove("RUST_LOG").args(arguments).output().unwrap()
    }

    /// Runs under limits that the shell sets, for example `ulimit -v 500000`.
    fn limited(&self, limits: &str, arguments: &[&str]) -> Output {
        let script = format!("{limits}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("bash");
        shell.current_dir(self.folder.path()).env_remove("RUST_LOG");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_trigsieve")]).args(arguments).output().unwrap()
    }

    fn copy_sample(&self, name: &str) {
        std::fs::copy(sample(name), self.path(name)).unwrap();
    }

    fn entries(&self) -> Vec<String> {
        let entries = self.folder.path().read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Asserts the exit code and, for a failure at work (1), that the message is one line with all the words.
#[track_caller]
fn failed(output: &Output, code: i32, words: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    if code == 1 {
        let errors = message.lines().filter(|line| !line.contains("WARN")).count();
        assert_eq!(errors, 1, "not one line: {message}");
        assert!(message.starts_with("error: ") || message.contains("\nerror: "), "{message}");
    }
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}
