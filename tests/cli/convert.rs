use trigsieve::event::{EventTable, TableStats};

use crate::{Desk, failed, sample, succeeded, text};

const SAMPLE: &str = "signal_leptoquark.h5";
const OTHER: &str = "signal_a_to_4l.h5";

#[test]
fn samples_become_one_table() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    desk.copy_sample(OTHER);
    let output = desk.trigsieve(&[
        "convert",
        SAMPLE,
        OTHER,
        "--from",
        "adc2021",
        "-o",
        "signal.arrow",
        "--encoding",
        "l1_57",
        "--label",
        "1",
        "--process",
        "signal",
    ]);
    assert!(succeeded(&output).contains("signal.arrow: 8000 events"));
    assert_eq!(text(&output.stderr), "", "no bar and no warning when piped");
    let table = EventTable::open(&desk.path("signal.arrow")).unwrap();
    let stats = TableStats::of(&table);
    assert!(table.is_zero_copy());
    assert_eq!((table.len(), stats.labels[0].value.as_str(), stats.labels[0].events), (8000, "1", 8000));
    assert_eq!(
        table.schema().sources.iter().map(|source| source.file.as_str()).collect::<Vec<_>>(),
        [SAMPLE, OTHER]
    );
    assert!(desk.entries().iter().all(|name| !name.contains("partial")));
}

#[test]
fn quiet_says_nothing() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    let output = desk.trigsieve(&["-q", "convert", SAMPLE, "--from", "adc2021", "-o", "a.arrow"]);
    assert_eq!(succeeded(&output), "");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn bad_usage_is_2() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    let convert = |arguments: &[&str]| desk.trigsieve(&[&["convert"], arguments].concat());
    failed(&convert(&[]), 2, &["INPUT"]);
    failed(&convert(&[SAMPLE, "-o", "a.arrow"]), 2, &["--from"]);
    failed(&convert(&[SAMPLE, "--from", "adc2021"]), 2, &["--output"]);
    failed(&convert(&[SAMPLE, "--from", "cms", "-o", "a.arrow"]), 2, &["cms", "adc2021"]);
    let whole = [SAMPLE, "--from", "adc2021", "-o", "a.arrow"];
    failed(&convert(&[&whole[..], &["--encoding", "l1_58"]].concat()), 2, &["l1_58", "l1_57"]);
    failed(&convert(&[&whole[..], &["--label", "2"]].concat()), 2, &["2", "0..=1"]);
    assert_eq!(desk.entries(), [SAMPLE]);
}

const LINES: &str = "1; ttbar; 1; 60000; 1.5; j,90000,80000,1,-1; m-,30000,20000,0.5,0.25; e+,30000,16000,0,1\n\
                     2; ttbar; 1; 20000; 1.5; j,90000,80000,1,-1\n\
                     not an event\n";

#[test]
fn lines_are_selected_and_accounted_for() {
    let desk = Desk::new();
    std::fs::write(desk.path("a.csv"), LINES).unwrap();
    let convert = |more: &[&str]| {
        desk.trigsieve(&[&["convert", "a.csv", "--from", "darkmachines", "-o", "a.arrow"], more].concat())
    };
    failed(&convert(&[]), 1, &["a.csv: line 3", "event ID", "`not an event`", "--on-error skip"]);
    assert_eq!(desk.entries(), ["a.csv"]);
    let output = convert(&["--on-error", "skip", "--selection", "chan2b", "--encoding", "dm_static"]);
    let shown = succeeded(&output);
    assert!(shown.contains("a.arrow: 1 events, encoding dm_static[j=1,b=0,e-=0,e+=1,m-=1,m+=0,g=0], K = 14"));
    assert!(
        shown.contains("a.csv: 3 lines = 1 events in chan2b + 1 not selected + 1 bad + 0 blank"),
        "{shown}"
    );
    let warnings = text(&output.stderr);
    assert!(warnings.contains("line 3") && warnings.contains("1 of 3 lines"), "{warnings}");
    let table = succeeded(&desk.trigsieve(&["inspect", "a.arrow"]));
    for words in ["dm_static[j=1,b=0,e-=0,e+=1,m-=1,m+=0,g=0], K = 14", "positron0_present", "objects: List"]
    {
        assert!(table.contains(words), "{words:?} is not in {table}");
    }
}

#[test]
fn the_layout_of_a_table_is_used_or_refused() {
    let desk = Desk::new();
    std::fs::write(desk.path("a.csv"), LINES.replace("not an event\n", "")).unwrap();
    let convert = |output: &str, more: &[&str]| {
        desk.trigsieve(&[&["convert", "a.csv", "--from", "darkmachines", "-o", output], more].concat())
    };
    succeeded(&convert("a.arrow", &["--encoding", "dm_static"]));
    let same = succeeded(&convert("b.arrow", &["--layout", "a.arrow"]));
    assert!(
        same.contains("b.arrow: 2 events, encoding dm_static[j=1,b=0,e-=0,e+=1,m-=1,m+=0,g=0]"),
        "{same}"
    );
    let other = convert("c.arrow", &["--layout", "a.arrow", "--encoding", "dm_static[j=3]"]);
    failed(&other, 1, &["a.arrow", "`dm_static[j=1,", "`dm_static[j=3,"]);
    failed(&convert("c.arrow", &["--layout", "absent.arrow"]), 1, &["absent.arrow"]);
    let model = sample("../models/l1_ae").display().to_string();
    failed(&convert("c.arrow", &["--layout", &model]), 1, &["l1_57", "darkmachines"]);
    assert!(!desk.path("c.arrow").exists());
}

#[test]
fn options_of_lines_are_for_lines() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    for option in [["--selection", "chan1"], ["--on-error", "skip"]] {
        let arguments = [&["convert", SAMPLE, "--from", "adc2021", "-o", "a.arrow"][..], &option].concat();
        failed(&desk.trigsieve(&arguments), 2, &[option[0], "adc2021"]);
    }
    failed(
        &desk.trigsieve(&[
            "convert",
            SAMPLE,
            "--from",
            "adc2021",
            "-o",
            "a.arrow",
            "--encoding",
            "dm_static[x=1]",
        ]),
        2,
        &["dm_static[x=1]", "`x=1`"],
    );
    assert_eq!(desk.entries(), [SAMPLE]);
}

#[test]
fn help_has_an_example() {
    let help = succeeded(&Desk::new().trigsieve(&["convert", "--help"]));
    assert!(help.contains("Examples:") && help.contains("--from adc2021"), "{help}");
}

#[test]
fn a_missing_or_foreign_input_is_1() {
    let desk = Desk::new();
    std::fs::write(desk.path("notes.h5"), "not HDF5").unwrap();
    std::fs::create_dir(desk.path("folder.h5")).unwrap();
    let convert = |input: &str| desk.trigsieve(&["convert", input, "--from", "adc2021", "-o", "a.arrow"]);
    failed(&convert("missing.h5"), 1, &["missing.h5", "No such file"]);
    failed(&convert("notes.h5"), 1, &["notes.h5", "not a readable HDF5 file"]);
    failed(&convert("folder.h5"), 1, &["folder.h5", "not a regular file"]);
    assert!(!desk.path("a.arrow").exists());
}

#[test]
fn an_existing_output_needs_force() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    std::fs::write(desk.path("a.arrow"), "precious").unwrap();
    let arguments = ["convert", SAMPLE, "--from", "adc2021", "-o", "a.arrow"];
    failed(&desk.trigsieve(&arguments), 1, &["a.arrow", "--force"]);
    assert_eq!(std::fs::read(desk.path("a.arrow")).unwrap(), b"precious");
    succeeded(&desk.trigsieve(&[&arguments[..], &["--force"]].concat()));
    assert!(EventTable::open(&desk.path("a.arrow")).is_ok());
}

#[test]
fn an_unwritable_place_is_1() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    for output in ["no/such/folder/a.arrow", &format!("{SAMPLE}/a.arrow")] {
        failed(&desk.trigsieve(&["convert", SAMPLE, "--from", "adc2021", "-o", output]), 1, &["a.arrow"]);
    }
    assert_eq!(desk.entries(), [SAMPLE]);
}

/// The limit on file sizes fails a write in the middle, as a full disk does.
#[test]
fn a_full_disk_is_1_and_leaves_nothing() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    let arguments = ["convert", SAMPLE, "--from", "adc2021", "-o", "a.arrow"];
    failed(&desk.limited("trap '' XFSZ; ulimit -f 200", &arguments), 1, &["a.arrow"]);
    assert_eq!(desk.entries(), [SAMPLE]);
}

#[test]
fn a_truncated_input_is_1_and_leaves_nothing() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    let whole = std::fs::read(desk.path(SAMPLE)).unwrap();
    std::fs::write(desk.path(SAMPLE), &whole[..whole.len() - 1000]).unwrap();
    failed(&desk.trigsieve(&["convert", SAMPLE, "--from", "adc2021", "-o", "a.arrow"]), 1, &[SAMPLE]);
    assert_eq!(desk.entries(), [SAMPLE]);
}

/// What the header declares would not fit in the memory allowed here: an allocation for it would abort.
#[test]
fn an_absurd_header_is_1_under_a_memory_limit() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    let whole = std::fs::read(desk.path(SAMPLE)).unwrap();
    let shape: Vec<u8> = [4000_u64, 19, 4].iter().flat_map(|extent| extent.to_le_bytes()).collect();
    let place = whole.windows(24).position(|window| window == shape).unwrap();
    for events in [10_000_000_u64, 1 << 50, u64::MAX] {
        let mut bytes = whole.clone();
        bytes[place..place + 8].copy_from_slice(&events.to_le_bytes());
        std::fs::write(desk.path(SAMPLE), &bytes).unwrap();
        let arguments = ["convert", SAMPLE, "--from", "adc2021", "-o", "a.arrow"];
        failed(&desk.limited("ulimit -v 400000", &arguments), 1, &[SAMPLE]);
        assert_eq!(desk.entries(), [SAMPLE]);
    }
}

#[test]
fn hardware_units_are_a_flag_with_or_without_a_file() {
    let desk = Desk::new();
    desk.copy_sample(SAMPLE);
    std::fs::write(desk.path("units.toml"), "[[unit]]\nfeatures = \"*\"\nstep = 0.001\n").unwrap();
    let convert = |flag: &str, output: &str| {
        desk.trigsieve(&["convert", flag, SAMPLE, "--from", "adc2021", "-o", output])
    };
    let output = convert("--hardware-units", "cms.arrow");
    assert!(succeeded(&output).contains("K = 57, i16"), "{}", text(&output.stdout));
    assert_eq!(text(&output.stderr), "", "nothing saturates at 0.5 GeV");
    let output = convert("--hardware-units=units.toml", "fine.arrow");
    succeeded(&output);
    let warning = text(&output.stderr);
    assert!(warning.contains("nearest end") && warning.contains("met_pt: "), "{warning}");
    failed(&convert("--hardware-units=none.toml", "none.arrow"), 1, &["none.toml", "No such file"]);
    assert_eq!(desk.entries(), ["cms.arrow", "fine.arrow", SAMPLE, "units.toml"]);
}
