//! The configuration of an arena: which recipes compete, on which channels and signals.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{ArenaError, ChannelSignal};

/// An arena's configuration file, read and checked.
///
/// ```toml
/// # A channel has its own background and its own signals: event tables that no training has seen.
/// [[channel]]
/// name = "2b"
/// background = "data/2b_background_test.arrow"
/// signals = { gluino_1000 = "data/2b_gluino.arrow", stop_1000 = "data/2b_stop.arrow" }
/// overrides.data.files = ["data/2b_background_train.arrow"]  # optional: laid over each recipe for this channel
///
/// [[recipe]]
/// path = "models/recipes/dm_ae.toml"
///
/// [[recipe]]
/// path = "models/recipes/dm_ae.toml"
/// name = "dm_ae_seed2"       # the model's name in the table; the recipe's file stem if not given
/// channels = ["2b"]          # all if not given
/// overrides.seed = 2         # laid over the recipe, after those of the channel
/// ```
///
/// A `background` beside the lists serves the channels that have none of their own. A recipe that is the same for
/// several channels is trained once and evaluated on all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct ArenaFile {
    /// Where it was read.
    pub path: PathBuf,
    /// The trainings that it asks for, in its order.
    pub jobs: Vec<Job>,
}

/// One training, and the channels on which its model is to be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Name of the job, good as a file name: the model's, or `MODEL@CHANNEL` when the model is trained for
    /// each channel apart.
    pub name: String,
    /// Name of the model in the table.
    pub model: String,
    /// The recipe file.
    pub recipe_path: PathBuf,
    /// Its content, with the overrides of channel and entry laid over it.
    pub recipe: toml::Table,
    /// Where to evaluate.
    pub channels: Vec<Channel>,
}

impl Job {
    /// The (channel, signal) pairs that the job has to give results for.
    #[must_use]
    pub fn places(&self) -> BTreeSet<ChannelSignal> {
        self.channels.iter().flat_map(Channel::places).collect()
    }
}

/// A selection of events: a background and signals.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its name in the table.
    pub name: String,
    /// Event table of the test background.
    pub background: PathBuf,
    /// Event tables of the signals, by name.
    pub signals: Vec<Sample>,
}

impl Channel {
    fn places(&self) -> impl Iterator<Item = ChannelSignal> + '_ {
        let place =
            |signal: &Sample| ChannelSignal { channel: self.name.clone(), signal: signal.name.clone() };
        self.signals.iter().map(place)
    }

    /// The background and the signals.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let signals = self.signals.iter().map(|signal| signal.path.as_path());
        std::iter::once(self.background.as_path()).chain(signals)
    }
}

/// An event table of a signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name in the table.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    background: Option<PathBuf>,
    channel: Vec<TypedChannel>,
    recipe: Vec<TypedRecipe>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedChannel {
    name: String,
    background: Option<PathBuf>,
    signals: BTreeMap<String, PathBuf>,
    #[serde(default)]
    overrides: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedRecipe {
    path: PathBuf,
    name: Option<String>,
    channels: Option<Vec<String>>,
    #[serde(default)]
    overrides: toml::Table,
}

impl ArenaFile {
    /// Reads a configuration and the recipes it names; relative paths start at `root`.
    ///
    /// # Errors
    /// [`ArenaError::Config`] and [`ArenaError::Io`], which name the file: not TOML, an unknown or missing key, no
    /// recipe, no channel, a channel without signals or background, a name twice or one that is no file name, an
    /// unknown channel, an event table that is not there.
    pub fn read(path: &Path, root: &Path) -> Result<Self, ArenaError> {
        let text = read_text(path)?;
        let typed: Typed =
            toml::from_str(&text).map_err(|error| ArenaError::config(path, error.to_string()))?;
        let jobs = Resolver { path, root }.jobs(typed)?;
        Ok(Self { path: path.to_owned(), jobs })
    }
}

fn read_text(path: &Path) -> Result<String, ArenaError> {
    std::fs::read_to_string(path).map_err(|source| ArenaError::io(path, source))
}

/// From what was typed to what is to be done.
struct Resolver<'a> {
    path: &'a Path,
    root: &'a Path,
}

impl Resolver<'_> {
    fn jobs(&self, typed: Typed) -> Result<Vec<Job>, ArenaError> {
        self.require(!typed.channel.is_empty(), || "no [[channel]]".to_owned())?;
        self.require(!typed.recipe.is_empty(), || "no [[recipe]]".to_owned())?;
        self.distinct("channel", typed.channel.iter().map(|channel| channel.name.clone()))?;
        let channels = typed.channel.into_iter().map(|channel| self.channel(channel, &typed.background));
        let channels: Vec<_> = channels.collect::<Result<_, _>>()?;
        self.distinct("model", typed.recipe.iter().map(model_name))?;
        let jobs = typed.recipe.iter().map(|recipe| self.of_recipe(recipe, &channels));
        Ok(jobs.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    fn channel(
        &self,
        typed: TypedChannel,
        background: &Option<PathBuf>,
    ) -> Result<(Channel, toml::Table), ArenaError> {
        let name = typed.name;
        self.require(!typed.signals.is_empty(), || format!("channel `{name}` has no signals"))?;
        self.distinct("signal", typed.signals.keys().cloned())?;
        let Some(background) = typed.background.as_ref().or(background.as_ref()) else {
            return self
                .refuse(format!("channel `{name}` has no background, and there is none for all channels"));
        };
        let sample = |(name, path): (String, PathBuf)| Ok(Sample { name, path: self.event_table(&path)? });
        let signals = typed.signals.into_iter().map(sample).collect::<Result<_, ArenaError>>()?;
        let channel = Channel { background: self.event_table(background)?, name, signals };
        Ok((channel, typed.overrides))
    }

    /// The jobs of one recipe: one for all channels for which its content is the same.
    fn of_recipe(
        &self,
        typed: &TypedRecipe,
        channels: &[(Channel, toml::Table)],
    ) -> Result<Vec<Job>, ArenaError> {
        let model = model_name(typed);
        let recipe_path = self.root.join(&typed.path);
        let recipe: toml::Table = toml::from_str(&read_text(&recipe_path)?)
            .map_err(|error| ArenaError::config(&recipe_path, error.to_string()))?;
        let mut jobs: Vec<Job> = Vec::new();
        for (channel, overrides) in self.chosen(typed, channels)? {
            let mut recipe = recipe.clone();
            overlay(&mut recipe, overrides);
            overlay(&mut recipe, &typed.overrides);
            match jobs.iter_mut().find(|job| job.recipe == recipe) {
                Some(job) => job.channels.push(channel.clone()),
                None => jobs.push(Job {
                    name: format!("{model}@{}", channel.name),
                    model: model.clone(),
                    recipe_path: recipe_path.clone(),
                    recipe,
                    channels: vec![channel.clone()],
                }),
            }
        }
        if let [only] = jobs.as_mut_slice() {
            only.name = model;
        }
        Ok(jobs)
    }

    fn chosen<'c>(
        &self,
        typed: &TypedRecipe,
        channels: &'c [(Channel, toml::Table)],
    ) -> Result<Vec<&'c (Channel, toml::Table)>, ArenaError> {
        let Some(names) = &typed.channels else { return Ok(channels.iter().collect()) };
        let model = model_name(typed);
        self.require(!names.is_empty(), || format!("recipe `{model}` has an empty list of channels"))?;
        self.distinct("channel", names.iter().cloned())?;
        let find = |name: &String| {
            let channel = channels.iter().find(|(channel, _)| channel.name == *name);
            channel.ok_or_else(|| {
                let known: Vec<_> = channels.iter().map(|(channel, _)| channel.name.as_str()).collect();
                let known = known.join("`, `");
                self.error(format!("recipe `{model}`: there is no channel `{name}`, only `{known}`"))
            })
        };
        names.iter().map(find).collect()
    }

    fn event_table(&self, path: &Path) -> Result<PathBuf, ArenaError> {
        let path = self.root.join(path);
        let metadata = std::fs::metadata(&path).map_err(|source| ArenaError::io(&path, source))?;
        self.require(metadata.is_file(), || format!("{} is not a file", path.display()))?;
        Ok(path)
    }

    /// Names that are good in a table and as file names, each once.
    fn distinct(&self, what: &str, names: impl Iterator<Item = String>) -> Result<(), ArenaError> {
        let mut seen = BTreeSet::new();
        for name in names {
            let is_good = !name.is_empty()
                && !name.starts_with('.')
                && name.trim() == name
                && !name.contains(|c: char| c.is_control() || c == '/' || c == '@');
            self.require(is_good, || {
                format!(
                    "`{}` is no name for a {what}: not empty, no leading dot, no `/` or `@`",
                    name.escape_debug()
                )
            })?;
            self.require(!seen.contains(&name), || {
                format!("two of name `{name}`: each {what} needs its own")
            })?;
            seen.insert(name);
        }
        Ok(())
    }

    fn require(&self, holds: bool, reason: impl FnOnce() -> String) -> Result<(), ArenaError> {
        if holds { Ok(()) } else { self.refuse(reason()) }
    }

    fn refuse<T>(&self, reason: String) -> Result<T, ArenaError> {
        Err(self.error(reason))
    }

    fn error(&self, reason: String) -> ArenaError {
        ArenaError::config(self.path, reason)
    }
}

fn model_name(typed: &TypedRecipe) -> String {
    let stem = || typed.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    typed.name.clone().unwrap_or_else(stem)
}

/// Lays `over` on `base`, table by table; anything else is replaced whole: a recipe's `pt = "linear"` may become a
/// table, and the other way round.
fn overlay(base: &mut toml::Table, over: &toml::Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => overlay(base, over),
            _ => _ = base.insert(key.clone(), value.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
