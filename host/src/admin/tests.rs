//! What operators are answered, over a real connection.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::config::secret::Watched;
use crate::config::{ConnectorName, SecretRef, SubscriptionName};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), AdminError>>,
}

async fn start(telemetry: &Telemetry, health: &Health) -> Running {
    start_with(telemetry, health, nothing()).await
}

/// Nobody may do anything.
fn nothing() -> Operations {
    let reload: Operation = Box::new(|| unreachable!("the door is closed"));
    Operations { door: Door::default(), reload }
}

async fn start_with(telemetry: &Telemetry, health: &Health, operations: Operations) -> Running {
    serve(AdminServer::bind(ANY_PORT).await.unwrap(), telemetry, health, operations)
}

fn serve(server: AdminServer, telemetry: &Telemetry, health: &Health, operations: Operations) -> Running {
    let address = server.address();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move {
        let _stopped_or_dropped = stopped.await;
    };
    let server = tokio::spawn(server.serve(telemetry.clone(), health.clone(), operations, shutdown));
    Running { address, stop, server }
}

impl Running {
    /// The whole answer, head and body.
    async fn ask(&self, method: &str, path: &str) -> String {
        self.send(method, path, "").await
    }

    /// The same, with further headers and what comes behind them.
    async fn send(&self, method: &str, path: &str, rest: &str) -> String {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let end = if rest.contains("\r\n\r\n") { "" } else { "\r\n" };
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{rest}{end}");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.server).await;
        ended.expect("it ends when told to").unwrap().unwrap();
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn health_and_readiness_are_told_apart() {
    let health = Health::new();
    health.register("calendar");
    let server = start(&Telemetry::new(), &health).await;
    let answer = server.ask("GET", "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(body(&answer), "ok");

    health.set_not_ready("documents", "the dead-letter topic is not writable".to_owned());
    let answer = server.ask("GET", "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(problem["status"], 503);
    assert_eq!(
        problem["reasons"],
        json!({ "calendar": "starting", "documents": "the dead-letter topic is not writable" })
    );

    health.set_ready("calendar");
    health.of("documents").clear();
    assert_eq!(health.reasons().len(), 1, "the host said it, not this owner");
    health.set_ready("documents");
    let owner = health.of("roster");
    owner.register("one");
    owner.register("two");
    assert_eq!(health.reasons().len(), 2);
    owner.clear();
    let answer = server.ask("GET", "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_served_as_openmetrics() {
    let telemetry = Telemetry::new();
    telemetry
        .subscription(&SubscriptionName::new("calendar"), &ConnectorName::new("training"))
        .received
        .inc();
    let server = start(&telemetry, &Health::new()).await;
    let answer = server.ask("GET", "/metrics").await;
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{answer}"
    );
    let expected = r#"liaison_events_received_total{subscription="calendar",connector="training"} 1"#;
    assert!(body(&answer).lines().any(|line| line == expected), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn plugins_are_shown_as_they_are_when_they_are_asked_for() {
    let looks = std::sync::atomic::AtomicU32::new(0);
    let page = PluginsPage::new(
        move || json!({ "looks": looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) }),
    );
    let server = AdminServer::bind(ANY_PORT).await.unwrap().with_plugins(page);
    let running = serve(server, &Telemetry::new(), &Health::new(), nothing());
    for looks in 0..2 {
        let answer = running.ask("GET", "/plugins").await;
        assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
        assert_eq!(body(&answer), format!("{{\"looks\":{looks}}}"));
    }
    let answer = running.ask("POST", "/plugins").await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("only GET and HEAD"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_with_details() {
    let server = start(&Telemetry::new(), &Health::new()).await;
    for (method, path, status, detail) in [
        (
            "GET",
            "/nowhere",
            404,
            "there is no `/nowhere`: try /healthz, /readyz, /metrics, /plugins or /reload",
        ),
        ("GET", "/reload", 405, "only POST is answered here"),
        ("POST", "/metrics", 405, "only GET and HEAD are answered here"),
    ] {
        let answer = server.ask(method, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
        let problem: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
        assert_eq!((problem["status"].as_u64(), problem["detail"].as_str()), (Some(status), Some(detail)));
    }
    server.stop().await;
}

const TOKEN: &str = "a-token-that-nobody-guesses";

/// A door that opens to [`TOKEN`], which is removed from the disk at once.
fn door(name: &str) -> Door {
    let file = std::env::temp_dir().join(format!("liaison-admin-{name}-{}", std::process::id()));
    std::fs::write(&file, TOKEN).unwrap();
    let token = Watched::read(&SecretRef::File(file.clone())).unwrap();
    std::fs::remove_file(file).unwrap();
    let door = Door::default();
    door.open_to(Some(token));
    door
}

#[tokio::test]
async fn a_reload_is_for_who_shows_the_token_and_nothing_else() {
    let asked = Arc::new(AtomicUsize::new(0));
    let reload: Operation = {
        let asked = asked.clone();
        Box::new(move || {
            asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(json!({ "added": ["calendar"] })) })
        })
    };
    let operations = Operations { door: door("shown"), reload };
    let server = start_with(&Telemetry::new(), &Health::new(), operations).await;
    let right = format!("authorization: Bearer {TOKEN}\r\n");
    let large = format!("{right}content-length: 2000\r\n\r\n{}", "x".repeat(2000));
    for (rest, status, text) in [
        (String::new(), 401, "show the token that `admin.token` names"),
        ("authorization: Bearer a-token-that-somebody-guesses\r\n".to_owned(), 401, "show the token"),
        (format!("{right}content-length: 2\r\n\r\n{{}}"), 400, "leave the body out"),
        (large, 413, "leave the body out"),
    ] {
        let answer = server.send("POST", "/reload", &rest).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
        assert!(body(&answer).contains(text), "{answer}");
        let is_challenged = answer.contains("www-authenticate: Bearer realm=\"liaison\"\r\n");
        assert_eq!(is_challenged, status == 401, "{answer}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let answer = server.send("POST", "/reload", &right).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    assert_eq!((body(&answer), asked.load(Ordering::Relaxed)), (r#"{"added":["calendar"]}"#, 1));
    server.stop().await;
}

#[tokio::test]
async fn without_a_token_nobody_may_reload_and_is_told_how_to_allow_it() {
    let server = start(&Telemetry::new(), &Health::new()).await;
    let answer = server.send("POST", "/reload", &format!("authorization: Bearer {TOKEN}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(body(&answer).contains("set `admin.token` to a secret"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_is_a_problem_with_its_own_member() {
    let reload: Operation = Box::new(|| {
        let member = Some(("mistakes", json!([{ "key": "kafka.brokers", "line": 2 }])));
        let refusal = Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, detail: "no".to_owned(), member };
        Box::pin(async { Err(refusal) })
    });
    let operations = Operations { door: door("refused"), reload };
    let server = start_with(&Telemetry::new(), &Health::new(), operations).await;
    let answer = server.send("POST", "/reload", &format!("authorization: Bearer {TOKEN}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!((&problem["status"], &problem["detail"]), (&json!(422), &json!("no")));
    assert_eq!(problem["mistakes"], json!([{ "key": "kafka.brokers", "line": 2 }]));
    server.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_setting() {
    let taken = AdminServer::bind(ANY_PORT).await.unwrap();
    let error = AdminServer::bind(taken.address()).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {}: ", taken.address())), "{error}");
    assert!(error.ends_with("or set another `admin.address`"), "{error}");
}
