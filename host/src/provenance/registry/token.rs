//! What a registry wants to be shown: nothing, a user and a password, or a token that a service gives for them
//! (<https://distribution.github.io/distribution/spec/auth/token/>).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::Url;

use super::client::Client;
use super::{ProvenanceError, quoted, refused};
use crate::config::provenance::is_loopback;
use crate::config::{RegistryCredential, RegistryImage};

/// The largest answer of a token service; tokens with many claims take some KiB.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

/// What a `WWW-Authenticate` header asks for (RFC 9110, 11.6.1).
#[derive(Debug, PartialEq, Eq)]
pub(in crate::provenance) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// What a token service answers; one of the two, and the first wins.
#[derive(Deserialize)]
struct Tokens {
    token: Option<String>,
    access_token: Option<String>,
}

impl Challenge {
    /// `None` for a way that is not known here.
    pub(in crate::provenance) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => {
                let mut parameters = parameters(rest);
                Some(Self::Bearer {
                    realm: parameters.remove("realm")?,
                    service: parameters.remove("service"),
                })
            }
            _ => None,
        }
    }
}

/// `name="value"`, separated by commas; a comma in quotes separates nothing.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut is_quoted = false;
    let separated = text.split(|character: char| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    });
    let pairs = separated.filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()))
        .collect()
}

/// What the host shows from now on.
pub(super) fn authorization(
    challenges: Vec<Challenge>,
    image: &RegistryImage,
    client: &Client<'_>,
) -> Result<HeaderValue, ProvenanceError> {
    let host = &image.registry.host;
    let denied = |reason: &str| ProvenanceError::Denied { host: host.clone(), reason: reason.to_owned() };
    match (challenges.into_iter().next(), &image.registry.credential) {
        (_, Some(RegistryCredential::Bearer(token))) => {
            header(image, format!("Bearer {}", token.read()?.expose()))
        }
        (Some(Challenge::Basic), Some(RegistryCredential::Basic { username, password })) => {
            header(image, basic(username, password.read()?.expose()))
        }
        (Some(Challenge::Basic), None) => {
            Err(denied("it wants a user and a password, and none is configured"))
        }
        (Some(Challenge::Bearer { realm, service }), credential) => {
            let shown = match credential {
                Some(RegistryCredential::Basic { username, password }) => {
                    Some(header(image, basic(username, password.read()?.expose()))?)
                }
                Some(RegistryCredential::Bearer(_)) | None => None,
            };
            let token = fetch(&realm, service.as_deref(), shown.as_ref(), image, client)?;
            header(image, format!("Bearer {token}"))
        }
        (None, _) => Err(denied("it wants to be shown something, and says not what")),
    }
}

/// A token to read this repository, and no more, whatever the registry would have us ask for.
fn fetch(
    realm: &str,
    service: Option<&str>,
    shown: Option<&HeaderValue>,
    image: &RegistryImage,
    client: &Client<'_>,
) -> Result<String, ProvenanceError> {
    let registry = &image.registry;
    // A password is never sent in the clear over a network, wherever a registry would have it.
    let is_near = |url: &Url| url.scheme() == "http" && registry.is_plain_http && is_loopback(url);
    let is_safe = |url: &Url| url.scheme() == "https" || is_near(url);
    let url = Url::parse(realm).ok().filter(|url| is_safe(url) && url.has_host());
    let mut url =
        url.ok_or_else(|| refused(registry, "its token service has no https address".to_owned()))?;
    let scope = format!("repository:{}:pull", image.repository);
    url.query_pairs_mut()
        .extend_pairs(service.map(|service| ("service", service)))
        .append_pair("scope", &scope);
    let answer = client.get(&url, "application/json", shown, MAX_TOKEN_BYTES)?;
    let at = url.host_str().unwrap_or_default();
    if answer.status != StatusCode::OK {
        let reason = format!("its token service at {at} answered {}{}", answer.status, quoted(&answer.body));
        return Err(match answer.status.is_server_error() {
            true => super::unavailable(registry, &reason),
            false => ProvenanceError::Denied { host: registry.host.clone(), reason },
        });
    }
    let tokens: Option<Tokens> = serde_json::from_slice(&answer.body).ok();
    let token = tokens.and_then(|tokens| tokens.token.or(tokens.access_token));
    token.ok_or_else(|| refused(registry, format!("its token service at {at} gave no token")))
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// Marked, so that nothing logs it.
fn header(image: &RegistryImage, text: String) -> Result<HeaderValue, ProvenanceError> {
    let value = HeaderValue::from_str(&text);
    let mut value = value.map_err(|_| {
        // Not the text, which is a secret.
        refused(&image.registry, "its credential or token holds what a header may not".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_as_registries_write_it() {
        let bearer = |realm: &str, service: Option<&str>| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        };
        for (text, expected) in [
            ("Basic realm=\"basic-realm\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://auth.example.gov/token\",service=\"registry\",scope=\"repository:a/b:pull,push\"",
                Some(bearer("https://auth.example.gov/token", Some("registry"))),
            ),
            ("bearer realm=https://a/token?x=1", Some(bearer("https://a/token?x=1", None))),
            ("Bearer service=\"registry\"", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::read(text), expected, "{text}");
        }
    }
}
