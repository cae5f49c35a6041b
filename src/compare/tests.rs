use std::fs::File;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Float64Array, PrimitiveArray, RecordBatch, RunArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use trigsieve_fixed::Format;

use super::{Decisions, Difference, Golden, GoldenOptions, Number};
use crate::model::Threshold;

#[test]
fn equal_numbers_of_different_formats_are_equal() {
    let raw = |raw, width, integer| Number::of_raw(raw, Format::signed(width, integer));
    assert_eq!(raw(3, 8, 6), raw(12, 18, 14));
    assert_eq!(raw(-48, 18, 13), Number::of_f64(-1.5).unwrap());
    assert_ne!(raw(3, 8, 6), raw(3, 8, 5));
    assert_eq!(raw(0, 8, 6), Number::of_f64(-0.0).unwrap());
    // Doubles hold 53 bits; a score of 64 does not collapse onto its neighbour.
    assert_ne!(raw(i128::from(i64::MAX), 64, 64), raw(i128::from(i64::MAX) - 1, 64, 64));
    for value in [1.0, -0.1, 1e300, f64::MIN_POSITIVE, 5e-324, f64::MAX, 12.75] {
        assert_eq!(Number::of_f64(value).unwrap().to_f64(), value, "{value:e}");
    }
    assert_eq!(Number::of_f64(f64::NAN), None);
}

#[test]
fn differences_are_told_in_full() {
    let a = [1.0, 2.0, f64::NAN, 4.0, 5.0, f64::NAN];
    let b = [1.5, 2.0, 3.0, 3.0, 5.0, f64::INFINITY];
    let found = Difference::of(&a, &b, Some(0.5));
    assert_eq!((found.events, found.invalid, found.one_sided), (6, 1, 1));
    assert_eq!((found.max, found.max_row), (Some(1.0), Some(3)));
    assert_eq!((found.mean, found.mean_absolute), (Some(-0.125), Some(0.375)));
    assert_eq!(found.quantiles, [("p50", 0.0), ("p90", 1.0), ("p99", 1.0), ("p99_9", 1.0)]);
    assert_eq!(found.beyond_tolerance, Some(2), "one by its value, one without a partner");
    assert_eq!(found.rank_correlation, Some(1.0));
    // By hand: covariance 8, variances 10 and 7.1875.
    assert!((found.correlation.unwrap() - 8.0 / (10.0_f64 * 7.187_5).sqrt()).abs() < 1e-12, "{found:?}");
    let nothing = Difference::of(&[], &[], None);
    assert_eq!(
        (nothing.max, nothing.mean, nothing.correlation, nothing.beyond_tolerance),
        (None, None, None, None)
    );
}

#[test]
fn ties_share_their_rank() {
    let found = Difference::of(&[1.0, 1.0, 2.0, 3.0], &[1.0, 2.0, 2.0, 3.0], None);
    // Ranks 1.5 1.5 3 4 and 1 2.5 2.5 4: covariance 3.75, variances 4.5.
    assert!((found.rank_correlation.unwrap() - 3.75 / 4.5).abs() < 1e-12, "{found:?}");
}

#[test]
fn decisions_are_counted_at_each_partys_threshold() {
    let point =
        |background_efficiency, value| Threshold { background_efficiency, value, error: 0.0, events: 10 };
    let (a, b) = ([1.0, 5.0, 9.0, f64::NAN], [10.0, 50.0, 20.0, 90.0]);
    let cards = ([point(1e-2, 5.0), point(1e-3, 9.0)], [point(1e-2, 20.0), point(1e-4, 90.0)]);
    let found = Decisions::of_cards((&cards.0, &cards.1), &a, &b);
    assert_eq!(found.len(), 1, "one working point is on both cards");
    assert_eq!((found[0].both, found[0].a_only, found[0].b_only), (2, 0, 1));
    let found = Decisions::at(10.0, &a, &b);
    assert_eq!((found.both, found.a_only, found.b_only), (0, 0, 4));
}

#[test]
fn golden_scores_are_read_from_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("golden.csv");
    let read = |text: &str, column: Option<&str>, raw: bool| {
        std::fs::write(&path, text).unwrap();
        let options = GoldenOptions { column: column.map(str::to_owned), raw, events: None };
        Golden::read(&path, &options).map(|golden| golden.values(None)).map_err(|error| error.to_string())
    };
    assert_eq!(read("1.5\n-2\n 3e2 \n", None, false).unwrap(), [1.5, -2.0, 300.0]);
    assert_eq!(read("# C simulation\nevent,score\n0,7\n1,8\n", None, false).unwrap(), [7.0, 8.0]);
    assert_eq!(read("event, sum\n0, 7\n1, 8\n", Some("sum"), true).unwrap(), [7.0, 8.0]);
    assert_eq!(read("score\n4\n", None, true).unwrap(), [4.0]);
    assert!(read("", None, false).unwrap().is_empty());
    for (text, column, raw, word) in [
        ("1\nx\n", None, false, "line 2: `x`"),
        ("1.5\n", None, true, "no raw integer"),
        ("a,b\n1,2\n", None, false, "which column"),
        ("a,b\n1,2\n", Some("c"), false, "no column `c`; there are a, b"),
        ("a,b\n1,2\n3\n", Some("b"), false, "line: 3"),
    ] {
        let error = read(text, column, raw).unwrap_err();
        assert!(error.contains(word) && error.contains("golden.csv"), "{error}");
    }
}

/// Few bytes that stand for many scores.
#[test]
fn golden_scores_are_not_read_where_a_few_bytes_are_any_number_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("golden.arrow");
    let ends = PrimitiveArray::<Int64Type>::from(vec![1_i64 << 40]);
    let runs = RunArray::try_new(&ends, &Float64Array::from(vec![1.0])).unwrap();
    let field = Field::new("score", runs.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(runs)]).unwrap();
    let mut writer = FileWriter::try_new(File::create(&path).unwrap(), &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let error = Golden::read(&path, &GoldenOptions::default()).unwrap_err().to_string();
    assert!(error.contains("golden.arrow") && error.contains("are not read"), "{error}");

    let path = folder.path().join("golden.parquet");
    let schema = Arc::new(Schema::new(vec![Field::new("score", DataType::Float64, false)]));
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), Arc::clone(&schema), None).unwrap();
    let same: ArrayRef = Arc::new(Float64Array::from(vec![1.0; (1 << 24) + 1]));
    writer.write(&RecordBatch::try_new(schema, vec![same]).unwrap()).unwrap();
    writer.close().unwrap();
    assert!(path.metadata().unwrap().len() < 1 << 20);
    let read = |events| Golden::read(&path, &GoldenOptions { events, ..GoldenOptions::default() });
    let error = read(Some(100)).unwrap_err().to_string();
    assert!(error.contains("golden.parquet") && error.contains("16777217 rows are declared"), "{error}");
    assert_eq!(read(Some((1 << 24) + 1)).unwrap().len(), (1 << 24) + 1);
}

#[test]
fn a_score_that_is_not_finite_fires_no_path() {
    let found = Decisions::at(0.5, &[f64::INFINITY, 0.5, f64::NAN, 0.4], &[1.0, 0.5, 1.0, 0.4]);
    assert_eq!((found.both, found.a_only, found.b_only), (1, 0, 2));
}

/// What is said of a fuzz target's seed in a file of this name.
fn refusal(name: &str, seed: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    // The first byte is for the fuzz target.
    std::fs::write(&path, &seed[1..]).unwrap();
    let error = Golden::read(&path, &GoldenOptions::default()).unwrap_err().to_string();
    assert_eq!(error.matches(name).count(), 1, "{error}");
    error
}

/// Found by fuzzing: a block of 2^51 bytes in the footer of a file of 485, which Arrow's own reader of files asked the
/// system for.
#[test]
fn a_golden_file_that_claims_more_than_it_has_is_refused() {
    refusal("golden.arrow", include_bytes!("../../fuzz/seeds/golden/refused_claims_too_much"));
}

/// Found by fuzzing: lists of 2^31 numbers in lists of them, behind the end of a file of 703 bytes.
#[test]
fn a_golden_file_whose_lists_go_on_behind_its_end_is_refused() {
    let seed = include_bytes!("../../fuzz/seeds/golden/refused_goes_on_behind_its_end");
    let error = refusal("golden.parquet", seed);
    assert!(error.contains("than the 703 bytes of the file"), "{error}");
}
