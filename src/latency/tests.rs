use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::{Percentiles, histogram, write_hgrm, write_hlog};

fn sample() -> hdrhistogram::Histogram<u64> {
    let mut sample = histogram();
    for value in 1..=10_000_u64 {
        sample.saturating_record(value * 100);
    }
    sample
}

#[test]
fn the_interval_log_reads_back_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latency.hlog");
    let (plain, tagged) = (sample(), histogram());
    let intervals = [("", &plain), ("queue", &tagged)];
    write_hlog(&intervals, SystemTime::now(), Duration::from_secs(2), &path).unwrap();
    let text = std::fs::read(&path).unwrap();
    let read: Vec<_> = IntervalLogIterator::new(&text)
        .filter_map(|entry| match entry.unwrap() {
            LogEntry::Interval(interval) => {
                let bytes = base64(interval.encoded_histogram());
                let histogram: hdrhistogram::Histogram<u64> =
                    Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
                Some((interval.tag().map(|tag| tag.as_str().to_owned()), histogram))
            }
            _ => None,
        })
        .collect();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].0, None);
    assert_eq!(read[1].0.as_deref(), Some("queue"));
    assert_eq!(Percentiles::from(&read[0].1), Percentiles::from(&plain));
}

/// Decodes standard base64 with padding.
fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.trim_end_matches('=').bytes().map(digit).collect();
    digits
        .chunks(4)
        .flat_map(|group| {
            let bits =
                group.iter().fold(0_u32, |bits, &d| bits << 6 | u32::from(d)) << (6 * (4 - group.len()));
            bits.to_be_bytes()[1..group.len()].to_vec()
        })
        .collect()
}

#[test]
fn the_percentile_file_has_the_usual_layout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latency.hgrm");
    write_hgrm(&sample(), &path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    );
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(2)
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
        .collect();
    assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
    assert_eq!(rows.last().unwrap()[2], 10_000.0);
    assert!(text.contains("Total count    =        10000"), "{text}");
}

#[test]
fn what_is_longer_than_the_range_counts_as_its_end() {
    let mut one = histogram();
    one.saturating_record(u64::MAX);
    assert_eq!(one.len(), 1);
    assert!(Percentiles::from(&one).max >= 60_000_000_000);
}
