use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{LOOK_EVERY, ReceiveLimits, Receiver, StopReceiving};
use crate::serve::intake::NotTaken;
use crate::serve::{Address, Intake, ServeError, Trouble};
use rustix::net::{AddressFamily, SocketType, sockopt};
use trigsieve_frame::Frame;

/// How often datagrams that wait for others are looked at; less than any sensible time to wait.
const RELEASE_EVERY: Duration = Duration::from_millis(2);
/// Largest datagram.
const DATAGRAM_BYTES: usize = 65_536;
/// Asked of the system for datagrams that wait: some 100 ms of a full 10 Gbit/s link.
const SOCKET_BUFFER_BYTES: usize = 128 << 20;

/// One frame a datagram. Datagrams that find the queue full are dropped and counted; those that overtook others are put back
/// in order.
pub struct UdpReceiver {
    socket: UdpSocket,
    address: Address,
    limits: ReceiveLimits,
}

impl UdpReceiver {
    /// Binds to `address`.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr, limits: ReceiveLimits) -> io::Result<Self> {
        Self::of(UdpSocket::bind(address)?, None, limits)
    }

    /// Joins `group`, of which several processes of a machine may be, on the interface of this address or on the system's choice.
    ///
    /// # Errors
    /// The system's.
    pub fn join(group: SocketAddrV4, interface: Option<Ipv4Addr>, limits: ReceiveLimits) -> io::Result<Self> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &group)?;
        let socket = UdpSocket::from(socket);
        socket.join_multicast_v4(group.ip(), &interface.unwrap_or(Ipv4Addr::UNSPECIFIED))?;
        Self::of(socket, interface, limits)
    }

    fn of(socket: UdpSocket, interface: Option<Ipv4Addr>, limits: ReceiveLimits) -> io::Result<Self> {
        enlarge_buffer(&socket);
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        let address = match socket.local_addr()? {
            SocketAddr::V4(group) if group.ip().is_multicast() => Address::Multicast(group, interface),
            other => Address::Udp(other),
        };
        Ok(Self { socket, address, limits })
    }

    /// A datagram, if one comes in time.
    fn receive(&self, datagram: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        match self.socket.recv_from(datagram) {
            Ok(received) => Ok(Some(received)),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Receiver for UdpReceiver {
    fn address(&self) -> String {
        self.address.to_string()
    }

    fn run(&mut self, intake: &Arc<Intake>, stop: &StopReceiving) -> Result<(), ServeError> {
        let mut datagram = vec![0; DATAGRAM_BYTES];
        let mut released = Instant::now();
        // Set once the service stops: the socket is read until it is empty, but not for ever where a sender goes on.
        let mut last = None;
        loop {
            if last.is_none()
                && let Some(left) = stop.time_left()
            {
                let failed = |source| ServeError::Listen { address: self.address(), source };
                self.socket.set_nonblocking(true).map_err(failed)?;
                last = Some(Instant::now() + left / 2);
            }
            let received = self.receive(&mut datagram);
            let now = Instant::now();
            match received {
                Ok(None) if last.is_some() => break,
                Ok(None) => {}
                Ok(Some((bytes, from))) => {
                    // A copy, so that a frame that waits takes the memory of its events, not of the largest datagram.
                    let mut buffer = intake.buffer();
                    buffer.space(bytes).copy_from_slice(&datagram[..bytes]);
                    match Frame::of_message(buffer, bytes, &self.limits.frame) {
                        Ok(frame) => match intake.take_datagram(frame, now) {
                            Ok(()) => {}
                            Err(NotTaken::Closed) => return Ok(()),
                            Err(NotTaken::Refused(reason)) => {
                                intake.monitor().trouble(Trouble::Refused, || {
                                    format!("{}: a frame of {from} is refused: {reason}", self.address())
                                });
                            }
                        },
                        Err((back, error)) => {
                            intake.monitor().malformed();
                            intake.monitor().trouble(Trouble::Malformed, || {
                                format!("{}: a datagram of {from} is no frame: {error}", self.address())
                            });
                            intake.recycle(back);
                        }
                    }
                }
                Err(source) => {
                    return Err(ServeError::Listen { address: self.address(), source });
                }
            }
            if now.duration_since(released) >= RELEASE_EVERY {
                released = now;
                if intake.release_overdue(now) == Err(NotTaken::Closed) {
                    return Ok(());
                }
            }
            if last.is_some_and(|last| now >= last) {
                break;
            }
        }
        // What waits has come: it is decided. Closed, or refused, it is counted.
        let _ = intake.release_all();
        Ok(())
    }
}

/// As large as the system allows: more than its usual limit where the process may go beyond it.
fn enlarge_buffer(socket: &UdpSocket) {
    #[cfg(target_os = "linux")]
    if sockopt::set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER_BYTES).is_ok() {
        return;
    }
    if let Err(error) = sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER_BYTES) {
        tracing::warn!("the receive buffer stays as it is: {error}");
    }
}
