//! TLS by rustls: whom a connector trusts, and what it offers.
//!
//! In comes the connector's CA file, out goes a connector for its origins. HTTP/2 is offered before HTTP/1.1.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::EgressError;

/// The protocol name of HTTP/2 (RFC 9113).
pub(super) const HTTP2: &[u8] = b"h2";

/// Trusts what the system trusts, and the certificates of the CA file.
pub(super) fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, EgressError> {
    let mut roots = RootCertStore::empty();
    // A certificate of the system that cannot be read is the system's matter: those that can be are enough.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err(EgressError::NoCertificates);
    }
    // The provider is named, because a process may have several and no default.
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(EgressError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
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
