//! How many events a second each source brings to a decision, against the number of events in a frame, beside a bare loop that
//! receives the same bytes and does nothing with them.
//!
//!     cargo bench --bench sources -- [EVENTS.arrow] [BUNDLE]
//!
//! Frames are made before the clock starts and sent by a thread of this process over loopback; the service scores with the fixed engine on
//! one worker and keeps what passes the highest threshold of the card. Both take turns, five repetitions, medians with the smallest and largest.
//! Every repetition checks its own answer: all events of a stream must have been decided, and of datagrams those that were not are given as
//! lost. Datagrams are sent as fast as the sender can, so what is lost shows that a source without back-pressure is at its ceiling.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use trigsieve::model::Precision;
use trigsieve::score::{Engine, ScorerSpec};
use trigsieve::send::FrameMaker;
use trigsieve::serve::{
    Address, Admission, DeploymentSpec, MenuSource, Operations, ReceiveLimits, Rolling, RollingFiles,
    Service, ServiceConfig, Window, receiver_of,
};
use trigsieve::source::{Cursor, EventSet};

const REPETITIONS: u32 = 5;
/// Events of a repetition, and no more frames than this.
const EVENTS: u64 = 2_000_000;
const MOST_FRAMES: u64 = 100_000;
const SIZES: [u64; 5] = [1, 16, 128, 512, 4096];
/// Silence after which a receiver of datagrams has seen the last.
const SILENCE: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Udp,
    Tcp,
    Unix,
}

struct Frames {
    bytes: Vec<Vec<u8>>,
    events: u64,
}

fn frames(set: &EventSet, size: u64, run: u32) -> Frames {
    let mut maker = FrameMaker::new(set, run, 1);
    let (mut cursor, mut bytes, mut events) = (Cursor::default(), Vec::new(), 0);
    while events < EVENTS && (bytes.len() as u64) < MOST_FRAMES {
        let run = set.run_at(cursor, size);
        bytes.push(maker.frame(run, events / set.len()).expect("a frame").to_vec());
        events += u64::from(run.len);
        set.advance(&mut cursor, run);
    }
    Frames { bytes, events }
}

enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Line {
    fn to(address: &str) -> Self {
        match address.parse::<Address>().expect("an address") {
            Address::Udp(to) => {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
                socket.connect(to).expect("an address");
                Self::Udp(socket)
            }
            Address::Tcp(to) => Self::Tcp(TcpStream::connect(to).expect("a connection")),
            Address::Unix(path) => Self::Unix(UnixStream::connect(path).expect("a connection")),
            other => panic!("{other}"),
        }
    }

    fn send(&mut self, frames: &Frames) {
        for frame in &frames.bytes {
            match self {
                Self::Udp(socket) => {
                    socket.send(frame).expect("sent");
                }
                Self::Tcp(stream) => stream.write_all(frame).expect("sent"),
                Self::Unix(stream) => stream.write_all(frame).expect("sent"),
            }
        }
    }

    /// Waits until the other side has read everything.
    fn finish(&mut self) {
        let mut rest = Vec::new();
        match self {
            Self::Udp(_) => {}
            Self::Tcp(stream) => {
                stream.shutdown(Shutdown::Write).expect("open");
                stream.read_to_end(&mut rest).expect("a receipt");
            }
            Self::Unix(stream) => {
                stream.shutdown(Shutdown::Write).expect("open");
                stream.read_to_end(&mut rest).expect("a receipt");
            }
        }
    }
}

/// Events a second, and the share that arrived.
type Measured = (f64, f64);

/// Receives and does nothing.
fn bare(kind: Kind, frames: &Frames, folder: &Path) -> Measured {
    let mut buffer = vec![0; 1 << 20];
    let path = folder.join("bare");
    let (address, mut receive): (String, Box<dyn FnMut() -> u64 + Send>) = match kind {
        Kind::Udp => {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 128 << 20).ok();
            socket.set_read_timeout(Some(SILENCE)).expect("a time");
            let address = format!("udp://{}", socket.local_addr().expect("an address"));
            let last = frames.bytes.len() as u64;
            let receive = move || {
                let mut received = 0;
                while received < last && socket.recv(&mut buffer).is_ok() {
                    received += 1;
                }
                received
            };
            (address, Box::new(receive))
        }
        Kind::Tcp => {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
            let address = format!("tcp://{}", listener.local_addr().expect("an address"));
            (address, Box::new(move || drain(&mut listener.accept().expect("a connection").0, &mut buffer)))
        }
        Kind::Unix => {
            let listener = UnixListener::bind(&path).expect("a socket");
            let address = format!("unix:{}", path.display());
            (address, Box::new(move || drain(&mut listener.accept().expect("a connection").0, &mut buffer)))
        }
    };
    let measured = std::thread::scope(|scope| {
        let receiver = scope.spawn(move || {
            let received = receive();
            (received, Instant::now())
        });
        let start = Instant::now();
        let mut line = Line::to(&address);
        line.send(frames);
        line.finish();
        let (received, end) = receiver.join().expect("a receiver");
        let total: u64 = frames.bytes.iter().map(|frame| frame.len() as u64).sum();
        let share =
            received as f64 / if kind == Kind::Udp { frames.bytes.len() as f64 } else { total as f64 };
        let silence = if kind == Kind::Udp && share < 1.0 { SILENCE } else { Duration::ZERO };
        let seconds = (end - start - silence).as_secs_f64();
        (frames.events as f64 * share / seconds, share)
    });
    if kind == Kind::Unix {
        std::fs::remove_file(path).expect("the socket's file");
    }
    measured
}

fn drain(stream: &mut impl Read, buffer: &mut [u8]) -> u64 {
    let mut bytes = 0;
    loop {
        match stream.read(buffer).expect("bytes") {
            0 => return bytes,
            read => bytes += read as u64,
        }
    }
}

/// The service, from the first frame sent to the last decision delivered.
fn served(kind: Kind, frames: &Frames, model: &Path, folder: &Path) -> Measured {
    let source = match kind {
        Kind::Udp => "udp://:0".to_owned(),
        Kind::Tcp => "tcp://:0".to_owned(),
        Kind::Unix => format!("unix:{}", folder.join("served").display()),
    };
    let receiver =
        receiver_of(&source.parse().expect("an address"), ReceiveLimits::default()).expect("a receiver");
    let address = receiver.address();
    let scorer = ScorerSpec { engine: Engine::Fixed, precision: Precision::Fixed, ..ScorerSpec::default() };
    let menu = MenuSource::TargetRate { target_hz: 4e3, input_hz: 40e6 };
    let service = Service::start(ServiceConfig {
        deployment: DeploymentSpec {
            models: vec![model.to_owned()],
            menu,
            scorer,
            workers: 1,
            layout: None,
            admission: Admission::default(),
        },
        receivers: vec![receiver],
        outlets: vec![Box::new(
            RollingFiles::new(&folder.join("out"), Rolling::default()).expect("a folder"),
        )],
        queue_frames: 32_768,
        queue_bytes: 512 << 20,
        batch: 4096,
        window: Window::default(),
        operations: Operations::default(),
    })
    .expect("a service");
    let start = Instant::now();
    let mut line = Line::to(&address);
    line.send(frames);
    line.finish();
    let mut seen = (0, Instant::now());
    loop {
        let delivered = service.monitor().snapshot().events_delivered;
        if delivered != seen.0 {
            seen = (delivered, Instant::now());
        }
        if delivered == frames.events || seen.1.elapsed() > SILENCE {
            break;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let end = service.drain(Duration::from_secs(10));
    assert!(end.error.is_none() && end.is_drained && end.snapshot.adds_up(), "{end:?}");
    let share = end.snapshot.events_scored as f64 / frames.events as f64;
    assert!(kind == Kind::Udp || share == 1.0, "a stream loses nothing: {share}");
    (end.snapshot.events_scored as f64 / (seen.1 - start).as_secs_f64(), share)
}

fn median(mut of: Vec<f64>) -> (f64, f64, f64) {
    of.sort_by(f64::total_cmp);
    (of[of.len() / 2], of[0], of[of.len() - 1])
}

fn main() {
    static RUN: AtomicU64 = AtomicU64::new(1);
    let arguments: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some(events) = arguments.first() else {
        println!("sources: give a table of events, such as cargo bench --bench sources -- events.arrow");
        return;
    };
    let model = PathBuf::from(arguments.get(1).map_or("models/l1_vae", String::as_str));
    let set = EventSet::open(&[PathBuf::from(events)]).expect("events");
    let folder = tempfile::tempdir().expect("a folder");
    println!(
        "| source | events a frame | bare loop, M events/s | service, M events/s | service / bare | arrived, bare and service |"
    );
    println!("|---|---|---|---|---|---|");
    for (kind, name) in [(Kind::Udp, "udp"), (Kind::Tcp, "tcp"), (Kind::Unix, "unix")] {
        for size in SIZES {
            let largest = frames(&set, size, 0).bytes.iter().map(Vec::len).max().unwrap_or(0);
            if kind == Kind::Udp && largest > 65_507 {
                continue;
            }
            let (mut alone, mut in_service, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            let (mut least_alone, mut least_served) = (1.0_f64, 1.0_f64);
            for _ in 0..REPETITIONS {
                let frames = frames(&set, size, RUN.fetch_add(1, Ordering::Relaxed) as u32);
                let (rate, share) = bare(kind, &frames, folder.path());
                least_alone = least_alone.min(share);
                alone.push(rate);
                let (served_rate, share) = served(kind, &frames, &model, folder.path());
                least_served = least_served.min(share);
                in_service.push(served_rate);
                ratios.push(served_rate / rate);
            }
            let text = |(middle, low, high): (f64, f64, f64), scale: f64| {
                format!("{:.3} ({:.3} to {:.3})", middle * scale, low * scale, high * scale)
            };
            println!(
                "| {name} | {size} | {} | {} | {} | {least_alone:.4}, {least_served:.4} |",
                text(median(alone), 1e-6),
                text(median(in_service), 1e-6),
                text(median(ratios), 1.0)
            );
        }
    }
}
