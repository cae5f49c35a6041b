//! Lines that are no events.

use trigsieve::convert::{ConvertedInput, LineCounts};

use crate::Scratch;

const GOOD: &str = "1; ttbar; 1; 60000; 1.5; j,50000,40000,1,-1";

#[track_caller]
fn add_up(input: &ConvertedInput) -> &LineCounts {
    let counts = input.lines.as_ref().unwrap();
    assert_eq!(counts.lines, input.events + counts.not_selected + counts.bad + counts.blank);
    counts
}

#[test]
fn a_bad_line_fails_with_its_number_and_leaves_nothing() {
    let scratch = Scratch::new();
    for (bad, word) in [
        ("event ID; process ID; event weight; MET; METphi", "header"),
        ("2; ttbar; 1; nan; 1.5", "MET"),
        ("2; ttbar; 1; 1; 1.5; x,1,1,1,1", "symbol"),
        ("2; ttbar; 1; 1; 1.5; j,-1,1,1,1", "E"),
    ] {
        let error =
            scratch.convert(format!("{GOOD}\n\n{bad}\n{GOOD}\n"), "simple_ae_34").unwrap_err().to_string();
        for word in ["source.csv: line 3: ", word, "--on-error skip"] {
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(scratch.names(), ["source.csv"]);
    }
}

#[test]
fn skipped_lines_are_counted() {
    let scratch = Scratch::new();
    let bad = "2; ttbar; 1; nan; 1.5\n".repeat(7);
    let converted = scratch.convert_skipping(format!("event ID; process ID\r\n{GOOD}\r\n \r\n{bad}{GOOD}"));
    let input = &converted.inputs[0];
    let counts = add_up(input);
    assert_eq!((input.events, counts.lines, counts.bad, counts.blank), (2, 11, 8, 1));
    let lines: Vec<_> = counts.first_bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [1, 4, 5, 6, 7], "the first ones are named");
    assert_eq!(scratch.table().len(), 2);
}

#[test]
fn hostile_files_are_read_to_their_end() {
    let long = "x".repeat(9 << 20);
    let mut binary = vec![0xff_u8, 0xfe, 0, b'\n'];
    binary.extend(GOOD.as_bytes());
    let cases: [(&[u8], u64, u64); 6] = [
        (b"", 0, 0),
        (b"\n\r\n  \n", 0, 0),
        (b"\xef\xbb\xbf", 0, 1),
        (&binary, 1, 1),
        (long.as_bytes(), 0, 1),
        (&[long.as_bytes(), b"\n", GOOD.as_bytes()].concat(), 1, 1),
    ];
    for (content, events, bad) in cases {
        let scratch = Scratch::new();
        let converted = scratch.convert_skipping(content);
        let counts = add_up(&converted.inputs[0]);
        assert_eq!((converted.inputs[0].events, counts.bad), (events, bad));
        assert_eq!(scratch.table().len(), events);
    }
}

#[test]
fn a_pipe_or_a_folder_is_refused() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("folder.csv")).unwrap();
    for (name, word) in [("folder.csv", "not a regular file"), ("absent.csv", "No such file")] {
        let error = scratch.conversion(&[scratch.path(name)], "dm_static").plan().err().unwrap().to_string();
        assert!(error.contains(name) && error.contains(word), "{error}");
    }
    assert!(!scratch.output().exists());
}

#[test]
fn too_many_processes_are_refused() {
    let scratch = Scratch::new();
    let lines: String = (0..4097).map(|number| format!("1; process{number}; 1; 2; 3\n")).collect();
    let error = scratch.convert(&lines, "simple_ae_34").unwrap_err().to_string();
    assert!(error.contains("4096") && error.contains("--process"), "{error}");
    let mut conversion = scratch.conversion(&[scratch.path("source.csv")], "simple_ae_34");
    conversion.process = Some("all".to_owned());
    assert_eq!(conversion.plan().unwrap().run(|_| ()).unwrap().inputs[0].events, 4097);
}
