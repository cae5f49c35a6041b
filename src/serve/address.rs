use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// Where events come from or go to, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `udp://HOST:PORT`, one frame a datagram.
    Udp(SocketAddr),
    /// `udp://GROUP:PORT` or `udp://GROUP:PORT@INTERFACE`, to all who joined the IPv4 group.
    Multicast(SocketAddrV4, Option<Ipv4Addr>),
    /// `tcp://HOST:PORT`, frames one after the other.
    Tcp(SocketAddr),
    /// `unix:PATH`, as TCP.
    Unix(PathBuf),
    /// `stdin` or `stdout`: an Arrow IPC stream.
    Stdio,
    /// `nats://HOST:PORT/...`, `tls://HOST:PORT/...`: NATS JetStream, the whole text.
    Nats(String),
    /// `file:FOLDER`: rolling files.
    Folder(PathBuf),
}

/// A text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address: {reason}")]
pub struct NoAddress {
    text: String,
    reason: String,
}

/// HOST:PORT as typed; without a host the loopback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketText(pub SocketAddr);

impl FromStr for SocketText {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        socket(text).map(Self).map_err(|reason| NoAddress { text: text.to_owned(), reason })
    }
}

impl NoAddress {
    pub(super) fn new(text: &str, reason: &str) -> Self {
        Self { text: text.to_owned(), reason: reason.to_owned() }
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let no = |reason: &str| NoAddress::new(text, reason);
        if matches!(text, "stdin" | "stdout" | "-") {
            return Ok(Self::Stdio);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return path_of(path).map(Self::Unix).ok_or_else(|| no("there is no path after `unix:`"));
        }
        if let Some(path) = text.strip_prefix("file:") {
            return path_of(path).map(Self::Folder).ok_or_else(|| no("there is no folder after `file:`"));
        }
        match text.split_once("://") {
            Some(("udp", rest)) => datagrams(rest).map_err(|reason| no(&reason)),
            Some(("tcp", rest)) => socket(rest).map(Self::Tcp).map_err(|reason| no(&reason)),
            Some(("nats" | "tls", rest)) if !rest.is_empty() => Ok(Self::Nats(text.to_owned())),
            _ => Err(no("expected udp://, tcp://, unix:, nats://, tls://, file:, stdin or stdout")),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Multicast(group, None) => write!(f, "udp://{group}"),
            Self::Multicast(group, Some(interface)) => write!(f, "udp://{group}@{interface}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Stdio => f.write_str("stdin"),
            Self::Nats(text) => f.write_str(text),
            Self::Folder(path) => write!(f, "file:{}", path.display()),
        }
    }
}

fn path_of(text: &str) -> Option<PathBuf> {
    let path = text.strip_prefix("//").unwrap_or(text);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// HOST:PORT, or GROUP:PORT with the address of the interface to use for the group.
fn datagrams(text: &str) -> Result<Address, String> {
    let (whole, interface) = text.split_once('@').map_or((text, None), |(whole, name)| (whole, Some(name)));
    let address = socket(whole)?;
    let interface = interface.map(|name| {
        name.parse::<Ipv4Addr>().map_err(|_| format!("`{name}` is not the IPv4 address of an interface"))
    });
    match (address, interface.transpose()?) {
        (SocketAddr::V4(group), interface) if group.ip().is_multicast() => {
            Ok(Address::Multicast(group, interface))
        }
        (address, None) if !address.ip().is_multicast() => Ok(Address::Udp(address)),
        (_, Some(_)) => Err("an interface is for a multicast group".to_owned()),
        _ => Err("multicast groups are IPv4 here".to_owned()),
    }
}

/// HOST:PORT; without a host the loopback address, so that nothing is open to a network unless somebody says so.
fn socket(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_owned() };
    let found = whole.to_socket_addrs().map_err(|error| format!("{error}, expected HOST:PORT"))?.next();
    found.ok_or_else(|| "the host has no address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_read_and_loopback_is_the_default() {
        let same = [
            "udp://127.0.0.1:4000",
            "tcp://[::1]:4000",
            "unix:/run/t.sock",
            "nats://h:4222/s",
            "file:out",
            "stdin",
        ];
        for text in same {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("tcp://:4000".parse::<Address>().unwrap().to_string(), "tcp://127.0.0.1:4000");
        assert_eq!("udp://239.1.2.3:4000".parse::<Address>().unwrap().to_string(), "udp://239.1.2.3:4000");
        for text in
            ["", "unix:", "file:", "udp://", "udp://127.0.0.1", "tcp://127.0.0.1:99999", "http://h", "out"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
