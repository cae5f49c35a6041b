use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{LOOK_EVERY, ReceiveLimits, Receiver, StopReceiving};
use crate::serve::intake::NotTaken;
use crate::serve::{Intake, ServeError, Trouble};
use trigsieve_frame::{Frame, ReadError};

/// What a sender is told when its connection ends: `TSVR`, 0 (all was taken) or 1 (not all), events taken; little-endian.
const RECEIPT_MAGIC: [u8; 4] = *b"TSVR";
/// Bytes of that.
pub const RECEIPT_BYTES: usize = 16;
/// How long a sender is waited for that does not take its receipt.
const RECEIPT_TIME: Duration = Duration::from_secs(1);

/// A socket that takes connections.
pub enum StreamListener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket, whose file goes when it is closed.
    Unix(UnixListener, PathBuf),
}

impl StreamListener {
    /// Listens on `address`.
    ///
    /// # Errors
    /// The system's.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener))
    }

    /// Listens on the socket file `path`; one that nobody listens on is replaced.
    ///
    /// # Errors
    /// The system's; when something else is at `path`, or somebody listens there.
    pub fn unix(path: &Path) -> io::Result<Self> {
        if let Ok(metadata) = std::fs::symlink_metadata(path) {
            if !metadata.file_type().is_socket() || UnixStream::connect(path).is_ok() {
                return Err(ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(listener, path.to_owned()))
    }

    /// The address, with the port that the system chose if it was to choose one.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "tcp".to_owned(), |address| format!("tcp://{address}"))
            }
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    fn accept(&self) -> io::Result<(Connection, String)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(LOOK_EVERY))?;
                stream.set_write_timeout(Some(RECEIPT_TIME))?;
                Ok((Connection::Tcp(stream), peer.to_string()))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(LOOK_EVERY))?;
                stream.set_write_timeout(Some(RECEIPT_TIME))?;
                Ok((Connection::Unix(stream), "a local process".to_owned()))
            }
        }
    }
}

impl AsFd for StreamListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl Drop for StreamListener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self
            && let Err(error) = std::fs::remove_file(&*path)
        {
            tracing::debug!("{}: {error}", path.display());
        }
    }
}

enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    /// Reads what is not wanted any more until the sender has closed its side, for a while: a connection that is closed with bytes
    /// unread, or on their way, is reset, and the receipt may be lost with it.
    fn drain(&mut self) {
        let closed = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        let (start, mut bytes) = (Instant::now(), [0; 16 << 10]);
        while closed.is_ok() && start.elapsed() < RECEIPT_TIME {
            match self.read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    }
}

impl Read for Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Frames one after the other on any number of connections, each with a thread of its own. A full queue is not read from: the
/// protocol holds the sender back.
pub struct StreamReceiver {
    listener: StreamListener,
    limits: ReceiveLimits,
}

impl StreamReceiver {
    /// Receives what connects to `listener`.
    #[must_use]
    pub fn new(listener: StreamListener, limits: ReceiveLimits) -> Self {
        Self { listener, limits }
    }
}

impl Receiver for StreamReceiver {
    fn address(&self) -> String {
        self.listener.address()
    }

    fn run(&mut self, intake: &Arc<Intake>, stop: &StopReceiving) -> Result<(), ServeError> {
        let address = self.address();
        let failed = |source| ServeError::Listen { address: address.clone(), source };
        std::thread::scope(|scope| {
            while !stop.is_requested() {
                if !wait_for(&self.listener).map_err(failed)? {
                    continue;
                }
                let (connection, peer) = match self.listener.accept() {
                    Ok(accepted) => accepted,
                    // Out of descriptors, or the peer is gone again: the listener itself is well.
                    Err(error) => {
                        if error.kind() != ErrorKind::WouldBlock {
                            intake.monitor().trouble(Trouble::NotConnected, || {
                                format!("{address}: no connection: {error}")
                            });
                            std::thread::sleep(LOOK_EVERY);
                        }
                        continue;
                    }
                };
                if intake.monitor().connections_open() >= self.limits.connections {
                    intake.monitor().connection_refused();
                    intake.monitor().trouble(Trouble::NotConnected, || {
                        let most = self.limits.connections;
                        format!("{address}: {peer} is refused: {most} connections are the limit")
                    });
                    continue;
                }
                intake.monitor().connected();
                let (limits, address) = (self.limits, &address);
                let serve = move || {
                    serve_connection(connection, intake, stop, limits, &format!("{address}: {peer}"));
                    intake.monitor().disconnected();
                };
                if let Err(error) =
                    std::thread::Builder::new().name("connection".to_owned()).spawn_scoped(scope, serve)
                {
                    intake.monitor().disconnected();
                    intake.monitor().trouble(Trouble::NotConnected, || {
                        format!("{address}: no thread for a connection: {error}")
                    });
                }
            }
            Ok(())
        })
    }
}

/// Waits for a connection; whether there is one.
fn wait_for(listener: &StreamListener) -> io::Result<bool> {
    let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.as_nanos() as _ };
    match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn serve_connection(
    connection: Connection,
    intake: &Intake,
    stop: &StopReceiving,
    limits: ReceiveLimits,
    peer: &str,
) {
    let mut reader = Patient {
        connection,
        stop,
        idle: limits.idle,
        between_frames: Cell::new(true),
        has_ended: Cell::new(false),
        is_cut_off: Cell::new(false),
        since: Cell::new(Instant::now()),
        bytes: Cell::new(0),
    };
    let (taken, end) = take_frames(&mut reader, intake, limits, peer);
    if let Err(reason) = &end {
        intake.monitor().trouble(Trouble::Closed, || format!("{peer}: closed: {reason}"));
    }
    let status = u32::from(end.is_err());
    let receipt = [&RECEIPT_MAGIC[..], &status.to_le_bytes(), &taken.to_le_bytes()].concat();
    if let Err(error) = reader.connection.write_all(&receipt) {
        tracing::debug!("{peer}: no receipt: {error}");
    }
    if end.is_err() {
        reader.connection.drain();
    }
}

/// Takes frames until the end; how many events, and why not more.
fn take_frames(
    reader: &mut Patient<'_>,
    intake: &Intake,
    limits: ReceiveLimits,
    peer: &str,
) -> (u64, Result<(), String>) {
    let mut taken = 0;
    loop {
        reader.begin_frame();
        let start = reader.bytes.get();
        let frame = match Frame::read(reader, intake.buffer(), &limits.frame) {
            Ok(Some(frame)) => frame,
            Ok(None) if reader.is_cut_off.get() => {
                return (taken, Err("the service is shutting down".to_owned()));
            }
            Ok(None) => return (taken, Ok(())),
            Err(ReadError::Io(error)) => {
                return (taken, Err(format!("at byte {}: {error}", reader.bytes.get())));
            }
            Err(ReadError::Frame(error)) => {
                intake.monitor().malformed();
                return (taken, Err(format!("the frame that begins at byte {start} is bad: {error}")));
            }
        };
        let events = u64::from(frame.header().events);
        reader.has_ended.set(frame.header().end);
        match intake.take_in_order(frame, Instant::now()) {
            Ok(()) => taken += events,
            Err(NotTaken::Closed) => return (taken, Err("the service is shutting down".to_owned())),
            Err(NotTaken::Refused(reason)) => {
                tracing::debug!("{peer}: {reason}");
                return (taken, Err(format!("the frame that begins at byte {start} is refused: {reason}")));
            }
        }
    }
}

/// Reads with patience, but not without end: looks for the wish to stop between frames, and for the idle limit always.
struct Patient<'a> {
    connection: Connection,
    stop: &'a StopReceiving,
    idle: Duration,
    between_frames: Cell<bool>,
    /// The sender has said that its last frame was the last.
    has_ended: Cell<bool>,
    /// It is not read to its end: there may be more.
    is_cut_off: Cell<bool>,
    since: Cell<Instant>,
    bytes: Cell<u64>,
}

impl Patient<'_> {
    fn begin_frame(&self) {
        self.between_frames.set(true);
        self.since.set(Instant::now());
    }

    fn too_slow(&self) -> io::Error {
        let what = if self.between_frames.get() { "nothing came for" } else { "a frame took longer than" };
        let text = format!("{what} {}", humantime::format_duration(self.idle));
        io::Error::new(ErrorKind::TimedOut, text)
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.between_frames.get() && self.stop.is_requested() {
                // A last look, as long as any: a sender may have come to its end just now.
                let is_whole = self.has_ended.get() || matches!(self.connection.read(&mut bytes[..1]), Ok(0));
                self.is_cut_off.set(!is_whole);
                return Ok(0);
            }
            match self.connection.read(bytes) {
                Ok(read) => {
                    if read > 0 && self.between_frames.replace(false) {
                        self.since.set(Instant::now());
                    }
                    self.bytes.set(self.bytes.get() + read as u64);
                    // A byte now and then is not a frame either.
                    if read > 0 && self.since.get().elapsed() >= self.idle {
                        return Err(self.too_slow());
                    }
                    return Ok(read);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.since.get().elapsed() >= self.idle {
                        return Err(self.too_slow());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}
