//! All bundled models, made again from their recipes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::shell::{Step, cargo, trigsieve};
use crate::venv;

/// Where event tables lie; the recipes' paths start at its parent.
const DATA: &str = "out/models/data";

/// The page with the metrics of all bundles.
const TABLE: &str = "docs/models.md";

/// A group of models: what they are trained on, and how that is made.
struct Group {
    /// Flag that names a file of the user's; with `-test` at its end, files for the cards' metrics.
    flag: &'static str,
    /// The event table, as the recipes name it.
    table: &'static str,
    /// Arguments of `trigsieve convert`.
    convert: &'static [&'static str],
    /// Arguments of the generator.
    generate: &'static [&'static str],
    /// What the generator writes.
    source: &'static str,
    /// The recipes.
    models: &'static [&'static str],
}

const GROUPS: [Group; 2] = [
    Group {
        flag: "--l1",
        table: "background_train",
        convert: &["--from", "adc2021"],
        generate: &["background", "--events", "500000", "--seed", "2"],
        source: "background_train.h5",
        models: &["l1_ae", "l1_vae", "l1_svdd"],
    },
    Group {
        flag: "--2b",
        table: "dm_2b_background",
        convert: &["--from", "darkmachines", "--selection", "chan2b", "--encoding", "simple_ae_34"],
        generate: &["challenge", "background", "--channel", "2b", "--luminosity", "5", "--seed", "2"],
        source: "dm_background_2b.csv",
        models: &["dm_2b_ae", "dm_2b_svdd"],
    },
];

/// The files that the command line names for a group.
#[derive(Default)]
struct Given {
    background: Option<PathBuf>,
    /// Background first, then signals.
    test: Vec<PathBuf>,
}

/// Trains every bundled model: on the file that `--l1 FILE` or `--2b FILE` names, on what an earlier run has left in
/// `out/models/data`, or on events of the repository's own generator. An interrupted run goes on where it was.
/// The cards get metrics where `--l1-test BACKGROUND SIGNAL...` or `--2b-test BACKGROUND SIGNAL...` name files.
pub fn run(args: &[String]) -> Result<()> {
    let given = parse(args)?;
    std::fs::create_dir_all(DATA).context(DATA)?;
    cargo(&["build", "--release", "--workspace"]).run()?;
    let start = Instant::now();
    for (group, given) in GROUPS.iter().zip(&given) {
        group.prepare(given.background.as_deref())?;
        let test = given.test.iter().enumerate().map(|(place, file)| group.test_table(file, place > 0));
        let test = test.collect::<Result<Vec<_>>>()?;
        group.models.iter().try_for_each(|model| train(model, &test))?;
    }
    let bundles = GROUPS.iter().flat_map(|group| group.models).map(|model| format!("models/{model}"));
    let bundles: Vec<String> = bundles.collect();
    std::fs::create_dir_all("docs").context("docs")?;
    let table = Step::new("target/release/trigsieve-train").args(&["table", "-o", TABLE]);
    bundles.iter().fold(table, |table, bundle| table.args(&[bundle])).run()?;
    println!("\n{} bundles in {:.0} s", bundles.len(), start.elapsed().as_secs_f64());
    Ok(())
}

fn parse(args: &[String]) -> Result<Vec<Given>> {
    let mut given: Vec<Given> = GROUPS.iter().map(|_| Given::default()).collect();
    let mut rest = args;
    while let Some((flag, after)) = rest.split_first() {
        let count = after.iter().take_while(|word| !word.starts_with("--")).count();
        let (files, following) = after.split_at(count);
        let name = flag.strip_suffix("-test").unwrap_or(flag);
        let place = GROUPS.iter().position(|group| group.flag == name);
        let place =
            place.with_context(|| format!("no flag `{flag}`; there are --l1, --l1-test, --2b, --2b-test"))?;
        match files {
            [file] if name == flag => given[place].background = Some(file.into()),
            [_, _, ..] if name != flag => given[place].test = files.iter().map(PathBuf::from).collect(),
            _ if name == flag => bail!("{flag} needs a file"),
            _ => bail!("{flag} needs a file of background and files of signals"),
        }
        rest = following;
    }
    Ok(given)
}

fn train(model: &str, test: &[String]) -> Result<()> {
    let (recipe, bundle) = (format!("models/recipes/{model}.toml"), format!("models/{model}"));
    let mut step = Step::new("target/release/trigsieve-train")
        .args(&[&recipe, "-o", &bundle, "--data", "out/models", "--force"])
        .args(&["--checkpoint-every", "60s", "--resume"]);
    if let [background, signals @ ..] = test {
        step = step.args(&["--evaluate-background", background, "--evaluate-signal"]);
        step = signals.iter().fold(step, |step, signal| step.args(&[signal]));
    }
    step.run()
}

impl Group {
    /// Makes the event table, unless it is there and no other file is given.
    fn prepare(&self, given: Option<&Path>) -> Result<()> {
        let table = format!("{DATA}/{}.arrow", self.table);
        match given {
            Some(file) => self.table_of(file, &table, &[]),
            None if Path::new(&table).exists() => Ok(()),
            None => {
                let source = format!("{DATA}/{}", self.source);
                self.generate(&source)?;
                self.table_of(Path::new(&source), &table, &[])
            }
        }
    }

    /// The event table of a file for metrics, which call it by the file's name without `signal_`.
    fn test_table(&self, file: &Path, signal: bool) -> Result<String> {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let stem = stem.strip_prefix("signal_").unwrap_or(&stem);
        if stem == self.table {
            bail!("{}: the models are trained on a table of this name", file.display());
        }
        let table = format!("{DATA}/{stem}.arrow");
        self.table_of(file, &table, &["--label", if signal { "1" } else { "0" }])?;
        Ok(table)
    }

    fn table_of(&self, file: &Path, table: &str, label: &[&str]) -> Result<()> {
        if file.extension().is_some_and(|extension| extension == "arrow") {
            std::fs::copy(file, table).with_context(|| file.display().to_string())?;
            return Ok(());
        }
        let file = file.display().to_string();
        trigsieve(&["convert", &file]).args(self.convert).args(label).args(&["-o", table, "--force"]).run()
    }

    fn generate(&self, source: &str) -> Result<()> {
        if Path::new(source).exists() {
            return Ok(());
        }
        venv::everything()?;
        venv::python(&["-m", "trigsieve_samples"])
            .args(self.generate)
            .args(&["-o", source])
            .env("PYTHONPATH", "samples/generator")
            .run()
    }
}
