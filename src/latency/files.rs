use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::durable::AtomicFile;

/// A latency file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct LatencyFileError {
    path: PathBuf,
    reason: String,
}

/// Writes the percentile distribution in HdrHistogram's text format (`.hgrm`), values in nanoseconds.
///
/// # Errors
/// [`LatencyFileError`] when the file cannot be written; then there is none.
pub fn write_hgrm(histogram: &Histogram<u64>, path: &Path) -> Result<(), LatencyFileError> {
    atomically(path, |file| percentile_distribution(histogram, file).map_err(|error| error.to_string()))
}

/// Writes `intervals` (tag, histogram) to one interval log in HdrHistogram's V2 format (`.hlog`); the values are
/// nanoseconds, so the unit of the maxima is 1. An empty tag is left out.
///
/// # Errors
/// [`LatencyFileError`] when the file cannot be written; then there is none.
pub fn write_hlog(
    intervals: &[(&str, &Histogram<u64>)],
    start: SystemTime,
    duration: Duration,
    path: &Path,
) -> Result<(), LatencyFileError> {
    atomically(path, |file| {
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment("trigsieve latencies, nanoseconds")
            .with_start_time(start)
            .with_base_time(start)
            .with_max_value_divisor(1.0)
            .begin_log_with(file, &mut serializer)
            .map_err(|error| error.to_string())?;
        for (tag, histogram) in intervals {
            log.write_histogram(
                histogram,
                Duration::ZERO,
                duration,
                Tag::new(tag).filter(|_| !tag.is_empty()),
            )
            .map_err(|error| error.to_string())?;
        }
        Ok(())
    })
}

fn atomically(
    path: &Path,
    write: impl FnOnce(&mut AtomicFile) -> Result<(), String>,
) -> Result<(), LatencyFileError> {
    let failed = |reason: String| LatencyFileError { path: path.to_owned(), reason };
    let mut file = AtomicFile::create(path).map_err(|error| failed(error.to_string()))?;
    write(&mut file).map_err(failed)?;
    file.commit().map_err(|error| failed(error.to_string()))
}

/// The layout of `outputPercentileDistribution` of the Java implementation, which plotting tools read: 5 ticks a
/// half distance, values unscaled.
fn percentile_distribution(histogram: &Histogram<u64>, file: &mut impl Write) -> io::Result<()> {
    writeln!(file, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut count = 0;
    for step in histogram.iter_quantiles(5) {
        count += step.count_since_last_iteration();
        let (value, quantile) = (step.value_iterated_to() as f64, step.quantile_iterated_to());
        if quantile < 1.0 {
            let inverse = 1.0 / (1.0 - quantile);
            writeln!(file, "{value:>12.3} {quantile:>2.12} {count:>10} {inverse:>14.2}")?;
        } else {
            writeln!(file, "{value:>12.3} {quantile:>2.12} {count:>10}")?;
        }
    }
    let (mean, deviation) = (histogram.mean(), histogram.stdev());
    writeln!(file, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]")?;
    writeln!(
        file,
        "#[Max     = {:>12.3}, Total count    = {:>12}]",
        histogram.max() as f64,
        histogram.len()
    )?;
    // The count of buckets is not public in the library; these follow from the bounds of `histogram()`.
    let sub_buckets = 2048_u64;
    let buckets = 1 + histogram.high().div_ceil(sub_buckets).next_power_of_two().trailing_zeros();
    writeln!(file, "#[Buckets = {buckets:>12}, SubBuckets     = {sub_buckets:>12}]")
}
