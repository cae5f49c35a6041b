//! The exports in `fpga/`: their tools, and making and verifying them anew.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell::{cargo, trigsieve};
use crate::tools::{Packages, install};
use crate::{demo, venv};

/// The exports of bundled models, with the limits that they have to keep.
const EXPORTS: [(&str, &str); 3] =
    [("l1_vae", "latency=50ns,ii=1,lut=3%"), ("l1_ae", "ii=1,lut=10%"), ("l1_svdd", "ii=1,lut=10%")];

/// What makes and runs C++ and Verilog.
const TOOLS: Packages = &[("g++", "g++"), ("verilator", "verilator"), ("yosys", "yosys")];

/// The Python environment with hls4ml and da4ml, Verilator and Yosys.
pub fn tools() -> Result<()> {
    venv::hls4ml()?;
    install(TOOLS)
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
