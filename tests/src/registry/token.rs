//! A token service for the registry: it gives a token to who knows the password
//! (<https://distribution.github.io/distribution/spec/auth/token/>).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::{Access, PASSWORD, USERNAME};
use crate::system::{Answer, Behaviour, System};

/// A running service. Dropped, it is gone.
#[derive(Debug)]
pub struct TokenService {
    system: System,
    key: Arc<Key>,
    /// Of the key, for the registry.
    certificate: String,
}

/// What its tokens are signed with, and for.
#[derive(Debug)]
struct Key {
    pair: EcdsaKeyPair,
    /// In base64 of its DER form.
    certificate: String,
    repository: String,
}

impl TokenService {
    /// Gives tokens to read this repository.
    pub fn start(repository: &str) -> anyhow::Result<Self> {
        let pair = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["tests".to_owned()])?.self_signed(&pair)?;
        let (pem, encoded) = (certificate.pem(), STANDARD.encode(certificate.der()));
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &pair.serialize_der(),
            &SystemRandom::new(),
        );
        let pair = pair.map_err(|error| anyhow!("{error}"))?;
        let key = Arc::new(Key { pair, certificate: encoded, repository: repository.to_owned() });
        let system = System::start("tokens", answers(key.clone()))?;
        Ok(Self { system, key, certificate: pem })
    }

    /// What a registry is told, so that it takes these tokens.
    pub fn access(&self) -> Access {
        Access::Token { realm: format!("{}/token", self.system.url()), certificate: self.certificate.clone() }
    }

    /// A token that reads the repository for an hour.
    pub fn token(&self) -> String {
        self.key.token()
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.system.count()
    }
}

fn answers(key: Arc<Key>) -> Behaviour {
    let wanted = format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")));
    let scope = format!("scope=repository%3A{}%3Apull", key.repository.replace('/', "%2F"));
    Behaviour::from_fn(move |request| {
        let shown = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        if shown != Some(wanted.as_str()) || !request.path.contains(&scope) {
            return Answer::status(401).with_body("{\"details\":\"who are you\"}");
        }
        Answer::status(200).with_body(json!({"token": key.token()}).to_string())
    })
}

impl Key {
    /// A JSON Web Token (RFC 7519).
    fn token(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [self.certificate]});
        let claims = json!({
            "iss": "tests", "sub": USERNAME, "aud": "tests", "jti": "1",
            "iat": now - 60, "nbf": now - 60, "exp": now + 3600,
            "access": [{"type": "repository", "name": self.repository, "actions": ["pull"]}],
        });
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a key signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
