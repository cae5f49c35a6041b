//! `trigsieve-train arena`: recipes trained on channels, measured and ranked.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Workbench, background, write_table};
use trigsieve::model::ModelBundle;

const CONFIG: &str = r#"
background = "test.arrow"

[[channel]]
name = "1"
signals = { hard = "hard.arrow", alike = "alike.arrow" }

[[channel]]
name = "2"
signals = { hard = "hard.arrow" }
overrides.seed = 9

[[recipe]]
path = "tiny.toml"

[[recipe]]
path = "tiny.toml"
name = "svdd"
channels = ["1"]
overrides.network = { family = "deep_svdd", hidden = [8], output_dimension = 3 }
overrides.score = {}
"#;

fn bench() -> Workbench {
    // No [score] table of an autoencoder, which the arena could not take away for the other family.
    let network = "[network]\nfamily = \"autoencoder\"\nhidden = [8, 3, 8]\nactivation = \"relu\"\n";
    let bench = Workbench::new().family(network);
    let path = |name: &str| bench.folder.path().join(name);
    write_table(&path("test.arrow"), background(2000, 5));
    write_table(&path("alike.arrow"), background(500, 6));
    let mut hard = background(500, 7);
    hard.iter_mut().step_by(3).for_each(|pt| *pt *= 3.0);
    write_table(&path("hard.arrow"), hard);
    bench.recipe_file();
    std::fs::write(path("arena.toml"), CONFIG).unwrap();
    bench
}

fn arena(bench: &Workbench) -> Output {
    let folder = bench.folder.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_trigsieve-train"));
    command.arg("arena").arg(folder.join("arena.toml")).arg("-o").arg(folder.join("out"));
    command.arg("--data").arg(folder).env_remove("RUST_LOG").output().unwrap()
}

fn table(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("out/results.csv")).unwrap()
}

#[test]
fn recipes_are_trained_measured_and_kept() {
    let bench = bench();
    let done = arena(&bench);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8(done.stdout).unwrap().contains("3 trained, 0 finished before"));
    let folder = bench.folder.path();
    let results = table(folder);
    // Two channels of the one recipe, which the override of the second sets apart, and one of the other.
    for line in ["hard,tiny,1,", "alike,tiny,1,", "hard,tiny,2,", "hard,svdd,1,", "alike,svdd,1,"] {
        assert!(results.lines().any(|found| found.starts_with(line)), "{line} in\n{results}");
    }
    let auc = |line: &str| {
        let found = results.lines().find(|found| found.starts_with(line)).unwrap();
        found.split(',').nth(3).unwrap().parse::<f64>().unwrap()
    };
    assert!(auc("hard,tiny,1,") > 0.6 && (auc("alike,tiny,1,") - 0.5).abs() < 0.06, "{results}");
    assert!(folder.join("out/report.md").exists());
    let bundle = ModelBundle::open(&folder.join("out/models/svdd")).unwrap();
    assert_eq!(bundle.card().family, "deep_svdd");
    let again = arena(&bench);
    assert!(String::from_utf8(again.stdout).unwrap().contains("0 trained, 3 finished before"));
    assert_eq!(table(folder), results);
}

#[test]
fn a_recipe_that_is_wrong_costs_no_training() {
    let bench = bench();
    let folder = bench.folder.path();
    std::fs::write(folder.join("arena.toml"), format!("{CONFIG}overrides.training.bach = 5\n")).unwrap();
    let failed = arena(&bench);
    let message = String::from_utf8(failed.stderr).unwrap();
    assert!(!failed.status.success());
    assert!(message.contains("bach") && message.contains("svdd"), "{message}");
    assert!(!folder.join("out/models/tiny@1").exists());
}
