//! Where plugins come from: bytes that are what the configuration asked for, before anything else looks at them.
//!
//! ```text
//! file, registry or layout ─▶ size ─▶ digest ─▶ signature ─▶ component, for `plugin` to read
//! ```
//!
//! In comes a plugin's source with its pin and its signers, out goes a component whose digest and signature are right,
//! and what is known of it. Nothing here knows what WebAssembly is: no byte of a component is parsed before this is over.
//! The registry is the only network that is reached, and only where the cache folder does not hold the image already.

mod file;
mod image;
mod layout;
pub(crate) mod private;
mod registry;
mod signature;
mod store;

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::config::secret::SecretError;
use crate::config::{self, Digest, KeyName, RegistryImage, Source};

pub(crate) use self::file::{BUNDLE, SIGNATURE, beside};
use self::signature::{Evidence, Key, Subject};
use self::store::Store;

/// A larger component is not read.
pub(crate) const MAX_COMPONENT_BYTES: u64 = 128 * 1024 * 1024;

/// A component that may be looked at.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) bytes: Vec<u8>,
    pub(crate) provenance: Provenance,
}

/// What is known of where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// As the configuration names it.
    pub source: Source,
    /// Of the component.
    pub sha256: [u8; 32],
    pub signature: Signature,
}

/// Who stands behind a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// No key is configured for it, so nobody looked.
    NotAsked,
    /// None of the keys, which is allowed here: why none counts.
    Nobody(String),
    /// This key, and where its signature was found.
    By { key: KeyName, found: String },
}

impl Signature {
    /// Whose it is, if it is one that counts.
    pub fn key(&self) -> Option<&KeyName> {
        match self {
            Self::By { key, .. } => Some(key),
            Self::NotAsked | Self::Nobody(_) => None,
        }
    }
}

/// Why a component is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    #[error("cannot read {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{what} has more than {limit_bytes} bytes, the most that it may have")]
    TooLarge { what: String, limit_bytes: u64 },
    #[error(
        "{from} has sha256 {found}, not the one it is pinned to; if the new one is right, write that into `sha256`"
    )]
    Pin { from: String, found: String },
    #[error("{place} gave other content for {expected}: it has {found}")]
    Content { place: String, expected: Digest, found: Digest },
    #[error("{place} has no {what}; is it pushed, and is the digest the one of its manifest?")]
    Missing { place: String, what: String },
    #[error("{from} is no plugin: {reason}")]
    Form { from: String, reason: String },
    #[error("the key {name} in {path} cannot be used: {reason}", path = path.display())]
    Key { name: KeyName, path: PathBuf, reason: String },
    #[error(
        "{from} is signed by none of {keys}, and one of them must have signed it: {reason}; sign it as the README says, or \
         name another key"
    )]
    Unsigned { from: String, keys: String, reason: String },
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("registry {host}: {reason}")]
    Registry { host: String, reason: String },
    #[error("registry {host} refuses us: {reason}; mend registries.\"{host}\".credential")]
    Denied { host: String, reason: String },
    #[error("registry {host} cannot be asked: {reason}")]
    Unavailable { host: String, reason: String },
}

impl ProvenanceError {
    /// Is it something to be mended first, rather than a registry that may answer another time?
    pub(crate) fn is_configuration(&self) -> bool {
        match self {
            Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::Pin { .. }
            | Self::Content { .. }
            | Self::Missing { .. }
            | Self::Form { .. }
            | Self::Key { .. }
            | Self::Unsigned { .. }
            | Self::Secret(_)
            | Self::Registry { .. }
            | Self::Denied { .. } => true,
            Self::Unavailable { .. } => false,
        }
    }
}

/// What a source gave, with the signatures that lay beside it. Every digest on the way is right.
#[derive(Debug)]
struct Package {
    component: Vec<u8>,
    /// The image's manifest with its digest, if it came in one.
    manifest: Option<(Digest, Vec<u8>)>,
    evidence: Vec<Evidence>,
}

/// Takes a component from its source. Blocks: for as long as the registry's `timeout` where it has to be fetched.
///
/// `images` is the folder that keeps what was fetched.
///
/// # Errors
///
/// When it is not there, or is not what the configuration asks for.
pub(crate) fn fetch(settings: &config::Plugin, images: &Path) -> Result<Component, ProvenanceError> {
    let keys = settings.signers.keys.iter().map(Key::read).collect::<Result<Vec<_>, _>>()?;
    let is_required = settings.signers.is_required;
    let package = match &settings.source {
        Source::File(path) => file::read(path, !keys.is_empty())?,
        Source::Layout { folder, digest } => {
            image::take(&layout::Layout::new(folder), digest, !keys.is_empty())?
        }
        Source::Registry(image) => kept_or_fetched(image, &keys, is_required, &Store::new(images))?,
    };
    let sha256: [u8; 32] = Sha256::digest(&package.component).into();
    if settings.sha256.is_some_and(|pinned| pinned != sha256) {
        return Err(ProvenanceError::Pin { from: settings.source.to_string(), found: Digest(sha256).hex() });
    }
    let signature = match judge(&package, &keys) {
        _ if keys.is_empty() && !is_required => Signature::NotAsked,
        Ok(by) => by,
        Err(reason) if is_required => return Err(unsigned(settings, reason)),
        Err(reason) => {
            if !package.evidence.is_empty() {
                tracing::warn!(source = %settings.source, reason, "the signature of a plugin does not count");
            }
            Signature::Nobody(reason)
        }
    };
    let provenance = Provenance { source: settings.source.clone(), sha256, signature };
    Ok(Component { bytes: package.component, provenance })
}

/// What is kept of an image, if that is enough; a signature that is missing may have been added since.
fn kept_or_fetched(
    image: &RegistryImage,
    keys: &[Key],
    is_required: bool,
    store: &Store,
) -> Result<Package, ProvenanceError> {
    let wants_signatures = !keys.is_empty();
    let is_enough = |package: &Package| !is_required || judge(package, keys).is_ok();
    if let Some(package) = store.read(&image.digest, wants_signatures).filter(is_enough) {
        return Ok(package);
    }
    let package = registry::fetch(image, wants_signatures)?;
    store.keep(&package, wants_signatures);
    Ok(package)
}

fn judge(package: &Package, keys: &[Key]) -> Result<Signature, String> {
    let manifest = package.manifest.as_ref().map(|(digest, _)| *digest);
    let subject = Subject::new(&package.component, manifest);
    signature::judge(&subject, &package.evidence, keys)
}

fn unsigned(settings: &config::Plugin, reason: String) -> ProvenanceError {
    let keys: Vec<_> = settings.signers.keys.iter().map(|key| key.name.as_str()).collect();
    let keys = if keys.is_empty() { "no keys at all".to_owned() } else { keys.join(", ") };
    ProvenanceError::Unsigned { from: settings.source.to_string(), keys, reason }
}

#[cfg(test)]
mod tests;
