//! Signatures against those that AWS has published, and against another signer.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::config::SecretRef;
use crate::egress::origin::{Grants, OriginIndex};
use crate::egress::tests::{SecretFile, secret_file, settings};

fn signer(service: &str, files: &[SecretFile]) -> Signer {
    let reference = |index: usize| files.get(index).map(|file| SecretRef::File(file.path.clone()));
    let settings = AwsCredential {
        access_key_id: reference(0).unwrap(),
        secret_access_key: reference(1).unwrap(),
        session_token: reference(2),
        region: "us-east-1".to_owned(),
        service: service.to_owned(),
    };
    Signer::new(&settings, Mask::default()).unwrap()
}

fn message(method: &str, host: &str, path: &str, headers: &[(&str, &str)], body: Outgoing) -> Message {
    let mut message = Request::builder().method(method).uri(path).header("host", host);
    for (name, value) in headers {
        message = message.header(*name, *value);
    }
    message.body(body).unwrap()
}

fn signed(signer: &Signer, mut message: Message, host: &str, at_seconds: u64) -> Message {
    let grants = Grants::new(&settings(&format!("http://{host}"))).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at_seconds);
    signer.sign_at(&mut message, grants.origin(OriginIndex::ENDPOINT), at).unwrap();
    message
}

fn authorization(message: &Message) -> &str {
    assert!(message.headers()[AUTHORIZATION].is_sensitive());
    message.headers()[AUTHORIZATION].to_str().unwrap()
}

/// The examples of "Authenticating Requests: Using the Authorization Header" in Amazon S3's API reference.
#[test]
fn the_examples_of_s3_come_out_as_published() {
    const HOST: &str = "examplebucket.s3.amazonaws.com";
    let files = [
        secret_file("aws-s3-id", "AKIAIOSFODNN7EXAMPLE"),
        secret_file("aws-s3-key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ];
    let signer = signer("s3", &files);
    let text = "Welcome to Amazon S3.";
    let file = secret_file("aws-body", text);
    let kept = || {
        let file = std::fs::File::open(&file.path).unwrap();
        Outgoing::of_file(file.into(), text.len() as u64, Sha256::digest(text).into())
    };
    let put: &[(&str, &str)] =
        &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
    let put_signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    for (method, path, headers, body, signature) in [
        (
            "GET",
            "/test.txt",
            &[("range", "bytes=0-9"), ("x-amz-content-sha256", "a plugin's own")][..],
            Bytes::new().into(),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        ("PUT", "/test%24file.text", put, Bytes::from(text).into(), put_signature),
        ("PUT", "/test%24file.text", put, kept(), put_signature),
        (
            "GET",
            "/?lifecycle",
            &[],
            Bytes::new().into(),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
    ] {
        let message = signed(&signer, message(method, HOST, path, headers, body), HOST, 1_369_353_600);
        let found = authorization(&message);
        assert!(found.ends_with(&format!("Signature={signature}")), "{method} {path}: {found}");
        assert_eq!(message.headers()["x-amz-date"], "20130524T000000Z");
    }
}

/// `get-vanilla`, `get-vanilla-query-order-key-case`, `post-vanilla-query` and `get-vanilla-with-session-token` of the test
/// suite of Signature Version 4.
#[test]
fn other_services_are_signed_as_the_test_suite_says() {
    const HOST: &str = "example.amazonaws.com";
    let files = [
        secret_file("aws-suite-id", "AKIDEXAMPLE"),
        secret_file("aws-suite-key", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ];
    let token =
        secret_file("aws-suite-token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267");
    let (plain, with_token) = (signer("service", &files), {
        let [id, key] = files;
        signer("service", &[id, key, token])
    });
    let names = "host;x-amz-date";
    for (signer, method, path, names, signature) in [
        (&plain, "GET", "/", names, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            &plain,
            "GET",
            "/?Param2=value2&Param1=value1",
            names,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            &plain,
            "POST",
            "/?Param1=value1",
            names,
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        (
            &with_token,
            "GET",
            "/",
            "host;x-amz-date;x-amz-security-token",
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        ),
    ] {
        let message = message(method, HOST, path, &[], Bytes::new().into());
        let message = signed(signer, message, HOST, 1_440_938_160);
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={names}, Signature={signature}"
        );
        assert_eq!(authorization(&message), expected, "{method} {path}");
    }
}

/// What botocore 1.44.8, AWS's signer in Python, made of the same requests.
#[test]
fn another_signer_comes_to_the_same() {
    const HOST: &str = "archive.example.gov";
    let secrets = ["AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token-1+/="];
    let files = ["aws-botocore-id", "aws-botocore-key", "aws-botocore-token"];
    let files = std::array::from_fn::<_, 3, _>(|index| secret_file(files[index], secrets[index]));
    for (service, method, path, headers, signature) in [
        (
            "s3",
            "PUT",
            "/reports/2026%20Q1/%C3%BC.json?partNumber=2&uploadId=a%2Fb",
            &[("idempotency-key", "k1"), ("content-type", "application/json")][..],
            "c902f590d688146b826ea7b6963a056065b71b0c724be9aa737a42d47a52ae68",
        ),
        (
            "execute-api",
            "POST",
            "/a%20b/c?x=1&y=%C3%BC",
            &[("idempotency-key", "k1")],
            "fd9de1a57414489218f930de3bfe1be6a6dfefa6531feb3a344de05407508e7e",
        ),
    ] {
        let mut signer = signer(service, &files);
        signer.region = "eu-central-1".to_owned();
        let message = message(method, HOST, path, headers, Bytes::from_static(b"{\"a\":1}").into());
        let message = signed(&signer, message, HOST, 1_767_323_045);
        let found = authorization(&message);
        assert!(found.ends_with(&format!("Signature={signature}")), "{service}: {found}");
    }
}

#[test]
fn rotated_keys_sign_anew_and_are_struck_out() {
    let names = ["aws-id", "aws-key", "aws-token"];
    let files = names.map(|name| secret_file(name, &format!("{name}-old")));
    let signer = signer("s3", &files);
    let grants = Grants::new(&settings("http://h")).unwrap();
    let origin = grants.origin(OriginIndex::ENDPOINT);
    let mut message = message("GET", "h", "/a", &[], Bytes::new().into());
    signer.sign(&mut message, origin).unwrap();
    assert_eq!(message.headers()["x-amz-security-token"], "aws-token-old");
    assert!(message.headers()["x-amz-security-token"].is_sensitive());
    let before = authorization(&message).to_owned();
    let mut beside = message.clone();
    assert!(!signer.sign_with_others(&mut message, origin).unwrap(), "there are no others");
    for (name, file) in names.iter().zip(&files) {
        std::fs::write(&file.path, format!("{name}-new-one")).unwrap();
    }
    assert!(signer.sign_with_others(&mut message, origin).unwrap());
    assert_eq!(message.headers()["x-amz-security-token"], "aws-token-new-one");
    assert!(authorization(&message).contains("Credential=aws-id-new-one/"), "{before}");
    assert!(!signer.sign_with_others(&mut message, origin).unwrap(), "these were refused too");
    assert!(
        signer.sign_with_others(&mut beside, origin).unwrap(),
        "it was on its way when they were rotated"
    );
    assert!(authorization(&beside).contains("Credential=aws-id-new-one/"), "{before}");
    let mut text = "aws-key-old aws-key-new-one aws-token-old aws-token-new-one".to_owned();
    assert!(signer.mask.text(&mut text));
    assert_eq!(text, "[secret] [secret] [secret] [secret]");
}
