//! How connections to Kafka are protected, and as whom the host comes, as the host uses it.

use std::path::PathBuf;

use super::SecretRef;

/// Without either part connections are in the clear, unless `properties` say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KafkaSecurity {
    pub tls: Option<KafkaTls>,
    pub sasl: Option<Sasl>,
}

/// TLS to the brokers, whose certificates and host names are always checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KafkaTls {
    /// The authorities that are trusted, as PEM; `None` trusts those of the system.
    pub ca_file: Option<PathBuf>,
    /// Mutual TLS.
    pub identity: Option<TlsIdentity>,
}

/// What the host shows of itself in mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// Our certificate as PEM, its chain behind it.
    pub certificate_file: PathBuf,
    /// Its private key as PEM.
    pub key_file: PathBuf,
    /// Of a key that is encrypted.
    pub key_password: Option<SecretRef>,
}

/// A user of Kafka (SASL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    pub mechanism: SaslMechanism,
    pub username: String,
    pub password: SecretRef,
}

/// How the password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// It is sent as it is (RFC 4616).
    Plain,
    /// It is not sent (RFC 5802, RFC 7677).
    ScramSha256,
    ScramSha512,
}

impl SaslMechanism {
    /// As Kafka writes it.
    pub fn name(self) -> &'static str {
        match self {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}
