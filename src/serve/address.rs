use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// Where events come from or go to, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `udp://HOST:PORT`, one frame a datagram; a multicast group is joined.
    Udp(SocketAddr),
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

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let no = |reason: &str| NoAddress { text: text.to_owned(), reason: reason.to_owned() };
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
            Some(("udp", rest)) => socket(rest).map(Self::Udp).map_err(|reason| no(&reason)),
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
