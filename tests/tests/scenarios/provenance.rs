//! Who may run what: digests and signatures are judged before anything looks into a component.

use std::fs;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_tests::host::plugin;
use liaison_tests::signing::{Algorithm, Signer};
use serde_json::json;

use crate::command::Program;

const HEAD: &str = "[kafka]\nbrokers = 'embedded'\n[connectors.c]\nplugin = 'p'\nendpoint = 'http://h.example'\n\
                    [subscriptions.s]\nconnector = 'c'\ntopics = ['t']\n[runtime]\ncache = 'cache'\n";

/// A configuration with the plugin `p` in a file, whose signature is required.
fn requiring(signer: &Signer) -> String {
    let key = signer.public.display();
    format!(
        "{HEAD}[plugins.p]\npath = 'p.wasm'\n[trust]\nrequire-signature = true\nkeys.agency.file = '{key}'\n"
    )
}

/// What `check` says that is to be mended.
fn complaint(program: &Program) -> anyhow::Result<String> {
    let ended = program.run("check")?;
    anyhow::ensure!(ended.code == Some(64), "{ended:#?}");
    Ok(ended.log)
}

#[test]
fn nothing_of_a_component_is_looked_at_before_its_digest_and_its_signature_are_right() -> anyhow::Result<()> {
    let signer = Signer::new("agency", Algorithm::Ed25519)?;
    let program = Program::new(&requiring(&signer))?;
    let file = program.path().join("p.wasm");
    // Each of the judges would refuse this one; the first that is wrong speaks.
    fs::write(&file, b"rubbish")?;
    let config = requiring(&signer);
    let pinned =
        config.replace("path = 'p.wasm'", &format!("path = 'p.wasm'\nsha256 = '{}'", "0".repeat(64)));
    program.folder().write("liaison.toml", &pinned)?;
    let log = complaint(&program)?;
    assert!(log.contains("plugins.p.sha256: ") && log.contains("is another file"), "{log}");
    program.folder().write("liaison.toml", &config)?;
    let log = complaint(&program)?;
    assert!(
        log.contains("plugin p: p.wasm is signed by none of agency") && log.contains("there is no signature"),
        "{log}"
    );
    assert!(!log.contains("is no component"), "{log}");
    fs::write(program.path().join("p.wasm.sig"), signer.sign(b"other rubbish")?)?;
    let log = complaint(&program)?;
    assert!(log.contains("p.wasm.sig is by another key, or of other content"), "{log}");
    // Signed and certified are both before the parser.
    fs::write(program.path().join("p.wasm.sig"), signer.sign(b"rubbish")?)?;
    let certified = config.replace("path = 'p.wasm'", "path = 'p.wasm'\ncertificate = 'none.json'");
    program.folder().write("liaison.toml", &certified)?;
    let log = complaint(&program)?;
    assert!(log.contains("its certificate") && log.contains("none.json cannot be read"), "{log}");
    program.folder().write("liaison.toml", &config)?;
    let log = complaint(&program)?;
    assert!(log.contains("plugin p: ") && log.contains("p.wasm is no component: "), "{log}");
    Ok(())
}

#[test]
fn a_plugin_that_the_agency_signed_in_any_form_is_loaded_and_its_signer_told() -> anyhow::Result<()> {
    let component = fs::read(plugin("reshape")?)?;
    let config = "[transformers.t]\nplugin = 'p'\nsettings = { jq = '.' }\n";
    for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
        let signer = Signer::new("agency", algorithm)?;
        let text = requiring(&signer).replace("plugin = 'p'", "plugin = 'rest'");
        let text = text.replace("topics = ['t']", "topics = ['t']\ntransformers = ['t']");
        let rest = plugin("rest")?;
        // Of the plugins that are loaded, only `p` has a signature; the other is asked for none.
        let text = text.replace("require-signature = true", "require-signature = false");
        let text = text.replace("path = 'p.wasm'", "path = 'p.wasm'\nsigners = ['agency']");
        let program = Program::new(&format!("{text}{config}[plugins.rest]\npath = '{}'\n", rest.display()))?;
        fs::write(program.path().join("p.wasm"), &component)?;
        let raw = signer.sign(&component)?;
        let base64 = STANDARD.encode(&raw).into_bytes();
        let statement = signer.bundle(&liaison_tests::registry::digest(&component))?.to_string();
        let message = signer.message_bundle(&component)?.to_string();
        for (ending, signature) in [
            ("sig", raw),
            ("sig", base64),
            ("sigstore.json", statement.into_bytes()),
            ("sigstore.json", message.into_bytes()),
        ] {
            let file = program.path().join(format!("p.wasm.{ending}"));
            fs::write(&file, signature)?;
            let seen = program.ask("check", 0)?;
            assert_eq!(seen["provenance"]["p"]["signature"]["by"], "agency", "{seen:#}");
            let why = json!({"by": null, "why": "there is no signature"});
            assert_eq!(seen["provenance"]["rest"]["signature"], why, "{seen:#}");
            fs::remove_file(file)?;
        }
        let log = complaint(&program)?;
        assert!(log.contains("plugin p: ") && log.contains("is signed by none of agency"), "{log}");
    }
    Ok(())
}

#[test]
fn inspect_tells_a_reviewer_who_signed() -> anyhow::Result<()> {
    let (agency, other) =
        (Signer::new("agency", Algorithm::Ed25519)?, Signer::new("other", Algorithm::P256)?);
    let program = Program::new(&requiring(&agency))?;
    fs::copy(plugin("rest")?, program.path().join("p.wasm"))?;
    fs::write(program.path().join("p.wasm.sig"), agency.sign_file(&plugin("rest")?)?)?;
    let (right, wrong) = (agency.public.display(), other.public.display());
    let seen = program.ask(&format!("plugin inspect p.wasm --key {wrong} --key {right}"), 0)?;
    assert_eq!(seen["signature"], json!({"by": "agency", "found": "p.wasm.sig"}));
    assert_eq!((&seen["source"], &seen["is_loaded"]), (&json!("p.wasm"), &json!(true)));
    let seen = program.ask("plugin inspect p.wasm", 0)?;
    assert_eq!(seen["signature"], json!(null));
    // As the configuration has it.
    let ended = program.run("plugin inspect --plugin p")?;
    let line =
        ended.out.lines().find(|line| line.contains("signature")).context("a line on the signature")?;
    assert!(line.contains("by agency, in ") && line.ends_with("p.wasm.sig"), "{line}");
    let ended = program.run(&format!("plugin inspect p.wasm --key {wrong}"))?;
    assert!(ended.code == Some(64) && ended.log.contains("is signed by none of other"), "{ended:#?}");
    let ended = program.run("check")?;
    assert!(ended.code == Some(0) && ended.out.contains("plugin p: signature by agency, in "), "{ended:#?}");
    for (words, expected) in [
        ("plugin inspect oci://h/a:1", "names no digest"),
        ("plugin inspect --plugin q", "the configuration has no plugin `q`"),
        ("plugin inspect", "required"),
    ] {
        let ended = program.run(words)?;
        assert!(ended.code == Some(64) && ended.log.contains(expected), "{ended:#?}");
    }
    Ok(())
}
