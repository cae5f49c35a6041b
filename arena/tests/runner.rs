//! The runner with a trainer that only pretends: what is trained, what is kept, what is refused.

use std::path::{Path, PathBuf};

use trigsieve_arena::{ArenaError, ArenaFile, Job, Measurement, TrainFailure, Trainer, run};

/// Measures what the recipe says, and notes what it was asked for.
#[derive(Default)]
struct Fake {
    trained: Vec<String>,
    /// Job that fails.
    failing: Option<&'static str>,
    /// Job that is killed: a panic, which the test catches.
    killed: Option<&'static str>,
    background_events: u64,
    /// Signal that is forgotten.
    forgotten: Option<&'static str>,
    inputs: Vec<PathBuf>,
}

impl Trainer for Fake {
    fn prepare(&mut self, job: &Job) -> Result<Vec<PathBuf>, TrainFailure> {
        let unknown = job.recipe.keys().find(|key| !["auc", "efficiency"].contains(&key.as_str()));
        match unknown {
            Some(key) => Err(format!("unknown key `{key}`").into()),
            None => Ok(self.inputs.clone()),
        }
    }

    fn train(&mut self, job: &Job, folder: &Path) -> Result<Vec<Measurement>, TrainFailure> {
        assert!(self.killed != Some(job.name.as_str()), "killed");
        if self.failing == Some(job.name.as_str()) {
            return Err("the loss is NaN after step 3".into());
        }
        self.trained.push(job.name.clone());
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("model.toml"), "")?;
        let value = |key: &str| job.recipe[key].as_float().ok_or("no number");
        let (auc, efficiency) = (value("auc")?, value("efficiency")?);
        let measurement = |place: trigsieve_arena::ChannelSignal| Measurement {
            channel: place.channel,
            signal: place.signal,
            background_events: self.background_events,
            auc,
            efficiency: [1.0, 0.1, 0.01].map(|scale| Some(efficiency * scale)),
        };
        let places = job.places().into_iter().filter(|place| self.forgotten != Some(place.signal.as_str()));
        Ok(places.map(measurement).collect())
    }
}

struct Workplace {
    folder: tempfile::TempDir,
}

const CONFIG: &str = r#"
background = "background"
[[channel]]
name = "1"
signals = { stop = "stop", gluino = "gluino" }
[[channel]]
name = "2b"
signals = { stop = "stop" }

[[recipe]]
path = "good.toml"
[[recipe]]
path = "good.toml"
name = "better"
overrides.auc = 0.9
[[recipe]]
path = "good.toml"
name = "apart"
channels = ["2b"]
"#;

impl Workplace {
    fn new() -> Self {
        let workplace = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["background", "stop", "gluino", "training"] {
            workplace.write(name, name);
        }
        workplace.write("good.toml", "auc = 0.8\nefficiency = 0.5\n");
        workplace.write("arena.toml", CONFIG);
        workplace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn arena(&self) -> ArenaFile {
        ArenaFile::read(&self.path("arena.toml"), self.folder.path()).unwrap()
    }

    fn run(&self, trainer: &mut Fake) -> Result<trigsieve_arena::Outcome, ArenaError> {
        run(&self.arena(), &self.path("out"), trainer)
    }

    fn results(&self) -> String {
        std::fs::read_to_string(self.path("out/results.csv")).unwrap()
    }
}

fn fake() -> Fake {
    Fake { background_events: 1_000_000, ..Fake::default() }
}

const RESULTS: &str = "\
Signal,Model,Chan,AUC,1e-2,1e-3,1e-4
gluino,good,1,0.8,0.5,0.05,0.005
stop,good,1,0.8,0.5,0.05,0.005
stop,good,2b,0.8,0.5,0.05,0.005
gluino,better,1,0.9,0.5,0.05,0.005
stop,better,1,0.9,0.5,0.05,0.005
stop,better,2b,0.9,0.5,0.05,0.005
stop,apart,2b,0.8,0.5,0.05,0.005
";

#[test]
fn a_finished_arena_has_a_table_a_report_and_models_and_is_not_trained_again() {
    let workplace = Workplace::new();
    let mut first = fake();
    let outcome = workplace.run(&mut first).unwrap();
    assert_eq!(first.trained, ["good", "better", "apart"]);
    assert_eq!((outcome.trained.len(), outcome.kept.len(), outcome.failures.len()), (3, 0, 0));
    assert_eq!(workplace.results(), RESULTS);
    assert!(
        workplace.path("out/report.md").is_file() && workplace.path("out/total_improvement.svg").is_file()
    );
    assert!(workplace.path("out/models/better/model.toml").is_file());
    let report = std::fs::read_to_string(workplace.path("out/report.md")).unwrap();
    assert!(report.contains("- AUC: apart"), "{report}");

    let mut second = fake();
    let outcome = workplace.run(&mut second).unwrap();
    assert!(second.trained.is_empty());
    assert_eq!(outcome.kept, ["good", "better", "apart"]);
    assert_eq!(workplace.results(), RESULTS);
}

#[test]
fn a_run_that_was_killed_goes_on_where_it_was() {
    let workplace = Workplace::new();
    let mut killed = Fake { killed: Some("better"), ..fake() };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| workplace.run(&mut killed)));
    assert!(caught.is_err());
    assert!(!workplace.path("out/results.csv").exists());
    let mut resumed = fake();
    workplace.run(&mut resumed).unwrap();
    assert_eq!(resumed.trained, ["better", "apart"]);
    assert_eq!(workplace.results(), RESULTS);
}

#[test]
fn a_changed_recipe_or_event_table_is_trained_again_and_nothing_else_is() {
    let workplace = Workplace::new();
    let with_inputs = || Fake { inputs: vec![workplace.path("training")], ..fake() };
    workplace.run(&mut with_inputs()).unwrap();

    workplace.write("gluino", "other events");
    let mut trainer = with_inputs();
    workplace.run(&mut trainer).unwrap();
    assert_eq!(trainer.trained, ["good", "better"]);

    workplace.write("arena.toml", &CONFIG.replace("overrides.auc = 0.9", "overrides.auc = 0.95"));
    let mut trainer = with_inputs();
    workplace.run(&mut trainer).unwrap();
    assert_eq!(trainer.trained, ["better"]);
    assert!(workplace.results().contains("stop,better,2b,0.95,"));

    workplace.write("training", "other training events");
    let mut trainer = with_inputs();
    workplace.run(&mut trainer).unwrap();
    assert_eq!(trainer.trained, ["good", "better", "apart"]);
}

#[test]
fn a_job_that_fails_is_reported_and_the_others_are_done() {
    let workplace = Workplace::new();
    let outcome = workplace.run(&mut Fake { failing: Some("better"), ..fake() }).unwrap();
    assert_eq!(outcome.trained, ["good", "apart"]);
    let failure = &outcome.failures[0];
    assert_eq!(
        (failure.job.as_str(), failure.reason.to_string().as_str()),
        ("better", "the loss is NaN after step 3")
    );
    assert!(!workplace.results().contains("better"));
    let mut again = fake();
    workplace.run(&mut again).unwrap();
    assert_eq!(
        (again.trained.as_slice(), workplace.results().as_str()),
        (&["better".to_owned()][..], RESULTS)
    );
}

#[test]
fn what_too_few_background_events_cannot_measure_is_empty() {
    let workplace = Workplace::new();
    workplace.run(&mut Fake { background_events: 9_999, ..fake() }).unwrap();
    assert!(workplace.results().contains("stop,good,1,0.8,0.5,0.05,\n"), "{}", workplace.results());
    assert!(!workplace.path("out/efficiency_1e-4.svg").exists());
    let report = std::fs::read_to_string(workplace.path("out/report.md")).unwrap();
    assert!(report.contains("### eS at eB = 1e-4\n\nNot measured."), "{report}");
    // The total improvement is over the working points that are measured: 0.5 / sqrt(1e-2).
    assert!(report.contains("| 1 | better | 5.00 | 5.00 | 5.00 |"), "{report}");
}

#[test]
fn a_bad_recipe_is_refused_before_anything_is_trained() {
    let workplace = Workplace::new();
    workplace.write("arena.toml", &format!("{CONFIG}overrides.sed = 1\n"));
    let mut trainer = fake();
    let error = workplace.run(&mut trainer).unwrap_err().to_string();
    assert!(error.ends_with("arena.toml: recipe of `apart`: unknown key `sed`"), "{error}");
    assert!(trainer.trained.is_empty());
}

#[test]
fn results_that_do_not_answer_the_question_are_a_failure_of_the_job() {
    let workplace = Workplace::new();
    let outcome = workplace.run(&mut Fake { forgotten: Some("gluino"), ..fake() }).unwrap();
    assert_eq!(outcome.trained, ["apart"]);
    let reason = outcome.failures[0].reason.to_string();
    assert_eq!(reason, "entry `good`: no result on signal `gluino` in channel `1`");

    workplace.write("good.toml", "auc = 1.5\nefficiency = 0.5\n");
    let outcome = workplace.run(&mut fake()).unwrap();
    let reason = outcome.failures[0].reason.to_string();
    assert_eq!(reason, "entry `good`: AUC on signal `gluino` in channel `1` is 1.5, but it must be 0 to 1");
}

#[test]
fn a_damaged_entry_is_named() {
    let workplace = Workplace::new();
    workplace.run(&mut fake()).unwrap();
    workplace.write("out/entries/good.json", "{");
    let error = workplace.run(&mut fake()).unwrap_err().to_string();
    assert!(error.contains("entries/good.json") && error.contains("delete the file"), "{error}");
}

#[test]
fn two_arenas_do_not_share_a_folder() {
    let workplace = Workplace::new();
    std::fs::create_dir(workplace.path("out")).unwrap();
    let lock = std::fs::File::create(workplace.path("out/.lock")).unwrap();
    lock.lock().unwrap();
    let error = workplace.run(&mut fake()).unwrap_err();
    assert!(matches!(error, ArenaError::Busy { .. }), "{error}");
}
