//! Posts alerts as Standard Webhooks 1.0.0.
//!
//! In comes a notice, out goes one signed request. Redirects are not followed and proxy variables are not read: the
//! request goes where the configuration says. <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat};
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::AlertError;
use super::causes::Notice;
use crate::config::webhook_key::WebhookKey;
use crate::config::{self, ConnectorName, SubscriptionName};
use crate::contract::TimestampMs;

/// One try, from connecting to the status.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One webhook endpoint.
pub(super) struct Poster {
    client: reqwest::Client,
    url: url::Url,
    key: WebhookKey,
}

/// Why one try failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("{0}")]
    Request(#[from] reqwest::Error),
    #[error("answered {0}")]
    Status(reqwest::StatusCode),
}

impl Poster {
    pub(super) fn new(webhook: &config::Webhook) -> Result<Poster, AlertError> {
        let secret = webhook.secret.read()?;
        let key = WebhookKey::read(secret.expose()).map_err(AlertError::NotASecret)?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(&webhook.url)?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Poster { client, url: webhook.url.clone(), key })
    }

    pub(super) fn url(&self) -> &url::Url {
        &self.url
    }

    /// Posts one notice, once.
    pub(super) async fn post(&self, notice: &Notice) -> Result<(), PostError> {
        let (id, body) = (id(notice), body(notice));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let response = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", self.key.sign(&id, now, body.as_bytes()))
            .body(body)
            .send()
            .await?;
        if response.status().is_success() { Ok(()) } else { Err(PostError::Status(response.status())) }
    }
}

impl PostError {
    /// May the same request succeed later?
    pub(super) fn may_pass(&self) -> bool {
        match self {
            PostError::Request(_) => true,
            PostError::Status(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
        }
    }
}

/// The same on every try, and the same for the same notice: a receiver knows a repetition by it.
pub(super) fn id(notice: &Notice) -> String {
    let digest = Sha256::digest(body(notice));
    format!("alert_{}", URL_SAFE_NO_PAD.encode(&digest[..16]))
}

fn body(notice: &Notice) -> String {
    let Notice { state, alert, since_ms, at_ms, count } = notice;
    json!({
        "type": format!("liaison.{}", alert.kind.name()),
        "timestamp": date(*at_ms),
        "data": {
            "state": state.name(),
            "since": date(*since_ms),
            "count": count,
            "subscription": alert.subscription.as_ref().map(SubscriptionName::as_str),
            "connector": alert.connector.as_ref().map(ConnectorName::as_str),
            "about": alert.about,
            "event_id": alert.event_id,
            "message": alert.message,
            "advice": alert.kind.advice(),
        },
    })
    .to_string()
}

fn date(ms: TimestampMs) -> String {
    let date = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    date.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// TLS that trusts this system's authorities. Without TLS in the address none are read.
fn tls(url: &url::Url) -> Result<rustls::ClientConfig, AlertError> {
    let mut roots = rustls::RootCertStore::empty();
    if url.scheme() == "https" {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reason = found.errors.first().map_or("none is installed".to_owned(), ToString::to_string);
            return Err(AlertError::NoAuthorities { url: url.clone(), reason });
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::super::causes::State;
    use super::super::tests::{SECRET, alert, notice, receiver, settings};
    use super::*;

    async fn posted(status: u16) -> (Result<(), PostError>, usize) {
        let (address, seen) = receiver(&[status]).await;
        let result = Poster::new(settings(address, SECRET).webhook.as_ref().unwrap()).unwrap();
        let result = result.post(&notice(alert("400: no such room"))).await;
        let count = seen.lock().unwrap().len();
        (result, count)
    }

    #[tokio::test]
    async fn a_receiver_can_verify_the_alert_and_read_it() {
        let (address, seen) = receiver(&[]).await;
        let poster = Poster::new(settings(address, SECRET).webhook.as_ref().unwrap()).unwrap();
        poster.post(&notice(alert("400: no such room"))).await.unwrap();
        let seen = seen.lock().unwrap();
        let [(headers, body)] = &seen[..] else { panic!("{seen:?}") };
        standardwebhooks::Webhook::new(SECRET).unwrap().verify(body.as_bytes(), headers).unwrap();
        let other = standardwebhooks::Webhook::new("whsec_b3RoZXI=").unwrap();
        assert!(other.verify(body.as_bytes(), headers).is_err());
        assert_eq!(headers["content-type"], "application/json");
        let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
        let advice = body["data"].as_object_mut().unwrap().remove("advice").unwrap();
        assert!(advice.as_str().unwrap().contains("liaison dead-letters list"), "{advice}");
        let expected = json!({
            "type": "liaison.dead-letter",
            "timestamp": "2023-11-14T22:13:20.123Z",
            "data": {
                "state": "raised",
                "since": "2023-11-14T22:13:20.123Z",
                "count": 1,
                "subscription": "calendar",
                "connector": "training-calendar",
                "about": null,
                "event_id": "e-1",
                "message": "400: no such room",
            },
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn what_may_pass_is_told_from_what_never_will_and_a_redirect_is_not_followed() {
        for (status, may_pass) in [
            (500, true),
            (503, true),
            (429, true),
            (408, true),
            (400, false),
            (401, false),
            (410, false),
            (307, false),
        ] {
            let (result, requests) = posted(status).await;
            assert_eq!((result.unwrap_err().may_pass(), requests), (may_pass, 1), "{status}");
        }
        assert!(posted(204).await.0.is_ok());
    }

    #[test]
    fn the_id_tells_notices_apart_and_only_notices() {
        let first = notice(alert("a"));
        assert_eq!(id(&first), id(&first));
        assert_ne!(id(&first), id(&notice(alert("b"))));
        assert_ne!(id(&first), id(&Notice { at_ms: 0, ..first.clone() }));
        assert_ne!(id(&first), id(&Notice { state: State::Reminder, ..first.clone() }));
    }
}
