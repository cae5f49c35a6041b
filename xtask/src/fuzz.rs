//! Everything that comes from outside, fuzzed.

use anyhow::{Context, Result, bail};

use crate::shell::{Step, cargo};

/// Folder of the targets; each file in it is one.
const TARGETS: &str = "fuzz/fuzz_targets";

/// The release that the targets were last run with.
const CARGO_FUZZ: &str = "0.13.2";

/// Targets of what training reads: they alone need burn, which takes minutes to compile with a sanitizer.
const OF_TRAINING: [&str; 2] = ["recipe", "training_checkpoint"];

/// Bytes of an input at most: the readers' limits are far beyond, but a longer input only takes longer.
const MAX_LENGTH: &str = "-max_len=65536";

/// Runs each target, or those that are named, for so many seconds, from its seeds and what earlier runs have found.
pub fn run(arguments: &[String]) -> Result<()> {
    let Some((seconds, named)) = arguments.split_first() else { bail!("for how many seconds each?") };
    let seconds: u32 = seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))?;
    let all = targets()?;
    if let Some(unknown) = named.iter().find(|name| !all.contains(name)) {
        bail!("no target `{unknown}`; there are {}", all.join(", "));
    }
    cargo(&["install", "--quiet", "--locked", "--version", CARGO_FUZZ, "cargo-fuzz"]).run()?;
    let chosen = if named.is_empty() { &all } else { named };
    chosen.iter().try_for_each(|target| fuzz(target, seconds))
}

fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(TARGETS).context(TARGETS)? {
        let path = entry.context(TARGETS)?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let corpus = format!("fuzz/corpus/{target}");
    std::fs::create_dir_all(&corpus).with_context(|| corpus.clone())?;
    let (seeds, time) = (format!("fuzz/seeds/{target}"), format!("-max_total_time={seconds}"));
    let dictionary = format!("fuzz/{target}.dict");
    let step = Step::new("rustup")
        .args(&["run", "nightly", "cargo", "fuzz", "run"])
        .args(if OF_TRAINING.contains(&target) { &["--features", "training"] } else { &[] })
        .args(&[target, &corpus, &seeds, "--"])
        .args(&[&time, MAX_LENGTH, "-print_final_stats=1"]);
    if !std::path::Path::new(&dictionary).exists() {
        return step.run();
    }
    step.args(&[&format!("-dict={dictionary}")]).run()
}
