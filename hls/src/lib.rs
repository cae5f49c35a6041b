//! Reads hls4ml projects as found in the wild into programs of fixed-point tensors.
//!
//! A project is C++: typedefs and sizes in `defines.h`, configurations in `parameters.h`, weights in headers or text files,
//! a top function that calls one `nnet::` layer after the other, and perhaps a class around it that scales the inputs
//! and makes one score of the outputs (as the emulator of CMS's triggers has it). [`import`] reads what such projects
//! consist of, and says of everything else which line it is.
//!
//! The way of a project: [`project`] reads the files, `token` and `preprocess` make one run of tokens of a source and its
//! headers, `scope` finds the declarations, `types`, `expression` and `weights` say what they stand for, `network` reads
//! the body of the top function, `layers` turns each call into operations, `wrapper` what stands around the network, and
//! [`score`] adds a score where there is none.

mod builder;
mod error;
mod expression;
mod layers;
mod network;
mod preprocess;
pub mod project;
mod scope;
pub mod score;
mod search;
mod token;
mod types;
mod weights;
mod wrapper;

use std::fmt;
use std::path::Path;

use trigsieve_fixed::{Format, Program};

pub use error::ImportError;
pub use project::Project;
pub use score::Score;

use builder::{Builder, Place};
use error::{Result, Trouble};
use layers::{Layers, Line};
use network::{Buffer, Network};
use preprocess::Unit;
use scope::{Names, Scope};
use weights::Shelf;

/// What the project does not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which score to make.
    pub score: Score,
    /// The output array that the score is made of, where the network has several.
    pub output: Option<String>,
    /// Format of squares and sums of a score that is added; absent: wide enough to be exact.
    pub score_format: Option<Format>,
    /// Binary places of the hardware integers at the door; 0: they are whole numbers.
    pub hardware_fraction: i32,
    /// Take the network alone, without what stands around it.
    pub network_only: bool,
}

/// A project, understood.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network, with its score.
    pub program: Program,
    /// What was recognised.
    pub report: Report,
}

/// What was recognised in a project, for people.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name of the top function.
    pub name: String,
    /// `FILE:LINE` of it.
    pub place: String,
    /// `FILE:LINE: layer (weights)`, in order.
    pub layers: Vec<String>,
    /// What stands around the network.
    pub around: String,
    /// Where the score comes from.
    pub score: String,
    /// The files that were read, by their path in the project.
    pub files: Vec<String>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "network  {} ({})", self.name, self.place)?;
        for layer in &self.layers {
            writeln!(f, "layer    {layer}")?;
        }
        writeln!(f, "around   {}", self.around)?;
        write!(f, "score    {}", self.score)?;
        for note in &self.notes {
            write!(f, "\nnote     {note}")?;
        }
        Ok(())
    }
}

/// Imports a project from a folder.
///
/// # Errors
/// What can't be read or is not understood, with file, line and text.
pub fn import(project: &Path, options: &Options) -> std::result::Result<Imported, ImportError> {
    import_project(&Project::read(project)?, options)
}

/// Imports a project that was read.
///
/// # Errors
/// What is not understood, with file, line and text.
pub fn import_project(project: &Project, options: &Options) -> std::result::Result<Imported, ImportError> {
    assemble(project, options).map_err(|trouble| project.error(trouble))
}

fn assemble(project: &Project, options: &Options) -> Result<Imported> {
    let found = search::top_function(project)?;
    let names = Names::of(&found.unit, &found.scope);
    let function = &found.scope.functions[found.function];
    let network = network::network(function, &names)?;
    let top = Top { project, unit: &found.unit, scope: &found.scope, network: &network };
    let (input, outputs) = top.ends(function.at)?;
    let mut report =
        Report { name: function.name.to_owned(), place: project.place(function.at), ..Report::default() };
    let wrapper =
        if options.network_only { None } else { search::wrapper(project, function.name, found.file)? };
    let (mut builder, places, score) = match &wrapper {
        Some(wrapper) => {
            report.around = format!("class {} ({})", wrapper.class, project.path(wrapper.file));
            let run = wrapper::run(&top, wrapper, function.name, options.hardware_fraction, &mut report)?;
            (run.builder, run.outputs, run.score)
        }
        None => {
            report.around = "nothing: the network alone".to_owned();
            let builder = Builder::new(
                input,
                network.buffers[input].len,
                network.buffers[input].format,
                options.hardware_fraction,
            );
            let (builder, outputs) = top.run(builder, 0, &mut report)?;
            (builder, outputs, None)
        }
    };
    let own = score.filter(|_| options.score == Score::Project && options.output.is_none());
    let score = match own {
        Some(score) => {
            report.score = format!("`{}` of the class around the network", builder.tensor(score).name);
            score
        }
        None => {
            let chosen = chosen_output(&outputs, &places, options, function.at)?;
            report.score = format!("{} of `{}`", options.score.name(), builder.tensor(chosen).name);
            score::add(&mut builder, options.score, chosen, options.score_format, function.at)?
        }
    };
    let mut files = found.unit.files.clone();
    files.extend(wrapper.iter().flat_map(|wrapper| wrapper.unit.files.iter().copied()));
    report.files.extend(files.into_iter().map(|file| project.path(file).to_owned()));
    report.files.sort();
    report.files.dedup();
    let program = pruned(builder.finish(function.name, score), &mut report);
    match program.clone().check() {
        Ok(_) => Ok(Imported { program, report }),
        Err(error) => Err(Trouble::at(function.at, error.to_string())),
    }
}

/// The output that the score is made of.
fn chosen_output(names: &[&str], places: &[Place], options: &Options, at: error::At) -> Result<Place> {
    let index = match &options.output {
        Some(wanted) => names.iter().position(|name| name == wanted),
        None if names.len() == 1 => Some(0),
        None => None,
    };
    let place = index.and_then(|index| places.get(index));
    place.copied().ok_or_else(|| {
        Trouble::at(at, format!("choose an output for the score with --score-of: {}", names.join(", ")))
    })
}

/// Without the operations that the score does not depend on.
fn pruned(mut program: Program, report: &mut Report) -> Program {
    let mut needed = std::collections::BTreeSet::from([program.score.clone()]);
    for operation in program.operations.iter().rev() {
        if needed.contains(&operation.output.name) {
            needed.extend(operation.inputs.iter().cloned());
        }
    }
    let is_needed = |operation: &trigsieve_fixed::Operation| needed.contains(&operation.output.name);
    for left_out in program.operations.iter().filter(|operation| !is_needed(operation)) {
        report.notes.push(format!("`{}` is left out: the score does not depend on it", left_out.output.name));
    }
    program.operations.retain(is_needed);
    program
}

/// The top function, ready to run.
#[derive(Clone, Copy)]
pub(crate) struct Top<'s, 'p> {
    pub project: &'p Project,
    pub unit: &'s Unit<'p>,
    pub scope: &'s Scope<'p>,
    pub network: &'s Network<'p>,
}

impl<'p> Top<'_, 'p> {
    /// The parameter that is read, and those that are written.
    pub fn ends(&self, at: error::At) -> Result<(&'p str, Vec<&'p str>)> {
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for name in &self.network.parameters {
            let uses = layers::uses(self.network, name);
            if uses.written {
                outputs.push(*name);
            } else if uses.read {
                inputs.push(*name);
            }
        }
        match (&inputs[..], outputs.is_empty()) {
            ([input], false) => Ok((input, outputs)),
            (_, true) => Err(Trouble::at(at, "the network writes none of its parameters")),
            (several, _) => {
                let reason = format!(
                    "the network has {} inputs ({}); only one is supported",
                    several.len(),
                    several.join(", ")
                );
                Err(Trouble::at(at, reason))
            }
        }
    }

    pub fn buffer(&self, name: &str) -> Buffer {
        self.network.buffers[name]
    }

    /// Adds the network to a program that has its input at `input`; its outputs.
    pub fn run(&self, builder: Builder, input: Place, report: &mut Report) -> Result<(Builder, Vec<Place>)> {
        let at = self.network.calls.first().map(|call| call.at);
        let at = at.ok_or_else(|| Trouble::of_project("the network has no layer"))?;
        let (name, outputs) = self.ends(at)?;
        let shelf = Shelf { project: self.project, names: Names::of(self.unit, self.scope) };
        let places = std::collections::BTreeMap::from([(name, input)]);
        let mut layers = Layers { shelf, network: self.network, builder, places, lines: Vec::new() };
        layers.run()?;
        let texts =
            layers.lines.iter().flat_map(|line| &line.weights).filter(|place| place.ends_with(".txt"));
        report.files.extend(texts.cloned());
        report.layers = layers.lines.iter().map(Line::to_string).collect();
        let outputs = outputs.iter().map(|name| layers.places[name]).collect();
        Ok((layers.builder, outputs))
    }
}
