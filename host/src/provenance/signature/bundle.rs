//! Sigstore bundles of version 0.3, in their JSON form, as `cosign sign-blob --key … --bundle` and `cosign sign --key` write
//! them: <https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto>.
//!
//! In comes a bundle, out goes what its signature is of, if that is the component. Its log entries, timestamps and
//! certificate are not read.

use serde::Deserialize;

use super::{Signed, Subject, from_base64};
use crate::config::Digest;

const MEDIA_TYPES: [&str; 2] =
    ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3"];
/// Of the statement in an envelope (in-toto Attestation Framework 1.0), and of one before it.
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
/// What says that the subject may be used. Any other statement, such as a list of its flaws, is signed as well.
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    message_signature: Option<MessageSignature>,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageSignature {
    message_digest: Option<MessageDigest>,
    signature: String,
}

#[derive(Deserialize)]
struct MessageDigest {
    algorithm: String,
    digest: String,
}

/// DSSE 1.0: <https://github.com/secure-systems-lab/dsse/blob/master/envelope.md>.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
    subject: Vec<StatementSubject>,
}

#[derive(Deserialize)]
struct StatementSubject {
    #[serde(default)]
    digest: StatementDigest,
}

#[derive(Default, Deserialize)]
struct StatementDigest {
    sha256: Option<String>,
}

/// What cosign 2 writes unless it is asked for a bundle.
#[derive(Deserialize)]
struct Older {
    #[serde(rename = "base64Signature")]
    _signature: String,
}

/// What the bundle's signature is of; or why that is not the component.
pub(super) fn signed<'a>(subject: &Subject<'a>, json: &[u8]) -> Result<Signed<'a>, String> {
    let bundle: Bundle = serde_json::from_slice(json).map_err(|error| no_bundle(json, &error))?;
    if !MEDIA_TYPES.contains(&bundle.media_type.as_str()) {
        return Err(format!("is a bundle of the type `{}`, and only version 0.3 is read", bundle.media_type));
    }
    match (bundle.message_signature, bundle.dsse_envelope) {
        (Some(message), None) => of_message(subject, message),
        (None, Some(envelope)) => of_envelope(subject, envelope),
        (Some(_), Some(_)) | (None, None) => Err("is a bundle without exactly one signature".to_owned()),
    }
}

fn no_bundle(json: &[u8], error: &serde_json::Error) -> String {
    match serde_json::from_slice::<Older>(json) {
        Ok(_) => "is in cosign's older form, and only bundles of version 0.3 are read: sign again with \
                  `--new-bundle-format`, or with cosign 3"
            .to_owned(),
        Err(_) => format!("is no Sigstore bundle ({error})"),
    }
}

fn of_message<'a>(subject: &Subject<'a>, message: MessageSignature) -> Result<Signed<'a>, String> {
    if let Some(digest) = &message.message_digest
        && digest.algorithm == "SHA2_256"
        && from_base64(digest.digest.as_bytes()).as_deref() != Some(subject.sha256.0.as_slice())
    {
        return Err("is of other content".to_owned());
    }
    let signature = from_base64(message.signature.as_bytes()).ok_or("holds a signature that is no base64")?;
    Ok(Signed { message: subject.component.into(), signatures: vec![signature] })
}

fn of_envelope<'a>(subject: &Subject<'a>, envelope: Envelope) -> Result<Signed<'a>, String> {
    if envelope.payload_type != STATEMENT_TYPE {
        return Err(format!("holds `{}` and not `{STATEMENT_TYPE}`", envelope.payload_type));
    }
    let payload = from_base64(envelope.payload.as_bytes()).ok_or("holds a payload that is no base64")?;
    let statement: Statement =
        serde_json::from_slice(&payload).map_err(|error| format!("holds no statement ({error})"))?;
    if !STATEMENTS.contains(&statement.kind.as_str()) || statement.predicate_type != PREDICATE {
        let found = statement.predicate_type;
        return Err(format!("states `{found}`, and only `{PREDICATE}` says that it may be used"));
    }
    let digests = statement.subject.iter().filter_map(|subject| subject.digest.sha256.as_deref());
    if !digests.filter_map(Digest::from_hex).any(|digest| subject.has(&digest)) {
        return Err("is of other content".to_owned());
    }
    let signatures = envelope.signatures.iter().filter_map(|signature| from_base64(signature.sig.as_bytes()));
    let signatures = signatures.collect();
    Ok(Signed { message: pre_authentication(&envelope.payload_type, &payload).into(), signatures })
}

/// What is signed of an envelope: its type and its payload, each with its length before it.
pub(super) fn pre_authentication(kind: &str, payload: &[u8]) -> Vec<u8> {
    [format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).as_bytes(), payload].concat()
}
