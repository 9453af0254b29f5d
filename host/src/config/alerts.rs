//! Who is told of what, as the host uses it.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::SecretRef;

/// Who is told beside the log, and how often.
#[derive(Debug, Clone)]
pub struct Alerts {
    pub webhook: Option<Webhook>,
    pub email: Option<Email>,
    /// What lasts is told again after this.
    pub reminder: Duration,
    /// What happens again and again is over when it has not for that long.
    pub quiet: Duration,
    /// Warn when the oldest undelivered event has reached this share of its topic's retention.
    pub retention_share: f64,
}

/// A mail server and who is told by it.
#[derive(Debug, Clone)]
pub struct Email {
    pub server: String,
    pub port: u16,
    pub security: MailSecurity,
    /// PEM certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    pub from: String,
    /// One message for each.
    pub to: Vec<String>,
    /// User name and password.
    pub credential: Option<(String, SecretRef)>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// Begins in the clear and must change to TLS (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    None,
}

/// A Standard Webhooks 1.0.0 endpoint.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub url: Url,
    /// `whsec_…`
    pub secret: SecretRef,
}
