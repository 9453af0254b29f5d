//! One request to a registry, a token service or a storage: in goes an address, out comes an answer of a bounded size.

use std::sync::Arc;
use std::time::Instant;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use reqwest::{Response, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::runtime::Runtime;
use tokio::time::timeout_at;
use url::Url;

use super::{ProvenanceError, refused, unavailable};
use crate::config::Registry;

/// Of an answer that is none of what was asked for.
const MAX_COMPLAINT_BYTES: u64 = 16 << 10;

/// Asks, until the time for one image is over.
pub(super) struct Client<'a> {
    registry: &'a Registry,
    http: reqwest::Client,
    runtime: Runtime,
    deadline: Instant,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) location: Option<String>,
    /// What it wants to be shown.
    pub(super) challenges: Vec<String>,
    /// With another status than 200 only its beginning.
    pub(super) body: Vec<u8>,
}

impl<'a> Client<'a> {
    pub(super) fn new(registry: &'a Registry) -> Result<Self, ProvenanceError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(registry)?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(registry.connect_timeout)
            .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| refused(registry, words(error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unavailable(registry, &error.to_string()))?;
        Ok(Self { registry, http, runtime, deadline: Instant::now() + registry.timeout })
    }

    /// Asks once; redirects are answers.
    pub(super) fn get(
        &self,
        url: &Url,
        accept: &str,
        authorization: Option<&HeaderValue>,
        limit_bytes: u64,
    ) -> Result<Answer, ProvenanceError> {
        let mut request = self.http.get(url.clone()).header(ACCEPT, accept);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let exchange = async {
            let response = request.send().await.map_err(|error| unavailable(self.registry, &words(error)))?;
            self.answer(response, limit_bytes).await
        };
        let answered = self.runtime.block_on(async { timeout_at(self.deadline.into(), exchange).await });
        answered.unwrap_or_else(|_| {
            let reason = format!("an image was not there within {:?} (`timeout`)", self.registry.timeout);
            Err(unavailable(self.registry, &reason))
        })
    }

    async fn answer(&self, mut response: Response, limit_bytes: u64) -> Result<Answer, ProvenanceError> {
        let status = response.status();
        let is_wanted = status == StatusCode::OK;
        let headers = response.headers();
        let (location, challenges) = (texts(headers, LOCATION).pop(), texts(headers, WWW_AUTHENTICATE));
        let limit_bytes = if is_wanted { limit_bytes } else { MAX_COMPLAINT_BYTES };
        let too_large = || ProvenanceError::TooLarge {
            what: format!("an answer of the registry {}", self.registry.host),
            limit_bytes,
        };
        if is_wanted && response.content_length().is_some_and(|length| length > limit_bytes) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| unavailable(self.registry, &words(error)))?
        {
            let room = usize::try_from(limit_bytes).unwrap_or(usize::MAX) - body.len();
            if chunk.len() > room && is_wanted {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room && !is_wanted {
                break;
            }
        }
        Ok(Answer { status, location, challenges, body })
    }
}

fn texts(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
}

/// TLS that trusts this system's authorities and those of the CA file. Without TLS none are read.
fn tls(registry: &Registry) -> Result<rustls::ClientConfig, ProvenanceError> {
    let mut roots = rustls::RootCertStore::empty();
    if !registry.is_plain_http {
        // A certificate of the system that cannot be read is the system's matter: those that can be are enough.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &registry.ca_file {
            let unusable = |error: String| {
                refused(registry, format!("the CA file {} cannot be used: {error}", path.display()))
            };
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
        }
        if roots.is_empty() {
            let reason = "this system trusts no authority; name one in `ca-file`";
            return Err(refused(registry, reason.to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| refused(registry, error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// All that an error says, without the address: it may hold what opens a storage.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
