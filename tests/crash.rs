//! Runs that are killed at any instant: what they leave can be read and is the beginning of the undisturbed outcome, and
//! `--resume` goes on to that outcome.
//!
//! `TRIGSIEVE_KILLS` sets the number of kills (`cargo xtask soak` does), `TRIGSIEVE_SEED` their instants.

mod common;

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_select::concat::concat_batches;
use common::{ENCODING, Fixture, K, failure, names_in, report, stderr, success, trigsieve, write_bundle};
use rustix::process::{Pid, Signal, kill_process};
use trigsieve::event::{ElementType, EventSchema, EventTable, EventWriter, STREAM_OFFSET};
use trigsieve::sink::Checkpoint;

const EVENTS: u64 = 40_000;
/// So many that a run takes longer than its start.
const PASSES: &str = "48";
const BATCH: &str = "512";
/// How long after its first checkpoint a run at 1 MHz, which lasts two seconds, is killed at most, in microseconds.
const AFTER_CHECKPOINT_US: u64 = 200_000;

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// xorshift64* (doi:10.18637/jss.v008.i14): the instants of the kills.
struct Instants(u64);

impl Instants {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }
}

/// Events of which a third passes the one path, all the other, and one in 1,000 is invalid.
struct Subject {
    fixture: Fixture,
    menu: PathBuf,
}

impl Subject {
    fn new() -> Self {
        let fixture = Fixture::new(0);
        write_events(&fixture.events, 1.0);
        let menu = fixture.path("menu.toml");
        let path = |name, threshold, prescale| {
            format!(
                "[[path]]\nname = \"{name}\"\nmodel = \"squares\"\nthreshold = {threshold}\nprescale = {prescale}\n"
            )
        };
        std::fs::write(&menu, path("rare", 1.2, 1) + &path("all", 0.0, 7)).unwrap();
        Self { fixture, menu }
    }

    fn replay(&self, output: &Path) -> Command {
        self.replay_with_batch(output, BATCH)
    }

    fn replay_with_batch(&self, output: &Path, batch: &str) -> Command {
        let mut command = trigsieve(&["replay", "--engine", "rten", "--repeat", PASSES, "--batch", batch]);
        command.arg(&self.fixture.events).arg("--model").arg(&self.fixture.model);
        command.arg("--menu").arg(&self.menu).arg("-o").arg(output);
        command.args(["--checkpoint-every", "5ms", "-q"]);
        command
    }
}

fn write_events(path: &Path, scale: f32) {
    let schema = EventSchema {
        encoding: ENCODING.to_owned(),
        k: K,
        element: ElementType::F32,
        features: Vec::new(),
        sources: Vec::new(),
    };
    let mut writer = EventWriter::create(path, schema.to_arrow([])).unwrap();
    let ids: Vec<u64> = (0..EVENTS).collect();
    for ids in ids.chunks(10_007) {
        let input = |id: u64, input: u64| match (id % 1000, input) {
            (999, 1) => f32::NAN,
            _ => scale * (id.wrapping_mul(2_654_435_761 + input) % 1000) as f32 / 1000.0,
        };
        let inputs = ids.iter().flat_map(|id| (0..K as u64).map(move |i| input(*id, i))).collect();
        writer.write_events(ids.to_vec(), ids.to_vec(), inputs, Vec::new()).unwrap();
    }
    writer.finish().unwrap();
}

fn without_latency(batch: &RecordBatch) -> RecordBatch {
    let mut batch = batch.clone();
    batch.remove_column(batch.schema().index_of("latency_ns").unwrap());
    batch
}

/// The tagged events of a finished run but for their latencies, which are those of the run.
fn tagged(out: &Path) -> RecordBatch {
    let table = EventTable::open(&out.join("tagged.arrow")).unwrap();
    let batches: Vec<RecordBatch> =
        table.batches().iter().map(|b| without_latency(b.record_batch())).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// What a report says that does not depend on how fast the run was.
fn counts(out: &Path) -> Vec<serde_json::Value> {
    let counters = ["/events_in", "/events_scored", "/events_dropped", "/events_invalid", "/events_tagged"];
    let mut all: Vec<_> = counters.iter().map(|pointer| report(out, pointer)).collect();
    for path in 0..2 {
        let of_path = ["name", "bit", "threshold", "prescale", "passed", "accepted", "written"];
        all.extend(of_path.map(|field| report(out, &format!("/events_accepted/{path}/{field}"))));
    }
    all.extend([report(out, "/status"), report(out, "/counters_add_up")]);
    all
}

/// The batches at the beginning of an unfinished file, as any reader of Arrow streams sees them, up to `bytes`; whether
/// that was all.
fn stream(file: &Path, bytes: u64) -> (Vec<RecordBatch>, bool) {
    let mut file = File::open(file).unwrap();
    file.seek(SeekFrom::Start(STREAM_OFFSET)).unwrap();
    let bytes = BufReader::new(file.take(bytes - STREAM_OFFSET));
    let Ok(reader) = StreamReader::try_new(bytes, None) else { return (Vec::new(), false) };
    let mut batches = Vec::new();
    for batch in reader {
        match batch {
            Ok(batch) => batches.push(without_latency(&batch)),
            Err(_) => return (batches, false),
        }
    }
    (batches, true)
}

/// Checks what a killed run left. Returns the number of events that are safe.
fn is_a_beginning(out: &Path, whole: &RecordBatch) -> u64 {
    let Some(checkpoint) = Checkpoint::read(out).unwrap() else { return 0 };
    let file = checkpoint.file_in(out);
    let begins = |batches: &[RecordBatch]| {
        let mut row = 0;
        for batch in batches {
            assert_eq!(*batch, whole.slice(row, batch.num_rows()), "at row {row}");
            row += batch.num_rows();
        }
        row as u64
    };
    let (safe, complete) = stream(&file, checkpoint.bytes);
    assert!(complete, "what the checkpoint vouches for is whole");
    assert_eq!(begins(&safe), checkpoint.handed.rows);
    let (all, _) = stream(&file, u64::MAX);
    assert!(begins(&all) >= checkpoint.handed.rows);
    checkpoint.seen.events
}

/// What a power failure does to bytes that were not synced: they are gone, or not what was written.
fn lose_unsynced_bytes(out: &Path, garbage: &[u8]) {
    let Some(checkpoint) = Checkpoint::read(out).unwrap() else { return };
    let unfinished = out.join(&checkpoint.file);
    if let Ok(mut file) = OpenOptions::new().write(true).open(unfinished) {
        file.set_len(checkpoint.bytes).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(garbage).unwrap();
    }
}

fn is_complete(out: &Path) -> bool {
    names_in(out).iter().any(|name| name == "run.json")
}

/// Waits until a run has a checkpoint that counts.
fn wait_for_checkpoint(out: &Path) -> Checkpoint {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match Checkpoint::read(out) {
            Ok(Some(checkpoint)) if checkpoint.handed.rows > 0 => return checkpoint,
            _ => std::thread::sleep(Duration::from_millis(2)),
        }
        assert!(Instant::now() < deadline, "no checkpoint");
    }
}

#[test]
fn a_run_that_is_killed_at_any_instant_goes_on_to_the_same_outcome() {
    let subject = Subject::new();
    let whole = subject.fixture.path("whole");
    let begun = Instant::now();
    success(&mut subject.replay(&whole));
    let wall = begun.elapsed();
    let (expected, expected_counts) = (tagged(&whole), counts(&whole));

    let kills = number_from("TRIGSIEVE_KILLS", 20);
    let seed = number_from("TRIGSIEVE_SEED", 1);
    let mut instants = Instants(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut done, mut with_checkpoint, mut runs, mut gained) = (0, 0, 0, 0);
    while done < kills {
        let out = subject.fixture.path("out");
        let mut first = true;
        // Each run is killed, and so is half of those that go on from it.
        while done < kills && (first || instants.below(2) == 0) {
            let mut command = subject.replay(&out);
            command.args(["--resume", "--workers", ["1", "2", "3"][instants.below(3) as usize]]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            // How long a run takes depends on what else the machine does: every second kill is of a run that cannot have ended.
            let mut run = if done % 2 == 0 {
                let run = command.spawn().unwrap();
                std::thread::sleep(Duration::from_micros(instants.below(wall.as_micros() as u64)));
                run
            } else {
                let run = command.args(["--rate", "1MHz"]).spawn().unwrap();
                wait_for_checkpoint(&out);
                std::thread::sleep(Duration::from_micros(instants.below(AFTER_CHECKPOINT_US)));
                run
            };
            run.kill().unwrap();
            run.wait().unwrap();
            (done, first) = (done + 1, false);
            let safe = is_a_beginning(&out, &expected);
            gained += safe;
            with_checkpoint += u64::from(safe > 0);
            if instants.below(2) == 0 {
                lose_unsynced_bytes(&out, &vec![0x5a; instants.below(100_000) as usize]);
            }
            if is_complete(&out) {
                break;
            }
        }
        success(subject.replay(&out).arg("--resume"));
        runs += 1;
        assert_eq!(tagged(&out), expected, "kill {done} of seed {seed}");
        assert_eq!(counts(&out), expected_counts, "kill {done} of seed {seed}");
        assert_eq!(names_in(&out), names_in(&whole));
        std::fs::remove_dir_all(&out).unwrap();
    }
    println!(
        "{done} kills of {runs} runs (seed {seed}), {with_checkpoint} after a first checkpoint, with {} of {} events safe on \
         average; 0 events lost, 0 differences",
        gained / with_checkpoint.max(1),
        report(&whole, "/events_in")
    );
    assert!(with_checkpoint >= kills / 3, "only {with_checkpoint} of {kills} kills came after a checkpoint");
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_outcome() {
    let subject = Subject::new();
    let (whole, out) = (subject.fixture.path("whole"), subject.fixture.path("out"));
    let at_rate = ["--rate", "500kHz"];
    success(subject.replay(&whole).args(at_rate));
    let mut interruptions = 0;
    loop {
        let mut command = subject.replay(&out);
        let run = command.args(at_rate).arg("--resume").stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(400));
        // A run that is over has no process, and one that is about to end takes no notice.
        let _ = kill_process(Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap(), Signal::INT);
        let output = run.wait_with_output().unwrap();
        if output.status.success() {
            break;
        }
        let message = stderr(&output);
        if message.starts_with("error: interrupted") {
            interruptions += 1;
            assert!(message.contains("--resume goes on after"), "{message}");
            assert_eq!(report(&out, "/status"), "interrupted");
        }
    }
    assert!(interruptions > 0);
    assert_eq!((tagged(&out), counts(&out)), (tagged(&whole), counts(&whole)));
    let resumed_after = report(&out, "/resumed_after");
    assert!(resumed_after.as_u64().is_some_and(|events| events > 0), "{resumed_after}");
    // Once more there is nothing to do.
    let before = std::fs::read(out.join("run.json")).unwrap();
    success(subject.replay(&out).args(at_rate).arg("--resume"));
    assert_eq!(std::fs::read(out.join("run.json")).unwrap(), before);
}

/// Kills a run when it has a checkpoint that counts.
fn killed(subject: &Subject, out: &Path) -> Checkpoint {
    let mut run = subject.replay(out).args(["--rate", "100kHz"]).spawn().unwrap();
    let checkpoint = wait_for_checkpoint(out);
    run.kill().unwrap();
    run.wait().unwrap();
    Checkpoint::read(out).unwrap().unwrap_or(checkpoint)
}

#[test]
fn only_the_same_run_goes_on() {
    let subject = Subject::new();
    let out = subject.fixture.path("out");
    killed(&subject, &out);
    let left = || names_in(&out).into_iter().filter(|name| name != ".trigsieve.lock").collect::<Vec<_>>();
    let before = left();
    let refused = |command: &mut Command, what: &str| {
        failure(command.arg("--resume")).expect(1, &["checkpoint.json", "of another run", what]);
        assert_eq!(left(), before);
    };
    let mut other_batch = subject.replay_with_batch(&out, "256");
    refused(&mut other_batch, "--batch");
    failure(&mut subject.replay(&out)).expect(1, &["unfinished run of", "--resume"]);

    let menu = std::fs::read_to_string(&subject.menu).unwrap();
    for (from, to, what) in [("1.2", "1.2000002", "paths"), ("prescale = 7", "prescale = 8", "paths")] {
        std::fs::write(&subject.menu, menu.replace(from, to)).unwrap();
        refused(&mut subject.replay(&out), what);
    }
    std::fs::write(&subject.menu, &menu).unwrap();

    let other_events = subject.fixture.path("other.arrow");
    write_events(&other_events, 1.5);
    let events = std::fs::read(&subject.fixture.events).unwrap();
    std::fs::rename(&other_events, &subject.fixture.events).unwrap();
    refused(&mut subject.replay(&out), "events (sha256)");
    std::fs::write(&other_events, &events).unwrap();
    std::fs::rename(&other_events, &subject.fixture.events).unwrap();

    let model = std::fs::read(subject.fixture.model.join("float.onnx")).unwrap();
    write_bundle(&subject.fixture.model, "squares", &other_model());
    refused(&mut subject.replay(&out), "models");
    write_bundle(&subject.fixture.model, "squares", &model);

    success(subject.replay(&out).arg("--resume"));
    assert_eq!(report(&out, "/counters_add_up"), true);
}

/// A constant more in the graph: the same scores, another file.
fn other_model() -> Vec<u8> {
    common::graph(K, |graph, inputs| {
        let squares = graph.node("Mul", &[inputs, inputs], "products", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], trigsieve_onnx::TensorData::I64(vec![1])).unwrap();
        let flat = trigsieve_onnx::Attribute::int("keepdims", 0);
        graph.node("ReduceSum", &[&squares, &axes], "score", vec![flat]).unwrap()
    })
}

#[test]
fn a_damaged_checkpoint_or_file_is_refused() {
    let subject = Subject::new();
    let out = subject.fixture.path("out");
    let checkpoint = killed(&subject, &out);
    let path = out.join("checkpoint.json");
    let whole = std::fs::read_to_string(&path).unwrap();
    let rows = format!("\"rows\":{}", checkpoint.handed.rows);
    assert!(whole.contains(&rows));
    let one_less = format!("\"rows\":{}", checkpoint.handed.rows - 1);
    for damaged in [whole[..whole.len() / 2].to_owned(), whole.replace(&rows, &one_less), String::new()] {
        std::fs::write(&path, damaged).unwrap();
        failure(subject.replay(&out).arg("--resume"))
            .expect(1, &["checkpoint.json", "not a whole checkpoint"]);
        failure(&mut subject.replay(&out)).expect(1, &["checkpoint.json", "--force"]);
    }
    // Its checksum is no signature: one that somebody else wrote must not lead elsewhere.
    for file in ["../out/checkpoint.json", "/etc/passwd", "..", ""] {
        let mut forged = checkpoint.clone();
        forged.file = file.to_owned();
        let json = serde_json::to_string(&forged).unwrap();
        let sha256 = trigsieve::model::sha256_hex(json.as_bytes());
        std::fs::write(&path, format!("{{\"checkpoint\":{json},\"sha256\":\"{sha256}\"}}")).unwrap();
        failure(subject.replay(&out).arg("--resume")).expect(1, &["checkpoint.json", "no plain name"]);
    }
    std::fs::write(&path, &whole).unwrap();

    let unfinished = out.join(&checkpoint.file);
    let bytes = std::fs::read(&unfinished).unwrap();
    OpenOptions::new().write(true).open(&unfinished).unwrap().set_len(checkpoint.bytes - 1).unwrap();
    failure(subject.replay(&out).arg("--resume")).expect(1, &[&checkpoint.file, "cannot be continued"]);
    std::fs::write(&unfinished, &bytes).unwrap();
    success(subject.replay(&out).arg("--resume"));
}

#[test]
fn force_replaces_an_unfinished_run_and_what_has_no_checkpoints_says_so() {
    let subject = Subject::new();
    let out = subject.fixture.path("out");
    killed(&subject, &out);
    success(subject.replay(&out).arg("--force"));
    assert!(!names_in(&out).iter().any(|name| name.starts_with('.') || name == "checkpoint.json"));
    for (more, why) in [
        (&["--rate", "1MHz", "--overload", "drop"][..], ["--overload drop: ", "use --overload block"]),
        (&["--format", "parquet"], ["--format parquet: ", "use --format arrow"]),
        (&["--duration", "1s"], ["--duration at --rate max: ", "give --rate"]),
    ] {
        let mut command = trigsieve(&["replay", "--engine", "rten", "--threshold", "0", "--resume"]);
        command.arg(&subject.fixture.events).arg("--model").arg(&subject.fixture.model).arg("-o").arg(&out);
        failure(command.args(more)).expect(2, &[&["--resume"], &why[..]].concat());
    }
    // A complete run of something else is not gone on with.
    let menu = std::fs::read_to_string(&subject.menu).unwrap();
    std::fs::write(&subject.menu, menu.replace("1.2", "1.3")).unwrap();
    failure(subject.replay(&out).arg("--resume")).expect(1, &["run.json", "of another run", "paths"]);
}
