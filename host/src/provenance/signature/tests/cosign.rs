//! What the real cosign writes, recorded: signatures of a component of eight bytes, which holds nothing, by a key pair
//! that cosign made.
//!
//! Made by cosign 2.6.5 in an empty folder, with `COSIGN_PASSWORD=` in the environment:
//!
//! ```sh
//! printf '\0asm\x0d\0\x01\0' > empty.wasm
//! cosign generate-key-pair
//! cosign sign-blob --yes --key cosign.key --tlog-upload=false --new-bundle-format --bundle bundle.sigstore.json empty.wasm
//! cosign sign-blob --yes --key cosign.key --tlog-upload=false --bundle older.json --output-signature empty.wasm.sig empty.wasm
//! ```

use super::*;

const COMPONENT: &[u8] = include_bytes!("cosign/empty.wasm");
const PUBLIC_KEY: &[u8] = include_bytes!("cosign/cosign.pub");
const BUNDLE: &[u8] = include_bytes!("cosign/bundle.sigstore.json");
const SIGNATURE: &[u8] = include_bytes!("cosign/empty.wasm.sig");
const OLDER: &[u8] = include_bytes!("cosign/older.json");

fn judged(component: &[u8], kind: Kind) -> Result<Signature, String> {
    let keys = [Key::from_pem(KeyName::new("agency"), PUBLIC_KEY).unwrap()];
    judge(&Subject::new(component, None), &[Evidence { found: "here".to_owned(), kind }], &keys)
}

fn is_by_the_agency(verdict: &Result<Signature, String>) -> bool {
    *verdict == Ok(Signature::By { key: KeyName::new("agency"), found: "here".to_owned() })
}

#[test]
fn what_cosign_signs_is_taken() {
    for kind in [Kind::Bundle(BUNDLE.to_vec()), Kind::Detached(SIGNATURE.to_vec())] {
        let verdict = judged(COMPONENT, kind.clone());
        assert!(is_by_the_agency(&verdict), "{kind:?}: {verdict:?}");
    }
}

#[test]
fn it_is_of_these_bytes_and_no_others() {
    for kind in [Kind::Bundle(BUNDLE.to_vec()), Kind::Detached(SIGNATURE.to_vec())] {
        for at in 0..COMPONENT.len() {
            let mut changed = COMPONENT.to_vec();
            changed[at] ^= 1;
            assert!(judged(&changed, kind.clone()).is_err(), "byte {at}: {kind:?}");
        }
        assert!(judged(&[COMPONENT, b"\0"].concat(), kind).is_err());
    }
}

#[test]
fn no_byte_of_what_is_read_may_change() {
    let text = std::str::from_utf8(BUNDLE).unwrap();
    let bundle: Value = serde_json::from_str(text).unwrap();
    for field in ["/mediaType", "/messageSignature/messageDigest/digest", "/messageSignature/signature"] {
        let value = bundle.pointer(field).and_then(Value::as_str).unwrap();
        let start = text.find(value).unwrap();
        // The last letter of base64 may hold bits that stand for nothing, and `=` follows it.
        for at in start..start + value.len() - 3 {
            let mut changed = BUNDLE.to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(judged(COMPONENT, Kind::Bundle(changed)).is_err(), "{field}, byte {}", at - start);
        }
    }
    for at in 0..SIGNATURE.len() - 3 {
        let mut changed = SIGNATURE.to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(judged(COMPONENT, Kind::Detached(changed)).is_err(), "byte {at}");
    }
}

#[test]
fn another_key_of_the_same_kind_signed_nothing_of_it() {
    let evidence = Evidence { found: "here".to_owned(), kind: Kind::Bundle(BUNDLE.to_vec()) };
    let verdict = judge(&Subject::new(COMPONENT, None), &[evidence], &[Signer::p256().key("agency")]);
    assert_eq!(verdict, Err("here is by another key, or of other content".to_owned()));
}

#[test]
fn the_older_form_is_refused_with_what_to_do() {
    let reason = judged(COMPONENT, Kind::Bundle(OLDER.to_vec())).unwrap_err();
    assert_eq!(
        reason,
        "here is in cosign's older form, and only bundles of version 0.3 are read: sign again with `--new-bundle-format`, or with cosign 3"
    );
}
