//! Keys and signatures as an agency makes them: by `openssl`, with the commands that the documentation gives.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::registry::{BUNDLE_TYPE, digest};

/// A key pair in two files.
#[derive(Debug)]
pub struct Signer {
    private: PathBuf,
    pub public: PathBuf,
    algorithm: Algorithm,
    folder: Folder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Ed25519,
    P256,
}

impl Signer {
    pub fn new(name: &str, algorithm: Algorithm) -> anyhow::Result<Self> {
        let folder = Folder::new("keys")?;
        let [private, public] = ["key", "pub"].map(|ending| folder.path().join(format!("{name}.{ending}")));
        let kind: &[&str] = match algorithm {
            Algorithm::Ed25519 => &["-algorithm", "ed25519"],
            Algorithm::P256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        };
        openssl(Command::new("openssl").arg("genpkey").args(kind).arg("-out").arg(&private))?;
        let mut public_half = Command::new("openssl");
        public_half.args(["pkey", "-pubout", "-in"]).arg(&private).arg("-out").arg(&public);
        openssl(&mut public_half)?;
        Ok(Self { private, public, algorithm, folder })
    }

    /// The signature of these bytes.
    pub fn sign(&self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let file = self.folder.path().join("message");
        std::fs::write(&file, bytes)?;
        self.sign_file(&file)
    }

    /// The signature of a file's bytes.
    pub fn sign_file(&self, file: &Path) -> anyhow::Result<Vec<u8>> {
        let mut sign = Command::new("openssl");
        match self.algorithm {
            Algorithm::Ed25519 => {
                sign.args(["pkeyutl", "-sign", "-rawin", "-inkey"]).arg(&self.private).arg("-in").arg(file)
            }
            Algorithm::P256 => sign.args(["dgst", "-sha256", "-sign"]).arg(&self.private).arg(file),
        };
        openssl(&mut sign)
    }

    /// A Sigstore bundle of version 0.3 with a statement on the content of this digest, in the form that `cosign sign
    /// --key` gives it; made here.
    pub fn bundle(&self, digest: &str) -> anyhow::Result<Value> {
        let digits = digest.strip_prefix("sha256:").context("a sha256")?;
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": digits}}],
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "predicate": {},
        });
        let (kind, payload) = ("application/vnd.in-toto+json", statement.to_string());
        let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        Ok(json!({
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": "tests"}},
            "dsseEnvelope": {
                "payload": STANDARD.encode(&payload),
                "payloadType": kind,
                "signatures": [{"sig": STANDARD.encode(self.sign(message.as_bytes())?)}],
            },
        }))
    }

    /// A Sigstore bundle with a signature of these bytes, in the form that `cosign sign-blob --key` gives it; made here.
    pub fn message_bundle(&self, bytes: &[u8]) -> anyhow::Result<Value> {
        let digits = digest(bytes);
        let digits = digits.trim_start_matches("sha256:");
        let sha256: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16))
            .collect::<Result<_, _>>()?;
        Ok(json!({
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": "tests"}},
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(sha256)},
                "signature": STANDARD.encode(self.sign(bytes)?),
            },
        }))
    }
}

/// What it printed on stdout.
fn openssl(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output().context("openssl could not be run; `cargo verify` installs it")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
