//! Every form of a signature, right and wrong in one thing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::bundle::pre_authentication;
use super::{Evidence, Key, Kind, Signature, Subject, judge};
use crate::config::{Digest, KeyName};

mod cosign;

const COMPONENT: &[u8] = b"\0asm a component";
const MANIFEST: &[u8] = b"{}";

/// A private key.
pub(in crate::provenance) enum Signer {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Signer {
    pub(in crate::provenance) fn ed25519(seed: u8) -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn p256() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random);
        Self::P256(pair.unwrap())
    }

    pub(in crate::provenance) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::P256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
        }
    }

    pub(in crate::provenance) fn public_pem(&self) -> String {
        let der = match self {
            Self::Ed25519(pair) => [super::key::ED25519_BEGIN, pair.public_key().as_ref()].concat(),
            Self::P256(pair) => [super::key::P256_BEGIN, pair.public_key().as_ref()].concat(),
        };
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    fn key(&self, name: &str) -> Key {
        Key::from_pem(KeyName::new(name), self.public_pem().as_bytes()).unwrap()
    }
}

pub(in crate::provenance) fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// A bundle with a signature of these bytes, in the form of version 0.3.
fn message_bundle(signer: &Signer, message: &[u8]) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "a-hint"}, "tlogEntries": []},
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(sha256(message).0)},
            "signature": STANDARD.encode(signer.sign(message)),
        },
    })
}

/// A bundle with a statement on the content of this digest.
pub(in crate::provenance) fn statement_bundle(signer: &Signer, digest: &Digest) -> Value {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "", "digest": {"sha256": digest.hex()}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    });
    enveloped(signer, &statement)
}

fn enveloped(signer: &Signer, statement: &Value) -> Value {
    let (kind, payload) = ("application/vnd.in-toto+json", statement.to_string());
    let signature = signer.sign(&pre_authentication(kind, payload.as_bytes()));
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "a-hint"}},
        "dsseEnvelope": {
            "payload": STANDARD.encode(&payload),
            "payloadType": kind,
            "signatures": [{"sig": STANDARD.encode(signature), "keyid": ""}],
        },
    })
}

/// A statement on an image as cosign attaches it: what is signed.
pub(in crate::provenance) fn payload(digest: &Digest) -> Vec<u8> {
    let payload = json!({"critical": {
        "identity": {"docker-reference": "registry.example.gov/agency/calendar"},
        "image": {"docker-manifest-digest": digest.to_string()},
        "type": "cosign container image signature",
    }, "optional": null});
    payload.to_string().into_bytes()
}

fn judged(kind: Kind, keys: &[Key]) -> Result<String, String> {
    let subject = Subject::new(COMPONENT, Some(sha256(MANIFEST)));
    let verdict = judge(&subject, &[Evidence { found: "here".to_owned(), kind }], keys)?;
    let Signature::By { key, found } = verdict else { panic!("{verdict:?}") };
    assert_eq!(found, "here");
    Ok(key.to_string())
}

fn bundle(json: &Value) -> Kind {
    Kind::Bundle(json.to_string().into_bytes())
}

#[test]
fn each_form_of_a_signature_by_either_kind_of_key_is_known() {
    for signer in [Signer::ed25519(1), Signer::p256()] {
        let keys = [Signer::ed25519(9).key("other"), signer.key("agency")];
        let detached = signer.sign(COMPONENT);
        let base64 = format!("{}\n", STANDARD.encode(&detached));
        let (broken, rest) = base64.split_at(40);
        let manifest_payload = payload(&sha256(MANIFEST));
        let signature = STANDARD.encode(signer.sign(&manifest_payload));
        for kind in [
            Kind::Detached(detached),
            Kind::Detached(format!("{broken}\n{rest}").into_bytes()),
            bundle(&message_bundle(&signer, COMPONENT)),
            bundle(&statement_bundle(&signer, &sha256(COMPONENT))),
            bundle(&statement_bundle(&signer, &sha256(MANIFEST))),
            Kind::Payload { payload: manifest_payload, signature },
        ] {
            assert_eq!(judged(kind.clone(), &keys), Ok("agency".to_owned()), "{kind:?}");
            let none = judged(kind.clone(), &keys[..1]).unwrap_err();
            assert_eq!(none, "here is by another key, or of other content", "{kind:?}");
            assert!(judged(kind, &[]).is_err());
        }
    }
}

#[test]
fn what_is_of_other_content_does_not_count() {
    let signer = Signer::ed25519(1);
    let other = payload(&sha256(b"other"));
    let signature = STANDARD.encode(signer.sign(&other));
    // The statement names the right image, and its signature is of another statement.
    let borrowed = Kind::Payload { payload: payload(&sha256(MANIFEST)), signature: signature.clone() };
    let mut claimed = message_bundle(&signer, b"other");
    claimed["messageSignature"]["messageDigest"]["digest"] = STANDARD.encode(sha256(COMPONENT).0).into();
    let mut swapped = statement_bundle(&signer, &sha256(b"other"));
    let right = statement_bundle(&signer, &sha256(COMPONENT));
    swapped["dsseEnvelope"]["payload"] = right["dsseEnvelope"]["payload"].clone();
    for kind in [
        Kind::Detached(signer.sign(b"other")),
        Kind::Detached(Vec::new()),
        bundle(&message_bundle(&signer, b"other")),
        bundle(&claimed),
        bundle(&statement_bundle(&signer, &sha256(b"other"))),
        bundle(&swapped),
        Kind::Payload { payload: other, signature },
        borrowed,
    ] {
        let reason = judged(kind.clone(), &[signer.key("agency")]).unwrap_err();
        assert!(reason.contains("of other content"), "{kind:?}: {reason}");
    }
}

#[test]
fn what_is_signed_and_says_something_else_does_not_count() {
    let signer = Signer::ed25519(1);
    let statement = |predicate: &str, kind: &str| {
        json!({
            "_type": kind,
            "subject": [{"digest": {"sha256": sha256(COMPONENT).hex()}}],
            "predicateType": predicate,
        })
    };
    let (v1, sign) = ("https://in-toto.io/Statement/v1", "https://sigstore.dev/cosign/sign/v1");
    let edited = |path: &str, value: Value| {
        let mut json = statement_bundle(&signer, &sha256(COMPONENT));
        *json.pointer_mut(path).unwrap() = value;
        bundle(&json)
    };
    let both = {
        let mut json = statement_bundle(&signer, &sha256(COMPONENT));
        json["messageSignature"] = message_bundle(&signer, COMPONENT)["messageSignature"].clone();
        bundle(&json)
    };
    let wrong_kind = String::from_utf8(payload(&sha256(MANIFEST))).unwrap().replace("container", "other");
    for (kind, expected) in [
        (
            bundle(&enveloped(&signer, &statement("https://cyclonedx.org/bom", v1))),
            "states `https://cyclonedx.org/bom`",
        ),
        (bundle(&enveloped(&signer, &statement(sign, "https://example.gov/v1"))), "says that it may be used"),
        (bundle(&enveloped(&signer, &json!({"_type": v1}))), "holds no statement"),
        (
            edited("/mediaType", json!("application/vnd.dev.sigstore.bundle.v0.2+json")),
            "only version 0.3 is read",
        ),
        (edited("/dsseEnvelope/payloadType", json!("text/plain")), "holds `text/plain`"),
        (edited("/dsseEnvelope/payload", json!("%")), "no base64"),
        (edited("/dsseEnvelope/signatures", json!([])), "by another key"),
        (edited("/dsseEnvelope", json!(null)), "without exactly one signature"),
        (both, "without exactly one signature"),
        (Kind::Bundle(b"[".to_vec()), "is no Sigstore bundle"),
        (Kind::Payload { payload: b"{}".to_vec(), signature: String::new() }, "is no statement on an image"),
        (
            Kind::Payload { payload: wrong_kind.into_bytes(), signature: String::new() },
            "states `cosign other image",
        ),
        (Kind::Payload { payload: payload(&sha256(MANIFEST)), signature: "%".to_owned() }, "no base64"),
    ] {
        let reason = judged(kind.clone(), &[signer.key("agency")]).unwrap_err();
        assert!(reason.starts_with("here ") && reason.contains(expected), "{expected}: {reason}");
    }
}

#[test]
fn one_good_signature_among_bad_ones_is_enough_and_all_bad_ones_are_told() {
    let signer = Signer::ed25519(1);
    let evidence = |found: &str, kind| Evidence { found: found.to_owned(), kind };
    let bad = evidence("first", Kind::Detached(b"rubbish".to_vec()));
    let good = evidence("third", bundle(&message_bundle(&signer, COMPONENT)));
    let subject = Subject::new(COMPONENT, None);
    let broken = evidence("second", Kind::Bundle(Vec::new()));
    let keys = [signer.key("agency")];
    let found = judge(&subject, &[bad.clone(), broken.clone(), good], &keys);
    let expected = Signature::By { key: KeyName::new("agency"), found: "third".to_owned() };
    assert_eq!(found, Ok(expected));
    let reason = judge(&subject, &[bad, broken], &keys).unwrap_err();
    assert!(
        reason.starts_with("first is by another key, or of other content; second is no Sigstore"),
        "{reason}"
    );
    assert_eq!(judge(&subject, &[], &keys), Err("there is no signature".to_owned()));
    // Without an image its digest is nobody's.
    let of_image = evidence("x", bundle(&statement_bundle(&signer, &sha256(MANIFEST))));
    assert!(judge(&subject, &[of_image], &keys).unwrap_err().contains("of other content"));
}

/// The test vector of DSSE 1.0's `protocol.md`.
#[test]
fn what_is_signed_of_an_envelope_is_as_its_specification_says() {
    let encoded = pre_authentication("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn a_key_that_is_none_is_refused_with_the_reason() {
    let rsa = STANDARD.encode(b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00");
    let wrong = format!("-----BEGIN PUBLIC KEY-----\n{rsa}\n-----END PUBLIC KEY-----\n");
    let short = STANDARD.encode([super::key::ED25519_BEGIN, &[1; 31]].concat());
    let short = format!("-----BEGIN PUBLIC KEY-----\n{short}\n-----END PUBLIC KEY-----\n");
    for (pem, expected) in [
        ("", "holds no public key in PEM"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no public key in PEM"),
        (&wrong, "neither Ed25519 nor ECDSA on P-256"),
        (&short, "neither Ed25519 nor ECDSA on P-256"),
    ] {
        let reason = Key::from_pem(KeyName::new("agency"), pem.as_bytes()).unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
}

/// RFC 8032, section 7.1, test 2: one byte, 0x72.
#[test]
fn ed25519_is_that_of_its_rfc() {
    let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                     085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    let bytes = |text: &str| -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    let der = STANDARD.encode([super::key::ED25519_BEGIN, &bytes(public)].concat());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
    let key = Key::from_pem(KeyName::new("rfc"), pem.as_bytes()).unwrap();
    assert!(key.has_signed(&[0x72], &bytes(signature)));
    assert!(!key.has_signed(&[0x73], &bytes(signature)));
}
