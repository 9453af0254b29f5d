//! What a Kafka client complains of: kept, and logged as one clear line each.
//!
//! In come librdkafka's log lines and errors, on whatever thread polls the client. Each trouble with a broker comes as a
//! line of the facility `FAIL` and, if it is grave, as an error with the same words: the line counts, for a port that
//! takes TLS alone makes no error. What is refused is said in our words; the last of all is kept for whoever asks why
//! Kafka does not answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError as LibraryError;
use rdkafka::types::RDKafkaErrorCode;

use super::certificate::{Trust, fault};
use super::refusal::{Fault, Refusal, Refused, plain};

/// Lines on trouble with one broker.
const FAIL: &str = "FAIL";

/// The last complaint of one client. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Complaints {
    trust: Arc<Trust>,
    /// The client has a certificate of its own.
    has_certificate: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Complaint>,
    /// A broker's certificate is being looked at.
    is_looking: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) at: Instant,
    pub(crate) text: String,
    /// Waiting does not mend it.
    pub(crate) is_refusal: bool,
}

impl Complaints {
    /// Of a client with these settings.
    pub(super) fn new(config: &ClientConfig) -> Self {
        let own = ["ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location"];
        let has_certificate = own.iter().any(|property| config.get(property).is_some());
        Self { trust: Arc::new(Trust::of(config)), has_certificate, state: Arc::default() }
    }

    pub(super) fn last(&self) -> Option<Complaint> {
        self.state().last.clone()
    }

    /// One line of librdkafka's log.
    pub(super) fn line(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let refusal = if facility == FAIL { Refusal::read(message) } else { None };
        match refusal {
            None => {
                // Brokers hang up on connections that are idle.
                if facility == FAIL && !matches!(level, RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug) {
                    self.keep(&plain(message), false);
                }
                log_line(level, facility, message);
            }
            Some(Refusal { broker, what: Refused::Certificate(Fault::Unknown) }) => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
                self.look_at(broker);
            }
            Some(mut refusal) => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
                // Java calls it a bad certificate too where there is none.
                if matches!(refusal.what, Refused::ClientCertificate(_)) && !self.has_certificate {
                    refusal.what = Refused::NoClientCertificate;
                }
                self.tell(&refusal);
            }
        }
    }

    /// Says what is refused, once until something else is.
    fn tell(&self, refusal: &Refusal) {
        let text = refusal.to_string();
        if self.keep(&text, true) {
            tracing::warn!("Kafka cannot be used: {text}");
        }
    }

    /// Is it news?
    fn keep(&self, text: &str, is_refusal: bool) -> bool {
        let last = Complaint { at: Instant::now(), text: text.to_owned(), is_refusal };
        let before = self.state().last.replace(last);
        before.is_none_or(|before| before.text != text)
    }

    /// Finds out what is wrong with its certificate, on a thread of its own: who polls must go on. librdkafka tries again
    /// every few seconds and says so every half a minute, so what is missed here comes again.
    fn look_at(&self, broker: String) {
        if std::mem::replace(&mut self.state().is_looking, true) {
            return;
        }
        let complaints = self.clone();
        let look = move || {
            let what = Refused::Certificate(fault(&broker, &complaints.trust));
            complaints.tell(&Refusal { broker, what });
            complaints.state().is_looking = false;
        };
        if let Err(error) = thread::Builder::new().name("certificate".to_owned()).spawn(look) {
            tracing::warn!(%error, "no thread to look at a broker's certificate");
            self.state().is_looking = false;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The context of a client that needs nothing else of librdkafka.
impl ClientContext for Complaints {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.line(level, facility, message);
    }

    fn error(&self, error: LibraryError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Complaints {}

/// Logs one line. librdkafka's errors are warnings here: it reconnects by itself, and what does not recover reaches the
/// host as an error value.
fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// Logs one error of a whole client. Only a fatal one needs a person. The end of a partition is none at all, trouble with
/// one broker has come as a line, and that all brokers are down only sums that up, often and quickly.
pub(super) fn log_error(error: &LibraryError, reason: &str) {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::Fatal) => tracing::error!(target: "librdkafka", %error, "{reason}"),
        Some(
            Code::PartitionEOF
            | Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::SSL
            | Code::Authentication,
        ) => {
            tracing::debug!(target: "librdkafka", %error, "{reason}");
        }
        Some(_) | None => tracing::warn!(target: "librdkafka", %error, "{reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(complaints: &Complaints, level: RDKafkaLogLevel, message: &str) -> Option<(String, bool)> {
        complaints.line(level, FAIL, message);
        complaints.last().map(|last| (last.text, last.is_refusal))
    }

    #[test]
    fn the_last_complaint_is_kept_and_a_refusal_in_our_words() {
        let complaints = Complaints::new(&ClientConfig::new());
        let idle = "127.0.0.1:9092/1: Disconnected (after 600000ms in state UP)";
        assert_eq!(hear(&complaints, RDKafkaLogLevel::Info, idle), None);
        let down = "127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused";
        let text = "broker 127.0.0.1:9092: Connect to ipv4#127.0.0.1:9092 failed: Connection refused";
        let kept = Some((text.to_owned(), false));
        assert_eq!(hear(&complaints, RDKafkaLogLevel::Error, down), kept);
        complaints.line(RDKafkaLogLevel::Error, "OTHER", "something else");
        assert_eq!(complaints.last().map(|last| (last.text, last.is_refusal)), kept);
        // A port that takes TLS alone hangs up, which is told as an information.
        let tls = "127.0.0.1:1/bootstrap: Disconnected: connection closed by peer (after 9ms in state APIVERSION_QUERY)";
        let (text, is_refusal) = hear(&complaints, RDKafkaLogLevel::Info, tls).unwrap();
        assert!(
            is_refusal && text.starts_with("broker 127.0.0.1:1: its port takes no connection in the clear"),
            "{text}"
        );
        let certificate = "ssl://127.0.0.1:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed";
        complaints.line(RDKafkaLogLevel::Error, FAIL, certificate);
        while complaints.state().is_looking {
            thread::yield_now();
        }
        let text = complaints.last().unwrap().text;
        assert!(text.starts_with("broker 127.0.0.1:1: its certificate is not taken"), "{text}");
    }

    #[test]
    fn the_same_refusal_is_news_once() {
        let complaints = Complaints::new(&ClientConfig::new());
        assert!(complaints.keep("a", true));
        assert!(!complaints.keep("a", true));
        assert!(complaints.keep("b", true));
        assert!(complaints.keep("a", true));
    }
}
