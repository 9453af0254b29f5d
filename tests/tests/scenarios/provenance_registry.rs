//! Plugins from a real registry, by digest: with it and without it, for those it lets in, and who signed them.

use std::fs;

use anyhow::ensure;
use liaison_tests::certificates::Authority;
use liaison_tests::host::plugin;
use liaison_tests::registry::{
    Access, Image, LAYER_TYPE, MANIFEST_TYPE, PASSWORD, Registry, TokenService, USERNAME, digest,
};
use liaison_tests::signing::{Algorithm, Signer};
use liaison_tests::{is_quick, say_skipped};
use serde_json::{Value, json};

use crate::command::{Ended, Program};

pub(crate) const REPOSITORY: &str = "agency/rest";

/// Says that a test did not run where it may not.
fn skipped(test: &str) -> bool {
    if is_quick() {
        say_skipped(test, "needs a registry of images");
    }
    is_quick()
}

/// A configuration with the plugin `p` of this image, and more.
pub(crate) fn config(source: &str, more: &str) -> String {
    let host = source.trim_start_matches("oci://").split('/').next().unwrap_or_default();
    format!(
        "[kafka]\nbrokers = 'embedded'\n[plugins.p]\nimage = '{source}'\n[connectors.c]\nplugin = 'p'\n\
         endpoint = 'http://h.example'\n[subscriptions.s]\nconnector = 'c'\ntopics = ['t']\n\
         [runtime]\ncache = 'cache'\n[registries.'{host}']\nplain-http = true\ntimeout = '20s'\n{more}"
    )
}

/// What `check` says where it ends with this code.
pub(crate) fn complaint(program: &Program, code: i32) -> anyhow::Result<String> {
    let ended: Ended = program.run("check")?;
    ensure!(ended.code == Some(code), "{ended:#?}");
    Ok(ended.log)
}

pub(crate) fn is_right(program: &Program) -> anyhow::Result<Value> {
    program.ask("check", 0)
}

pub(crate) fn component() -> anyhow::Result<Vec<u8>> {
    Ok(fs::read(plugin("rest")?)?)
}

#[test]
fn a_plugin_of_a_real_registry_is_loaded_and_again_without_a_network() -> anyhow::Result<()> {
    if skipped("a_plugin_of_a_real_registry_is_loaded_and_again_without_a_network") {
        return Ok(());
    }
    let mut registry = Registry::start()?;
    let component = component()?;
    let image = registry.push_plugin(REPOSITORY, &component)?;
    let program = Program::new(&config(&image.source(), ""))?;
    let seen = is_right(&program)?;
    assert_eq!(seen["plugins"]["p"], digest(&component).trim_start_matches("sha256:"));
    assert_eq!(seen["provenance"]["p"], json!({"source": image.source(), "signature": null}));
    registry.stop()?;
    assert_eq!(is_right(&program)?, seen, "all of it is kept");
    // What is kept and is not what it was is fetched again, which needs the registry.
    let layer = program.path().join("cache/images").join(digest(&component).trim_start_matches("sha256:"));
    let mut altered = component.clone();
    altered[1000] ^= 1;
    for content in [altered.as_slice(), &component[..component.len() - 1], b""] {
        fs::write(&layer, content)?;
        let log = complaint(&program, 1)?;
        let expected = format!("plugin p: registry {} cannot be asked: ", registry.host());
        assert!(log.contains(&expected), "{log}");
    }
    registry.start_again(&Access::Open)?;
    is_right(&program)?;
    assert_eq!(fs::read(&layer)?, component);
    // A link out of the private folder is not followed either.
    let elsewhere = program.path().join("elsewhere");
    fs::rename(&layer, &elsewhere)?;
    std::os::unix::fs::symlink(&elsewhere, &layer)?;
    is_right(&program)?;
    assert!(!fs::symlink_metadata(&layer)?.is_symlink());
    Ok(())
}

#[test]
fn inspect_shows_an_image_that_was_never_configured() -> anyhow::Result<()> {
    if skipped("inspect_shows_an_image_that_was_never_configured") {
        return Ok(());
    }
    let registry = Registry::start()?;
    let image = registry.push_plugin(REPOSITORY, &component()?)?;
    let program = Program::new(&config(&image.source(), ""))?;
    let seen = program.ask("plugin inspect --plugin p", 0)?;
    assert_eq!((&seen["source"], &seen["world"]), (&json!(image.source()), &json!("connector-plugin")));
    // Without the configuration nobody said that it may be asked without TLS.
    let ended = program.run(&format!("plugin inspect {}", image.source()))?;
    ensure!(ended.code == Some(1) && ended.log.contains("cannot be asked"), "{ended:#?}");
    Ok(())
}

#[test]
fn what_a_registry_has_not_or_has_in_another_form_is_told() -> anyhow::Result<()> {
    if skipped("what_a_registry_has_not_or_has_in_another_form_is_told") {
        return Ok(());
    }
    let registry = Registry::start()?;
    let image = registry.push_plugin(REPOSITORY, &component()?)?;
    let absent = Image { digest: digest(b"absent"), ..image.clone() };
    let elsewhere = Image { repository: "agency/nothing".to_owned(), ..image.clone() };
    let layer = registry.push_blob(REPOSITORY, LAYER_TYPE, b"rubbish")?;
    let other_config = registry.push_blob(REPOSITORY, "application/vnd.oci.image.config.v1+json", b"{}")?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": other_config, "layers": [layer],
    });
    let container = registry.push_manifest(REPOSITORY, None, &manifest)?;
    for (image, expected) in [
        (absent, "has no manifest sha256:"),
        (elsewhere, "agency/nothing has no manifest"),
        (container, "is no plugin: its config has the type `application/vnd.oci.image.config.v1+json`"),
    ] {
        let log = complaint(&Program::new(&config(&image.source(), ""))?, 64)?;
        assert!(log.contains("plugin p: ") && log.contains(expected), "{log}");
    }
    let pinned = config(&image.source(), "")
        .replace("[connectors", &format!("sha256 = '{}'\n[connectors", "0".repeat(64)));
    let log = complaint(&Program::new(&pinned)?, 64)?;
    assert!(log.contains("not the one it is pinned to"), "{log}");
    Ok(())
}

#[test]
fn a_user_with_a_password_is_let_in_and_nobody_else() -> anyhow::Result<()> {
    if skipped("a_user_with_a_password_is_let_in_and_nobody_else") {
        return Ok(());
    }
    let mut registry = Registry::start()?;
    let image = registry.push_plugin(REPOSITORY, &component()?)?;
    registry.start_again(&Access::Password)?;
    let log = complaint(&Program::new(&config(&image.source(), ""))?, 64)?;
    assert!(log.contains("refuses us: it wants a user and a password, and none is configured"), "{log}");
    let more = format!(
        "credential = {{ basic = {{ username = '{USERNAME}', password = {{ file = 'password' }} }} }}\n"
    );
    let program = Program::new(&config(&image.source(), &more))?;
    program.folder().write("password", "open-barley")?;
    let log = complaint(&program, 64)?;
    let host = registry.host();
    assert!(log.contains("refuses us: it answered 401 Unauthorized"), "{log}");
    assert!(log.contains(&format!("mend registries.\"{host}\".credential")), "{log}");
    assert!(!log.contains("open-barley"), "{log}");
    program.folder().write("password", PASSWORD)?;
    is_right(&program)?;
    Ok(())
}

#[test]
fn a_token_is_fetched_where_the_registry_wants_one() -> anyhow::Result<()> {
    if skipped("a_token_is_fetched_where_the_registry_wants_one") {
        return Ok(());
    }
    let mut registry = Registry::start()?;
    let image = registry.push_plugin(REPOSITORY, &component()?)?;
    let tokens = TokenService::start(REPOSITORY)?;
    registry.start_again(&tokens.access())?;
    let more = "credential = { basic = { username = 'liaison', password = { file = 'password' } } }\n";
    let program = Program::new(&config(&image.source(), more))?;
    program.folder().write("password", "open-barley")?;
    let log = complaint(&program, 64)?;
    assert!(
        log.contains("refuses us: its token service at 127.0.0.1 answered 401")
            && log.contains("who are you"),
        "{log}"
    );
    program.folder().write("password", PASSWORD)?;
    let before = tokens.asked();
    is_right(&program)?;
    assert_eq!(tokens.asked(), before + 1, "one token for manifest and layer: {:#?}", registry.log());
    // A token of one's own needs no service.
    let more = "credential = { bearer = { file = 'token' } }\n";
    let program = Program::new(&config(&image.source(), more))?;
    program.folder().write("token", &tokens.token())?;
    is_right(&program)?;
    assert_eq!(tokens.asked(), before + 1);
    Ok(())
}

#[test]
fn signatures_are_found_in_a_registry_and_kept_with_the_image() -> anyhow::Result<()> {
    if skipped("signatures_are_found_in_a_registry_and_kept_with_the_image") {
        return Ok(());
    }
    let component = component()?;
    for way in ["bundle", "cosign"] {
        let mut registry = Registry::start()?;
        let image = registry.push_plugin(REPOSITORY, &component)?;
        let signer = Signer::new("agency", Algorithm::P256)?;
        let more =
            format!("[trust]\nrequire-signature = true\nkeys.agency.file = '{}'\n", signer.public.display());
        let program = Program::new(&config(&image.source(), &more))?;
        let log = complaint(&program, 64)?;
        assert!(
            log.contains("is signed by none of agency") && log.contains("there is no signature"),
            "{log}"
        );
        // It is kept by now, and signed later.
        match way {
            "bundle" => registry.attach_bundle(&image, &signer)?,
            _ => registry.attach_payload(&image, &signer)?,
        }
        let seen = is_right(&program)?;
        assert_eq!(seen["provenance"]["p"]["signature"]["by"], "agency", "{seen:#}");
        registry.stop()?;
        assert_eq!(is_right(&program)?, seen, "the signature is kept with the image");
        // Whoever trusts another key trusts nothing that was kept.
        let other = Signer::new("other", Algorithm::Ed25519)?;
        fs::copy(&other.public, &signer.public)?;
        let log = complaint(&program, 1)?;
        assert!(log.contains("cannot be asked"), "{log}");
        registry.start_again(&Access::Open)?;
        let log = complaint(&program, 64)?;
        assert!(log.contains("is by another key, or of other content"), "{log}");
    }
    Ok(())
}

#[test]
fn a_key_that_comes_later_has_the_registry_asked_once_more() -> anyhow::Result<()> {
    if skipped("a_key_that_comes_later_has_the_registry_asked_once_more") {
        return Ok(());
    }
    let mut registry = Registry::start()?;
    let image = registry.push_plugin(REPOSITORY, &component()?)?;
    let signer = Signer::new("agency", Algorithm::Ed25519)?;
    registry.attach_bundle(&image, &signer)?;
    let program = Program::new(&config(&image.source(), ""))?;
    assert_eq!(is_right(&program)?["provenance"]["p"]["signature"], json!(null));
    // Not required: who signed is told all the same.
    let more = format!("[trust]\nkeys.agency.file = '{}'\n", signer.public.display());
    program.folder().write("liaison.toml", &config(&image.source(), &more))?;
    let seen = is_right(&program)?;
    assert_eq!(seen["provenance"]["p"]["signature"]["by"], "agency", "{seen:#}");
    registry.stop()?;
    assert_eq!(is_right(&program)?, seen);
    Ok(())
}

/// A registry with TLS of an authority of its own.
#[test]
fn a_registry_of_an_agencys_own_authority_is_trusted_by_its_ca_file() -> anyhow::Result<()> {
    if skipped("a_registry_of_an_agencys_own_authority_is_trusted_by_its_ca_file") {
        return Ok(());
    }
    let authority = Authority::new("agency-ca")?;
    let certified = authority.certify(&liaison_tests::certificates::LOOPBACK)?;
    let mut registry = Registry::start()?;
    let image = registry.push_plugin(REPOSITORY, &component()?)?;
    registry.start_again(&Access::Tls { certificate: certified.certificate, key: certified.key })?;
    let with_tls = config(&image.source(), "").replace("plain-http = true\n", "");
    let log = complaint(&Program::new(&with_tls)?, 1)?;
    assert!(log.contains("cannot be asked: ") && log.contains("certificate"), "{log}");
    let program = Program::new(&with_tls.replace("timeout", "ca-file = 'agency-ca.pem'\ntimeout"))?;
    authority.write(program.folder())?;
    is_right(&program)?;
    Ok(())
}
