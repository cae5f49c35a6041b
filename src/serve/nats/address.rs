use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::form_urlencoded;

use crate::serve::NoAddress;

/// Where a JetStream server is, how to reach it, and which of its streams is meant:
/// `nats://HOST:PORT[,HOST:PORT...]/NAME[/NAME][?KEY=VALUE&...]`, or `tls://` where the connection must be encrypted.
///
/// Secrets are never part of it, only the files that hold them: command lines are seen by everybody on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsAddress {
    /// `HOST:PORT` of each node.
    pub hosts: Vec<String>,
    /// Names between the slashes: stream and consumer, stream alone, or bucket and model.
    pub names: Vec<String>,
    /// Whether the connection must be encrypted.
    pub tls: bool,
    /// Files for the connection.
    pub files: NatsFiles,
    /// What a missing stream or consumer is made with.
    pub create: CreateSettings,
    /// Where messages go that cannot be decided; without it the subject `dead.STREAM`.
    pub dead_subject: Option<String>,
    /// Messages asked for at once.
    pub pull_frames: usize,
    /// Publications that may wait for the server's acknowledgement.
    pub in_flight: usize,
}

/// Files for the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsFiles {
    /// `creds=`: JWT and seed of a user, as `nsc` writes them.
    pub credentials: Option<PathBuf>,
    /// `nkey=`: seed of a user's nkey, alone in its file.
    pub nkey_seed: Option<PathBuf>,
    /// `ca=`: certificates of the authority that the server's certificate must come from, PEM.
    pub authority: Option<PathBuf>,
    /// `cert=`: the client's certificate, PEM.
    pub certificate: Option<PathBuf>,
    /// `key=`: its key, PEM.
    pub key: Option<PathBuf>,
}

/// Settings of streams and consumers that are made on request; those that exist keep their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSettings {
    /// `replicas=`: nodes that keep a copy.
    pub replicas: usize,
    /// `max_bytes=`: of a stream. Beyond, the server refuses publications, and senders wait.
    pub max_bytes: i64,
    /// `max_age=`: of results; input is deleted when it is acknowledged.
    pub max_age: Duration,
    /// `window=`: within which the server drops messages of the same `Nats-Msg-Id`.
    pub duplicate_window: Duration,
    /// `ack_wait=`: after which a message without acknowledgement or sign of progress goes to another worker.
    pub ack_wait: Duration,
    /// `max_ack_pending=`: messages that all workers together may hold.
    pub max_ack_pending: i64,
    /// `max_deliver=`: deliveries of a message; the last one is for the dead letter.
    pub max_deliver: i64,
}

impl Default for CreateSettings {
    /// One copy, 1 GiB, 7 days, 2 minutes, 30 s, 20,000 messages, 64 deliveries.
    fn default() -> Self {
        Self {
            replicas: 1,
            // The server sets the space aside when the stream is made.
            max_bytes: 1 << 30,
            max_age: Duration::from_secs(7 * 24 * 3600),
            duplicate_window: Duration::from_secs(120),
            ack_wait: Duration::from_secs(30),
            max_ack_pending: 20_000,
            max_deliver: 64,
        }
    }
}

impl NatsAddress {
    /// The servers, without anything else.
    #[must_use]
    pub fn servers(&self) -> String {
        let scheme = if self.tls { "tls" } else { "nats" };
        format!("{scheme}://{}", self.hosts.join(","))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let path = || Some(PathBuf::from(value));
        let create = &mut self.create;
        match key {
            "creds" => self.files.credentials = path(),
            "nkey" => self.files.nkey_seed = path(),
            "ca" => self.files.authority = path(),
            "cert" => self.files.certificate = path(),
            "key" => self.files.key = path(),
            "dead" => self.dead_subject = Some(subject_of(value)?),
            "pull" => self.pull_frames = number(key, value, 1, 65_536)?,
            "in_flight" => self.in_flight = number(key, value, 1, 65_536)?,
            "replicas" => create.replicas = number(key, value, 1, 5)?,
            "max_bytes" => create.max_bytes = number(key, value, 1, i64::MAX)?,
            "max_age" => create.max_age = time(key, value)?,
            "window" => create.duplicate_window = time(key, value)?,
            "ack_wait" => create.ack_wait = time(key, value)?,
            "max_ack_pending" => create.max_ack_pending = number(key, value, 1, 1_000_000)?,
            "max_deliver" => create.max_deliver = number(key, value, 2, 1_000_000)?,
            _ => return Err(format!("there is no setting `{key}`")),
        }
        Ok(())
    }
}

impl FromStr for NatsAddress {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        parse(text).map_err(|reason| NoAddress::new(text, &reason))
    }
}

fn parse(text: &str) -> Result<NatsAddress, String> {
    let (tls, rest) = match text.split_once("://") {
        Some(("nats", rest)) => (false, rest),
        Some(("tls", rest)) => (true, rest),
        _ => return Err("expected nats:// or tls://".to_owned()),
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parts = place.split('/');
    let hosts = parts.next().unwrap_or_default();
    let mut address = NatsAddress {
        hosts: hosts.split(',').map(host_of).collect::<Result<_, _>>()?,
        names: parts.filter(|name| !name.is_empty()).map(name_of).collect::<Result<_, _>>()?,
        tls,
        files: NatsFiles::default(),
        create: CreateSettings::default(),
        dead_subject: None,
        pull_frames: 256,
        in_flight: 256,
    };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        address.set(&key, &value)?;
    }
    if address.files.certificate.is_some() != address.files.key.is_some() {
        return Err("cert= and key= go together".to_owned());
    }
    Ok(address)
}

fn host_of(text: &str) -> Result<String, String> {
    if text.contains('@') {
        return Err("no user or password here, others can read it: use creds=FILE or nkey=FILE".to_owned());
    }
    let whole = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_owned() };
    let port = whole.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(_)) => Ok(whole),
        _ => Err(format!("`{text}` is not HOST:PORT")),
    }
}

/// Names of streams, consumers and buckets are parts of subjects.
fn name_of(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}`: names have letters, digits, `_` and `-`"))
    }
}

fn subject_of(text: &str) -> Result<String, String> {
    text.split('.').map(name_of).collect::<Result<Vec<_>, _>>().map(|names| names.join("."))
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    key: &str,
    value: &str,
    low: T,
    high: T,
) -> Result<T, String> {
    let number: T = value.parse().map_err(|_| format!("{key}={value} is not a number"))?;
    if number < low || number > high {
        return Err(format!("{key}={value} is not from {low} to {high}"));
    }
    Ok(number)
}

fn time(key: &str, value: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(value).map_err(|error| format!("{key}={value}: {error}"))?;
    // The server's shortest times are of this order.
    if time < Duration::from_millis(100) { Err(format!("{key}={value} is under 100ms")) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::NatsAddress;
    use std::time::Duration;

    #[test]
    fn nodes_names_and_settings_are_read() {
        let text = "tls://a:4222,:4223/FRAMES/trigger?creds=/etc/t.creds&ca=ca.pem&ack_wait=5s&replicas=3&dead=dead.x";
        let address: NatsAddress = text.parse().unwrap();
        assert_eq!(address.hosts, ["a:4222", "127.0.0.1:4223"]);
        assert_eq!(address.names, ["FRAMES", "trigger"]);
        assert_eq!(address.servers(), "tls://a:4222,127.0.0.1:4223");
        assert_eq!((address.create.replicas, address.create.ack_wait), (3, Duration::from_secs(5)));
        assert_eq!(address.dead_subject.as_deref(), Some("dead.x"));
        assert_eq!(address.files.credentials.unwrap().to_str(), Some("/etc/t.creds"));
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, word) in [
            ("nats://h/S", "HOST:PORT"),
            ("nats://u:p@h:4222/S", "password"),
            ("nats://h:4222/a.b", "letters"),
            ("nats://h:4222/S?what=1", "`what`"),
            ("nats://h:4222/S?replicas=9", "1 to 5"),
            ("nats://h:4222/S?ack_wait=1ms", "100ms"),
            ("nats://h:4222/S?cert=c.pem", "together"),
            ("http://h:1/S", "nats://"),
        ] {
            let error = text.parse::<NatsAddress>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
