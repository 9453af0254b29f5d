//! Images that hold a plugin: one manifest, one layer, and signatures that refer to it (OCI Image Specification 1.1, and the
//! CNCF guidance for WebAssembly artefacts).
//!
//! In comes a shelf, a registry or a folder, and a digest; out goes the component with the signatures that the shelf has for
//! it. Whatever the shelf gives is checked against the digest it was asked by.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::signature::{Evidence, Kind};
use super::{MAX_COMPONENT_BYTES, Package, ProvenanceError};
use crate::config::Digest;

/// A larger manifest is refused, as the distribution specification advises.
pub(super) const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// A larger signature is none: one with certificates and log entries takes some 10 KiB.
const MAX_SIGNATURE_BYTES: u64 = 128 << 10;
/// Signatures of one image that are looked at.
const MAX_SIGNATURES: usize = 32;

pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const LAYER_TYPE: &str = "application/wasm";
/// Of a Sigstore bundle, as an artefact and as its layer.
const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Of what cosign signs where it does not write a bundle, and the annotation that holds the signature.
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// Where images lie.
pub(super) trait Shelf {
    /// What it is called in an error.
    fn place(&self) -> String;

    /// A manifest by its digest.
    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ProvenanceError>;

    /// A manifest or an index by its tag.
    fn tagged(&self, tag: &str) -> Result<Option<Vec<u8>>, ProvenanceError>;

    /// The manifests whose subject this one is.
    fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, ProvenanceError>;

    /// A blob of no more bytes than this.
    fn blob(&self, digest: &Digest, limit_bytes: u64) -> Result<Option<Vec<u8>>, ProvenanceError>;
}

/// What is said of a manifest or a blob where it is referred to.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    #[serde(default)]
    size: u64,
    pub(super) artifact_type: Option<String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

/// An index of manifests.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Index {
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    pub(super) subject: Option<Descriptor>,
    /// Of an index, which has no layers.
    manifests: Option<Vec<Descriptor>>,
}

/// The plugin of this manifest, and with `wants_signatures` what was signed of it.
pub(super) fn take(
    shelf: &impl Shelf,
    digest: &Digest,
    wants_signatures: bool,
) -> Result<Package, ProvenanceError> {
    let bytes = manifest(shelf, digest)?;
    let layer = component_of(&bytes)
        .map_err(|reason| ProvenanceError::Form { from: format!("{digest} of {}", shelf.place()), reason })?;
    let component = blob(shelf, &layer, MAX_COMPONENT_BYTES)?;
    let evidence = if wants_signatures { evidence(shelf, digest)? } else { Vec::new() };
    Ok(Package { component, manifest: Some((*digest, bytes)), evidence })
}

/// A manifest that is what its digest says.
pub(super) fn manifest(shelf: &impl Shelf, digest: &Digest) -> Result<Vec<u8>, ProvenanceError> {
    let bytes = shelf.manifest(digest)?.ok_or_else(|| missing(shelf, format!("manifest {digest}")))?;
    verified(shelf, digest, bytes)
}

fn blob(shelf: &impl Shelf, layer: &Layer, limit_bytes: u64) -> Result<Vec<u8>, ProvenanceError> {
    let what = || format!("blob {} of {}", layer.digest, shelf.place());
    if layer.bytes > limit_bytes {
        return Err(ProvenanceError::TooLarge { what: what(), limit_bytes });
    }
    // What has more bytes than its manifest says is other content.
    let bytes = shelf.blob(&layer.digest, layer.bytes)?;
    verified(shelf, &layer.digest, bytes.ok_or_else(|| missing(shelf, format!("blob {}", layer.digest)))?)
}

fn verified(shelf: &impl Shelf, expected: &Digest, bytes: Vec<u8>) -> Result<Vec<u8>, ProvenanceError> {
    let found = Digest(Sha256::digest(&bytes).into());
    if found == *expected {
        return Ok(bytes);
    }
    Err(ProvenanceError::Content { place: shelf.place(), expected: *expected, found })
}

fn missing(shelf: &impl Shelf, what: String) -> ProvenanceError {
    ProvenanceError::Missing { place: shelf.place(), what }
}

/// A blob that a manifest names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) digest: Digest,
    bytes: u64,
}

/// The one layer of a plugin's manifest; or what it is instead.
pub(super) fn component_of(manifest: &[u8]) -> Result<Layer, String> {
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|error| format!("its manifest cannot be read ({error})"))?;
    if manifest.manifests.is_some() || manifest.media_type == INDEX_TYPE {
        return Err("it is an index of several images; name the digest of one of them".to_owned());
    }
    let has_type = manifest.media_type.is_empty() || manifest.media_type == MANIFEST_TYPE;
    if manifest.schema_version != 2 || !has_type {
        let (version, found) = (manifest.schema_version, manifest.media_type);
        return Err(format!(
            "its manifest is of version {version} and type `{found}`, not 2 and {MANIFEST_TYPE}"
        ));
    }
    let config = manifest.config.map(|config| config.media_type).unwrap_or_default();
    if config != CONFIG_TYPE {
        return Err(format!(
            "its config has the type `{config}`; push it with the config type {CONFIG_TYPE}"
        ));
    }
    match manifest.layers.as_slice() {
        [layer] if layer.media_type == LAYER_TYPE => layer.layer(),
        [layer] => {
            Err(format!("its layer has the type `{}`; push it with the type {LAYER_TYPE}", layer.media_type))
        }
        layers => Err(format!("it has {} layers; push the component as the only one", layers.len())),
    }
}

impl Descriptor {
    fn layer(&self) -> Result<Layer, String> {
        let digest = self.digest.parse().map_err(|_| format!("`{}` is no sha256", self.digest))?;
        Ok(Layer { digest, bytes: self.size })
    }
}

/// All that the shelf has of signatures for this manifest. One that is broken is passed over: another may do.
fn evidence(shelf: &impl Shelf, digest: &Digest) -> Result<Vec<Evidence>, ProvenanceError> {
    let mut evidence = Vec::new();
    let is_bundle = |referrer: &Descriptor| {
        referrer.artifact_type.as_ref().is_none_or(|artifact_type| artifact_type == BUNDLE_TYPE)
    };
    for referrer in
        shelf.referrers(digest)?.iter().filter(|referrer| is_bundle(referrer)).take(MAX_SIGNATURES)
    {
        let found = readable(signatures_of(shelf, &referrer.digest, BUNDLE_TYPE))?;
        evidence.extend(
            found.into_iter().map(|(name, _, bytes)| Evidence { found: name, kind: Kind::Bundle(bytes) }),
        );
    }
    let tag = format!("sha256-{}.sig", digest.hex());
    if let Some(manifest) = shelf.tagged(&tag)? {
        let found = readable(layers(shelf, &tag, &manifest, PAYLOAD_TYPE))?;
        evidence.extend(found.into_iter().filter_map(|(found, mut annotations, payload)| {
            let kind = Kind::Payload { payload, signature: annotations.remove(SIGNATURE)? };
            Some(Evidence { found, kind })
        }));
    }
    evidence.truncate(MAX_SIGNATURES);
    Ok(evidence)
}

/// Where it was found, its annotations, and its bytes.
type Found = (String, BTreeMap<String, String>, Vec<u8>);

fn signatures_of(shelf: &impl Shelf, digest: &str, wanted: &str) -> Result<Vec<Found>, ProvenanceError> {
    let form = |error: crate::config::ImageError| ProvenanceError::Form {
        from: shelf.place(),
        reason: error.to_string(),
    };
    let digest: Digest = digest.parse().map_err(form)?;
    let bytes = manifest(shelf, &digest)?;
    layers(shelf, &digest.to_string(), &bytes, wanted)
}

/// The layers of this type that a manifest names.
fn layers(
    shelf: &impl Shelf,
    name: &str,
    manifest: &[u8],
    wanted: &str,
) -> Result<Vec<Found>, ProvenanceError> {
    let form = |reason| ProvenanceError::Form { from: format!("{name} of {}", shelf.place()), reason };
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(|error| form(error.to_string()))?;
    let mut found = Vec::new();
    let wanted = manifest.layers.into_iter().filter(|layer| layer.media_type == wanted);
    for descriptor in wanted.take(MAX_SIGNATURES) {
        let layer = descriptor.layer().map_err(form)?;
        let bytes = blob(shelf, &layer, MAX_SIGNATURE_BYTES)?;
        found.push((format!("{name} of {}", shelf.place()), descriptor.annotations, bytes));
    }
    Ok(found)
}

/// Nothing, instead of what cannot be used; a registry that does not answer is another matter.
fn readable(found: Result<Vec<Found>, ProvenanceError>) -> Result<Vec<Found>, ProvenanceError> {
    match found {
        Err(error) if error.is_configuration() => {
            tracing::warn!(%error, "what refers to a plugin's image is no signature");
            Ok(Vec::new())
        }
        other => other,
    }
}
