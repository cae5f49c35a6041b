use std::path::Path;

use super::{Entry, Table};
use crate::{ArenaError, ChannelSignal, Metric, WorkingPoint};

const HEADER: &str = "Signal,Model,Chan,AUC,1e-2,1e-3,1e-4\n";

fn read(lines: &str) -> Result<Table, ArenaError> {
    Table::from_reader(format!("{HEADER}{lines}").as_bytes(), Path::new("results.csv"))
}

fn message(lines: &str) -> String {
    read(lines).unwrap_err().to_string()
}

#[test]
fn what_is_written_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.csv");
    let place = |signal: &str| ChannelSignal { channel: "2b".to_owned(), signal: signal.to_owned() };
    let entry = |signal, auc, efficiency| Entry {
        model: "a, \"b\"".to_owned(),
        place: place(signal),
        auc,
        efficiency,
    };
    let table = Table::from_entries(vec![
        entry("one", 0.7240000000000001, [Some(1.0), Some(1e-17), None]),
        entry("two", 0.0, [None; 3]),
    ])
    .unwrap();
    table.write(&path).unwrap();
    assert_eq!(Table::read(&[&path]).unwrap(), table);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["results.csv"]);
}

#[test]
fn an_empty_efficiency_is_not_measurable_and_an_empty_auc_is_an_error() {
    let table = read("s,m,1,0.5,0.1,,\n").unwrap();
    let entry = &table.entries()[0];
    assert_eq!(entry.value(Metric::SignalEfficiency(WorkingPoint::OneIn1000)), None);
    assert_eq!(entry.significance_improvement(), Some((1.0, WorkingPoint::OneIn100)));
    assert_eq!(
        message("s,m,1,,0.1,0.1,0.1\n"),
        "results.csv: line 2: AUC is ``, but it must be a number from 0 to 1"
    );
}

#[test]
fn errors_name_file_line_and_column() {
    let range = "a number from 0 to 1, or empty where not measurable";
    for (value, shown) in
        [("nan", "nan"), ("inf", "inf"), ("-0.1", "-0.1"), ("1.1", "1.1"), ("a\tb", "a\\tb")]
    {
        let expected = format!("results.csv: line 3: 1e-3 is `{shown}`, but it must be {range}");
        assert_eq!(message(&format!("s,m,1,0.5,0,0,0\nt,m,1,0.5,0,{value},0\n")), expected);
    }
    assert_eq!(message("s,,1,0.5,0,0,0\n"), "results.csv: line 2: Model is ``, but it must be a name");
    assert_eq!(message("s,m,1,0.5,0,0\n"), "results.csv: line 2: 6 values, but the header has 7");
    assert!(matches!(
        Table::from_reader(&b"Signal,Model\xff"[..], Path::new("x")),
        Err(ArenaError::Csv { line: 1, .. })
    ));
}

#[test]
fn another_header_is_refused() {
    for text in ["", "a,b\n", "Signal,Model,Chan,AUC,1e-2,1e-3\n", "Model,Signal,Chan,AUC,1e-2,1e-3,1e-4\n"] {
        let error = Table::from_reader(text.as_bytes(), Path::new("x.csv")).unwrap_err();
        assert!(matches!(error, ArenaError::Header { .. }), "{text:?}: {error}");
    }
}

#[test]
fn one_model_has_one_result_on_a_signal_of_a_channel() {
    assert!(read("s,m,1,0.5,0,0,0\ns,m,2,0.5,0,0,0\n").is_ok());
    assert_eq!(
        message("s,m,1,0.5,0,0,0\ns,m,1,0.5,0,0,0\n"),
        "results.csv: line 3: a second result of model `m` on signal `s` in channel `1`; the first is in line 2 of \
         results.csv"
    );
    let folder = tempfile::tempdir().unwrap();
    let paths = ["one.csv", "two.csv"].map(|name| folder.path().join(name));
    for path in &paths {
        std::fs::write(path, format!("{HEADER}s,m,1,0.5,0,0,0\n")).unwrap();
    }
    let error = Table::read(&paths).unwrap_err().to_string();
    assert!(error.contains("two.csv: line 2") && error.contains("line 2 of"), "{error}");
}
