//! Signed messages, verified by the library of the standard; what it has no words for (Ed25519) by ring, against the text of
//! the specification.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use ring::signature::{ED25519, UnparsedPublicKey};
use standardwebhooks::Webhook;

use super::*;
use crate::egress::tests::{SecretFile, secret_file};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_bGlhaXNvbiBzY2VuYXJpb3Mgc2VjcmV0";
/// The key of RFC 8032, 7.1, test 1, and its public half.
const PRIVATE: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const BODY: &str = r#"{"type":"policy.updated"}"#;

fn signer(files: &[&SecretFile]) -> Result<WebhookSigner, EgressError> {
    let secrets: Vec<_> = files.iter().map(|file| SecretRef::File(file.path.clone())).collect();
    WebhookSigner::new(&secrets, Mask::default())
}

fn message(headers: &[(&str, &str)]) -> Message {
    let mut message = Request::builder().method("POST").uri("/hooks");
    for (name, value) in headers {
        message = message.header(*name, *value);
    }
    message.body(Bytes::from(BODY).into()).unwrap()
}

fn signatures(message: &Message) -> Vec<String> {
    assert!(message.headers()[SIGNATURE].is_sensitive());
    message.headers()[SIGNATURE].to_str().unwrap().split(' ').map(str::to_owned).collect()
}

#[test]
fn a_receiver_verifies_what_is_posted_with_either_key_while_one_replaces_the_other() {
    let (new, old) = (secret_file("webhook-new", SECRET), secret_file("webhook-old", OTHER));
    let signer = signer(&[&new, &old]).unwrap();
    // What a plugin says of the time is not believed.
    let mut message = message(&[("webhook-id", "k1"), ("webhook-timestamp", "1")]);
    signer.sign(&mut message).unwrap();
    assert_eq!(signatures(&message).len(), 2);
    for secret in [SECRET, OTHER] {
        Webhook::new(secret).unwrap().verify(BODY.as_bytes(), message.headers()).unwrap();
    }
    let stranger = Webhook::new("whsec_b3RoZXI=").unwrap();
    assert!(stranger.verify(BODY.as_bytes(), message.headers()).is_err());
    for (name, value) in [("webhook-id", "k2"), ("webhook-timestamp", "1614265330")] {
        let mut changed = message.headers().clone();
        changed.insert(name, value.parse().unwrap());
        assert!(Webhook::new(SECRET).unwrap().verify(BODY.as_bytes(), &changed).is_err(), "{name}");
    }
    assert!(Webhook::new(SECRET).unwrap().verify(b"{}", message.headers()).is_err());
}

#[test]
fn a_key_pair_signs_beside_a_shared_secret() {
    let (pair, shared) = (secret_file("webhook-pair", PRIVATE), secret_file("webhook-shared", SECRET));
    let signer = signer(&[&pair, &shared]).unwrap();
    let mut message = message(&[("webhook-id", "k1")]);
    signer.sign_at(&mut message, 1_614_265_330).unwrap();
    let [by_pair, by_secret] = signatures(&message).try_into().unwrap();
    assert!(by_secret.starts_with("v1,"));
    let signature = STANDARD.decode(by_pair.strip_prefix("v1a,").unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, STANDARD.decode(PUBLIC).unwrap());
    let verified = |text: &str| key.verify(text.as_bytes(), &signature).is_ok();
    assert!(verified(&format!("k1.1614265330.{BODY}")));
    assert!(!verified(&format!("k1.1614265331.{BODY}")) && !verified(&format!("k2.1614265330.{BODY}")));
}

#[test]
fn what_cannot_be_signed_is_not_sent() {
    let file = secret_file("webhook-refused", SECRET);
    let signer = signer(&[&file]).unwrap();
    for id in ["", "a.b"] {
        let refused = signer.sign(&mut message(&[("webhook-id", id)]));
        assert!(
            matches!(&refused, Err(Failure::Invalid(why)) if why.contains("webhook-id")),
            "{id}: {refused:?}"
        );
    }
    let kept = std::fs::File::open(&file.path).unwrap();
    let mut large = message(&[("webhook-id", "k1")]);
    *large.body_mut() = Outgoing::of_file(kept.into(), 3, [0; 32]);
    assert!(matches!(signer.sign(&mut large), Err(Failure::Invalid(why)) if why.starts_with("body: ")));
    // What delivers nothing, such as a check, has no id and no signature.
    let mut check = message(&[]);
    signer.sign(&mut check).unwrap();
    assert!(check.headers().is_empty());
}

#[test]
fn the_id_is_that_of_the_delivery_unless_the_plugin_gives_one() {
    let id = |method: Method, given: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        headers.extend(given.map(|given| (ID, HeaderValue::from_static(given))));
        add_id(&mut headers, &method, Some("k1"));
        headers.get(ID).map(|id| id.to_str().unwrap().to_owned())
    };
    assert_eq!(id(Method::POST, None).as_deref(), Some("k1"));
    assert_eq!(id(Method::POST, Some("own")).as_deref(), Some("own"));
    assert_eq!(id(Method::HEAD, None), None);
}

#[test]
fn a_key_that_is_replaced_signs_anew_and_what_is_no_key_does_not() {
    let file = secret_file("webhook-rotated", SECRET);
    let signer = signer(&[&file]).unwrap();
    let mut message = message(&[("webhook-id", "k1")]);
    signer.sign(&mut message).unwrap();
    assert!(!signer.sign_with_others(&mut message).unwrap(), "there is no other");
    std::fs::write(&file.path, "no key at all").unwrap();
    assert!(!signer.sign_with_others(&mut message).unwrap());
    let mut beside = message.clone();
    std::fs::write(&file.path, OTHER).unwrap();
    for message in [&mut message, &mut beside] {
        assert!(signer.sign_with_others(message).unwrap(), "both were on their way when it was rotated");
        Webhook::new(OTHER).unwrap().verify(BODY.as_bytes(), message.headers()).unwrap();
        assert!(!signer.sign_with_others(message).unwrap(), "the new one was refused too");
    }
    let mut text = format!("{SECRET} {OTHER}");
    assert!(signer.mask.text(&mut text));
    assert_eq!(text, "[secret] [secret]");
}

#[test]
fn a_secret_that_is_no_key_is_named_without_it() {
    let file = secret_file("webhook-wrong", "hush-hush");
    let error = signer(&[&file]).err().unwrap().to_string();
    assert!(
        error.contains("webhook-wrong") && error.contains("`whsec_`") && !error.contains("hush"),
        "{error}"
    );
}
