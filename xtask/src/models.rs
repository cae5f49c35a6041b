//! All bundled models, made again from their recipes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{Step, cargo, trigsieve};
use crate::venv;

/// Where event tables lie; the recipes' paths start at its parent.
const DATA: &str = "out/models/data";

/// Background of a group of models, and how it is made.
struct Background {
    /// Flag that names a file of the user's.
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

const BACKGROUNDS: [Background; 2] = [
    Background {
        flag: "--l1",
        table: "background_train.arrow",
        convert: &["--from", "adc2021"],
        generate: &["background", "--events", "500000", "--seed", "2"],
        source: "background_train.h5",
        models: &["l1_ae", "l1_vae", "l1_svdd"],
    },
    Background {
        flag: "--2b",
        table: "dm_2b_background.arrow",
        convert: &["--from", "darkmachines", "--selection", "chan2b", "--encoding", "simple_ae_34"],
        generate: &["challenge", "background", "--channel", "2b", "--luminosity", "5", "--seed", "2"],
        source: "dm_background_2b.csv",
        models: &["dm_2b_ae", "dm_2b_svdd"],
    },
];

/// Trains every bundled model: on the file that `--l1 FILE` or `--2b FILE` names, on what an earlier run has left in
/// `out/models/data`, or on events of the repository's own generator. An interrupted run goes on where it was.
pub fn run(args: &[String]) -> Result<()> {
    let given = parse(args)?;
    std::fs::create_dir_all(DATA).context(DATA)?;
    cargo(&["build", "--release", "--workspace"]).run()?;
    for (background, given) in BACKGROUNDS.iter().zip(&given) {
        background.prepare(given.as_deref())?;
        background.models.iter().try_for_each(|model| train(model))?;
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Vec<Option<PathBuf>>> {
    let mut given: Vec<Option<PathBuf>> = BACKGROUNDS.iter().map(|_| None).collect();
    for pair in args.chunks(2) {
        let [flag, file] = pair else { bail!("{} needs a file", pair[0]) };
        let place = BACKGROUNDS.iter().position(|background| background.flag == flag);
        given[place.with_context(|| format!("no flag `{flag}`; there are --l1 FILE and --2b FILE"))?] =
            Some(file.into());
    }
    Ok(given)
}

fn train(model: &str) -> Result<()> {
    let (recipe, bundle) = (format!("models/recipes/{model}.toml"), format!("models/{model}"));
    Step::new("target/release/trigsieve-train")
        .args(&[&recipe, "-o", &bundle, "--data", "out/models", "--force"])
        .args(&["--checkpoint-every", "60s", "--resume"])
        .run()
}

impl Background {
    /// Makes the event table, unless it is there and no other file is given.
    fn prepare(&self, given: Option<&Path>) -> Result<()> {
        let table = format!("{DATA}/{}", self.table);
        match given {
            Some(file) if file.extension().is_some_and(|extension| extension == "arrow") => {
                std::fs::copy(file, &table).with_context(|| file.display().to_string())?;
                Ok(())
            }
            Some(file) => self.convert(&file.display().to_string(), &table),
            None if Path::new(&table).exists() => Ok(()),
            None => {
                let source = format!("{DATA}/{}", self.source);
                self.generate(&source)?;
                self.convert(&source, &table)
            }
        }
    }

    fn convert(&self, source: &str, table: &str) -> Result<()> {
        trigsieve(&["convert", source]).args(self.convert).args(&["-o", table, "--force"]).run()
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
