//! What takes longer than the tests: the trials of docs/trust.md in large numbers, and what needs tools of its own.

use anyhow::{Context, Result};

use crate::shell::{Step, cargo};

/// Default numbers of kills and of runs under stalls.
const KILLS: &str = "1000";
const RUNS: &str = "20000";

/// The release that `deny.toml` was written for.
const CARGO_DENY: &str = "0.20.2";

/// Kills replays at random instants, and runs the pipeline under injected stalls and failures: `soak [KILLS [RUNS [SEED]]]`.
pub fn soak(arguments: &[String]) -> Result<()> {
    let argument = |place: usize, default: &str| arguments.get(place).cloned().unwrap_or(default.to_owned());
    let (kills, runs, seed) = (argument(0, KILLS), argument(1, RUNS), argument(2, "1"));
    for number in [&kills, &runs, &seed] {
        number.parse::<u64>().with_context(|| format!("`{number}` is no number"))?;
    }
    // Of the workspace, as the tests are built: nothing is compiled anew.
    let test = |arguments: &[&str]| {
        cargo(&["test", "--release", "--workspace"]).args(arguments).env("TRIGSIEVE_SEED", &seed)
    };
    test(&["--test", "crash", "--", "--nocapture", "killed_at_any_instant"])
        .env("TRIGSIEVE_KILLS", &kills)
        .run()?;
    test(&["--lib", "--", "--nocapture", "pipeline::stress"]).env("TRIGSIEVE_STRESS", &runs).run()
}

/// Every test runs once for each of these seeds, which choose how its threads take turns.
const MIRI_SCHEDULES: &str = "-Zmiri-many-seeds=0..32";

/// Crates whose own code is unsafe, or lies on such code, with what of each is run under AddressSanitizer: tests that run
/// the program would run one that is not instrumented.
const SANITIZED: [&[&str]; 4] = [
    &["--package", "trigsieve-fixed"],
    &["--package", "trigsieve-ring"],
    &["--package", "trigsieve-frame"],
    &["--package", "trigsieve", "--lib"],
];

/// The kernels read and write past bounds checks that were made once for a whole tile, the rings hand over memory, event
/// tables are views of mapped files: random batches, sizes and alignments under AddressSanitizer say whether the
/// arguments for that hold.
pub fn sanitize() -> Result<()> {
    // The target is named so that build scripts and macros are left out of it.
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    SANITIZED.iter().try_for_each(|tests| {
        let step = Step::new("rustup").args(&["run", "nightly", "cargo", "test", "--release"]).args(tests);
        step.args(&["--target", &host, "--target-dir", "target/sanitize"])
            .env("RUSTFLAGS", "-Zsanitizer=address")
            .run()
    })
}

/// The rings under Miri, which needs rustup's nightly toolchain with the component of that name, and builds a standard
/// library of its own.
pub fn miri() -> Result<()> {
    Step::new("rustup").args(&["component", "add", "--toolchain", "nightly", "miri", "rust-src"]).run()?;
    let arguments = ["miri", "test", "--package", "trigsieve-ring", "--target-dir", "target/miri"];
    let step = Step::new("rustup").args(&["run", "nightly", "cargo"]).args(&arguments);
    step.env("MIRIFLAGS", MIRI_SCHEDULES).run()
}

/// Licences, banned crates, sources and known vulnerabilities of every dependency, as `deny.toml` says. The last of them
/// need the network, and are left out with `--offline`.
pub fn deny(arguments: &[String]) -> Result<()> {
    cargo(&["install", "--quiet", "--locked", "--version", CARGO_DENY, "cargo-deny"]).run()?;
    let checks = ["licenses", "bans", "sources", "advisories"];
    let offline = arguments.iter().any(|argument| argument == "--offline");
    let checks = if offline { &checks[..3] } else { &checks[..] };
    cargo(&["deny", "--workspace", "check"]).args(checks).run()
}
