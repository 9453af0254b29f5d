//! Posts alerts as Standard Webhooks 1.0.0.
//!
//! In comes an alert, out goes a signed request, tried four times over about half a minute; then a log line says that
//! it failed. Redirects are not followed and proxy variables are not read: the request goes where the configuration
//! says. <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, SecondsFormat};
use hmac::{Hmac, Mac};
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{Alert, AlertError};
use crate::config::{self, ConnectorName, SubscriptionName};

/// One try, from connecting to the status.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Waits before the second try and those after it.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

/// One webhook endpoint.
pub(super) struct Poster {
    client: reqwest::Client,
    url: url::Url,
    key: Vec<u8>,
    waits: [Duration; 3],
}

/// An alert is given up; the log has it.
#[derive(Debug)]
pub(super) struct NotPosted;

/// Why one try failed.
#[derive(Debug, thiserror::Error)]
enum PostError {
    #[error("{0}")]
    Request(#[from] reqwest::Error),
    #[error("answered {0}")]
    Status(reqwest::StatusCode),
}

impl Poster {
    pub(super) fn new(webhook: &config::Webhook) -> Result<Poster, AlertError> {
        let secret = webhook.secret.read()?;
        let key = secret.expose().strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
        let key = key.filter(|key| !key.is_empty()).ok_or(AlertError::NotASecret)?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(&webhook.url)?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Poster { client, url: webhook.url.clone(), key, waits: WAITS })
    }

    /// Posts one alert, or logs why it could not be posted and says so.
    pub(super) async fn post(&self, alert: &Alert) -> Result<(), NotPosted> {
        let (id, body) = (id(alert), body(alert));
        let mut waits = self.waits.iter();
        loop {
            let Err(error) = self.try_once(&id, &body).await else {
                return Ok(());
            };
            match waits.next().filter(|_| error.may_pass()) {
                Some(wait) => tokio::time::sleep_until(Instant::now() + *wait).await,
                None => {
                    let alert = alert.kind.name();
                    tracing::error!(alert, id, url = %self.url, %error, "the alert could not be posted");
                    return Err(NotPosted);
                }
            }
        }
    }

    async fn try_once(&self, id: &str, body: &str) -> Result<(), PostError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let response = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature(&self.key, id, now, body))
            .body(body.to_owned())
            .send()
            .await?;
        if response.status().is_success() { Ok(()) } else { Err(PostError::Status(response.status())) }
    }
}

impl PostError {
    /// May the same request succeed later?
    fn may_pass(&self) -> bool {
        match self {
            PostError::Request(_) => true,
            PostError::Status(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
        }
    }
}

/// The same on every try, and the same for the same alert: a receiver knows a repetition by it.
fn id(alert: &Alert) -> String {
    let digest = Sha256::digest(body(alert));
    format!("alert_{}", URL_SAFE_NO_PAD.encode(&digest[..16]))
}

fn body(alert: &Alert) -> String {
    let at = i64::try_from(alert.at_ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    json!({
        "type": format!("liaison.{}", alert.kind.name()),
        "timestamp": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "data": {
            "subscription": alert.subscription.as_ref().map(SubscriptionName::as_str),
            "connector": alert.connector.as_ref().map(ConnectorName::as_str),
            "event_id": alert.event_id,
            "message": alert.message,
        },
    })
    .to_string()
}

/// `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.
fn signature(key: &[u8], id: &str, timestamp_seconds: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104)");
    mac.update(format!("{id}.{timestamp_seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
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
    use std::sync::Mutex;

    use axum::http::{HeaderMap, StatusCode};

    use super::super::tests::{alert, webhook};
    use super::*;
    use crate::telemetry::AlertMetrics;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// What a receiver saw.
    type Seen = Arc<Mutex<Vec<(HeaderMap, String)>>>;

    /// A receiver that answers with these statuses, then 204, until the test ends.
    async fn receiver(statuses: &[u16]) -> (std::net::SocketAddr, Seen) {
        let seen = Seen::default();
        let answers = Arc::new(Mutex::new(Vec::from(statuses).into_iter()));
        let log = Arc::clone(&seen);
        let answer = move |headers: HeaderMap, body: String| {
            log.lock().unwrap().push((headers, body));
            let status = answers.lock().unwrap().next().unwrap_or(204);
            let location = [("location", "http://127.0.0.1:9/elsewhere")];
            std::future::ready((StatusCode::from_u16(status).unwrap(), location))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().route("/alerts", axum::routing::post(answer));
        // The test's runtime stops it.
        tokio::spawn(async move { axum::serve(listener, router).await });
        (address, seen)
    }

    async fn posted(statuses: &[u16]) -> Vec<(HeaderMap, String)> {
        let (address, seen) = receiver(statuses).await;
        let (settings, path) = webhook(address, SECRET);
        let mut poster = Poster::new(settings.webhook.as_ref().unwrap()).unwrap();
        std::fs::remove_file(path).unwrap();
        poster.waits = [Duration::from_millis(1); 3];
        let result = poster.post(&alert("400: no such room")).await;
        let seen = seen.lock().unwrap();
        // Beyond the statuses given it is answered 204.
        assert_eq!(result.is_ok(), seen.len() > statuses.len());
        seen.clone()
    }

    #[tokio::test]
    async fn a_receiver_can_verify_the_alert_and_read_it() {
        let seen = posted(&[]).await;
        let [(headers, body)] = &seen[..] else { panic!("{seen:?}") };
        standardwebhooks::Webhook::new(SECRET).unwrap().verify(body.as_bytes(), headers).unwrap();
        let other = standardwebhooks::Webhook::new("whsec_b3RoZXI=").unwrap();
        assert!(other.verify(body.as_bytes(), headers).is_err());
        assert_eq!(headers["content-type"], "application/json");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let expected = json!({
            "type": "liaison.dead-letter",
            "timestamp": "2023-11-14T22:13:20.123Z",
            "data": {
                "subscription": "calendar",
                "connector": "training-calendar",
                "event_id": "e-1",
                "message": "400: no such room",
            },
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn a_failing_receiver_is_tried_again_with_the_same_id_and_the_tries_are_bounded() {
        for (statuses, tries) in [(vec![503, 429], 3), (vec![500; 9], 4)] {
            let seen = posted(&statuses).await;
            assert_eq!(seen.len(), tries, "{statuses:?}");
            assert!(seen.iter().all(|(headers, _)| headers["webhook-id"] == seen[0].0["webhook-id"]));
        }
    }

    #[tokio::test]
    async fn a_refusal_is_not_repeated_and_a_redirect_not_followed() {
        for status in [400, 401, 410, 302, 307] {
            assert_eq!(posted(&[status]).await.len(), 1, "{status}");
        }
    }

    #[tokio::test]
    async fn alerts_arrive_in_order_and_the_task_ends_with_its_senders() {
        let (address, seen) = receiver(&[]).await;
        let (settings, path) = webhook(address, SECRET);
        let (sender, task) = super::super::alerts(&settings, AlertMetrics::default()).unwrap();
        std::fs::remove_file(path).unwrap();
        for message in ["first", "second", "third"] {
            sender.raise(alert(message));
        }
        drop(sender);
        task.await;
        let messages: Vec<_> = seen
            .lock()
            .unwrap()
            .iter()
            .map(|(_, body)| {
                serde_json::from_str::<serde_json::Value>(body).unwrap()["data"]["message"].clone()
            })
            .collect();
        assert_eq!(messages, ["first", "second", "third"]);
    }

    #[test]
    fn the_id_tells_alerts_apart_and_only_alerts() {
        assert_eq!(id(&alert("a")), id(&alert("a")));
        assert_ne!(id(&alert("a")), id(&alert("b")));
        assert_ne!(id(&alert("a")), id(&Alert { at_ms: 0, ..alert("a") }));
    }
}
