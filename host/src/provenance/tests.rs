//! Files and layouts: what is taken, what is refused, and in which order that is judged.

mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::signature::tests::{Signer, payload, sha256, statement_bundle};
use super::{MAX_COMPONENT_BYTES, ProvenanceError, Signature, fetch, private};
use crate::config::{Digest, KeyName, Plugin, Signers, SigningKey, Source};

const COMPONENT: &[u8] = b"nobody looks into it here";

/// A folder of one test; it is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("liaison-provenance-{}-{number}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn signers(&self, signer: &Signer) -> Signers {
        let file = self.write("agency.pub", signer.public_pem());
        Signers { keys: vec![SigningKey { name: KeyName::new("agency"), file }], is_required: true }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// An OCI layout that holds what a test puts into it.
struct Made {
    folder: Folder,
    entries: Vec<Value>,
}

impl Made {
    fn new() -> Self {
        let folder = Folder::new();
        folder.write("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        Self { folder, entries: Vec::new() }
    }

    fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        self.folder.write(&format!("blobs/sha256/{}", digest.hex()), bytes);
        digest
    }

    fn layer(&self, kind: &str, bytes: &[u8]) -> Value {
        json!({"mediaType": kind, "digest": self.blob(bytes).to_string(), "size": bytes.len()})
    }

    /// Adds it to the index, under a tag where one is given.
    fn manifest(&mut self, manifest: &Value, tag: Option<&str>) -> Digest {
        let bytes = manifest.to_string();
        let digest = self.blob(bytes.as_bytes());
        let mut entry = json!({
            "mediaType": manifest["mediaType"],
            "digest": digest.to_string(),
            "size": bytes.len(),
        });
        if let Some(tag) = tag {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        }
        self.entries.push(entry);
        self.folder.write("index.json", json!({"schemaVersion": 2, "manifests": self.entries}).to_string());
        digest
    }

    fn plugin(&mut self) -> Digest {
        let manifest = self.plugin_manifest();
        self.manifest(&manifest, None)
    }

    fn plugin_manifest(&self) -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.layer("application/vnd.wasm.config.v0+json", b"{}"),
            "layers": [self.layer("application/wasm", COMPONENT)],
        })
    }

    fn settings(&self, digest: Digest) -> Plugin {
        Plugin::from_source(Source::Layout { folder: self.folder.0.clone(), digest })
    }
}

fn refused(settings: &Plugin) -> ProvenanceError {
    match fetch(settings, Path::new("/nowhere")) {
        Err(error) => error,
        Ok(component) => panic!("{settings:?} gave {component:?}"),
    }
}

fn by_agency(settings: &Plugin) -> String {
    let component = fetch(settings, Path::new("/nowhere")).unwrap();
    assert_eq!(component.bytes, COMPONENT);
    assert_eq!(component.provenance.sha256, sha256(COMPONENT).0);
    let Signature::By { key, found } = component.provenance.signature else { panic!("{component:?}") };
    assert_eq!(key.as_str(), "agency");
    found
}

#[test]
fn a_file_is_judged_by_size_then_digest_then_signature() {
    let folder = Folder::new();
    let path = folder.write("plugin.wasm", COMPONENT);
    let signer = Signer::ed25519(1);
    let mut settings = Plugin { sha256: Some([0; 32]), ..Plugin::new(&path) };
    settings.signers = folder.signers(&signer);
    fs::File::options().write(true).open(&path).unwrap().set_len(MAX_COMPONENT_BYTES + 1).unwrap();
    assert!(matches!(refused(&settings), ProvenanceError::TooLarge { limit_bytes: MAX_COMPONENT_BYTES, .. }));
    folder.write("plugin.wasm", COMPONENT);
    let error = refused(&settings);
    assert!(
        matches!(&error, ProvenanceError::Pin { found, .. } if *found == sha256(COMPONENT).hex()),
        "{error}"
    );
    settings.sha256 = Some(sha256(COMPONENT).0);
    let error = refused(&settings).to_string();
    assert!(
        error.contains("plugin.wasm is signed by none of agency") && error.contains("no signature"),
        "{error}"
    );
    folder.write("plugin.wasm.sig", signer.sign(COMPONENT));
    assert!(by_agency(&settings).ends_with("plugin.wasm.sig"));
    folder.write("plugin.wasm.sig", Signer::ed25519(2).sign(COMPONENT));
    assert!(refused(&settings).to_string().contains("plugin.wasm.sig is by another key"));
    let bundle = statement_bundle(&signer, &sha256(COMPONENT)).to_string();
    folder.write("plugin.wasm.sigstore.json", bundle);
    assert!(by_agency(&settings).ends_with("plugin.wasm.sigstore.json"));
}

#[test]
fn a_signature_that_is_not_required_is_told_and_one_without_keys_is_not_looked_at() {
    let folder = Folder::new();
    let path = folder.write("plugin.wasm", COMPONENT);
    let mut settings = Plugin::new(&path);
    let signature = |settings: &Plugin| fetch(settings, Path::new("/nowhere")).unwrap().provenance.signature;
    // A folder in the place of the signature would be an error if it were read.
    fs::create_dir(folder.0.join("plugin.wasm.sig")).unwrap();
    assert_eq!(signature(&settings), Signature::NotAsked);
    fs::remove_dir(folder.0.join("plugin.wasm.sig")).unwrap();
    settings.signers = Signers { is_required: false, ..folder.signers(&Signer::ed25519(1)) };
    assert_eq!(signature(&settings), Signature::Nobody("there is no signature".to_owned()));
    folder.write("plugin.wasm.sig", Signer::ed25519(1).sign(COMPONENT));
    assert!(signature(&settings).key().is_some());
    // Required, and no key that could have signed it.
    settings.signers = Signers { keys: Vec::new(), is_required: true };
    assert!(refused(&settings).to_string().contains("signed by none of no keys at all"));
}

#[test]
fn what_is_not_there_or_is_no_key_is_named() {
    let folder = Folder::new();
    let missing = refused(&Plugin::new(folder.0.join("no.wasm"))).to_string();
    assert!(missing.starts_with("cannot read ") && missing.contains("no.wasm: No such file"), "{missing}");
    assert!(refused(&Plugin::new(&folder.0)).to_string().ends_with("not a file"));
    let mut settings = Plugin::new(folder.write("plugin.wasm", COMPONENT));
    settings.signers = folder.signers(&Signer::ed25519(1));
    folder.write("agency.pub", "no key");
    let error = refused(&settings).to_string();
    assert!(
        error.starts_with("the key agency in ") && error.contains("holds no public key in PEM"),
        "{error}"
    );
}

#[test]
fn a_layout_gives_the_image_of_a_digest_whatever_its_tags_say() {
    let mut made = Made::new();
    let digest = made.plugin();
    let other = made.blob(b"another");
    made.folder.write("index.json", "{}");
    let component = fetch(&made.settings(digest), Path::new("/nowhere")).unwrap();
    assert_eq!(
        (component.bytes.as_slice(), component.provenance.signature),
        (COMPONENT, Signature::NotAsked)
    );
    let error = refused(&made.settings(other)).to_string();
    assert!(error.contains("is no plugin: its manifest cannot be read"), "{error}");
    let error = refused(&made.settings(sha256(b"nothing"))).to_string();
    assert!(error.contains(&format!("has no manifest {}", sha256(b"nothing"))), "{error}");
}

#[test]
fn what_lies_under_a_digest_in_a_layout_and_is_not_that_is_refused() {
    let mut made = Made::new();
    let digest = made.plugin();
    let settings = made.settings(digest);
    let altered = vec![b'x'; COMPONENT.len()];
    let layer = format!("blobs/sha256/{}", sha256(COMPONENT).hex());
    made.folder.write(&layer, &altered);
    let error = refused(&settings);
    let expected = matches!(&error, ProvenanceError::Content { expected, found, .. }
        if *expected == sha256(COMPONENT) && *found == sha256(&altered));
    assert!(expected, "{error}");
    made.folder.write(&layer, [COMPONENT, b"x"].concat());
    assert!(matches!(refused(&settings), ProvenanceError::TooLarge { .. }));
    fs::remove_file(made.folder.0.join(layer)).unwrap();
    assert!(matches!(refused(&settings), ProvenanceError::Missing { .. }));
    made.folder.write(&format!("blobs/sha256/{}", digest.hex()), "{}");
    assert!(matches!(refused(&settings), ProvenanceError::Content { .. }));
}

#[test]
fn an_image_that_is_no_plugin_is_told_what_it_is() {
    let mut made = Made::new();
    let good = made.plugin_manifest();
    let edited = |path: &str, value: Value| {
        let mut manifest = good.clone();
        *manifest.pointer_mut(path).unwrap() = value;
        manifest
    };
    let two = json!([good["layers"][0], good["layers"][0]]);
    let index =
        json!({"schemaVersion": 2, "manifests": [], "mediaType": "application/vnd.oci.image.index.v1+json"});
    let huge = json!(MAX_COMPONENT_BYTES + 1);
    for (manifest, expected) in [
        (edited("/layers", two), "it has 2 layers; push the component as the only one"),
        (edited("/layers", json!([])), "it has 0 layers"),
        (
            edited("/layers/0/mediaType", json!("application/vnd.wasm.content.layer.v1+wasm")),
            "push it with the type application/wasm",
        ),
        (
            edited("/config/mediaType", json!("application/vnd.oci.empty.v1+json")),
            "push it with the config type application/vnd.wasm.config.v0+json",
        ),
        (edited("/schemaVersion", json!(1)), "is of version 1"),
        (edited("/layers/0/digest", json!("sha512:00")), "is no sha256"),
        (edited("/layers/0/size", huge), "has more than 134217728 bytes"),
        (index, "it is an index of several images; name the digest of one of them"),
    ] {
        let digest = made.manifest(&manifest, None);
        let error = refused(&made.settings(digest)).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn signatures_are_found_in_a_layout_where_oras_and_cosign_leave_them() {
    let signer = Signer::ed25519(1);
    let bundle_kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let image_kind = "application/vnd.oci.image.manifest.v1+json";
    for way in ["subject", "fallback tag", "cosign tag"] {
        let mut made = Made::new();
        let digest = made.plugin();
        let mut settings = made.settings(digest);
        settings.signers = made.folder.signers(&signer);
        assert!(refused(&settings).to_string().contains("there is no signature"), "{way}");
        let bundle = statement_bundle(&signer, &digest).to_string();
        let referrer = json!({
            "schemaVersion": 2,
            "mediaType": image_kind,
            "artifactType": bundle_kind,
            "config": made.layer("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [made.layer(bundle_kind, bundle.as_bytes())],
            "subject": {"mediaType": image_kind, "digest": digest.to_string(), "size": 1},
        });
        match way {
            "subject" => drop(made.manifest(&referrer, None)),
            "fallback tag" => {
                // What refers to it is named by the index alone.
                let bytes = referrer.to_string();
                let blob = made.blob(bytes.as_bytes());
                let entry =
                    json!({"digest": blob.to_string(), "size": bytes.len(), "artifactType": bundle_kind});
                let kind = "application/vnd.oci.image.index.v1+json";
                let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]});
                made.manifest(&index, Some(&format!("sha256-{}", digest.hex())));
            }
            _ => {
                let payload = payload(&digest);
                let mut layer = made.layer("application/vnd.dev.cosign.simplesigning.v1+json", &payload);
                let signature =
                    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signer.sign(&payload));
                layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
                let manifest = json!({"schemaVersion": 2, "mediaType": image_kind, "layers": [layer]});
                made.manifest(&manifest, Some(&format!("sha256-{}.sig", digest.hex())));
            }
        }
        assert!(by_agency(&settings).contains("sha256"), "{way}");
        // A broken one beside it changes nothing.
        let layer = json!({"mediaType": bundle_kind, "digest": "x"});
        let subject = json!({"digest": digest.to_string()});
        let broken = json!({"mediaType": image_kind, "subject": subject, "layers": [layer]});
        made.manifest(&broken, None);
        by_agency(&settings);
    }
}

#[test]
fn a_private_file_is_written_whole_and_read_as_it_is() {
    let folder = Folder::new();
    let path = folder.0.join("kept");
    assert!(private::open(&path).unwrap().is_none());
    private::write(&path, &[b"one", b"two"]).unwrap();
    private::write(&path, &[b"three"]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"three");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}
