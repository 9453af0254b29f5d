//! What the host tells operators over HTTP: `/healthz`, `/readyz` and `/metrics`.
//!
//! Reads [`Health`] and [`Telemetry`] and changes nothing. Errors are problem details (RFC 9457). There is no
//! authentication: bind it to an address that only operators and Prometheus reach.

mod health;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

use crate::telemetry::{self, Telemetry};
pub use health::Health;

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("cannot listen on {address}: {source}; free the port, or set another `admin.address`")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("the admin server failed: {0}")]
    Serve(#[source] io::Error),
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminServer {
    /// Port 0 takes any that is free.
    pub async fn bind(address: SocketAddr) -> Result<AdminServer, AdminError> {
        let bind_error = |source| AdminError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(AdminServer { listener, address })
    }

    /// Where it listens, the port resolved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`. Does not wait for clients that are still connected then.
    pub async fn serve(
        self,
        telemetry: Telemetry,
        health: Health,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AdminError> {
        let server = axum::serve(self.listener, router(telemetry, health)).into_future();
        tokio::select! {
            served = server => served.map_err(AdminError::Serve),
            () = shutdown => Ok(()),
        }
    }
}

fn router(telemetry: Telemetry, health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready).with_state(health))
        .route("/metrics", get(metrics).with_state(telemetry))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
}

async fn ready(State(health): State<Health>) -> Response {
    let reasons = health.reasons();
    if reasons.is_empty() {
        return "ready".into_response();
    }
    let mut problem = problem(StatusCode::SERVICE_UNAVAILABLE, "not ready, see `reasons`");
    problem.1["reasons"] = json!(reasons);
    problem.into_response()
}

async fn metrics(State(telemetry): State<Telemetry>) -> Response {
    ([(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)], telemetry.encode()).into_response()
}

async fn not_found(uri: Uri) -> Problem {
    let detail = format!("there is no `{}`: try /healthz, /readyz or /metrics", uri.path());
    problem(StatusCode::NOT_FOUND, &detail)
}

async fn method_not_allowed() -> Problem {
    problem(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here")
}

/// Problem details as RFC 9457 writes them.
struct Problem(StatusCode, serde_json::Value);

fn problem(status: StatusCode, detail: &str) -> Problem {
    let title = status.canonical_reason().unwrap_or("Error");
    let members =
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    Problem(status, members)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem(status, members) = self;
        (status, [(header::CONTENT_TYPE, "application/problem+json")], members.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests;
