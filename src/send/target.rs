use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::SendError;
use crate::pipeline::Stop;
use crate::serve::{Address, NatsPublisher, PublishReport, RECEIPT_BYTES};

/// How often the end is said on UDP, where it can get lost, and how far apart.
const ENDS: usize = 3;
const BETWEEN_ENDS: Duration = Duration::from_millis(30);

/// Where frames go.
pub trait FrameTarget {
    /// Sends one frame.
    ///
    /// # Errors
    /// When the other side cannot be reached.
    fn send(&mut self, frame: &[u8]) -> Result<(), SendError>;

    /// Sends the last frame and, where the other side says so, makes sure that all was taken.
    ///
    /// # Errors
    /// When it was not.
    fn finish(&mut self, end: &[u8]) -> Result<(), SendError>;

    /// What a message broker between said.
    fn published(&self) -> Option<PublishReport> {
        None
    }
}

/// A frame a message of a NATS JetStream stream. Once stopped, the server is not waited for much longer.
pub struct NatsTarget(pub NatsPublisher, pub Stop);

impl FrameTarget for NatsTarget {
    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        Ok(self.0.send(frame, &|| self.1.is_requested())?)
    }

    fn finish(&mut self, end: &[u8]) -> Result<(), SendError> {
        Ok(self.0.finish(end, &|| self.1.is_requested())?)
    }

    fn published(&self) -> Option<PublishReport> {
        Some(self.0.report())
    }
}

/// A frame a datagram.
pub struct UdpTarget {
    socket: UdpSocket,
    address: Address,
}

impl UdpTarget {
    /// Sends to `address`.
    ///
    /// # Errors
    /// The system's.
    pub fn new(address: SocketAddr) -> Result<Self, SendError> {
        let any: SocketAddr =
            if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).and_then(|socket| socket.connect(address).map(|()| socket));
        Self::of(socket, Address::Udp(address))
    }

    /// Sends to a multicast group, through the interface of this address or the system's choice; to members on this machine, too.
    ///
    /// # Errors
    /// The system's.
    pub fn group(group: SocketAddrV4, interface: Option<Ipv4Addr>) -> Result<Self, SendError> {
        let open = || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            if let Some(interface) = interface {
                rustix::net::sockopt::set_ip_multicast_if(&socket, &interface)?;
            }
            socket.connect(group)?;
            Ok(socket)
        };
        Self::of(open(), Address::Multicast(group, interface))
    }

    fn of(socket: io::Result<UdpSocket>, address: Address) -> Result<Self, SendError> {
        let socket = socket.map_err(|source| io_error(&address.to_string(), source))?;
        Ok(Self { socket, address })
    }
}

impl FrameTarget for UdpTarget {
    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        loop {
            match self.socket.send(frame) {
                Ok(_) => return Ok(()),
                // What an earlier datagram met is told now; a detector does not stop for it.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::Interrupted) => {}
                Err(error) => return Err(io_error(&self.address.to_string(), error)),
            }
        }
    }

    fn finish(&mut self, end: &[u8]) -> Result<(), SendError> {
        for _ in 0..ENDS {
            std::thread::sleep(BETWEEN_ENDS);
            self.send(end)?;
        }
        Ok(())
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Frames one after the other on TCP or a Unix socket. A service that does not keep up holds the sender back.
pub struct StreamTarget {
    stream: Stream,
    address: String,
}

impl StreamTarget {
    /// Connects to `address`.
    ///
    /// # Errors
    /// The system's.
    pub fn tcp(address: SocketAddr) -> Result<Self, SendError> {
        let name = Address::Tcp(address).to_string();
        let stream = TcpStream::connect(address).map_err(|source| io_error(&name, source))?;
        Ok(Self { stream: Stream::Tcp(stream), address: name })
    }

    /// Connects to the socket file `path`.
    ///
    /// # Errors
    /// The system's.
    pub fn unix(path: &Path) -> Result<Self, SendError> {
        let name = Address::Unix(path.to_owned()).to_string();
        let stream = UnixStream::connect(path).map_err(|source| io_error(&name, source))?;
        Ok(Self { stream: Stream::Unix(stream), address: name })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// What the service says when it has read to the end: whether it took everything, and how many events.
    fn receipt(&mut self) -> io::Result<[u8; RECEIPT_BYTES]> {
        let mut receipt = [0; RECEIPT_BYTES];
        // A service that has closed the connection already cannot be told; what it said before is still there to be read.
        match &mut self.stream {
            Stream::Tcp(stream) => {
                let _ = stream.shutdown(Shutdown::Write);
                stream.read_exact(&mut receipt)?;
            }
            Stream::Unix(stream) => {
                let _ = stream.shutdown(Shutdown::Write);
                stream.read_exact(&mut receipt)?;
            }
        }
        Ok(receipt)
    }

    /// What the service said before it closed the connection, if it is to be had.
    fn refusal(&mut self, source: io::Error) -> SendError {
        match self.receipt() {
            Ok(receipt) => self.not_taken(&receipt),
            Err(_) => io_error(&self.address, source),
        }
    }

    fn not_taken(&self, receipt: &[u8; RECEIPT_BYTES]) -> SendError {
        let reason = format!(
            "the service took {} events and closed the connection; its log says why",
            events_taken(receipt)
        );
        SendError::NotTaken { address: self.address.clone(), reason }
    }
}

impl FrameTarget for StreamTarget {
    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        self.write(frame).map_err(|source| self.refusal(source))
    }

    fn finish(&mut self, end: &[u8]) -> Result<(), SendError> {
        self.send(end)?;
        let receipt = self.receipt().map_err(|source| io_error(&self.address, source))?;
        if receipt[..4] != *b"TSVR" || receipt[4..8] != [0; 4] {
            return Err(self.not_taken(&receipt));
        }
        Ok(())
    }
}

fn events_taken(receipt: &[u8; RECEIPT_BYTES]) -> u64 {
    let (_, events) = receipt.split_at(8);
    events.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn io_error(address: &str, source: io::Error) -> SendError {
    SendError::Io { address: address.to_owned(), source }
}
