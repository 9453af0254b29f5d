//! Asks a registry for a schema, and for those that it refers to, by a client library of the registry's API.
//!
//! An id comes in; out goes the schema, or that the registry knows none, or why it cannot be told now. Redirects are not
//! followed and proxy variables are not read: the request goes where the configuration says.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Instant;

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

use super::RegistryError;
use crate::config::secret::Watched;
use crate::config::{RegistryCredential, SchemaRegistry};

/// A schema may refer to so many others, those that they refer to included.
const MOST_REFERENCES: usize = 100;
/// What a registry says where there is no such subject, version or schema.
const NOT_THERE: [u32; 3] = [40_401, 40_402, 40_403];

/// A schema as it is registered.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// All that it refers to, each under the name by which it is referred to.
    pub(super) references: Vec<(String, String)>,
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
}

#[derive(Debug)]
struct State {
    secret: Option<Watched>,
    made: SrSettings,
}

impl Client {
    pub(super) fn new(settings: &SchemaRegistry) -> Result<Self, RegistryError> {
        let reference = settings.credential.as_ref().map(|credential| match credential {
            RegistryCredential::Bearer(secret) | RegistryCredential::Basic { password: secret, .. } => secret,
        });
        let secret = reference.map(Watched::read).transpose()?;
        let made = made(settings, secret.as_ref())?;
        Ok(Self { settings: settings.clone(), state: Mutex::new(State { secret, made }) })
    }

    /// The schema of this id; within, why there is none that can be used. The outer error is the registry's, now.
    pub(super) async fn get(&self, id: u32) -> Result<Result<Found, String>, String> {
        let settings = self.current().await?;
        match get_schema_by_id(id, &settings).await {
            Ok(schema) => with_references(schema, &settings).await,
            Err(error) => trouble(&error).map(Err),
        }
    }

    /// With the secret as it is now.
    async fn current(&self) -> Result<SrSettings, String> {
        let mut state = self.state.lock().await;
        if state.secret.as_mut().is_some_and(|secret| secret.refresh(Instant::now())) {
            state.made = made(&self.settings, state.secret.as_ref()).map_err(|error| error.to_string())?;
        }
        Ok(state.made.clone())
    }
}

/// All that the schema refers to, what is referred to before what refers to it.
async fn with_references(
    schema: RegisteredSchema,
    settings: &SrSettings,
) -> Result<Result<Found, String>, String> {
    let mut waiting: Vec<RegisteredReference> = schema.references.clone();
    let mut references: Vec<(String, String)> = Vec::new();
    while let Some(reference) = waiting.pop() {
        if references.iter().any(|(name, _)| *name == reference.name) {
            continue;
        }
        if references.len() == MOST_REFERENCES {
            return Ok(Err(format!("it refers to more than {MOST_REFERENCES} others")));
        }
        match get_referenced_schema(settings, &reference).await {
            Ok(found) => {
                waiting.extend(found.references.clone());
                references.push((reference.name, found.schema));
            }
            Err(error) => {
                let (name, subject, version) = (&reference.name, &reference.subject, reference.version);
                return trouble(&error)
                    .map(|why| Err(format!("`{name}` ({subject}, version {version}): {why}")));
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

/// Does the registry say itself that there is none? Anything else may be another answer later.
fn trouble(error: &SRCError) -> Result<String, String> {
    let said = error.source().and_then(|source| source.downcast_ref::<RawError>());
    if said.is_some_and(|said| NOT_THERE.contains(&said.error_code)) {
        return Ok("the registry has none".to_owned());
    }
    let mut text = error.error.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Err(text)
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
    builder.no_proxy().set_timeout(settings.timeout);
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
