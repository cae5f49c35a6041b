use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use trigsieve::serve::{
    HttpDoor, HttpLimits, HttpServer, Operations, Outlet, ReceiveLimits, Service, ServiceConfig, SocketText,
    StreamListener, StreamReceiver, Token,
};
use trigsieve_frame::{Batch, Ids, Rows, encode};

use crate::common::in_process::{Nowhere, config};
use crate::common::{Fixture, K};

/// A service in this process, with TCP as source and its HTTP side.
pub struct Running {
    pub fixture: Fixture,
    pub service: Service,
    pub http: HttpServer,
    source: SocketAddr,
}

/// The token of [`Running::start`] with one.
pub const TOKEN: &str = "correct-horse-battery-staple";

impl Running {
    /// With this menu.
    pub fn start(menu: &str, with_token: bool, limits: HttpLimits) -> Self {
        Self::start_with(menu, with_token, limits, Operations::default(), |_| Box::new(Nowhere::default()))
    }

    /// With these operations, and the outlet of a folder.
    pub fn start_with(
        menu: &str,
        with_token: bool,
        limits: HttpLimits,
        operations: Operations,
        outlet: impl Fn(&Path) -> Box<dyn Outlet>,
    ) -> Self {
        let fixture = Fixture::new(0);
        std::fs::write(fixture.path("menu.toml"), menu).unwrap();
        std::fs::write(fixture.path("token"), TOKEN).unwrap();
        let listener = StreamListener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let source = listener.address().strip_prefix("tcp://").unwrap().parse().unwrap();
        let receiver = Box::new(StreamReceiver::new(listener, ReceiveLimits::default()));
        let outlet = outlet(fixture.folder.path());
        let config = config(fixture.model.clone(), fixture.path("menu.toml"), receiver, outlet);
        let service = Service::start(ServiceConfig { operations, ..config }).unwrap();
        let SocketText(anywhere) = ":0".parse().unwrap();
        let token = with_token.then(|| Token::load(&fixture.path("token")).unwrap());
        let door = HttpDoor::open(anywhere).unwrap();
        let http = HttpServer::start(door, Arc::clone(service.control()), token, limits).unwrap();
        Self { fixture, service, http, source }
    }

    /// Sends frames of one event for each of `inputs`, all of whose inputs have that value: the score is 3 times its square.
    pub fn send(&self, run: u32, frames: &[&[f32]]) {
        let frames: Vec<Vec<u8>> =
            (0..).zip(frames).map(|(number, events)| frame(run, number, events)).collect();
        self.send_bytes(&frames.concat());
    }

    /// A connection that frames can be sent on one after the other.
    pub fn sender(&self, run: u32) -> Sender {
        Sender { stream: TcpStream::connect(self.source).unwrap(), run, sequence: 0 }
    }

    /// Sends bytes, and waits for the end of the connection: a receipt, or a reset where not all was read.
    pub fn send_bytes(&self, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.source).unwrap();
        stream.write_all(bytes).unwrap();
        // What the service took is in its counts.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }

    /// Waits until `what` is so.
    #[track_caller]
    pub fn wait_until(&self, what: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !what(self) {
            assert!(Instant::now() < until, "{:?}", self.service.monitor().snapshot());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The answer to a request without a body.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.try_ask(method, path, headers).expect("an answer")
    }

    /// The same, if the connection lasts for so long.
    pub fn try_ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{headers}\r\n");
        Answer::read(self.connect(), request.as_bytes())
    }

    /// A connection to the HTTP side.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.http.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// `/metrics` now.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = self.ask("GET", "/metrics", &[]);
        assert_eq!(answer.status, 200);
        parse_metrics(&answer.body)
    }
}

fn frame(run: u32, sequence: u64, events: &[f32]) -> Vec<u8> {
    let values: Vec<f32> = events.iter().flat_map(|value| [*value; K]).collect();
    let ids = Ids::From { event_id: sequence * 1000, bunch_crossing: 0 };
    let (k, rows) = (K as u32, Rows::F32(&values));
    let mut bytes = Vec::new();
    encode(&Batch { run, source: 1, sequence, encoding: 0, k, ids, rows, end: false }, &mut bytes);
    bytes
}

/// Sends frames without waiting for anything.
pub struct Sender {
    stream: TcpStream,
    run: u32,
    sequence: u64,
}

impl Sender {
    /// One frame; see [`Running::send`].
    pub fn send(&mut self, events: &[f32]) {
        self.stream.write_all(&frame(self.run, self.sequence, events)).unwrap();
        self.sequence += 1;
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Sends a request, and reads until the connection is closed.
    pub fn read(mut stream: TcpStream, request: &[u8]) -> Option<Self> {
        stream.write_all(request).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
}

/// Names with labels, and values; every sample follows the type of its family.
pub fn parse_metrics(text: &str) -> BTreeMap<String, f64> {
    let mut family = "";
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
        } else if !line.starts_with('#') {
            assert!(line.starts_with(family), "{line} is not of {family}");
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(found.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} is there twice");
        }
    }
    found
}
