//! Signatures: bytes, signatures and keys in, a verdict out. No file and no network is looked at here.
//!
//! Three forms are known, all of which a key that the agency manages has made: a detached signature of the component's
//! bytes, a Sigstore bundle, and what cosign attaches to an image. Ed25519 (RFC 8032) and ECDSA on P-256 with SHA-256 are
//! known, and no prehashed Ed25519.
//!
//! **Not verified:** transparency logs, timestamps and certificates. A key counts for as long as the configuration names
//! it, so a key that is lost is taken out there.

mod bundle;
mod key;
mod payload;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Signature;
use crate::config::Digest;

pub(super) use self::key::Key;

/// What is to be signed.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    component: &'a [u8],
    sha256: Digest,
    /// Of the image's manifest, if the component came in one: who signs it signs the component that it names.
    manifest: Option<Digest>,
}

/// A signature that was found, with the place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Evidence {
    pub(super) found: String,
    pub(super) kind: Kind,
}

/// The form of a signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Kind {
    /// Of the component's bytes: as it is, or in base64.
    Detached(Vec<u8>),
    /// A Sigstore bundle of version 0.3, in JSON.
    Bundle(Vec<u8>),
    /// A statement on an image, and the signature of that statement in base64.
    Payload { payload: Vec<u8>, signature: String },
}

/// What was signed, once it is known to be about the component.
#[derive(Debug, PartialEq, Eq)]
struct Signed<'a> {
    message: std::borrow::Cow<'a, [u8]>,
    /// One of these is to be the key's.
    signatures: Vec<Vec<u8>>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(component: &'a [u8], manifest: Option<Digest>) -> Self {
        Self { component, sha256: Digest(Sha256::digest(component).into()), manifest }
    }

    /// Is it this that the digest is of?
    fn has(&self, digest: &Digest) -> bool {
        self.sha256 == *digest || self.manifest.as_ref() == Some(digest)
    }
}

/// The first of these keys that signed the subject; or why none did.
pub(super) fn judge(subject: &Subject<'_>, evidence: &[Evidence], keys: &[Key]) -> Result<Signature, String> {
    let mut reasons = Vec::new();
    for Evidence { found, kind } in evidence {
        match signed(subject, kind) {
            Ok(signed) => match keys.iter().find(|key| signed.is_by(key)) {
                Some(key) => return Ok(Signature::By { key: key.name.clone(), found: found.clone() }),
                None => reasons.push(format!("{found} is by another key, or of other content")),
            },
            Err(reason) => reasons.push(format!("{found} {reason}")),
        }
    }
    match reasons.is_empty() {
        true => Err("there is no signature".to_owned()),
        false => Err(reasons.join("; ")),
    }
}

fn signed<'a>(subject: &Subject<'a>, kind: &Kind) -> Result<Signed<'a>, String> {
    match kind {
        Kind::Detached(bytes) => {
            let mut signatures = vec![bytes.clone()];
            signatures.extend(from_base64(bytes));
            Ok(Signed { message: subject.component.into(), signatures })
        }
        Kind::Bundle(json) => bundle::signed(subject, json),
        Kind::Payload { payload, signature } => payload::signed(subject, payload, signature),
    }
}

impl Signed<'_> {
    fn is_by(&self, key: &Key) -> bool {
        self.signatures.iter().any(|signature| key.has_signed(&self.message, signature))
    }
}

/// Text in base64, with or without line breaks.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}

#[cfg(test)]
pub(super) mod tests;
