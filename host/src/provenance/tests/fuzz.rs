//! What others wrote of images and signatures, changed at random: it is answered, and no change makes it count for more.

use serde_json::json;

use super::super::image::component_of;
use super::super::registry::Challenge;
use super::super::signature::tests::{Signer, payload, sha256, statement_bundle};
use super::super::signature::{Evidence, Key, Kind, Subject, judge};
use super::Folder;
use crate::config::Source;
use crate::event::{Origin, Record};
use crate::fuzz::fuzz;

const SIGNED: &[u8] = b"what was signed";
const OTHER: &[u8] = b"and what was not";

fn value(bytes: &[u8]) -> Record {
    Record {
        origin: Origin { topic: "t".into(), partition: 0, offset: 0 },
        timestamp: None,
        key: None,
        value: Some(bytes.to_vec().into()),
        headers: Vec::new(),
    }
}

fn of(record: &Record) -> Vec<u8> {
    record.value.as_deref().unwrap_or_default().to_vec()
}

#[test]
fn no_change_makes_a_signature_one_of_other_content() {
    let folder = Folder::new();
    let signer = Signer::ed25519(1);
    let keys = [Key::read(&folder.signers(&signer).keys[0]).unwrap()];
    let statement = payload(&sha256(SIGNED));
    let signature =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signer.sign(&statement));
    let seeds = [
        value(statement_bundle(&signer, &sha256(SIGNED)).to_string().as_bytes()),
        value(&statement),
        value(&signer.sign(SIGNED)),
        value(signature.as_bytes()),
    ];
    fuzz("signature", &seeds, |record| {
        let bytes = of(record);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for kind in [
            Kind::Detached(bytes.clone()),
            Kind::Bundle(bytes.clone()),
            Kind::Payload { payload: bytes.clone(), signature: signature.clone() },
            Kind::Payload { payload: payload(&sha256(OTHER)), signature: text },
        ] {
            let evidence = [Evidence { found: "here".to_owned(), kind }];
            let verdict = judge(&Subject::new(OTHER, None), &evidence, &keys);
            assert!(verdict.is_err(), "{verdict:?} by {evidence:?}");
        }
    });
}

#[test]
fn a_manifest_names_one_layer_or_is_refused() {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": sha256(b"{}").to_string(), "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": sha256(SIGNED).to_string(), "size": SIGNED.len()}],
    });
    fuzz("manifest", &[value(manifest.to_string().as_bytes())], |record| {
        if let Err(reason) = component_of(&of(record)) {
            assert!(!reason.is_empty());
        }
    });
}

#[test]
fn a_challenge_and_the_name_of_an_image_are_read_without_a_panic() {
    let image = format!("oci://registry.example.gov/agency/calendar@{}", sha256(SIGNED));
    let challenge =
        "Bearer realm=\"https://auth.example.gov/token\",service=\"registry\",scope=\"repository:a/b:pull\"";
    fuzz("image and challenge", &[value(image.as_bytes()), value(challenge.as_bytes())], |record| {
        let bytes = of(record);
        let text = String::from_utf8_lossy(&bytes);
        drop(Challenge::read(&text));
        if let Ok(source) = Source::parse(&text) {
            assert_eq!(Source::parse(&source.to_string()).as_ref(), Ok(&source));
        }
    });
}
