//! Which of a project's sources holds the network, and which the class around it.

use crate::error::{Result, Trouble};
use crate::network;
use crate::preprocess::{Unit, preprocess};
use crate::project::{Project, is_library};
use crate::scope::{Scope, Struct};

/// A top function, with everything that its source declares.
pub(crate) struct Found<'p> {
    pub file: usize,
    pub unit: Unit<'p>,
    pub scope: Scope<'p>,
    /// Its index in `scope.functions`.
    pub function: usize,
}

/// A class that calls the top function.
pub(crate) struct Wrapper<'p> {
    pub file: usize,
    pub class: &'p str,
    pub unit: Unit<'p>,
    pub scope: Scope<'p>,
}

impl<'p> Wrapper<'p> {
    pub fn found(&self) -> Option<&Struct<'p>> {
        self.scope.structs.get(self.class)
    }
}

/// The one function that is a network.
pub(crate) fn top_function(project: &Project) -> Result<Found<'_>> {
    let (mut found, mut trouble): (Vec<Found>, _) = (Vec::new(), None);
    for (file, path) in project.files() {
        if !is_source(path) || !project.text(file).contains("::") {
            continue;
        }
        match read(project, file) {
            Ok((unit, scope)) => found.extend(networks(file, unit, scope)),
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    if found.len() > 1 {
        let places = found.iter().map(|one| project.place(one.scope.functions[one.function].at));
        let places: Vec<String> = places.collect();
        let reason = format!("{} networks here, give the folder of one: {}", found.len(), places.join(", "));
        return Err(Trouble::of_project(reason));
    }
    found.pop().ok_or_else(|| {
        trouble.unwrap_or_else(|| {
            Trouble::of_project(
                "no source file here has a function that calls layers of hls4ml (nnet::dense and so on)",
            )
        })
    })
}

fn networks<'p>(file: usize, unit: Unit<'p>, scope: Scope<'p>) -> Option<Found<'p>> {
    let here =
        |function: &crate::scope::Function<'_>| function.at.file == file && network::is_network(function);
    let function = scope.functions.iter().position(here)?;
    Some(Found { file, unit, scope, function })
}

fn is_source(path: &str) -> bool {
    let source = [".cpp", ".cc", ".cxx"].iter().any(|ending| path.ends_with(ending));
    source && !is_library(path)
}

fn read(project: &Project, file: usize) -> Result<(Unit<'_>, Scope<'_>)> {
    let unit = preprocess(project, file)?;
    let scope = Scope::of(&unit)?;
    Ok((unit, scope))
}

/// The class with a method that calls the top function, if there is one.
pub(crate) fn wrapper<'p>(project: &'p Project, top: &str, top_file: usize) -> Result<Option<Wrapper<'p>>> {
    let mut found: Vec<Wrapper<'p>> = Vec::new();
    for (file, path) in project.files() {
        if file == top_file || is_library(path) || path.ends_with(".txt") || !project.text(file).contains(top)
        {
            continue;
        }
        let Ok((unit, scope)) = read(project, file) else { continue };
        let class = scope
            .structs
            .iter()
            .find(|(_, one)| one.scope.functions.iter().any(|f| f.at.file == file && calls(f, top)));
        if let Some((class, _)) = class {
            found.push(Wrapper { file, class, unit, scope });
        }
    }
    if found.len() > 1 {
        let paths: Vec<&str> = found.iter().map(|one| project.path(one.file)).collect();
        let reason = format!(
            "{} classes call the network ({}): leave one, or take the network alone with --network-only",
            paths.len(),
            paths.join(", ")
        );
        return Err(Trouble::of_project(reason));
    }
    Ok(found.pop())
}

fn calls(function: &crate::scope::Function<'_>, name: &str) -> bool {
    function.body.windows(2).any(|pair| pair[0].is(name) && pair[1].is("("))
}
