use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;

use super::ScoreError;

/// Environment variable that names ONNX Runtime's library.
const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Where `cargo xtask setup` puts the pinned wheel, below the project's root.
const LIBRARY_FOLDER: &str = ".venv/lib";
/// Start of the library's file name; the wheel has no name without a version.
const LIBRARY_NAME: &str = "libonnxruntime.so";

/// The library that was found and who named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeLibrary {
    /// The file.
    pub path: PathBuf,
    /// Who named it, for messages.
    pub named_by: &'static str,
}

/// Finds ONNX Runtime's library: `asked_for` (`--onnxruntime`), then `ORT_DYLIB_PATH`, then a virtual
/// environment `.venv` beside the working folder or the program or above them.
///
/// # Errors
/// [`ScoreError::Runtime`], with every place that was tried.
pub fn find_runtime(asked_for: Option<&Path>) -> Result<RuntimeLibrary, ScoreError> {
    if let Some(path) = asked_for {
        return existing(path, "--onnxruntime");
    }
    if let Some(path) = std::env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()) {
        return existing(Path::new(&path), LIBRARY_VARIABLE);
    }
    let roots = search_roots();
    if let Some(path) = roots.iter().find_map(|root| library_below(&root.join(LIBRARY_FOLDER))) {
        return Ok(RuntimeLibrary { path, named_by: "the virtual environment" });
    }
    Err(ScoreError::Runtime {
        reason: format!(
            "no library found: neither --onnxruntime nor {LIBRARY_VARIABLE} is set, and no `.venv` with the \
             onnxruntime wheel is at or above the working folder or the program; run `cargo xtask setup`, \
             or use --engine rten, which needs nothing installed"
        ),
    })
}

fn existing(path: &Path, named_by: &'static str) -> Result<RuntimeLibrary, ScoreError> {
    if path.is_file() {
        return Ok(RuntimeLibrary { path: path.to_owned(), named_by });
    }
    Err(ScoreError::Runtime { reason: format!("{}, named by {named_by}, is not a file", path.display()) })
}

fn search_roots() -> Vec<PathBuf> {
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    starts.iter().flatten().flat_map(|start| start.ancestors().map(Path::to_owned)).collect()
}

/// The library of the wheel in `lib` of a virtual environment: `python3.*/site-packages/onnxruntime/capi`.
fn library_below(lib: &Path) -> Option<PathBuf> {
    let pythons = std::fs::read_dir(lib).ok()?;
    pythons.flatten().find_map(|python| {
        let capi = python.path().join("site-packages/onnxruntime/capi");
        let mut names: Vec<_> = std::fs::read_dir(capi).ok()?.flatten().map(|entry| entry.path()).collect();
        names.sort();
        names.into_iter().find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(LIBRARY_NAME))
        })
    })
}

/// The process-wide environment; the first caller's library is the one that is loaded.
pub(super) fn environment(asked_for: Option<&Path>) -> Result<&'static LoadedRuntime, ScoreError> {
    static LOADED: OnceLock<Result<LoadedRuntime, String>> = OnceLock::new();
    LOADED
        .get_or_init(|| {
            load(asked_for).map_err(|error| match error {
                ScoreError::Runtime { reason } => reason,
                other => other.to_string(),
            })
        })
        .as_ref()
        .map_err(|reason| ScoreError::Runtime { reason: reason.clone() })
}

/// The environment and what it was loaded from.
pub(super) struct LoadedRuntime {
    pub(super) environment: Environment,
    pub(super) library: RuntimeLibrary,
    /// Branch and commit that it was built from: another one may round differently.
    pub(super) build: String,
}

fn load(asked_for: Option<&Path>) -> Result<LoadedRuntime, ScoreError> {
    let library = find_runtime(asked_for)?;
    let failed = |reason: String| ScoreError::Runtime {
        reason: format!("{} (named by {}): {reason}", library.path.display(), library.named_by),
    };
    let builder = ort::init_from(&library.path).map_err(|error| failed(error.to_string()))?;
    let environment = builder
        .with_name("trigsieve")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let build = source_of(ort::info());
    Ok(LoadedRuntime { environment, library, build })
}

/// Branch and commit of `ORT Build Info: git-branch=rel-1.27.1, git-commit-id=80dfdfc4, build type=Release, ...`; all of it
/// where it has neither.
fn source_of(info: &str) -> String {
    let parts = info.trim_start_matches("ORT Build Info: ").split(", ");
    let source: Vec<&str> = parts.filter_map(|part| part.strip_prefix("git-")?.split('=').nth(1)).collect();
    if source.is_empty() { info.to_owned() } else { source.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::source_of;

    #[test]
    fn a_build_is_known_by_branch_and_commit() {
        let info = "ORT Build Info: git-branch=rel-1.27.1, git-commit-id=80dfdfc4, build type=Release, cmake cxx flags: -g";
        assert_eq!(source_of(info), "rel-1.27.1 80dfdfc4");
        assert_eq!(source_of("a build of our own"), "a build of our own");
    }
}
