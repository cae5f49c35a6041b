//! Everything that comes from outside, fuzzed.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::shell::{Step, cargo};

/// Folder of the targets; each file in it is one.
const TARGETS: &str = "fuzz/fuzz_targets";

/// Where what each target printed is kept.
const LOGS: &str = "fuzz/log";

/// The release that the targets were last run with.
const CARGO_FUZZ: &str = "0.13.2";

/// Targets of what training reads: they alone need burn, which takes minutes to compile with a sanitizer.
const OF_TRAINING: [&str; 2] = ["recipe", "training_checkpoint"];

/// Bytes of an input at most, as the readers' limits are far beyond, but a longer input only takes longer; an input that takes a
/// minute is a finding; numbers at the end.
const OPTIONS: [&str; 3] = ["-max_len=65536", "-timeout=60", "-print_final_stats=1"];

/// How often the processor time of a target is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What libFuzzer's exit code is after an interrupt without a finding.
const INTERRUPTED: i32 = 72;

/// Runs each target, or those that are named, for so many seconds of processor time, from its seeds and what earlier runs
/// have found; as many at a time as there are processors.
pub fn run(arguments: &[String]) -> Result<()> {
    let Some((seconds, named)) = arguments.split_first() else { bail!("for how many seconds each?") };
    let seconds: u32 = seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))?;
    let all = targets()?;
    if let Some(unknown) = named.iter().find(|name| !all.contains(name)) {
        bail!("no target `{unknown}`; there are {}", all.join(", "));
    }
    let chosen = if named.is_empty() { &all[..] } else { named };
    cargo(&["install", "--quiet", "--locked", "--version", CARGO_FUZZ, "cargo-fuzz"]).run()?;
    build(chosen)?;
    std::fs::create_dir_all(LOGS).context(LOGS)?;
    let queue = Mutex::new(chosen.iter().cloned().collect::<VecDeque<String>>());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || std::iter::from_fn(next).map(|target| fuzz(&target, seconds)).collect::<Vec<_>>();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a worker panics on nothing")).collect()
    });
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    outcomes.into_iter().filter_map(Result::err).for_each(|error| println!("{error:#}"));
    if failed > 0 {
        bail!("{failed} of {} targets found something", chosen.len());
    }
    Ok(())
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

fn build(targets: &[String]) -> Result<()> {
    let training = targets.iter().any(|target| OF_TRAINING.contains(&target.as_str()));
    Step::new("rustup")
        .args(&["run", "nightly", "cargo", "fuzz", "build"])
        .args(if training { &["--features", "training"] } else { &[] })
        .run()
}

/// Runs a target until it has had its time or found something, and prints the last of its counts.
fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let [corpus, artifacts] = ["corpus", "artifacts"].map(|folder| format!("fuzz/{folder}/{target}/"));
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).with_context(|| folder.clone())?;
    }
    let (log, dictionary) = (format!("{LOGS}/{target}.log"), format!("fuzz/{target}.dict"));
    let file = File::create(&log).with_context(|| log.clone())?;
    let program = format!("fuzz/target/{}-unknown-linux-gnu/release/{target}", std::env::consts::ARCH);
    let mut command = Command::new(&program);
    command.args([&corpus, &format!("fuzz/seeds/{target}")]).args(OPTIONS);
    command.arg(format!("-artifact_prefix={artifacts}"));
    if Path::new(&dictionary).exists() {
        command.arg(format!("-dict={dictionary}"));
    }
    let output = file.try_clone().with_context(|| log.clone())?;
    let mut child =
        command.stdin(Stdio::null()).stdout(output).stderr(file).spawn().with_context(|| program.clone())?;
    println!("{target}: {log}");
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| program.clone())? {
            break status;
        }
        if processor_seconds(&child) >= f64::from(seconds) {
            interrupt(&child)?;
        }
        std::thread::sleep(LOOK);
    };
    let text = std::fs::read_to_string(&log).with_context(|| log.clone())?;
    let counts = text.lines().rev().find(|line| line.contains(" cov: ")).unwrap_or("nothing was run");
    println!("{target}: {counts}");
    if status.code() == Some(INTERRUPTED) || status.success() {
        return Ok(());
    }
    bail!("{target}: {status}; {log} has the reason, {artifacts} the input")
}

/// Processor time of a process so far, user and system; 0 when it is gone.
fn processor_seconds(child: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    // The name of the program, in parentheses, may have anything in it.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
    // Linux counts in hundredths of a second for every program.
    ticks / 100.0
}

fn interrupt(child: &Child) -> Result<()> {
    let id = child.id().to_string();
    Command::new("kill").args(["-INT", &id]).status().context("kill")?;
    Ok(())
}
