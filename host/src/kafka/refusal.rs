//! What a broker and a client refuse each other, read from librdkafka's words and said in words for a person. Pure.
//!
//! In comes a line such as `ssl://kafka-1:9093/bootstrap: SSL handshake failed: …`, out goes which broker refuses what,
//! and what to do. The words are those of librdkafka 2.12, of OpenSSL 3 and of Apache Kafka: each has a scenario on a
//! real broker.

use std::fmt;

/// One refusal of one broker, or of ours to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `host:port`
    pub(super) broker: String,
    pub(super) what: Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// We do not take the broker's certificate.
    Certificate(Fault),
    /// We begin TLS, and the port knows none.
    Tls,
    /// We begin in the clear, and the port takes TLS alone.
    Plaintext,
    /// The broker wants to see a certificate of ours.
    NoClientCertificate,
    /// The broker does not take our certificate, for this reason.
    ClientCertificate(String),
    /// TLS fails for another reason.
    Handshake(String),
    /// The broker does not know the user, or the password is another.
    User(String),
    /// The broker does not take this mechanism of SASL, but these.
    Mechanism { ours: String, theirs: String },
    /// The port wants a user.
    NoUser,
    /// The port takes no user.
    UserUnwanted,
}

/// What is wrong with a broker's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// librdkafka does not say.
    Unknown,
    /// No authority that we trust has signed it.
    Authority,
    /// It is for these names and not for the one that we asked for.
    Name(Vec<String>),
    /// It was good until this day.
    Expired(String),
    /// It is good from this day on.
    NotYet(String),
    Other(String),
}

impl Refusal {
    /// What a line of librdkafka's says of one, if anything.
    pub(super) fn read(line: &str) -> Option<Refusal> {
        let line = Line::read(line)?;
        Some(Refusal { broker: line.broker.to_owned(), what: line.what()? })
    }
}

/// A line that tells of no refusal, without what only librdkafka's makers need.
pub(super) fn plain(line: &str) -> String {
    Line::read(line).map_or_else(|| line.to_owned(), |line| format!("broker {}: {}", line.broker, line.text))
}

/// A connection that ends so soon after it was up was refused: as librdkafka has it.
const SOON_MS: u64 = 2_000;

/// A line in its parts: `[thrd:…]: sasl_ssl://kafka-1:9093/1: Disconnected (after 3ms in state UP)`.
struct Line<'a> {
    /// `ssl`, `sasl_ssl`, `sasl_plaintext` or nothing.
    protocol: &'a str,
    broker: &'a str,
    text: &'a str,
    state: &'a str,
    /// How long it was in that state.
    after_ms: u64,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let line =
            line.strip_prefix("[thrd:").and_then(|rest| Some(rest.split_once("]: ")?.1)).unwrap_or(line);
        let line = line.strip_prefix("GroupCoordinator: ").unwrap_or(line);
        let (name, text) = line.split_once(": ")?;
        let (protocol, name) = name.split_once("://").unwrap_or(("", name));
        let broker = name.split('/').next().filter(|broker| broker.contains(':'))?;
        let (text, tail) = text.rsplit_once(" (after ").unwrap_or((text, ""));
        let (after, state) = tail.split_once("ms in state ").unwrap_or_default();
        let state = state.split([',', ')']).next().unwrap_or_default();
        Some(Self { protocol, broker, text, state, after_ms: after.parse().unwrap_or(u64::MAX) })
    }

    fn what(&self) -> Option<Refused> {
        let text = self.text;
        if let Some(reason) = text.strip_prefix("SASL authentication error: ") {
            return Some(Refused::User(reason.to_owned()));
        }
        if let Some(rest) =
            text.strip_prefix("SASL ").filter(|rest| rest.contains(" mechanism handshake failed: "))
        {
            return Some(mechanism(rest));
        }
        if text.contains("certificate verify failed") {
            return Some(Refused::Certificate(Fault::Unknown));
        }
        if text.contains("PLAINTEXT broker listener") || text.contains("wrong version number") {
            return Some(Refused::Tls);
        }
        if let Some((_, alert)) = text.split_once(" alert ") {
            let (alert, _) = alert.split_once(':').unwrap_or((alert, ""));
            return Some(alerted(alert));
        }
        if let Some(reason) = text.strip_prefix("SSL handshake failed: ") {
            return Some(Refused::Handshake(reason.to_owned()));
        }
        if text.starts_with("Disconnected") { self.hung_up() } else { None }
    }

    /// The broker closed the connection without a word, which it does before and after it has said what it speaks.
    fn hung_up(&self) -> Option<Refused> {
        match (self.protocol, self.state) {
            ("" | "sasl_plaintext", "APIVERSION_QUERY") => Some(Refused::Plaintext),
            ("" | "ssl", "UP") if self.after_ms < SOON_MS => Some(Refused::NoUser),
            _ => None,
        }
    }
}

/// `PLAIN mechanism handshake failed: Broker: Unsupported …: broker's supported mechanisms: SCRAM-SHA-512`
fn mechanism(text: &str) -> Refused {
    let (ours, rest) = text.split_once(" mechanism").unwrap_or((text, ""));
    let theirs = rest.rsplit_once("supported mechanisms: ").map_or("", |(_, theirs)| theirs.trim());
    if theirs.is_empty() {
        return Refused::UserUnwanted;
    }
    Refused::Mechanism { ours: ours.to_owned(), theirs: theirs.replace(',', ", ") }
}

/// By the names that OpenSSL has for the alerts of RFC 8446, section 6.
fn alerted(alert: &str) -> Refused {
    match alert {
        "certificate required" => Refused::NoClientCertificate,
        "bad certificate"
        | "unsupported certificate"
        | "certificate revoked"
        | "certificate expired"
        | "certificate unknown"
        | "unknown ca"
        | "access denied" => Refused::ClientCertificate(alert.to_owned()),
        other => Refused::Handshake(format!("the broker's alert is `{other}`")),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { broker, what } = self;
        write!(formatter, "broker {broker}: ")?;
        match what {
            Refused::Certificate(fault) => fault.fmt(formatter),
            Refused::Tls => formatter.write_str(
                "its port does not speak TLS; use its port for TLS, or no TLS in [kafka.security]",
            ),
            Refused::Plaintext => formatter.write_str(
                "its port takes no connection in the clear, it probably speaks TLS; write [kafka.security], or use \
                 its port for plain connections",
            ),
            Refused::NoClientCertificate => formatter.write_str(
                "it wants a certificate of this host; name `certificate-file` and `key-file` in [kafka.security]",
            ),
            Refused::ClientCertificate(alert) => write!(
                formatter,
                "it refuses this host's certificate ({alert}); `certificate-file` in [kafka.security] must be of an \
                 authority that it trusts, and not expired"
            ),
            Refused::Handshake(reason) => write!(
                formatter,
                "TLS with it fails: {reason}; look at its log, and at versions and ciphers on both sides"
            ),
            Refused::User(reason) => write!(
                formatter,
                "it refuses the user or the password: {reason}; check `sasl` in [kafka.security]"
            ),
            Refused::Mechanism { ours, theirs } => write!(
                formatter,
                "it does not take {ours} but {theirs}; mend `mechanism` of `sasl` in [kafka.security]"
            ),
            Refused::NoUser => formatter.write_str(
                "it closes the connection, its port probably wants a user; write `sasl` in [kafka.security], or use \
                 another port",
            ),
            Refused::UserUnwanted => formatter.write_str(
                "its port takes no user; leave `sasl` out of [kafka.security], or use its port for SASL",
            ),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unknown => formatter.write_str(
                "its certificate is not taken: it is of no trusted authority, expired, or of another host; check \
                 `ca-file` in [kafka.security] and the certificate",
            ),
            Fault::Authority => formatter.write_str(
                "its certificate is of no authority that is trusted; name the right one in `ca-file` of \
                 [kafka.security]",
            ),
            Fault::Name(names) => write!(
                formatter,
                "its certificate is not for this name but for {}; write in `brokers` a name that it is for, and let \
                 the broker advertise that",
                names.join(", ")
            ),
            Fault::Expired(day) => {
                write!(formatter, "its certificate has expired on {day}; those who run Kafka must renew it")
            }
            Fault::NotYet(day) => {
                write!(formatter, "its certificate is not good before {day}; look at the clocks of both machines")
            }
            Fault::Other(reason) => write!(
                formatter,
                "its certificate is not taken: {reason}; those who run Kafka must mend it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_a_refusal_are_none() {
        for line in [
            "",
            "127.0.0.1:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)",
            "[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: Disconnected (after 600000ms in state UP)",
            "ssl://kafka-1:9093/1: Disconnected: SSL connection closed by peer (after 2000ms in state UP)",
            "sasl_ssl://kafka-1:9093/1: Disconnected: SSL connection closed by peer (after 3ms in state UP)",
            "[thrd:main]: Client creation error: certificate verify failed",
        ] {
            assert_eq!(Refusal::read(line), None, "{line}");
        }
    }

    #[test]
    fn other_trouble_is_told_in_librdkafkas_words() {
        let line = "[thrd:ssl://k:1/2]: ssl://k:1/2: Connect to ipv4#10.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert_eq!(plain(line), "broker k:1: Connect to ipv4#10.0.0.1:1 failed: Connection refused");
        assert_eq!(plain("something"), "something");
    }

    #[test]
    fn each_line_is_read_for_what_it_means() {
        #[rustfmt::skip] // a row a case
        let lines = [
            ("ssl://k:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, verify that ssl.ca.location is correctly configured or root CA certificates are installed (install ca-certificates package) (after 4ms in state SSL_HANDSHAKE)", Refused::Certificate(Fault::Unknown)),
            ("ssl://k:1/bootstrap: SSL handshake failed: Disconnected: connection closed by peer: connecting to a PLAINTEXT broker listener? (after 4ms in state SSL_HANDSHAKE)", Refused::Tls),
            ("ssl://k:1/bootstrap: SSL handshake failed: error:0A000102:SSL routines::unsupported protocol (after 4ms in state SSL_HANDSHAKE)", Refused::Handshake("error:0A000102:SSL routines::unsupported protocol".to_owned())),
            ("ssl://k:1/bootstrap: Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required:SSL alert number 116 (after 4ms in state APIVERSION_QUERY)", Refused::NoClientCertificate),
            ("ssl://k:1/bootstrap: Receive failed: error:0A000416:SSL routines::ssl/tls alert certificate unknown:SSL alert number 46 (after 4ms in state APIVERSION_QUERY)", Refused::ClientCertificate("certificate unknown".to_owned())),
            ("k:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 531ms in state APIVERSION_QUERY, 1 identical error(s) suppressed)", Refused::Plaintext),
            ("ssl://k:1/bootstrap: Disconnected: SSL connection closed by peer (after 35ms in state UP, 1 identical error(s) suppressed)", Refused::NoUser),
            ("sasl_ssl://k:1/bootstrap: SASL authentication error: Authentication failed (after 5ms in state AUTH_REQ)", Refused::User("Authentication failed".to_owned())),
            ("sasl_plaintext://k:1/bootstrap: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN,GSSAPI (after 5ms in state AUTH_HANDSHAKE)", Refused::Mechanism { ours: "SCRAM-SHA-512".to_owned(), theirs: "PLAIN, GSSAPI".to_owned() }),
            ("sasl_ssl://k:1/bootstrap: SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state: broker's supported mechanisms:  (after 5ms in state AUTH_HANDSHAKE)", Refused::UserUnwanted),
        ];
        for (line, what) in lines {
            assert_eq!(Refusal::read(line), Some(Refusal { broker: "k:1".to_owned(), what }), "{line}");
        }
    }

    #[test]
    fn the_broker_is_found_in_every_form_of_its_name() {
        for (line, broker) in [
            ("sasl_ssl://kafka-1:9093/bootstrap", "kafka-1:9093"),
            ("[thrd:sasl_ssl://kafka-1:9093/bootstrap]: sasl_ssl://kafka-1:9093/bootstrap", "kafka-1:9093"),
            ("[thrd:GroupCoordinator]: GroupCoordinator: kafka-1:9093", "kafka-1:9093"),
            ("sasl_plaintext://[::1]:9093/2", "[::1]:9093"),
        ] {
            let found = Refusal::read(&format!(
                "{line}: SASL authentication error: no (after 5ms in state AUTH_REQ)"
            ));
            let expected = Refusal { broker: broker.to_owned(), what: Refused::User("no".to_owned()) };
            assert_eq!(found, Some(expected), "{line}");
        }
    }
}
