use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use super::{LOOK_EVERY, ReceiveLimits, Receiver, StopReceiving};
use crate::serve::intake::NotTaken;
use crate::serve::{Intake, ServeError};
use trigsieve_frame::{Frame, FrameBuffer};

/// Largest datagram.
const DATAGRAM_BYTES: usize = 65_536;
/// Asked of the system for datagrams that wait: some 100 ms of a full 10 Gbit/s link.
const SOCKET_BUFFER_BYTES: usize = 128 << 20;

/// One frame a datagram. Datagrams that find the queue full are dropped and counted; those that overtook others are put back
/// in order.
pub struct UdpReceiver {
    socket: UdpSocket,
    address: SocketAddr,
    limits: ReceiveLimits,
}

impl UdpReceiver {
    /// Binds to `address`; of a multicast group the port is bound and the group joined.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr, limits: ReceiveLimits) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        match address.ip() {
            IpAddr::V4(group) if group.is_multicast() => {
                socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED)?
            }
            IpAddr::V6(group) if group.is_multicast() => socket.join_multicast_v6(&group, 0)?,
            _ => {}
        }
        enlarge_buffer(&socket);
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        let address = SocketAddr::new(address.ip(), socket.local_addr()?.port());
        Ok(Self { socket, address, limits })
    }

    /// A datagram, if one comes in time.
    fn receive(&self, buffer: &mut FrameBuffer) -> io::Result<Option<(usize, SocketAddr)>> {
        match self.socket.recv_from(buffer.space(DATAGRAM_BYTES)) {
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
        format!("udp://{}", self.address)
    }

    fn run(&mut self, intake: &Arc<Intake>, stop: &StopReceiving) -> Result<(), ServeError> {
        let mut buffer = intake.buffer();
        while !stop.is_requested() {
            let received = self.receive(&mut buffer);
            let now = Instant::now();
            match received {
                Ok(None) => {}
                Ok(Some((bytes, from))) => {
                    match Frame::of_message(buffer, bytes, &self.limits.frame) {
                        Ok(frame) => match intake.take_datagram(frame, now) {
                            Ok(()) => {}
                            Err(NotTaken::Closed) => return Ok(()),
                            Err(NotTaken::Refused(reason)) => {
                                tracing::warn!("{}: a frame of {from} is refused: {reason}", self.address());
                            }
                        },
                        Err((back, error)) => {
                            intake.monitor().malformed();
                            tracing::warn!("{}: a datagram of {from} is no frame: {error}", self.address());
                            intake.recycle(back);
                        }
                    }
                    buffer = intake.buffer();
                }
                Err(source) => {
                    return Err(ServeError::Listen { address: self.address(), source });
                }
            }
            if intake.release_overdue(now) == Err(NotTaken::Closed) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// As large as the system allows: more than its usual limit where the process may go beyond it.
fn enlarge_buffer(socket: &UdpSocket) {
    use rustix::net::sockopt;
    #[cfg(target_os = "linux")]
    if sockopt::set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER_BYTES).is_ok() {
        return;
    }
    if let Err(error) = sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER_BYTES) {
        tracing::warn!("the receive buffer stays as it is: {error}");
    }
}
