//! What the host tells operators over HTTP, `/healthz`, `/readyz`, `/metrics` and `/plugins`, and what they may change:
//! `/reload`.
//!
//! Reads [`Health`] and [`Telemetry`] for whoever asks: bind it to an address that only operators and Prometheus reach.
//! What changes something wants a token ([`Door`]) and is done by the host ([`Operations`]). Errors are problem details
//! (RFC 9457).

mod door;
mod health;
mod operations;
mod plugins;
mod problem;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;

use crate::telemetry::{self, Telemetry};
pub use door::Door;
pub use health::Health;
pub use operations::{Answer, Operation, Operations, Refusal};
pub use plugins::PluginsPage;
use problem::{Problem, problem};

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
    plugins: Option<PluginsPage>,
}

impl AdminServer {
    /// Port 0 takes any that is free.
    pub async fn bind(address: SocketAddr) -> Result<AdminServer, AdminError> {
        let bind_error = |source| AdminError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(AdminServer { listener, address, plugins: None })
    }

    /// With a page of plugins.
    pub fn with_plugins(self, page: PluginsPage) -> AdminServer {
        AdminServer { plugins: Some(page), ..self }
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
        operations: Operations,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AdminError> {
        let router = router(telemetry, health, operations, self.plugins);
        let server = axum::serve(self.listener, router).into_future();
        tokio::select! {
            served = server => served.map_err(AdminError::Serve),
            () = shutdown => Ok(()),
        }
    }
}

fn router(
    telemetry: Telemetry,
    health: Health,
    operations: Operations,
    plugins: Option<PluginsPage>,
) -> Router {
    plugins
        .map_or_else(Router::new, plugins::router)
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready).with_state(health))
        .route("/metrics", get(metrics).with_state(telemetry))
        .route("/reload", post(operations::reload).with_state(Arc::new(operations)))
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
    let detail =
        format!("there is no `{}`: try /healthz, /readyz, /metrics, /plugins or /reload", uri.path());
    problem(StatusCode::NOT_FOUND, &detail)
}

async fn method_not_allowed(uri: Uri) -> Problem {
    let detail = match uri.path() {
        "/reload" => "only POST is answered here",
        _ => "only GET and HEAD are answered here",
    };
    problem(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests;
