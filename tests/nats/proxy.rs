//! A network that fails on request: a proxy between client and server.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A port that leads to another one, while it is not cut.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    state: Arc<State>,
}

struct State {
    cut: AtomicBool,
    ended: AtomicBool,
    /// Bytes a second to the server; 0: as fast as it goes.
    rate: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// To a port of the loopback interface.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            cut: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            rate: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || accept(&listener, port, &shared));
        Self { port: own, state }
    }

    /// `nats://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Cuts all connections and lets none through for a time.
    pub fn cut(&self, time: Duration) {
        self.state.cut.store(true, Ordering::SeqCst);
        for stream in self.state.open.lock().unwrap().drain(..) {
            // The other side may be gone.
            let _ = stream.shutdown(Shutdown::Both);
        }
        std::thread::sleep(time);
        self.state.cut.store(false, Ordering::SeqCst);
    }

    /// Lets so many bytes a second through to the server.
    pub fn slow_down(&self, bytes_per_second: u64) {
        self.state.rate.store(bytes_per_second, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.cut(Duration::ZERO);
    }
}

fn accept(listener: &TcpListener, port: u16, state: &Arc<State>) {
    while !state.ended.load(Ordering::SeqCst) {
        let client = match listener.accept() {
            Ok((client, _)) => client,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        if state.cut.load(Ordering::SeqCst) {
            continue;
        }
        client.set_nonblocking(false).unwrap();
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        let mut open = state.open.lock().unwrap();
        open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let shared = Arc::clone(state);
        std::thread::spawn(move || copy(from, to, &shared, true));
        let shared = Arc::clone(state);
        std::thread::spawn(move || copy(server, client, &shared, false));
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, state: &State, is_to_server: bool) {
    let mut bytes = [0; 16 << 10];
    while let Ok(read) = from.read(&mut bytes)
        && read > 0
        && to.write_all(&bytes[..read]).is_ok()
    {
        let rate = if is_to_server { state.rate.load(Ordering::SeqCst) } else { 0 };
        if rate > 0 {
            std::thread::sleep(Duration::from_secs_f64(read as f64 / rate as f64));
        }
    }
    // One side has ended: so does the other.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
