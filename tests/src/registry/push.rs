//! Pushing images over plain HTTP, as `oras push` and `cosign attach` do (OCI Distribution Specification 1.1).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Registry;
use crate::signing::Signer;

pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
pub const LAYER_TYPE: &str = "application/wasm";
pub const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

const PATIENCE: Duration = Duration::from_secs(30);

/// `sha256:` and 64 digits.
pub fn digest(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// An image that was pushed.
#[derive(Debug, Clone)]
pub struct Image {
    pub host: String,
    pub repository: String,
    /// Of its manifest.
    pub digest: String,
}

impl Image {
    /// As a configuration names it.
    pub fn source(&self) -> String {
        format!("oci://{}/{}@{}", self.host, self.repository, self.digest)
    }

    /// The tag of the specification's fallback, under which what refers to it is listed.
    pub fn referrers_tag(&self) -> String {
        self.digest.replace(':', "-")
    }
}

impl Registry {
    /// Pushes a component as a plugin.
    pub fn push_plugin(&self, repository: &str, component: &[u8]) -> anyhow::Result<Image> {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.push_blob(repository, CONFIG_TYPE, b"{}")?,
            "layers": [self.push_blob(repository, LAYER_TYPE, component)?],
        });
        self.push_manifest(repository, None, &manifest)
    }

    /// Pushes a manifest, under a tag or by its digest alone.
    pub fn push_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        manifest: &Value,
    ) -> anyhow::Result<Image> {
        let bytes = manifest.to_string();
        let digest = digest(bytes.as_bytes());
        let path = format!("/v2/{repository}/manifests/{}", tag.unwrap_or(&digest));
        let kind = manifest["mediaType"].as_str().context("a manifest has a media type")?;
        let (status, _, text) = self.send("PUT", &path, kind, bytes.as_bytes())?;
        ensure!(status == 201, "the registry answered {status} to PUT {path}: {text}");
        Ok(Image { host: self.host(), repository: repository.to_owned(), digest })
    }

    /// Pushes a blob, and gives what a manifest says of it.
    pub fn push_blob(&self, repository: &str, kind: &str, bytes: &[u8]) -> anyhow::Result<Value> {
        let (status, location, text) =
            self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), kind, b"")?;
        ensure!(status == 202, "the registry answered {status} to an upload: {text}");
        let location = location.context("an upload has a location")?;
        let path = location.split_once(&self.host()).map_or(location.as_str(), |(_, path)| path);
        let joint = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{joint}digest={}", digest(bytes));
        let (status, _, text) = self.send("PUT", &path, "application/octet-stream", bytes)?;
        ensure!(status == 201, "the registry answered {status} to a blob: {text}");
        Ok(json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()}))
    }

    /// As `cosign sign` does where the registry has no referrers API: an index under the fallback's tag names it.
    pub fn attach_bundle(&self, image: &Image, signer: &Signer) -> anyhow::Result<()> {
        let repository = image.repository.as_str();
        let bundle = signer.bundle(&image.digest)?.to_string();
        let empty = self.push_blob(repository, "application/vnd.oci.empty.v1+json", b"{}")?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": BUNDLE_TYPE, "config": empty,
            "layers": [self.push_blob(repository, BUNDLE_TYPE, bundle.as_bytes())?],
            "subject": {"mediaType": MANIFEST_TYPE, "digest": image.digest, "size": 1},
        });
        let referrer = self.push_manifest(repository, None, &manifest)?;
        let entry = json!({
            "mediaType": MANIFEST_TYPE, "artifactType": BUNDLE_TYPE,
            "digest": referrer.digest, "size": manifest.to_string().len(),
        });
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]});
        self.push_manifest(repository, Some(&image.referrers_tag()), &index).map(drop)
    }

    /// As `cosign sign` does without a bundle: under the tag `sha256-….sig`.
    pub fn attach_payload(&self, image: &Image, signer: &Signer) -> anyhow::Result<()> {
        let repository = image.repository.as_str();
        let payload = json!({"critical": {
            "identity": {"docker-reference": format!("{}/{repository}", image.host)},
            "image": {"docker-manifest-digest": image.digest},
            "type": "cosign container image signature",
        }, "optional": null})
        .to_string();
        let mut layer = self.push_blob(repository, PAYLOAD_TYPE, payload.as_bytes())?;
        let signature = STANDARD.encode(signer.sign(payload.as_bytes())?);
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "layers": [layer],
            "config": self.push_blob(repository, "application/vnd.oci.image.config.v1+json", b"{}")?,
        });
        let tag = format!("{}.sig", image.referrers_tag());
        self.push_manifest(repository, Some(&tag), &manifest).map(drop)
    }

    /// Status, location and body. HTTP/1.0, so that the end of the connection is the end of the body.
    fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
    ) -> anyhow::Result<(u16, Option<String>, String)> {
        let mut stream = TcpStream::connect(self.host())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let (host, length) = (self.host(), body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: {host}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        )?;
        stream.write_all(body)?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        let (head, text) = reply.split_once("\r\n\r\n").context("the reply has no end of its head")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
        };
        Ok((status.context("the reply has no status")?, head.lines().find_map(header), text.to_owned()))
    }
}
