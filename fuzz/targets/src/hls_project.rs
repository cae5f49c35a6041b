//! Arbitrary files as an hls4ml project: no panic, no endless loop, and what is taken can be run.
//!
//! The input is the files one after the other, each after a line `=== PATH`.

use std::path::Path;

use trigsieve_fixed::Interpreter;
use trigsieve_hls::{Options, Project, Score, import_project};

/// Larger networks only take the time of the others.
const MOST_INPUTS: usize = 4096;

/// Runs the target on `bytes`; whether they were taken.
///
/// # Panics
/// When something does not hold that must.
pub fn run(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let project = Project::of_files(Path::new("project"), files(&text));
    let mut taken = false;
    for (score, network_only) in
        [(Score::Project, false), (Score::SumOfSquares, true), (Score::AbsoluteDistance, true)]
    {
        let options = Options { score, network_only, ..Options::default() };
        match import_project(&project, &options) {
            Ok(imported) => {
                let program = imported.program.check().expect("the importer checks what it gives");
                if program.k() <= MOST_INPUTS {
                    Interpreter::new(&program).run_i16(&vec![-1; program.k()]);
                }
                taken = true;
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
    taken
}

fn files(text: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match (line.strip_prefix("=== "), files.last_mut()) {
            (Some(path), _) => files.push((path.trim().to_owned(), String::new())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) => {}
        }
    }
    files
}
