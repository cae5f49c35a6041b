//! The standalone C++ of random programs, every kind of operation but convolutions, every format and mode, has the bits of the
//! interpreter.

mod common;

use std::collections::BTreeSet;

use trigsieve_export::{Events, ExportError, Project, Settings, Strategy, Tools, Vendor, Way, verify};
use trigsieve_fixed::testing::{program, rows_i16};
use trigsieve_fixed::{CheckedProgram, Kind};

/// Kinds of operations that have to come up: all but convolutions.
const KINDS: usize = 15;
const EVENTS: usize = 2000;

fn kinds(program: &CheckedProgram) -> BTreeSet<String> {
    let name = |kind: &Kind| format!("{kind:?}").split([' ', '{']).next().unwrap_or_default().to_owned();
    program.operations.iter().map(|operation| name(&operation.kind)).collect()
}

fn settings() -> Settings {
    Settings {
        name: "random".to_owned(),
        part: "xcvu9p-flga2104-2-e".to_owned(),
        clock_mhz: 240.0,
        vendor: Vendor::Vitis,
        strategy: Strategy::Latency,
        reuse_factor: 1,
        ways: vec![Way::Standalone],
        threshold: 3,
    }
}

/// Few programs that have every kind between them: a compiler takes seconds for each.
fn programs() -> Vec<(u64, CheckedProgram)> {
    let mut seen = BTreeSet::new();
    let mut chosen = Vec::new();
    for seed in 0..2000 {
        let program = program(seed);
        let kinds = kinds(&program);
        if !kinds.contains("Conv2d") && kinds.difference(&seen).next().is_some() {
            seen.extend(kinds);
            chosen.push((seed, program));
        }
    }
    assert_eq!(seen.len(), KINDS, "{seen:?}");
    chosen
}

#[test]
fn random_programs_give_the_bits_of_the_interpreter() {
    let tools = Tools { python: common::python(), ..Tools::default() };
    for (seed, program) in programs() {
        let folder = tempfile::tempdir().expect("a folder");
        let events = Events::interpreted(&program, &rows_i16(seed, program.k(), EVENTS));
        let most = i64::try_from(program.format(program.score_tensor()).max_raw()).unwrap_or(i64::MAX);
        let settings = Settings { threshold: most.min(3), ..settings() };
        let project = Project::new(&program, &settings, &events.first(20)).expect("a project");
        project.write_into(folder.path()).expect("files");
        let (info, program) = Project::open(folder.path()).expect("an export");
        let build = folder.path().join("build");
        let found =
            verify(folder.path(), (&info, &program), &events, &info.ways, (&tools, &build), &mut |_| {});
        let found = found.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let pairs: Vec<_> = found.pairs().collect();
        assert!(found.agrees(), "seed {seed}: {:?}: {pairs:?}", kinds(&program));
    }
}

#[test]
fn a_threshold_that_the_score_can_not_have_is_refused() {
    let program = program(4);
    let most = program.format(program.score_tensor()).max_raw();
    let threshold = i64::try_from(most).expect("a narrow score") + 1;
    let settings = Settings { threshold, ..settings() };
    let error = Project::new(&program, &settings, &Events::none(program.k())).expect_err("an error");
    assert!(error.to_string().contains(&format!("the raw threshold {threshold} is none of")), "{error}");
}

#[test]
fn a_convolution_is_refused_by_name() {
    let with_convolution = (0..2000).map(program).find(|program| kinds(program).contains("Conv2d"));
    let program = with_convolution.expect("a program with a convolution");
    for way in [Way::Standalone, Way::Rtl] {
        let settings = Settings { ways: vec![way], ..settings() };
        let error = Project::new(&program, &settings, &Events::none(program.k())).expect_err("an error");
        assert!(
            matches!(&error, ExportError::Unsupported { layer, .. } if layer.starts_with("layer")),
            "{error}"
        );
        assert!(error.to_string().contains("a convolution is not supported by the"), "{error}");
    }
}
