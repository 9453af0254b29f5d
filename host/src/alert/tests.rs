//! Alerts as a whole: from the sender to receivers that answer, fail, or never answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::*;
use crate::config::{MailSecurity, SecretRef};
use crate::telemetry::Telemetry;

pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Long enough for anything that will happen at all.
const LIMIT: Duration = Duration::from_secs(20);

/// What a receiver saw.
pub(super) type Seen = Arc<Mutex<Vec<(HeaderMap, String)>>>;

pub(super) fn alert(message: &str) -> Alert {
    Alert {
        kind: AlertKind::DeadLetter,
        subscription: Some(SubscriptionName::new("calendar")),
        connector: Some(ConnectorName::new("training-calendar")),
        about: None,
        message: message.to_owned(),
        event_id: Some("e-1".to_owned()),
        at_ms: 1_700_000_000_123,
    }
}

/// Another cause for each number.
fn numbered(number: usize) -> Alert {
    Alert { about: Some(number.to_string()), ..alert(&number.to_string()) }
}

pub(super) fn notice(alert: Alert) -> Notice {
    let (since_ms, at_ms) = (alert.at_ms, alert.at_ms);
    Notice { state: State::Raised, alert, since_ms, at_ms, count: 1 }
}

/// A webhook there, its secret in a file.
pub(super) fn settings(address: SocketAddr, secret: &str) -> config::Alerts {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("liaison-alert-{}-{number}", std::process::id()));
    std::fs::write(&path, secret).unwrap();
    let url = format!("http://{address}/alerts").parse().unwrap();
    let webhook = Some(config::Webhook { url, secret: SecretRef::File(path) });
    config::Alerts { webhook, ..config::Alerts::default() }
}

/// Takes the file of the secret away again, once it was read.
fn start(
    settings: &config::Alerts,
    metrics: &AlertMetrics,
) -> Result<(AlertSender, impl Future<Output = ()> + Send + use<>), AlertError> {
    let started = alerts(settings, metrics.clone());
    if let Some(SecretRef::File(path)) = settings.webhook.as_ref().map(|webhook| &webhook.secret) {
        std::fs::remove_file(path).unwrap();
    }
    started
}

/// A receiver that answers with these statuses, then 204, until the test ends.
pub(super) async fn receiver(statuses: &[u16]) -> (SocketAddr, Seen) {
    let answers = Mutex::new(Vec::from(statuses).into_iter());
    receiver_by(move |_| answers.lock().unwrap().next().unwrap_or(204)).await
}

/// A receiver that answers with what the function makes of a body; 0 is no answer at all.
async fn receiver_by(status: impl Fn(&str) -> u16 + Send + Sync + 'static) -> (SocketAddr, Seen) {
    let (seen, status) = (Seen::default(), Arc::new(status));
    let log = Arc::clone(&seen);
    let answer = move |headers: HeaderMap, body: String| {
        let status = status(&body);
        log.lock().unwrap().push((headers, body));
        async move {
            if status == 0 {
                std::future::pending::<()>().await;
            }
            (StatusCode::from_u16(status).unwrap(), [("location", "http://127.0.0.1:9/elsewhere")])
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().route("/alerts", axum::routing::post(answer));
    // The test's runtime stops it.
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, seen)
}

fn data(body: &str) -> Value {
    serde_json::from_str::<Value>(body).unwrap()["data"].take()
}

fn messages(seen: &Seen) -> Vec<String> {
    let seen = seen.lock().unwrap();
    seen.iter().map(|(_, body)| data(body)["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn without_a_receiver_the_task_ends_with_the_last_sender() {
    let metrics = Telemetry::new().alerts().clone();
    let (sender, task) = start(&config::Alerts::default(), &metrics).unwrap();
    let task = tokio::spawn(task);
    sender.raise(alert("x"));
    let other = sender.clone();
    drop(sender);
    other.raise(alert("y"));
    drop(other);
    tokio::time::timeout(LIMIT, task).await.unwrap().unwrap();
    assert_eq!(metrics.raised.get(), 2);
}

#[tokio::test]
async fn raising_never_waits_and_what_does_not_fit_is_counted() {
    let metrics = Telemetry::new().alerts().clone();
    let (sender, task) = start(&config::Alerts::default(), &metrics).unwrap();
    for _ in 0..QUEUE + 3 {
        sender.raise(alert("x"));
    }
    assert_eq!(metrics.failed[AlertReceiver::Log].get(), 3);
    drop(task);
    sender.raise(alert("after the end"));
    assert_eq!((metrics.raised.get(), metrics.failed[AlertReceiver::Log].get()), (QUEUE as u64 + 4, 3));
}

#[tokio::test]
async fn a_cause_is_told_once_and_that_it_is_over() {
    let (address, seen) = receiver(&[]).await;
    let metrics = Telemetry::new().alerts().clone();
    let (sender, task) = start(&settings(address, SECRET), &metrics).unwrap();
    for message in ["first", "second", "third"] {
        sender.raise(alert(message));
    }
    sender.over(alert("it is over"));
    drop(sender);
    tokio::time::timeout(LIMIT, task).await.unwrap();
    let seen = seen.lock().unwrap();
    let told: Vec<_> = seen.iter().map(|(_, body)| data(body)).collect();
    let told: Vec<_> = told.iter().map(|data| (&data["state"], &data["message"], &data["count"])).collect();
    let first = (&"raised".into(), &"first".into(), &1.into());
    let last = (&"recovered".into(), &"it is over".into(), &2.into());
    assert_eq!(told, [first, last]);
    assert_eq!(metrics.told[AlertReceiver::Webhook].get(), 2);
}

#[tokio::test]
async fn reminders_come_while_it_lasts_with_the_count_in_between() {
    let (address, seen) = receiver(&[]).await;
    let metrics = Telemetry::new().alerts().clone();
    let reminder = Duration::from_millis(50);
    let (sender, task) = start(&config::Alerts { reminder, ..settings(address, SECRET) }, &metrics).unwrap();
    let task = tokio::spawn(task);
    let denied = |message: &str| Alert { kind: AlertKind::Denied, ..alert(message) };
    for message in ["first", "second", "third"] {
        sender.raise(denied(message));
    }
    let told = tokio::time::timeout(LIMIT, async {
        while messages(&seen).len() < 3 {
            tokio::task::yield_now().await;
        }
    });
    told.await.unwrap();
    drop(sender);
    tokio::time::timeout(LIMIT, task).await.unwrap().unwrap();
    let seen = seen.lock().unwrap();
    let told: Vec<_> = seen.iter().map(|(_, body)| data(body)).take(3).collect();
    let states: Vec<_> = told.iter().map(|data| data["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["raised", "reminder", "reminder"]);
    assert_eq!((&told[1]["count"], &told[1]["message"]), (&2.into(), &"third".into()));
    assert_eq!(told[2]["count"], 0);
}

#[tokio::test]
async fn a_failing_receiver_is_tried_again_with_the_same_id() {
    let (address, seen) = receiver(&[503]).await;
    let metrics = Telemetry::new().alerts().clone();
    let (sender, task) = start(&settings(address, SECRET), &metrics).unwrap();
    sender.raise(alert("x"));
    drop(sender);
    tokio::time::timeout(LIMIT, task).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].0["webhook-id"], seen[1].0["webhook-id"]);
    let counts = (&metrics.told[AlertReceiver::Webhook], &metrics.failed[AlertReceiver::Webhook]);
    assert_eq!((counts.0.get(), counts.1.get()), (1, 0));
}

#[tokio::test]
async fn what_is_refused_is_given_up_and_counted() {
    let (address, seen) = receiver(&[400]).await;
    let metrics = Telemetry::new().alerts().clone();
    let (sender, task) = start(&settings(address, SECRET), &metrics).unwrap();
    sender.raise(alert("refused"));
    sender.over(alert("taken"));
    drop(sender);
    tokio::time::timeout(LIMIT, task).await.unwrap();
    assert_eq!(messages(&seen), ["refused", "taken"]);
    let counts = (&metrics.told[AlertReceiver::Webhook], &metrics.failed[AlertReceiver::Webhook]);
    assert_eq!((counts.0.get(), counts.1.get()), (1, 1));
}

#[tokio::test]
async fn an_alert_that_fails_and_one_without_an_answer_delay_no_other() {
    let status = |body: &str| match data(body)["message"].as_str().unwrap() {
        "0" => 503,
        "1" => 0,
        _ => 204,
    };
    let (address, seen) = receiver_by(status).await;
    let metrics = Telemetry::new().alerts().clone();
    let (sender, task) = start(&settings(address, SECRET), &metrics).unwrap();
    let task = tokio::spawn(task);
    (0..100).for_each(|number| sender.raise(numbered(number)));
    let told = async {
        while metrics.told[AlertReceiver::Webhook].get() < 98 {
            tokio::task::yield_now().await;
        }
    };
    // The wait before the second try of the first is half a second at least.
    tokio::time::timeout(Duration::from_millis(400), told).await.unwrap();
    assert!(messages(&seen).len() <= 101);
    task.abort();
}

#[tokio::test]
async fn a_receiver_that_is_not_there_keeps_no_other_waiting() {
    let (address, seen) = receiver(&[]).await;
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let email = config::Email {
        server: unused.ip().to_string(),
        port: unused.port(),
        security: MailSecurity::None,
        ca_file: None,
        from: "liaison@example.gov".to_owned(),
        to: vec!["duty@example.gov".to_owned(), "night@example.gov".to_owned()],
        credential: None,
    };
    let settings = config::Alerts { email: Some(email), ..settings(address, SECRET) };
    let metrics = Telemetry::new().alerts().clone();
    let (sender, task) = start(&settings, &metrics).unwrap();
    let task = tokio::spawn(task);
    (0..10).for_each(|number| sender.raise(numbered(number)));
    let told = async {
        while messages(&seen).len() < 10 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_millis(400), told).await.unwrap();
    assert_eq!(metrics.told[AlertReceiver::Email].get(), 0);
    assert_eq!(metrics.failed[AlertReceiver::Email].get(), 0, "it is tried again");
    task.abort();
}

#[test]
fn a_secret_that_cannot_sign_is_refused_at_the_start() {
    let unused = SocketAddr::from(([127, 0, 0, 1], 9));
    let metrics = Telemetry::new().alerts().clone();
    for wrong in ["c2VjcmV0", "whsec_", "whsec_not base64"] {
        let error = start(&settings(unused, wrong), &metrics).map(|_| ()).unwrap_err();
        assert!(matches!(error, AlertError::NotASecret(_)), "{wrong}: {error}");
        assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
    }
}
