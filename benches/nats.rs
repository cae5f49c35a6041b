//! What a farm on NATS JetStream reaches on one host, with a server that the bench starts.
//!
//!     cargo bench --workspace --bench nats -- [EVENTS.arrow [BUNDLE [ceilings|farm]]]
//!
//! First, events a second that the source brings to a decision, against the events in a frame, beside a loop that pulls the same
//! messages and does nothing. Then the rate of 1, 2 and 4 `serve` processes on one consumer, with results on NATS, from the first
//! decision stored to the last, and the processors that server and workers keep busy meanwhile; once with every message synced to the
//! disk, and once without. Frames are in the stream before the clock starts; every repetition checks that all were decided.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer, stream};
use futures_util::StreamExt;
use trigsieve::model::Precision;
use trigsieve::score::{Engine, ScorerSpec};
use trigsieve::send::FrameMaker;
use trigsieve::serve::{
    Admission, DeploymentSpec, MenuSource, NatsAddress, NatsPublisher, NatsReceiver, ReceiveLimits, Rolling,
    RollingFiles, Service, ServiceConfig, Window,
};
use trigsieve::source::{Cursor, EventSet};

const REPETITIONS: usize = 3;
const SIZES: [u64; 4] = [16, 128, 1024, 4096];
/// Events of a repetition, and no more frames than this.
const EVENTS: u64 = 1_000_000;
const MOST_FRAMES: u64 = 10_000;
const PULL_BYTES: usize = 16 << 20;
const PORT: u16 = 14_222;
/// Of the kernel's accounting, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

struct Server(Child);

impl Server {
    /// With its files in `folder`; `sync` is how long it may keep what it has acknowledged from the disk.
    fn start(folder: &Path, sync: &str) -> Self {
        let config = folder.join("nats-server.conf");
        let text = format!(
            "listen: \"127.0.0.1:{PORT}\"\nmax_payload: 8MB\njetstream {{ store_dir: \"{}\", sync_interval: {sync} }}\n",
            folder.join("store").display()
        );
        std::fs::write(&config, text).expect("a file");
        let program = std::env::var_os("NATS_SERVER").map_or(".venv/bin/nats-server".into(), PathBuf::from);
        let child =
            Command::new(program).arg("-c").arg(config).stderr(Stdio::null()).spawn().expect("a server");
        while std::net::TcpStream::connect(("127.0.0.1", PORT)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn address(names: &str) -> NatsAddress {
    format!("nats://127.0.0.1:{PORT}/{names}").parse().expect("an address")
}

fn ask<T>(question: impl AsyncFnOnce(jetstream::Context) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = async_nats::connect(format!("127.0.0.1:{PORT}")).await.expect("a connection");
        question(jetstream::new(client)).await
    })
}

/// Fills the stream; how many frames and events, and how long the publishing took.
fn fill(stream: &str, set: &EventSet, size: u64, run: u32) -> (u64, u64, Duration) {
    let mut publisher = NatsPublisher::open(&address(stream), true).expect("a stream");
    let mut maker = FrameMaker::new(set, run, 1);
    let (mut cursor, mut frames, mut events) = (Cursor::default(), 0, 0);
    let start = Instant::now();
    while events < EVENTS && frames < MOST_FRAMES {
        let run = set.run_at(cursor, size);
        publisher.send(maker.frame(run, events / set.len()).expect("a frame"), &|| false).expect("sent");
        events += u64::from(run.len);
        frames += 1;
        set.advance(&mut cursor, run);
    }
    publisher.finish(&maker.end(), &|| false).expect("stored");
    (frames, events, start.elapsed())
}

/// Pulls everything and does nothing. A server lets go of a client that it has too much for.
fn bare(stream: &str, frames: u64, frame_bytes: usize) -> Duration {
    let at_once = (PULL_BYTES / frame_bytes).clamp(1, 512);
    ask(async |context| {
        let stream = context.get_stream(stream).await.expect("a stream");
        let config = consumer::pull::Config { ack_policy: consumer::AckPolicy::None, ..Default::default() };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let start = Instant::now();
        let mut messages =
            consumer.stream().max_messages_per_batch(at_once).messages().await.expect("messages");
        for _ in 0..frames {
            messages.next().await.expect("a message").expect("a message");
        }
        start.elapsed()
    })
}

/// The source, the trigger and acknowledgements, from the first message asked for to the last confirmed.
fn served(stream: &str, name: &str, events: u64, model: &Path, folder: &Path) -> Duration {
    let source = address(&format!("{stream}/{name}"));
    let receiver = NatsReceiver::open(&source, true, ReceiveLimits::default(), 1024).expect("a receiver");
    let scorer = ScorerSpec { engine: Engine::Fixed, precision: Precision::Fixed, ..ScorerSpec::default() };
    let menu = MenuSource::TargetRate { target_hz: 4e3, input_hz: 40e6 };
    let rolling = Rolling { time: Duration::from_millis(200), ..Rolling::default() };
    let config = ServiceConfig {
        deployment: DeploymentSpec {
            models: vec![model.to_owned()],
            menu,
            scorer,
            workers: 1,
            layout: None,
            admission: Admission::default(),
        },
        receivers: vec![Box::new(receiver)],
        outlets: vec![Box::new(RollingFiles::new(&folder.join(name), rolling).expect("a folder"))],
        queue_frames: 1024,
        queue_bytes: 512 << 20,
        batch: 4096,
        window: Window::default(),
        operations: trigsieve::serve::Operations::default(),
    };
    let service = Service::start(config).expect("a service");
    let start = Instant::now();
    let mut scored = start;
    while service.monitor().snapshot().events_settled < events {
        if service.monitor().snapshot().events_scored < events {
            scored = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let end = service.drain(Duration::from_secs(10));
    assert!(end.is_drained && end.snapshot.events_scored == events, "all decided once");
    scored - start
}

fn median(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn shown(values: Vec<f64>) -> String {
    let (middle, low, high) = median(values);
    format!("{:9.3} ({:.3}-{:.3})", middle * 1e-6, low * 1e-6, high * 1e-6)
}

fn ceilings(set: &EventSet, model: &Path, folder: &Path) {
    println!("M events/s: median (smallest-largest) of {REPETITIONS}");
    println!(
        "{:>6} {:>24} {:>24} {:>24} {:>6}",
        "events", "publish, sync always", "bare pull", "source", "share"
    );
    for size in SIZES {
        let stream = format!("C{size}");
        ask(async |context| {
            let config = stream::Config {
                name: stream.clone(),
                subjects: vec![format!("{stream}.>")],
                discard: stream::DiscardPolicy::New,
                ..Default::default()
            };
            context.create_stream(config).await.expect("a stream");
        });
        let (frames, events, published) = fill(&stream, set, size, 1);
        let published_bytes = ask(async |context| {
            context.get_stream(&stream).await.expect("a stream").cached_info().state.bytes
        });
        let frame_bytes = (published_bytes / frames) as usize;
        let (mut alone, mut with) = (Vec::new(), Vec::new());
        for repetition in 0..REPETITIONS {
            alone.push(events as f64 / bare(&stream, frames, frame_bytes).as_secs_f64());
            let time = served(&stream, &format!("r{repetition}"), events, model, folder);
            with.push(events as f64 / time.as_secs_f64());
        }
        let share = median(with.clone()).0 / median(alone.clone()).0;
        let publish = vec![events as f64 / published.as_secs_f64()];
        println!("{size:6} {:>24} {:>24} {:>24} {share:6.2}", shown(publish), shown(alone), shown(with));
        ask(async |context| context.delete_stream(&stream).await.expect("deleted"));
    }
}

/// Processor time of these processes so far, s.
fn cpu_seconds(processes: &[u32]) -> f64 {
    let ticks = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("a process");
        // Behind the name, which may have spaces: state is the third field, user and system time are the 14th and 15th.
        let (_, rest) = stat.rsplit_once(')').expect("a name");
        let fields: Vec<&str> = rest.split_whitespace().collect();
        fields[11..13].iter().map(|field| field.parse::<f64>().expect("a number")).sum::<f64>()
    };
    processes.iter().map(ticks).sum::<f64>() / TICKS_PER_SECOND
}

/// Processes on one consumer, results on NATS.
fn farm(set: &EventSet, model: &Path, engine: &str, server: &Server, sync: &str) {
    println!(
        "\n{engine}, sync {sync}: processes, M events/s, frames/s (frames of 1,024 events, decisions to NATS), processors busy: server, workers"
    );
    for processes in [1, 2, 4] {
        let (frames, events, _) = fill("FRAMES", set, 1024, 1);
        let source = format!("nats://127.0.0.1:{PORT}/FRAMES/trigger");
        let sink = format!("nats://127.0.0.1:{PORT}/RESULTS");
        let start = || {
            Command::new(env!("CARGO_BIN_EXE_trigsieve"))
                .args(["-q", "serve", "--create", "--target-rate", "4kHz", "--input-rate", "40MHz"])
                .args(["--engine", engine, "--source", &source, "--sink", &sink, "--model"])
                .arg(model)
                .spawn()
                .expect("a worker")
        };
        let mut workers: Vec<Child> = (0..processes).map(|_| start()).collect();
        let ids: Vec<u32> = workers.iter().map(Child::id).collect();
        let server_before = cpu_seconds(&[server.0.id()]);
        let seconds = ask(async |context| {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let Ok(results) = context.get_stream("RESULTS").await else { continue };
                let mut filtered = results.info_with_subjects("RESULTS.decisions.>").await.expect("subjects");
                let mut decided = 0;
                while filtered.next().await.is_some() {
                    decided += 1;
                }
                if decided == frames {
                    let state = &results.cached_info().state;
                    return (state.last_timestamp - state.first_timestamp).as_seconds_f64();
                }
            }
        });
        let busy = |seconds_busy: f64| seconds_busy / seconds;
        let (of_server, of_workers) = (cpu_seconds(&[server.0.id()]) - server_before, cpu_seconds(&ids));
        for worker in &mut workers {
            Command::new("kill").arg(worker.id().to_string()).status().expect("a signal");
            worker.wait().expect("an end");
        }
        println!(
            "{processes:3} {:9.3} {:9.0} {:9.2} {:9.2}",
            events as f64 / seconds * 1e-6,
            frames as f64 / seconds,
            busy(of_server),
            busy(of_workers)
        );
        ask(async |context| {
            for stream in ["FRAMES", "RESULTS", "FRAMES-dead"] {
                context.delete_stream(stream).await.expect("deleted");
            }
        });
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let Some(events) = words.first() else {
        println!("nats: give a table of events, such as cargo bench --bench nats -- events.arrow");
        return;
    };
    let model = PathBuf::from(words.get(1).map_or("models/l1_vae", String::as_str));
    let set = EventSet::open(&[PathBuf::from(events)]).expect("events");
    let folder = tempfile::tempdir().expect("a folder");
    for sync in ["always", "2m"] {
        let place = folder.path().join(sync);
        std::fs::create_dir(&place).expect("a folder");
        let server = Server::start(&place, sync);
        let part = words.get(2).map(String::as_str);
        if sync == "always" && part != Some("farm") {
            ceilings(&set, &model, &place);
        }
        if part != Some("ceilings") {
            farm(&set, &model, "fixed", &server, sync);
        }
    }
}
