//! A training that is killed goes on from its checkpoint and ends with the bits of one that is not.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{FAMILIES, Workbench, background};
use trigsieve::model::sha256_of_file;

/// 1500 training events in batches of 64: 23 steps an epoch. A checkpoint every 5 steps lies in the middle of one.
const EPOCHS: usize = 200;

fn trainer(bench: &Workbench, bundle: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trigsieve-train"));
    command.arg(bench.recipe_file()).arg("-o").arg(bundle).arg("--data").arg(bench.folder.path());
    command.args(flags).arg("--quiet").stdout(Stdio::null()).stderr(Stdio::null()).env_remove("RUST_LOG");
    command
}

fn checkpoint(bundle: &Path) -> PathBuf {
    bundle.with_extension("checkpoint")
}

/// SIGKILL, once there is a checkpoint newer than `than`.
fn kill_after_checkpoint(mut child: Child, bundle: &Path, than: Option<Vec<u8>>) -> Vec<u8> {
    let limit = Instant::now() + Duration::from_secs(60);
    let written = loop {
        assert!(Instant::now() < limit, "no checkpoint after a minute");
        assert!(child.try_wait().unwrap().is_none(), "the training ended before it could be killed");
        // Renamed into place: it is complete whenever it can be read.
        match std::fs::read(checkpoint(bundle)) {
            Ok(bytes) if Some(&bytes) != than.as_ref() => break bytes,
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(!bundle.exists(), "killed before the end");
    written
}

fn checksums(bundle: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(bundle).unwrap().map(|file| file.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), sha256_of_file(&path).unwrap())).collect()
}

#[test]
fn a_killed_training_ends_where_an_undisturbed_one_ends() {
    let vae = FAMILIES.iter().find(|(name, _)| *name == "vae").unwrap().1;
    let ensemble = FAMILIES.iter().find(|(name, _)| *name == "ensemble").unwrap().1;
    let schedule = "schedule = { plateau = { patience = 2, factor = 0.5 } }";
    let benches = [
        Workbench::new(),
        Workbench::new().family(vae).set("schedule = \"cosine\"", schedule),
        Workbench::new()
            .family(ensemble)
            .set("schedule = \"cosine\"", "schedule = { step = { epochs = 3, factor = 0.9 } }"),
    ];
    for bench in benches {
        let bench = bench
            .set("max_epochs = 3", &format!("max_epochs = {EPOCHS}"))
            .set("patience = 3", &format!("patience = {EPOCHS}"));
        let (whole, killed) = (bench.folder.path().join("whole"), bench.folder.path().join("killed"));
        assert!(trainer(&bench, &whole, &[]).status().unwrap().success());
        let mut last = None;
        for _ in 0..3 {
            let flags = ["--checkpoint-every", "5", "--resume"];
            let child = trainer(&bench, &killed, &flags).spawn().unwrap();
            last = Some(kill_after_checkpoint(child, &killed, last));
        }
        assert!(trainer(&bench, &killed, &["--resume"]).status().unwrap().success());
        assert_eq!(checksums(&killed), checksums(&whole));
        assert_eq!(checksums(&whole).len(), 3);
        assert!(!checkpoint(&killed).exists(), "removed with the end");
    }
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let bench = Workbench::new()
        .set("max_epochs = 3", "max_epochs = 100000")
        .set("patience = 3", "patience = 100000");
    let bundle = bench.folder.path().join("tiny");
    let child = trainer(&bench, &bundle, &["--checkpoint-every", "7"]).spawn().unwrap();
    let bytes = kill_after_checkpoint(child, &bundle, None);
    let message = |bench: &Workbench, flags: &[&str]| {
        let output = trainer(bench, &bundle, flags).stderr(Stdio::piped()).output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("tiny.checkpoint") && text.lines().count() == 1, "{text}");
        text
    };
    assert!(message(&bench, &[]).contains("--resume"));
    let other_recipe = bench.clone().set("seed = 7", "seed = 8");
    assert!(message(&other_recipe, &["--resume"]).contains("another recipe"));
    common::write_table(&bench.folder.path().join("background.arrow"), background(2000, 2));
    assert!(message(&bench, &["--resume"]).contains("other events"));
    let mut damaged = bytes;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(checkpoint(&bundle), &damaged).unwrap();
    assert!(message(&bench, &["--resume"]).contains("damaged"));
    std::fs::write(checkpoint(&bundle), &damaged[..10]).unwrap();
    assert!(message(&bench, &["--resume"]).contains("damaged"));
}

#[test]
fn resuming_without_a_checkpoint_starts_anew() {
    let bench = Workbench::new();
    let (first, second) = (bench.folder.path().join("first"), bench.folder.path().join("second"));
    assert!(trainer(&bench, &first, &[]).status().unwrap().success());
    assert!(trainer(&bench, &second, &["--resume"]).status().unwrap().success());
    assert_eq!(checksums(&first), checksums(&second));
}
