//! Programs of the system, as Debian packages them.

use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::Step;

/// Packages with a program that each brings.
pub type Packages<'a> = &'a [(&'a str, &'a str)];

/// Valgrind, which counts instructions for `tests/instructions.rs`.
pub const VALGRIND: Packages = &[("valgrind", "valgrind")];

/// strace, which counts system calls for `tests/system_calls.rs`.
pub const STRACE: Packages = &[("strace", "strace")];

/// Chromium, which shows the live page to `tests/operations/live_page.rs`.
pub const CHROMIUM: Packages = &[("chromium", "chromium")];

/// Installs those whose program is not there.
pub fn install(packages: Packages) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, program)| !is_there(program)).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // Rust's `Command` finds sudo only where there is one; root needs none.
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let apt = |args: &[&str]| {
        let step = if root { Step::new("apt-get") } else { Step::new("sudo").args(&["apt-get"]) };
        step.args(args).env("DEBIAN_FRONTEND", "noninteractive").run()
    };
    let advice =
        || format!("{} needed; on another system than Debian install them by hand", missing.join(", "));
    let install = || apt(&[&["install", "-y", "--no-install-recommends"], missing.as_slice()].concat());
    // Package lists may be there already, or be absent as in a fresh container.
    install().or_else(|_| apt(&["update"]).and_then(|()| install())).with_context(advice)
}

fn is_there(program: &str) -> bool {
    let version = if program == "yosys" { "-V" } else { "--version" };
    Command::new(program).arg(version).output().is_ok_and(|output| output.status.success())
}
