//! Asks a registry for a schema, and for those that it refers to, by a client library of the registry's API.
//!
//! An id comes in; out goes the schema, or that the registry knows none, or why it cannot be told now. Redirects are not
//! followed and proxy variables are not read: the request goes where the configuration says. What comes is bounded, and no
//! name in a schema leads anywhere but to a subject.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use http::Extensions;
use reqwest_middleware::{Middleware, Next};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_referenced_schema, get_schema_by_id,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RawError, RegisteredReference, RegisteredSchema, SchemaType,
};
use tokio::sync::Mutex;
use url::Url;

use super::RegistryError;
use crate::config::mask::Mask;
use crate::config::secret::Watched;
use crate::config::{RegistryCredential, SchemaRegistry};

/// A schema may refer to so many others, those that they refer to included.
const MOST_REFERENCES: usize = 100;
/// The most that one answer may have, and all texts of a schema and what it refers to.
const MOST_BYTES: usize = 4 << 20;
/// What a registry says where there is no such subject, version or schema, or where a version can be none.
const NOT_THERE: [u32; 4] = [40_401, 40_402, 40_403, 42_202];
/// Of what the registry says of a failure.
const MOST_TEXT: usize = 1_000;
/// Any id does to see whether the registry answers.
const SOME_ID: u32 = 1;

/// A schema as it is registered.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// All that it refers to, each under the name by which it is referred to.
    pub(super) references: Vec<(String, String)>,
}

impl Found {
    /// Of all its texts.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.references.iter().map(|(_, text)| text.len()).sum::<usize>()
    }
}

/// Why there is no schema to be used.
#[derive(Debug)]
pub(super) enum Lacking {
    /// The registry has none, it says, or none of something that it refers to. It may later.
    Unknown(String),
    /// There is one, and it can never be used.
    Unusable(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Avro,
    Json,
    Protobuf,
    Other(String),
}

#[derive(Debug)]
pub(super) struct Client {
    settings: SchemaRegistry,
    state: Mutex<State>,
    /// What the registry says may have what it was sent in it.
    mask: Mask,
}

#[derive(Debug)]
struct State {
    secret: Option<Watched>,
    made: SrSettings,
}

/// Reads every answer itself, within the bound: the library would take whatever comes.
struct Bounded;

/// Asking again would not make it smaller.
#[derive(Debug, thiserror::Error)]
#[error("it is more than {} MiB", MOST_BYTES >> 20)]
struct TooLarge;

impl Client {
    pub(super) fn new(settings: &SchemaRegistry) -> Result<Self, RegistryError> {
        let reference = settings.credential.as_ref().map(|credential| match credential {
            RegistryCredential::Bearer(secret) | RegistryCredential::Basic { password: secret, .. } => secret,
        });
        let secret = reference.map(Watched::read).transpose()?;
        let made = made(settings, secret.as_ref())?;
        let mask = Mask::default();
        learn(&mask, settings, secret.as_ref());
        Ok(Self { settings: settings.clone(), state: Mutex::new(State { secret, made }), mask })
    }

    /// The schema of this id; within, why there is none that can be used. The outer error is the registry's, now.
    pub(super) async fn get(&self, id: u32) -> Result<Result<Found, Lacking>, String> {
        let settings = self.current().await?;
        let found = match get_schema_by_id(id, &settings).await {
            Ok(schema) => with_references(schema, &settings).await,
            Err(error) => trouble(&error).map(Err),
        };
        let told = |lacking| match lacking {
            Lacking::Unknown(why) => Lacking::Unknown(self.told(why)),
            Lacking::Unusable(why) => Lacking::Unusable(self.told(why)),
        };
        found.map(|found| found.map_err(told)).map_err(|why| self.told(why))
    }

    /// Does the registry answer as one, with this credential?
    pub(super) async fn probe(&self) -> Result<(), String> {
        let settings = self.current().await?;
        match get_schema_by_id(SOME_ID, &settings).await {
            Ok(_) => Ok(()),
            Err(error) => trouble(&error).map(drop).map_err(|why| self.told(why)),
        }
    }

    /// As it may be written down: without secrets, and not for ever.
    fn told(&self, mut text: String) -> String {
        self.mask.text(&mut text);
        text.truncate(text.floor_char_boundary(MOST_TEXT));
        text
    }

    /// With the secret as it is now.
    async fn current(&self) -> Result<SrSettings, String> {
        let mut state = self.state.lock().await;
        if state.secret.as_mut().is_some_and(|secret| secret.refresh(Instant::now())) {
            learn(&self.mask, &self.settings, state.secret.as_ref());
            state.made = made(&self.settings, state.secret.as_ref()).map_err(|error| error.to_string())?;
        }
        Ok(state.made.clone())
    }
}

fn learn(mask: &Mask, settings: &SchemaRegistry, secret: Option<&Watched>) {
    let Some((credential, secret)) = settings.credential.as_ref().zip(secret) else { return };
    match credential {
        RegistryCredential::Bearer(_) => mask.learn(secret.secret()),
        RegistryCredential::Basic { username, .. } => mask.learn_password(username, secret.secret()),
    }
}

/// All that the schema refers to, what is referred to before what refers to it.
async fn with_references(
    schema: RegisteredSchema,
    settings: &SrSettings,
) -> Result<Result<Found, Lacking>, String> {
    let unusable = |why| Ok(Err(Lacking::Unusable(why)));
    let mut waiting: Vec<RegisteredReference> = schema.references.clone();
    let mut references: Vec<(String, String)> = Vec::new();
    let mut bytes = schema.schema.len();
    while let Some(mut reference) = waiting.pop() {
        if references.iter().any(|(name, _)| *name == reference.name) {
            continue;
        }
        if references.len() == MOST_REFERENCES {
            return unusable(format!("it refers to more than {MOST_REFERENCES} others"));
        }
        let RegisteredReference { name, subject, version, .. } = reference.clone();
        let referred = format!("`{name}` ({subject}, version {version})");
        match segment(&subject) {
            Some(segment) => reference.subject = segment,
            None => return unusable(format!("{referred}: no registry can be asked for such a subject")),
        }
        match get_referenced_schema(settings, &reference).await {
            Ok(found) => {
                bytes += found.schema.len();
                if bytes > MOST_BYTES {
                    return unusable(format!("with what it refers to {TooLarge}"));
                }
                waiting.extend(found.references.clone());
                references.push((name, found.schema));
            }
            Err(error) => {
                return trouble(&error).map(|lacking| {
                    Err(match lacking {
                        Lacking::Unknown(why) => Lacking::Unknown(format!("{referred}: {why}")),
                        Lacking::Unusable(why) => Lacking::Unusable(format!("{referred}: {why}")),
                    })
                });
            }
        }
    }
    references.reverse();
    let kind = match schema.schema_type {
        SchemaType::Avro => Kind::Avro,
        SchemaType::Json => Kind::Json,
        SchemaType::Protobuf => Kind::Protobuf,
        SchemaType::Other(kind) => Kind::Other(kind),
        // The library may know more some day.
        other => Kind::Other(format!("{other:?}")),
    };
    Ok(Ok(Found { kind, text: schema.schema, references }))
}

/// The subject as one segment of a path, whatever is in it; `None` where that cannot be one.
fn segment(subject: &str) -> Option<String> {
    let mut url = Url::parse("http://registry").ok()?;
    // Leaves out what would lead up, or nowhere.
    url.path_segments_mut().ok()?.push(subject);
    Some(url.path().trim_start_matches('/').to_owned()).filter(|segment| !segment.is_empty())
}

/// Is the schema itself lacking, by the registry's own word or its size? Anything else may be another answer later.
fn trouble(error: &SRCError) -> Result<Lacking, String> {
    let source = error.source();
    let said = source.and_then(|source| source.downcast_ref::<RawError>());
    if said.is_some_and(|said| NOT_THERE.contains(&said.error_code)) {
        return Ok(Lacking::Unknown("the registry has none".to_owned()));
    }
    if let Some(reqwest_middleware::Error::Middleware(own)) =
        source.and_then(<dyn std::error::Error>::downcast_ref)
        && let Some(too_large) = own.downcast_ref::<TooLarge>()
    {
        return Ok(Lacking::Unusable(too_large.to_string()));
    }
    let mut text = error.error.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Err(text)
}

#[async_trait]
impl Middleware for Bounded {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let mut answer = next.run(request, extensions).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(reqwest_middleware::Error::middleware(TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        let mut read = http::Response::new(body);
        *read.status_mut() = answer.status();
        Ok(read.into())
    }
}

fn made(settings: &SchemaRegistry, secret: Option<&Watched>) -> Result<SrSettings, RegistryError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(settings).map_err(RegistryError::Client)?)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.timeout)
        // Whoever asks has a runtime of its own, which a connection does not outlive: and each schema is asked for once.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")));
    let mut builder = SrSettings::new_builder(settings.url.as_str().trim_end_matches('/').to_owned());
    builder.no_proxy().set_timeout(settings.timeout).with_middleware(Bounded);
    if let Some((credential, secret)) = settings.credential.as_ref().zip(secret) {
        let secret = secret.secret().expose();
        match credential {
            RegistryCredential::Bearer(_) => builder.set_token_authorization(secret),
            RegistryCredential::Basic { username, .. } => {
                builder.set_basic_authorization(username, Some(secret))
            }
        };
    }
    builder.build_with(client).map_err(|error| RegistryError::Client(error.to_string()))
}

/// TLS that trusts this system's authorities and those of the CA file. Without TLS none are read.
fn tls(settings: &SchemaRegistry) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    if settings.url.scheme() == "https" {
        // A certificate of the system that cannot be read is the system's matter: those that can be are enough.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &settings.ca_file {
            let unusable = |error: &dyn std::fmt::Display| {
                format!("the CA file {} cannot be used: {error}", path.display())
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
                let certificate = certificate.map_err(|error| unusable(&error))?;
                roots.add(certificate).map_err(|error| unusable(&error))?;
            }
        }
        if roots.is_empty() {
            return Err("this system trusts no authority; name one in `ca-file`".to_owned());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_segment_of_the_path_whatever_is_in_it() {
        for (subject, expected) in [
            ("gov.Unit-value", Some("gov.Unit-value")),
            ("gov/unit.proto", Some("gov%2Funit.proto")),
            ("../../admin?x=1#y", Some("..%2F..%2Fadmin%3Fx=1%23y")),
            ("50%2F", Some("50%252F")),
            ("a b", Some("a%20b")),
            ("", None),
            (".", None),
            ("..", None),
        ] {
            assert_eq!(segment(subject).as_deref(), expected, "{subject}");
        }
    }
}
