//! Images in a folder of the form of the OCI Image Layout Specification 1.1, for sites without a network.
//!
//! `oras copy --to-oci-layout`, `skopeo copy … oci:FOLDER` and `crane pull --format=oci` make such folders.

use std::io;
use std::path::{Path, PathBuf};

use super::ProvenanceError;
use super::file::capped;
use super::image::{Descriptor, Index, MAX_MANIFEST_BYTES, Manifest, Shelf};
use crate::config::Digest;

/// The annotation that holds a manifest's tag.
const TAG: &str = "org.opencontainers.image.ref.name";
/// Manifests of one folder that are asked for their subject.
const MAX_ASKED: usize = 256;

#[derive(Debug)]
pub(super) struct Layout {
    folder: PathBuf,
}

impl Layout {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn index(&self) -> Result<Index, ProvenanceError> {
        let path = self.folder.join("index.json");
        let bytes = capped(&path, MAX_MANIFEST_BYTES)?;
        serde_json::from_slice(&bytes).map_err(|error| ProvenanceError::Form {
            from: path.display().to_string(),
            reason: format!("it is no index of images ({error})"),
        })
    }

    /// Of a manifest that can be read, what it is about.
    fn subject(&self, descriptor: &Descriptor) -> Option<String> {
        let bytes = self.manifest(&descriptor.digest.parse().ok()?).ok()??;
        Some(serde_json::from_slice::<Manifest>(&bytes).ok()?.subject?.digest)
    }
}

impl Shelf for Layout {
    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ProvenanceError> {
        self.blob(digest, MAX_MANIFEST_BYTES)
    }

    fn tagged(&self, tag: &str) -> Result<Option<Vec<u8>>, ProvenanceError> {
        let index = self.index()?;
        let tagged =
            index.manifests.iter().find(|entry| entry.annotations.get(TAG).is_some_and(|name| name == tag));
        match tagged.and_then(|entry| entry.digest.parse().ok()) {
            Some(digest) => self.manifest(&digest),
            None => Ok(None),
        }
    }

    /// Those of the index whose subject it is, and those that an index under the tag of the specification's fallback names.
    fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, ProvenanceError> {
        let mut entries = self.index()?.manifests;
        entries.truncate(MAX_ASKED);
        let of_this =
            |entry: &Descriptor| self.subject(entry).is_some_and(|subject| subject == digest.to_string());
        let mut referrers: Vec<_> = entries.into_iter().filter(of_this).collect();
        if let Some(index) = self.tagged(&format!("sha256-{}", digest.hex()))? {
            referrers.extend(serde_json::from_slice::<Index>(&index).unwrap_or_default().manifests);
        }
        Ok(referrers)
    }

    fn blob(&self, digest: &Digest, limit_bytes: u64) -> Result<Option<Vec<u8>>, ProvenanceError> {
        match capped(&self.folder.join("blobs/sha256").join(digest.hex()), limit_bytes) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ProvenanceError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
