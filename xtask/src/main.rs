//! The project's tasks: `cargo xtask help` lists them. Each sets up what it needs.

mod demo;
mod fpga;
mod fuzz;
mod models;
mod release;
mod shell;
mod tools;
mod trust;
mod venv;

use anyhow::{Result, bail};
use shell::{Step, cargo};

const HELP: &str = "\
usage: cargo xtask TASK

  demo    build, and replay the bundled sample through a mock trigger
  test    set up everything, and run all tests
  check   format, clippy, tests of the engine, documentation
  bench   compare the engine with its peers, interleaved, in one run
  models  [--l1 FILE] [--2b FILE] [--l1-test BACKGROUND SIGNAL...] [--2b-test BACKGROUND SIGNAL...]
          train all bundled models, on these files or on generated events; metrics on the test files
  firmware EVENTS [PROJECT...]
          compare EVENTS events of each project of the hls4ml suite, and of published projects, with their C++
  fpga [EVENTS.arrow...]
          export the bundled models to fpga/ anew and verify the firmware, on the bundled sample or on these events
  fpga-tools
          what fpga needs: an environment with hls4ml and da4ml, Verilator, Yosys
  soak-nats [KILLS [SECONDS [NODES]]]
          kill workers of a farm on NATS at random, 100 times; then 100 kHz for ten minutes; then lose a node of three, 24 times
  sanitize
          tests of fixed-point kernels, rings, frames and the engine under AddressSanitizer; needs rustup's nightly toolchain
  fuzz SECONDS [TARGET...]
          every reader of what comes from outside, or those named, on damaged bytes; needs the nightly toolchain, too
  soak [KILLS [RUNS [SEED]]]
          replays killed at random instants, and the pipeline under injected stalls and failures; 1000 and 20000 by default
  miri    the rings under Miri; needs the nightly toolchain's component
  deny [--offline]
          licences, bans, sources and known vulnerabilities of all dependencies
  release the program of the last commit, built twice and compared, with a bill of materials, in target/dist
  setup   the virtual environment with the pinned ONNX Runtime only";

fn main() -> Result<()> {
    std::env::set_current_dir(shell::root())?;
    match std::env::args().nth(1).as_deref() {
        Some("demo") => demo::run(),
        Some("test") => test(),
        Some("check") => check(),
        Some("bench") => bench(),
        Some("models") => models::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("firmware") => firmware(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("fpga") => fpga::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("fpga-tools") => fpga::tools(),
        Some("soak-nats") => soak_nats(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("sanitize") => trust::sanitize(),
        Some("fuzz") => fuzz::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("soak") => trust::soak(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("miri") => trust::miri(),
        Some("deny") => trust::deny(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("release") => release::run(),
        Some("setup") => venv::runtime(),
        Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("no task `{other}`\n{HELP}"),
        None => bail!("which task?\n{HELP}"),
    }
}

/// All tests: Rust in the profile that users run, the rings under loom, then what only Python can tell.
fn test() -> Result<()> {
    venv::everything()?;
    tools::install(tools::VALGRIND)?;
    tools::install(tools::STRACE)?;
    tools::install(tools::CHROMIUM)?;
    fpga::tools()?;
    // This builds the program too, which the Python tests then run.
    cargo(&["test", "--release", "--workspace"]).run()?;
    // A folder of its own: the flag changes the fingerprint of every crate.
    cargo(&["test", "--release", "--package", "trigsieve-ring", "--target-dir", "target/loom"])
        .env("RUSTFLAGS", "--cfg loom")
        .run()?;
    // Two runs: each has a conftest of its own, and Python knows modules by their bare name.
    venv::python(&["-m", "pytest", "-q", "samples/generator/tests"]).run()?;
    venv::python(&["-m", "pytest", "-q", "tests/python"]).run()
}

fn check() -> Result<()> {
    venv::runtime()?;
    tools::install(tools::VALGRIND)?;
    tools::install(tools::STRACE)?;
    tools::install(tools::CHROMIUM)?;
    cargo(&["fmt", "--all", "--check"]).run()?;
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]).run()?;
    cargo(&["test", "--release"]).run()?;
    cargo(&["doc", "--release", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings").run()
}

fn bench() -> Result<()> {
    venv::everything()?;
    cargo(&["build", "--release"]).run()?;
    cargo(&["build", "--release", "--bench", "bare_ort"]).run()?;
    demo::prepare()?;
    let python: Step = venv::python(&["benches/against_python.py"]);
    python.run()?;
    cargo(&["bench", "--bench", "fixed_chain"]).run()?;
    cargo(&["bench", "--package", "trigsieve-fixed", "--bench", "kernels"]).run()?;
    cargo(&["bench", "--package", "trigsieve-hls", "--bench", "emulator"]).run()?;
    cargo(&["run", "--release", "--manifest-path", "benches/parts/Cargo.toml", "--", "--bench"]).run()
}

/// The suite of hls4ml projects, and projects as published, on more events than the tests have time for.
fn firmware(arguments: &[String]) -> Result<()> {
    let Some((events, projects)) = arguments.split_first() else { bail!("how many events?\n{HELP}") };
    venv::hls4ml()?;
    let suite = ["test", "--release", "--package", "trigsieve-hls", "--test", "headers", "--", "--nocapture"];
    cargo(&suite).env("TRIGSIEVE_HLS_EVENTS", events).run()?;
    if projects.is_empty() {
        return Ok(());
    }
    let published =
        ["run", "--release", "--package", "trigsieve-hls", "--example", "against_cpp", "--", events];
    let projects: Vec<&str> = projects.iter().map(String::as_str).collect();
    cargo(&published).args(&projects).run()
}

/// The tests of the farm that are worth more time than the test command has.
fn soak_nats(arguments: &[String]) -> Result<()> {
    venv::runtime()?;
    let argument = |place: usize, usual: &'static str| arguments.get(place).map_or(usual, String::as_str);
    let farm =
        ["test", "--release", "--workspace", "--test", "nats", "--", "--nocapture", "--test-threads=1"];
    let tests = [farm.as_slice(), &["killed_at_random", "hundred_thousand", "one_of_three"]].concat();
    cargo(&tests)
        .env("TRIGSIEVE_NATS_KILLS", argument(0, "100"))
        .env("TRIGSIEVE_NATS_SECONDS", argument(1, "600"))
        .env("TRIGSIEVE_NATS_NODES", argument(2, "24"))
        .run()
}
