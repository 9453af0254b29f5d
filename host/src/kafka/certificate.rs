//! Why a broker's certificate is not taken: librdkafka only says that it is not.
//!
//! In comes the broker that librdkafka gave up on, out goes what is wrong with its certificate. The certificate is asked
//! for once more, over a connection of our own that is given up when it has come, and judged by rustls. Where rustls has
//! nothing against it, nothing more is known. It blocks its thread, up to [`LIMIT`] for each address and part.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rdkafka::config::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConnection, RootCertStore};

use super::refusal::Fault;

/// For connecting, and for each read and write.
const LIMIT: Duration = Duration::from_secs(5);

/// Whom a client trusts: what its librdkafka was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust {
    file: Option<PathBuf>,
    pem: Option<String>,
}

impl Trust {
    pub(super) fn of(config: &ClientConfig) -> Self {
        let text = |property| config.get(property).map(str::to_owned);
        Self { file: text("ssl.ca.location").map(PathBuf::from), pem: text("ssl.ca.pem") }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let in_file =
            |path: &Path| CertificateDer::pem_file_iter(path).ok().map(|found| found.flatten().collect());
        let file: Vec<_> = self.file.as_deref().and_then(in_file).unwrap_or_default();
        roots.add_parsable_certificates(file);
        let pem = self.pem.as_deref().unwrap_or_default();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem.as_bytes()).flatten());
        roots
    }
}

/// Looks at the certificate of the broker at `host:port`.
pub(super) fn fault(broker: &str, trust: &Trust) -> Fault {
    refused(broker, trust).map_or(Fault::Unknown, |error| read(&error))
}

/// What rustls has against it; `None` too where no connection comes about.
fn refused(broker: &str, trust: &Trust) -> Option<CertificateError> {
    let (host, _) = broker.rsplit_once(':')?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()?;
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(trust.roots())
        .with_no_client_auth();
    let mut tls = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut stream = connect(broker)?;
    // The certificate comes before the handshake is done.
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut stream) {
            let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
            return match error {
                rustls::Error::InvalidCertificate(error) => Some(error.clone()),
                _ => None,
            };
        }
    }
    None
}

fn connect(broker: &str) -> Option<TcpStream> {
    let stream = broker
        .to_socket_addrs()
        .ok()?
        .find_map(|address| TcpStream::connect_timeout(&address, LIMIT).ok())?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.set_write_timeout(Some(LIMIT)).ok()?;
    Some(stream)
}

/// rustls' errors are open-ended: what is not named here is told in its words.
fn read(error: &CertificateError) -> Fault {
    match error {
        CertificateError::UnknownIssuer => Fault::Authority,
        CertificateError::ExpiredContext { not_after, .. } => Fault::Expired(day(*not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => Fault::NotYet(day(*not_before)),
        CertificateError::NotValidForNameContext { presented, .. } => {
            Fault::Name(presented.iter().map(|name| plain(name).to_owned()).collect())
        }
        other => Fault::Other(rustls::Error::InvalidCertificate(other.clone()).to_string()),
    }
}

/// `DnsName("kafka-1")` as `kafka-1`.
fn plain(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let date = seconds.and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0)).unwrap_or_default();
    date.format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_told_apart() {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(86_400));
        let name = ServerName::try_from("kafka-1").unwrap();
        let presented = vec!["DnsName(\"kafka-2\")".to_owned(), "IpAddress(10.0.0.1)".to_owned()];
        for (error, fault) in [
            (CertificateError::UnknownIssuer, Fault::Authority),
            (
                CertificateError::ExpiredContext { time, not_after: time },
                Fault::Expired("1970-01-02".to_owned()),
            ),
            (
                CertificateError::NotValidYetContext { time, not_before: time },
                Fault::NotYet("1970-01-02".to_owned()),
            ),
            (
                CertificateError::NotValidForNameContext { expected: name, presented },
                Fault::Name(vec!["kafka-2".to_owned(), "IpAddress(10.0.0.1)".to_owned()]),
            ),
        ] {
            assert_eq!(read(&error), fault, "{error:?}");
        }
        assert!(matches!(read(&CertificateError::Revoked), Fault::Other(text) if text.contains("Revoked")));
    }

    #[test]
    fn where_nobody_listens_nothing_is_known() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let broker = listener.local_addr().unwrap().to_string();
        drop(listener);
        assert_eq!(fault(&broker, &Trust::default()), Fault::Unknown);
        assert_eq!(fault("nonsense", &Trust::default()), Fault::Unknown);
    }
}
