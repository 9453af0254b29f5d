//! What was fetched from registries, kept by its digest, so that a host starts without them.
//!
//! Every blob is checked against its digest whenever it is read: one that was altered or cut is fetched again. Signatures
//! are kept beside; they prove themselves.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::image::{MAX_MANIFEST_BYTES, component_of};
use super::{MAX_COMPONENT_BYTES, Package, private};
use crate::config::Digest;

/// More than all that is looked at takes in JSON.
const MAX_SIGNATURES_BYTES: u64 = 32 << 20;

#[derive(Debug)]
pub(super) struct Store {
    /// `None`: the folder cannot be made or is not private, so nothing is kept.
    folder: Option<PathBuf>,
}

impl Store {
    pub(super) fn new(folder: &Path) -> Self {
        match private::folder(folder) {
            Ok(()) => Self { folder: Some(folder.to_owned()) },
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "plugins are fetched anew at each start: no cache folder");
                Self { folder: None }
            }
        }
    }

    /// The image, if all of it is here and right; with `wants_signatures` only if somebody looked for them.
    pub(super) fn read(&self, digest: &Digest, wants_signatures: bool) -> Option<Package> {
        let manifest = self.blob(digest, MAX_MANIFEST_BYTES)?;
        let layer = component_of(&manifest).ok()?;
        let component = self.blob(&layer.digest, MAX_COMPONENT_BYTES)?;
        let evidence = match wants_signatures {
            true => {
                serde_json::from_slice(&self.file(&signatures_name(digest), MAX_SIGNATURES_BYTES)?).ok()?
            }
            false => Vec::new(),
        };
        Some(Package { component, manifest: Some((*digest, manifest)), evidence })
    }

    /// Keeps an image that was checked and, with `has_signatures`, what was found of them in the place of what was found
    /// before. What cannot be kept is fetched again next time.
    pub(super) fn keep(&self, package: &Package, has_signatures: bool) {
        let Some((digest, manifest)) = &package.manifest else { return };
        self.write(&Digest(Sha256::digest(&package.component).into()).hex(), &package.component);
        self.write(&digest.hex(), manifest);
        if has_signatures {
            let signatures = serde_json::to_vec(&package.evidence).expect("text and bytes have a JSON form");
            self.write(&signatures_name(digest), &signatures);
        }
    }

    fn blob(&self, digest: &Digest, limit_bytes: u64) -> Option<Vec<u8>> {
        let bytes = self.file(&digest.hex(), limit_bytes)?;
        if Sha256::digest(&bytes).as_slice() == digest.0 {
            return Some(bytes);
        }
        tracing::warn!(%digest, "a kept image is not what it was; it is fetched again");
        None
    }

    fn file(&self, name: &str, limit_bytes: u64) -> Option<Vec<u8>> {
        let path = self.folder.as_ref()?.join(name);
        let read = || -> io::Result<Option<Vec<u8>>> {
            let Some(file) = private::open(&path)? else { return Ok(None) };
            let mut bytes = Vec::new();
            file.take(limit_bytes + 1).read_to_end(&mut bytes)?;
            Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit_bytes))
        };
        read().unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "a kept image cannot be used");
            None
        })
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let Some(folder) = &self.folder else { return };
        let path = folder.join(name);
        if let Err(error) = private::write(&path, &[bytes]) {
            tracing::warn!(path = %path.display(), %error, "could not keep a plugin that was fetched");
        }
    }
}

fn signatures_name(digest: &Digest) -> String {
    format!("{}.signatures", digest.hex())
}
