//! The exports in `fpga/`: their tools, and making and verifying them anew.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{Step, cargo, trigsieve};
use crate::{demo, venv};

/// The exports of bundled models, with the limits that they have to keep.
const EXPORTS: [(&str, &str); 3] =
    [("l1_vae", "latency=50ns,ii=1,lut=3%"), ("l1_ae", "ii=1,lut=10%"), ("l1_svdd", "ii=1,lut=10%")];

/// Debian's packages, with a program that each brings.
const PACKAGES: [(&str, &str); 3] = [("g++", "g++"), ("verilator", "verilator"), ("yosys", "yosys")];

/// The Python environment with hls4ml and da4ml, Verilator and Yosys.
pub fn tools() -> Result<()> {
    venv::hls4ml()?;
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, program)| !is_there(program)).map(|(package, _)| *package).collect();
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
    let install = |missing: &[&str]| apt(&[&["install", "-y", "--no-install-recommends"], missing].concat());
    // Package lists may be there already, or be absent as in a fresh container.
    install(&missing).or_else(|_| apt(&["update"]).and_then(|()| install(&missing))).with_context(advice)
}

fn is_there(program: &str) -> bool {
    let version = if program == "yosys" { "-V" } else { "--version" };
    Command::new(program).arg(version).output().is_ok_and(|output| output.status.success())
}

/// Exports every bundled model anew and verifies it, on the bundled sample or on the event tables given.
pub fn run(tables: &[String]) -> Result<()> {
    if let Some(missing) = tables.iter().find(|table| !Path::new(table).is_file()) {
        bail!("{missing}: is no file; give event tables, or none for the bundled sample");
    }
    tools()?;
    cargo(&["build", "--release"]).run()?;
    let tables = if tables.is_empty() { demo::tables()? } else { tables.to_vec() };
    // Yosys has one thread; most of the time is its.
    std::thread::scope(|scope| {
        let running: Vec<_> =
            EXPORTS.iter().map(|(name, budget)| scope.spawn(|| remake(name, budget, &tables))).collect();
        running.into_iter().try_for_each(|thread| match thread.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("an export panicked"),
        })
    })
}

fn remake(name: &str, budget: &str, tables: &[String]) -> Result<()> {
    let (bundle, export) = (format!("models/{name}"), format!("fpga/{name}"));
    trigsieve(&["export-hls", &bundle, "-o", &export, "--force", "--budget", budget]).run()?;
    let record = format!("{export}/verification.json");
    let mut step = trigsieve(&["verify-hls", &export, "--json", &record, "--build"])
        .args(&[&format!("target/fpga/{name}")]);
    for table in tables {
        step = step.args(&["--events", table]);
    }
    step.run()
}
