//! A component in a file of its own, and the signatures that lie beside it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::signature::{Evidence, Kind};
use super::{MAX_COMPONENT_BYTES, Package, ProvenanceError};

/// What a file's name ends with beside its component: a plain signature, and a Sigstore bundle.
pub(crate) const SIGNATURE: &str = ".sig";
pub(crate) const BUNDLE: &str = ".sigstore.json";

/// A larger signature is none.
const MAX_SIGNATURE_BYTES: u64 = 128 << 10;

/// The component, and with `wants_signatures` also `FILE.sig` and `FILE.sigstore.json`.
pub(super) fn read(path: &Path, wants_signatures: bool) -> Result<Package, ProvenanceError> {
    let component = capped(path, MAX_COMPONENT_BYTES)?;
    let mut evidence = Vec::new();
    if wants_signatures {
        evidence.extend(signature(path, SIGNATURE, Kind::Detached)?);
        evidence.extend(signature(path, BUNDLE, Kind::Bundle)?);
    }
    Ok(Package { component, manifest: None, evidence })
}

/// All of a plain file; anything else might never end.
pub(super) fn capped(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, ProvenanceError> {
    let failed = |source| ProvenanceError::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("not a file")));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed is read, so that too much is noticed, also of a file that grows.
    File::open(path).and_then(|file| file.take(limit_bytes + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(ProvenanceError::TooLarge { what: path.display().to_string(), limit_bytes });
    }
    Ok(bytes)
}

/// Where a component's signature of this ending would lie.
pub(crate) fn beside(component: &Path, ending: &str) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// The signature in the file with this ending, if there is one.
fn signature(
    path: &Path,
    ending: &str,
    kind: impl FnOnce(Vec<u8>) -> Kind,
) -> Result<Option<Evidence>, ProvenanceError> {
    let path = beside(path, ending);
    match capped(&path, MAX_SIGNATURE_BYTES) {
        Ok(bytes) => Ok(Some(Evidence { found: path.to_string_lossy().into_owned(), kind: kind(bytes) })),
        Err(ProvenanceError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
