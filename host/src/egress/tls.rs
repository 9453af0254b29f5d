//! TLS by rustls: whom a connector trusts, what it shows of itself, and what it offers.
//!
//! In come the connector's CA file and client certificate, out goes a connector for its origins, or a configuration for
//! its database. A client certificate is read again when its files change: each new connection shows the latest.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::EgressError;
use crate::config::ClientCertificate;
use crate::config::secret::Watched;

/// The protocol name of HTTP/2 (RFC 9113).
pub(super) const HTTP2: &[u8] = b"h2";

/// Trusts what the system trusts, and the certificates of the CA file.
pub(super) fn trusted(ca_file: Option<&Path>) -> Result<RootCertStore, EgressError> {
    let mut roots = RootCertStore::empty();
    // A certificate of the system that cannot be read is the system's matter: those that can be are enough.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err(EgressError::NoCertificates);
    }
    Ok(roots)
}

/// The same, each certificate by itself.
pub(super) fn trusted_certificates(
    ca_file: Option<&Path>,
) -> Result<Vec<CertificateDer<'static>>, EgressError> {
    // Says what is wrong with the file.
    trusted(ca_file)?;
    let is_readable =
        |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let mut all: Vec<_> = rustls_native_certs::load_native_certs().certs;
    all.retain(is_readable);
    let own = ca_file.into_iter().flat_map(CertificateDer::pem_file_iter).flatten();
    all.extend(own.filter_map(Result::ok));
    Ok(all)
}

/// For HTTP: HTTP/2 is offered before HTTP/1.1.
pub(super) fn connector(
    roots: Arc<RootCertStore>,
    client: Option<&ClientCertificate>,
) -> Result<TlsConnector, EgressError> {
    let mut config = client_config(roots, client)?;
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Shows this client certificate to a server that asks for one, and offers no protocol.
pub(super) fn client_config(
    roots: Arc<RootCertStore>,
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, EgressError> {
    // The provider is named, because a process may have several and no default.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(EgressError::Tls)?
        .with_root_certificates(roots);
    Ok(match client {
        None => config.with_no_client_auth(),
        Some(client) => config.with_client_cert_resolver(Arc::new(Followed::read(client)?)),
    })
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), EgressError> {
    let unreadable = |source| EgressError::CaFile { path: path.to_owned(), source };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots
            .add(certificate.map_err(unreadable)?)
            .map_err(|source| EgressError::CaCertificate { path: path.to_owned(), source })?;
    }
    if roots.len() == before {
        return Err(EgressError::CaFileEmpty { path: path.to_owned() });
    }
    Ok(())
}

/// A client certificate as it is now.
#[derive(Debug)]
struct Followed(Mutex<Pair>);

#[derive(Debug)]
struct Pair {
    certificate: Watched,
    key: Watched,
    shown: Arc<CertifiedKey>,
}

impl Followed {
    fn read(client: &ClientCertificate) -> Result<Self, EgressError> {
        let (certificate, key) = (Watched::read(&client.certificate)?, Watched::read(&client.key)?);
        let shown = Arc::new(certified(&certificate, &key)?);
        Ok(Self(Mutex::new(Pair { certificate, key, shown })))
    }
}

impl ResolvesClientCert for Followed {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.lock().unwrap_or_else(PoisonError::into_inner).latest(Instant::now()))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl Pair {
    /// What the files hold, unless only one of them has been replaced so far: then the pair before.
    fn latest(&mut self, now: Instant) -> Arc<CertifiedKey> {
        // Both, whatever the first says.
        if self.certificate.refresh(now) | self.key.refresh(now) {
            match certified(&self.certificate, &self.key) {
                Ok(certified) => {
                    self.shown = Arc::new(certified);
                    tracing::info!(certificate = %self.certificate.reference(), "a rotated client certificate is in use");
                }
                Err(error) => {
                    tracing::warn!(%error, "the client certificate that was read before stays in use")
                }
            }
        }
        self.shown.clone()
    }
}

fn certified(certificate: &Watched, key: &Watched) -> Result<CertifiedKey, EgressError> {
    let unusable = |why: String| EgressError::ClientCertificate {
        certificate: certificate.reference().to_string(),
        key: key.reference().to_string(),
        why,
    };
    let pem = certificate.secret().expose().as_bytes();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| unusable(format!("the certificate: {error}")))?;
    if chain.is_empty() {
        return Err(unusable("there is no certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(key.secret().expose().as_bytes());
    // Not the reader's own words, which may quote the key.
    let private = private.map_err(|_| unusable("there is no private key".to_owned()))?;
    let signer = ring::sign::any_supported_type(&private);
    let signer = signer.map_err(|_| unusable("the key is of a kind that is not known".to_owned()))?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(error) => Err(unusable(format!("they do not belong together ({error})"))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::config::SecretRef;
    use crate::egress::tests::secret_file;

    fn pair(name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn a_rotated_pair_is_shown_once_both_files_are_replaced() {
        let [(certificate, key), (next_certificate, next_key)] = [pair("one"), pair("two")];
        let files = [secret_file("pair-certificate", &certificate), secret_file("pair-key", &key)];
        let [certificate, key] = [0, 1].map(|index| SecretRef::File(files[index].path.clone()));
        let followed = Followed::read(&ClientCertificate { certificate, key }).unwrap();
        let mut pair = followed.0.into_inner().unwrap();
        let (begin, first) = (Instant::now(), pair.shown.clone());
        let at = |seconds| begin + Duration::from_secs(seconds);
        std::fs::write(&files[1].path, next_key).unwrap();
        assert_eq!(pair.latest(at(2)).cert, first.cert);
        std::fs::write(&files[0].path, next_certificate).unwrap();
        assert_eq!(pair.latest(at(2)).cert, first.cert, "it looks no more than once a second");
        let shown = pair.latest(at(4));
        assert_ne!(shown.cert, first.cert);
        assert_eq!(shown.keys_match(), Ok(()));
    }
}
