//! What cosign attaches to an image under the tag `sha256-….sig`, unless it writes a bundle: a statement on the image, and
//! its signature: <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>.

use serde::Deserialize;

use super::{Signed, Subject, from_base64};

const STATEMENT: &str = "cosign container image signature";

/// Red Hat's "simple signing" form.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// What the signature is of; or why that is not the component's image.
pub(super) fn signed<'a>(
    subject: &Subject<'_>,
    payload: &[u8],
    signature: &str,
) -> Result<Signed<'a>, String> {
    let statement: Payload =
        serde_json::from_slice(payload).map_err(|error| format!("is no statement on an image ({error})"))?;
    let Critical { image, kind } = statement.critical;
    if kind != STATEMENT {
        return Err(format!("states `{kind}` and not `{STATEMENT}`"));
    }
    if !image.docker_manifest_digest.parse().is_ok_and(|digest| subject.has(&digest)) {
        return Err("is of other content".to_owned());
    }
    let signature = from_base64(signature.as_bytes()).ok_or("holds a signature that is no base64")?;
    Ok(Signed { message: payload.to_owned().into(), signatures: vec![signature] })
}
