//! `trigsieve-arena` as a user calls it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const RESULTS: &str = "Signal,Model,Chan,AUC,1e-2,1e-3,1e-4\ns,a,1,0.8,0.5,0.1,0.02\ns,b,1,0.7,0.4,0.1,0.0\n";

fn arena(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trigsieve-arena")).arg("rank").args(arguments).output().unwrap()
}

/// A folder with a table `results.csv`, and the place for the report.
fn workplace() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results.csv");
    std::fs::write(&results, RESULTS).unwrap();
    let out = folder.path().join("made/out");
    (folder, results, out)
}

fn error_of(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn rank_writes_the_report_and_shows_the_best() {
    let (_folder, results, out) = workplace();
    let output = arena(&[&results, Path::new("-o"), &out]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.lines().any(|line| line.split_whitespace().eq(["1", "a", "5.00", "5.00", "5.00"])),
        "{shown}"
    );
    assert!(shown.contains("2 models ranked, 0 left out"), "{shown}");
    for file in ["results.csv", "rankings.csv", "total_improvement.csv", "report.md", "auc.svg"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    let leftovers =
        std::fs::read_dir(&out).unwrap().filter_map(|file| file.unwrap().file_name().into_string().ok());
    assert!(leftovers.into_iter().all(|name| !name.ends_with(".partial")));
}

#[test]
fn a_report_is_only_replaced_by_force() {
    let (_folder, results, out) = workplace();
    assert!(arena(&[&results, Path::new("-o"), &out]).status.success());
    assert!(error_of(&arena(&[&results, Path::new("-o"), &out]), 2).contains("--force"));
    let forced = arena(&[&results, Path::new("-o"), &out, Path::new("--force"), Path::new("-q")]);
    assert!(forced.status.success() && forced.stdout.is_empty());
}

#[test]
fn a_replaced_report_has_nothing_of_the_old_one() {
    let (_folder, results, out) = workplace();
    assert!(arena(&[&results, Path::new("-o"), &out]).status.success());
    assert!(out.join("efficiency_1e-4.svg").is_file());
    std::fs::write(&results, "Signal,Model,Chan,AUC,1e-2,1e-3,1e-4\ns,a,1,0.8,0.5,0.1,\n").unwrap();
    assert!(arena(&[&results, Path::new("-o"), &out, Path::new("--force")]).status.success());
    assert!(out.join("efficiency_1e-3.svg").is_file() && !out.join("efficiency_1e-4.svg").exists());
}

#[test]
fn what_is_wrong_is_said_in_one_line_and_leaves_no_report() {
    let (folder, results, out) = workplace();
    let missing = folder.path().join("missing.csv");
    assert!(error_of(&arena(&[&missing, Path::new("-o"), &out]), 1).contains("missing.csv: No such file"));
    let bad = folder.path().join("bad.csv");
    std::fs::write(&bad, format!("{RESULTS}s,c,1,0.5,2,0,0\n")).unwrap();
    assert!(error_of(&arena(&[&bad, Path::new("-o"), &out]), 1).contains("bad.csv: line 4: 1e-2 is `2`"));
    assert!(error_of(&arena(&[&results, &results, Path::new("-o"), &out]), 1).contains("a second result"));
    std::fs::write(&bad, RESULTS.lines().next().unwrap()).unwrap();
    assert!(error_of(&arena(&[&bad, Path::new("-o"), &out]), 1).contains("no results to rank"));
    assert!(!out.exists());
    assert_eq!(arena(&[]).status.code(), Some(2));
}

#[test]
fn help_has_an_example() {
    let help = arena(&[Path::new("--help")]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success() && text.contains("Example:\n  trigsieve-arena rank"), "{text}");
}
