//! A registry of images, asked by HTTP (OCI Distribution Specification 1.1): only ever read from, and only by digest but for
//! signatures, which have no digest that could be known before.
//!
//! No proxy variable is read. A redirect is followed to where the registry says that a blob lies; what the host shows of
//! itself goes to the registry's own origin and to the token service that it names, and nowhere else. Every answer is
//! capped, and all of one image has to be there within the registry's `timeout`.

mod client;
mod token;

use std::cell::RefCell;
use std::thread;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use url::Url;

use super::image::{self, Descriptor, INDEX_TYPE, Index, MANIFEST_TYPE, MAX_MANIFEST_BYTES, Shelf};
use super::{Package, ProvenanceError};
use crate::config::{self, Digest, RegistryImage};

use self::client::{Answer, Client};
pub(super) use self::token::Challenge;

/// Redirects of one request that are followed.
const MAX_REDIRECTS: usize = 3;
/// What is kept of a text that says what is wrong, in characters.
const QUOTED_CHARACTERS: usize = 200;

/// Fetches an image. Blocks, on a thread of its own: the caller may be in a runtime.
pub(super) fn fetch(image: &RegistryImage, wants_signatures: bool) -> Result<Package, ProvenanceError> {
    tracing::info!(%image, "fetching a plugin");
    let work = || image::take(&Registry::new(image)?, &image.digest, wants_signatures);
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("liaison-registry".into()).spawn_scoped(scope, work);
        let worker =
            worker.map_err(|error| unavailable(&image.registry, &format!("no thread for it: {error}")))?;
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// One repository of a registry.
struct Registry<'a> {
    image: &'a RegistryImage,
    client: Client<'a>,
    /// `https://HOST/v2/REPOSITORY/`
    base: Url,
    /// What the registry asked for, once it did.
    authorization: RefCell<Option<HeaderValue>>,
}

/// What to ask for below the repository.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    path: &'a str,
    accept: &'a str,
    limit_bytes: u64,
}

impl<'a> Registry<'a> {
    fn new(image: &'a RegistryImage) -> Result<Self, ProvenanceError> {
        let registry = &image.registry;
        let scheme = if registry.is_plain_http { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{}/v2/{}/", registry.host, image.repository));
        let base = base.map_err(|error| refused(registry, format!("it has no address: {error}")))?;
        Ok(Self { image, client: Client::new(registry)?, base, authorization: RefCell::new(None) })
    }

    /// The body, or `None` where there is nothing.
    fn get(&self, wanted: Wanted<'_>) -> Result<Option<Vec<u8>>, ProvenanceError> {
        let mut url = self.base.join(wanted.path).expect("a digest and a tag can stand in a path");
        let (mut redirects, mut is_authorised) = (0, false);
        loop {
            let is_own = url.origin() == self.base.origin();
            let authorization = self.authorization.borrow().clone().filter(|_| is_own);
            let answer = self.client.get(&url, wanted.accept, authorization.as_ref(), wanted.limit_bytes)?;
            let status = answer.status;
            if status == StatusCode::UNAUTHORIZED && is_own && !is_authorised {
                is_authorised = true;
                let authorization = self.authorise(&answer)?;
                self.authorization.replace(Some(authorization));
            } else if let Some(location) = redirect(&answer).filter(|_| redirects < MAX_REDIRECTS) {
                redirects += 1;
                url = self.follow(&url, location)?;
            } else {
                return self.body(answer);
            }
        }
    }

    fn body(&self, answer: Answer) -> Result<Option<Vec<u8>>, ProvenanceError> {
        let registry = &self.image.registry;
        let text = || format!("it answered {}{}", answer.status, quoted(&answer.body));
        match answer.status {
            StatusCode::OK => Ok(Some(answer.body)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ProvenanceError::Denied { host: registry.host.clone(), reason: text() })
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(unavailable(registry, &text()))
            }
            _ => Err(refused(registry, text())),
        }
    }

    /// Where a registry sends us, if that may be asked.
    fn follow(&self, from: &Url, location: &str) -> Result<Url, ProvenanceError> {
        let to = from.join(location).ok();
        let may_follow = |to: &Url| {
            let is_safe =
                to.scheme() == "https" || (to.scheme() == "http" && self.image.registry.is_plain_http);
            is_safe && to.has_host() && to.username().is_empty() && to.password().is_none()
        };
        // The address may hold what opens the storage: it is not shown.
        to.filter(may_follow).ok_or_else(|| {
            refused(&self.image.registry, "it redirects to what is no https address".to_owned())
        })
    }

    /// What to show, by what it asks for.
    fn authorise(&self, answer: &Answer) -> Result<HeaderValue, ProvenanceError> {
        let challenges = answer.challenges.iter().filter_map(|text| Challenge::read(text));
        token::authorization(challenges.collect(), self.image, &self.client)
    }

    fn manifest_named(&self, name: &str) -> Result<Option<Vec<u8>>, ProvenanceError> {
        let accept = format!("{MANIFEST_TYPE}, {INDEX_TYPE}");
        let path = format!("manifests/{name}");
        self.get(Wanted { path: &path, accept: &accept, limit_bytes: MAX_MANIFEST_BYTES })
    }
}

impl Shelf for Registry<'_> {
    fn place(&self) -> String {
        format!("{}/{}", self.image.registry.host, self.image.repository)
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ProvenanceError> {
        self.manifest_named(&digest.to_string())
    }

    fn tagged(&self, tag: &str) -> Result<Option<Vec<u8>>, ProvenanceError> {
        self.manifest_named(tag)
    }

    /// By the referrers API, and by the fallback's tag where the registry has none (the specification's "Referrers Tag
    /// Schema").
    fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, ProvenanceError> {
        let path = format!("referrers/{digest}");
        let asked = self.get(Wanted { path: &path, accept: INDEX_TYPE, limit_bytes: MAX_MANIFEST_BYTES })?;
        let index = match asked {
            Some(index) => Some(index),
            None => self.tagged(&format!("sha256-{}", digest.hex()))?,
        };
        // What is no index refers to nothing.
        let index = index.and_then(|json| serde_json::from_slice::<Index>(&json).ok());
        Ok(index.unwrap_or_default().manifests)
    }

    fn blob(&self, digest: &Digest, limit_bytes: u64) -> Result<Option<Vec<u8>>, ProvenanceError> {
        self.get(Wanted { path: &format!("blobs/{digest}"), accept: "*/*", limit_bytes })
    }
}

fn redirect(answer: &Answer) -> Option<&str> {
    answer.location.as_deref().filter(|_| answer.status.is_redirection())
}

fn unavailable(registry: &config::Registry, reason: &str) -> ProvenanceError {
    ProvenanceError::Unavailable { host: registry.host.clone(), reason: reason.to_owned() }
}

fn refused(registry: &config::Registry, reason: String) -> ProvenanceError {
    ProvenanceError::Registry { host: registry.host.clone(), reason }
}

/// The beginning of what it said, on one line.
fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text
        .chars()
        .take(QUOTED_CHARACTERS)
        .map(|found| if found.is_control() { ' ' } else { found })
        .collect();
    if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}
