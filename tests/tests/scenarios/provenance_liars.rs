//! Registries that lie, answer too much or too late, and send elsewhere: small servers of the tests.

use std::fs;
use std::path::PathBuf;

use http::HeaderValue;
use http::header::{LOCATION, WWW_AUTHENTICATE};
use liaison_tests::registry::{LAYER_TYPE, MANIFEST_TYPE, PASSWORD, digest};
use liaison_tests::system::{Answer, Behaviour, System};
use serde_json::json;

use crate::command::Program;
use crate::provenance_registry::{REPOSITORY, complaint, component, config, is_right};

/// What is kept of images.
fn kept(program: &Program) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(program.path().join("cache/images"))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// A layer, and the manifest of it, as a registry of this test answers them.
fn manifest_of(component: &[u8], size: usize) -> String {
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": LAYER_TYPE, "digest": digest(component), "size": size}],
    })
    .to_string()
}

fn source_at(host: &str, manifest: &str) -> String {
    format!("oci://{host}/{REPOSITORY}@{}", digest(manifest.as_bytes()))
}

#[test]
fn a_registry_that_lies_is_caught_and_nothing_of_it_is_kept() -> anyhow::Result<()> {
    let component = component()?;
    let manifest = manifest_of(&component, component.len());
    let huge = manifest_of(&component, 128 * 1024 * 1024 + 1);
    let answers = |manifest: String, layer: Vec<u8>| {
        Behaviour::from_fn(move |request| {
            let body =
                if request.path.contains("/manifests/") { manifest.clone().into() } else { layer.clone() };
            Answer::status(200).with_body(body)
        })
    };
    let mut other = component.clone();
    other[1000] ^= 1;
    let longer = [component.as_slice(), b"x"].concat();
    let padded = format!("{manifest}{}", " ".repeat(5 << 20));
    let served = [
        (&manifest, answers(manifest_of(b"other", 5), component.clone()), "gave other content for sha256:"),
        (&manifest, answers(manifest.clone(), other), "gave other content for sha256:"),
        (&manifest, answers(manifest.clone(), longer), "has more than"),
        (&manifest, answers(manifest.clone(), component[1..].to_vec()), "gave other content for sha256:"),
        (&manifest, answers(padded, component.clone()), "has more than 4194304 bytes"),
        (&huge, answers(huge.clone(), component.clone()), "has more than 134217728 bytes"),
        (&manifest, Behaviour::status(418), "it answered 418"),
    ];
    for (manifest, behaviour, expected) in served {
        let liar = System::start("registry", behaviour)?;
        let source = source_at(&liar.address().to_string(), manifest);
        let program = Program::new(&config(&source, ""))?;
        let log = complaint(&program, 64)?;
        assert!(log.contains(expected), "{expected}: {log}");
        assert_eq!(kept(&program)?, [] as [PathBuf; 0]);
    }
    // What may pass is another matter, and another exit code.
    for (behaviour, expected) in [
        (Behaviour::status(503), "cannot be asked: it answered 503"),
        (Behaviour::status(429), "cannot be asked: it answered 429"),
        (Behaviour::silence(), "an image was not there within 1s (`timeout`)"),
    ] {
        let slow = System::start("registry", behaviour)?;
        let source = source_at(&slow.address().to_string(), &manifest);
        let text = config(&source, "").replace("timeout = '20s'", "timeout = '1s'");
        let log = complaint(&Program::new(&text)?, 1)?;
        assert!(log.contains(expected), "{expected}: {log}");
    }
    Ok(())
}

/// An answer that sends to another address.
fn to(location: &str) -> Answer {
    let location = HeaderValue::from_str(location).expect("an address is text");
    Answer::status(307).with_header(LOCATION, location)
}

#[test]
fn a_blob_is_fetched_where_the_registry_sends_to_and_no_credential_goes_there() -> anyhow::Result<()> {
    let component = component()?;
    let manifest = manifest_of(&component, component.len());
    let blob = component.clone();
    let storage =
        System::start("storage", Behaviour::from_fn(move |_| Answer::status(200).with_body(blob.clone())))?;
    let (address, body) = (format!("{}/bucket/blob?signature=cafe", storage.url()), manifest.clone());
    let registry = System::start(
        "registry",
        Behaviour::from_fn(move |request| match request.headers.get("authorization") {
            None => {
                let challenge = HeaderValue::from_static("Basic realm=\"tests\"");
                Answer::status(401).with_header(WWW_AUTHENTICATE, challenge)
            }
            Some(_) if request.path.contains("/manifests/") => Answer::status(200).with_body(body.clone()),
            Some(_) => to(&address),
        }),
    )?;
    let source = source_at(&registry.address().to_string(), &manifest);
    let more = "credential = { basic = { username = 'liaison', password = { file = 'password' } } }\n";
    let program = Program::new(&config(&source, more))?;
    program.folder().write("password", PASSWORD)?;
    is_right(&program)?;
    let asked = storage.ledger();
    let [request] = asked.as_slice() else { anyhow::bail!("{asked:#?}") };
    assert_eq!(request.path, "/bucket/blob?signature=cafe");
    assert!(!request.headers.contains_key("authorization"), "{request:#?}");
    // Not to what is no address of the kind, not for ever, and nothing of the address is shown.
    for (location, expected) in [
        ("file:///etc/passwd?signature=cafe", "it redirects to what is no https address"),
        ("http://user:word@127.0.0.1/?signature=cafe", "it redirects to what is no https address"),
        ("/v2/again?signature=cafe", "it answered 307"),
    ] {
        let registry = System::start("registry", Behaviour::from_fn(move |_| to(location)))?;
        let source = source_at(&registry.address().to_string(), &manifest);
        let log = complaint(&Program::new(&config(&source, ""))?, 64)?;
        assert!(log.contains(expected) && !log.contains("cafe"), "{log}");
        assert!(registry.count() <= 4, "{}", registry.count());
    }
    Ok(())
}

#[test]
fn no_password_is_sent_in_the_clear_to_where_a_registry_would_have_it() -> anyhow::Result<()> {
    for realm in ["http://tokens.example.gov/token", "ftp://127.0.0.1/token", "tokens"] {
        let challenge = HeaderValue::try_from(format!("Bearer realm=\"{realm}\",service=\"s\""))?;
        let asks =
            Behaviour::from_fn(move |_| Answer::status(401).with_header(WWW_AUTHENTICATE, challenge.clone()));
        let registry = System::start("registry", asks)?;
        let source = source_at(&registry.address().to_string(), "{}");
        let more = "credential = { basic = { username = 'liaison', password = { file = 'password' } } }\n";
        let program = Program::new(&config(&source, more))?;
        program.folder().write("password", PASSWORD)?;
        let log = complaint(&program, 64)?;
        assert!(log.contains("its token service has no https address"), "{log}");
        assert_eq!(registry.count(), 1);
    }
    Ok(())
}

#[test]
fn no_proxy_variable_is_read() -> anyhow::Result<()> {
    let proxy = System::start("proxy", Behaviour::status(200))?;
    let registry = System::start("registry", Behaviour::status(404))?;
    let source = source_at(&registry.address().to_string(), "{}");
    let program = Program::new(&config(&source, ""))?;
    let mut command = program.command("check")?;
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, proxy.url());
    }
    let output = command.env_remove("no_proxy").env_remove("NO_PROXY").output()?;
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert_eq!((proxy.count(), registry.count()), (0, 1));
    Ok(())
}
