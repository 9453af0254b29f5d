//! What operators are answered, over a real connection.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::config::{ConnectorName, SubscriptionName};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), AdminError>>,
}

async fn start(telemetry: &Telemetry, health: &Health) -> Running {
    let server = AdminServer::bind(ANY_PORT).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move {
        let _stopped_or_dropped = stopped.await;
    };
    let server = tokio::spawn(server.serve(telemetry.clone(), health.clone(), shutdown));
    Running { address, stop, server }
}

impl Running {
    /// The whole answer, head and body.
    async fn ask(&self, method: &str, path: &str) -> String {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
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
    health.set_ready("documents");
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
async fn what_is_not_there_is_a_problem_with_details() {
    let server = start(&Telemetry::new(), &Health::new()).await;
    for (method, path, status, detail) in [
        ("GET", "/nowhere", 404, "there is no `/nowhere`: try /healthz, /readyz or /metrics"),
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

#[tokio::test]
async fn an_address_in_use_is_named_with_its_setting() {
    let taken = AdminServer::bind(ANY_PORT).await.unwrap();
    let error = AdminServer::bind(taken.address()).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {}: ", taken.address())), "{error}");
    assert!(error.ends_with("or set another `admin.address`"), "{error}");
}
