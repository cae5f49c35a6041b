//! The HLS headers, which come with the hls4ml wheel.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the installed hls4ml package; `templates/vivado/ap_types` in it holds `ap_fixed.h`.
///
/// Python is the one that `TRIGSIEVE_HLS_PYTHON` names, or else that of the environment `.venv-hls4ml` in the root of
/// the repository, which is made from `hls/tests/requirements.txt` where it is missing or of other versions.
///
/// # Errors
/// When the environment cannot be made, or hls4ml is not installed in the Python that was named.
pub fn hls4ml() -> Result<PathBuf, String> {
    let python =
        std::env::var_os("TRIGSIEVE_HLS_PYTHON").map_or_else(environment, |named| Ok(named.into()))?;
    let script = "import importlib.util as u; print(u.find_spec('hls4ml').submodule_search_locations[0])";
    let output = Command::new(&python)
        .args(["-c", script])
        .output()
        .map_err(|error| format!("{}: {error}", python.display()))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let header = folder.join("templates/vivado/ap_types/ap_fixed.h");
    if output.status.success() && header.exists() {
        return Ok(folder);
    }
    Err(format!(
        "{} has no hls4ml with its headers: install it there, or unset TRIGSIEVE_HLS_PYTHON",
        python.display()
    ))
}

/// The Python of `.venv-hls4ml`; a stamp with the requirements says that they are installed.
fn environment() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let environment = root.join(".venv-hls4ml");
    let python = environment.join("bin/python");
    let requirements = root.join("hls/tests/requirements.txt");
    let stamp = environment.join("installed");
    let wanted =
        std::fs::read(&requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    if std::fs::read(&stamp).is_ok_and(|done| done == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run(Command::new(&python).args(pip).arg(&requirements))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{shown}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
