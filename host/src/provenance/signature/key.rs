//! Public keys, and whether they fit a signature.

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::{KeyName, SigningKey};
use crate::provenance::ProvenanceError;
use crate::provenance::file::capped;

/// A larger file is no public key.
const MAX_BYTES: u64 = 64 << 10;

/// What stands before the key itself, in DER: its algorithm, and how long it is (RFC 8410, RFC 5480).
pub(super) const ED25519_BEGIN: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
pub(super) const P256_BEGIN: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

/// A public key with its name.
pub(in crate::provenance) struct Key {
    pub(in crate::provenance) name: KeyName,
    key: UnparsedPublicKey<Vec<u8>>,
}

impl Key {
    /// Reads it from its file.
    pub(in crate::provenance) fn read(settings: &SigningKey) -> Result<Self, ProvenanceError> {
        let pem = capped(&settings.file, MAX_BYTES)?;
        Self::from_pem(settings.name.clone(), &pem).map_err(|reason| ProvenanceError::Key {
            name: settings.name.clone(),
            path: settings.file.clone(),
            reason,
        })
    }

    /// Of a PEM block `PUBLIC KEY`.
    pub(super) fn from_pem(name: KeyName, pem: &[u8]) -> Result<Self, String> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|error| format!("it holds no public key in PEM ({error:?})"))?;
        let kinds: [(&[u8], usize, &'static dyn VerificationAlgorithm); 2] =
            [(ED25519_BEGIN, 32, &ED25519), (P256_BEGIN, 65, &ECDSA_P256_SHA256_ASN1)];
        let found = kinds.into_iter().find_map(|(begin, length, algorithm)| {
            let bytes = der.strip_prefix(begin).filter(|bytes| bytes.len() == length)?;
            Some(UnparsedPublicKey::new(algorithm, bytes.to_owned()))
        });
        let key = found.ok_or(
            "it is neither Ed25519 nor ECDSA on P-256; make one by `openssl genpkey -algorithm ed25519`",
        )?;
        Ok(Self { name, key })
    }

    /// Is this its signature of the message?
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify(message, signature).is_ok()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}
