//! What operators may change over HTTP: `POST /reload`.
//!
//! A request comes in, and where its token is right and it holds nothing else, the host is asked; its answer goes out.
//! What an operation does is the host's business.

use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::door::{Closed, Door};
use super::problem::{Problem, problem};

/// What an operation came to.
pub type Answer = Pin<Box<dyn Future<Output = Result<Value, Refusal>> + Send>>;

/// Asks the host to do something.
pub type Operation = Box<dyn Fn() -> Answer + Send + Sync>;

/// Why an operation was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub detail: String,
    /// A further member of the problem details.
    pub member: Option<(&'static str, Value)>,
}

/// All operations, behind one door.
pub struct Operations {
    pub door: Door,
    pub reload: Operation,
}

/// No operation takes a body: more than this is not even read.
const MAX_BODY_BYTES: usize = 1024;
/// How long a body may take to come.
const BODY_LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn reload(
    State(operations): State<std::sync::Arc<Operations>>,
    request: axum::extract::Request,
) -> Response {
    let (head, body) = request.into_parts();
    if let Err(closed) = operations.door.admits(head.headers.get(header::AUTHORIZATION), Instant::now()) {
        return refused(closed);
    }
    if let Err(problem) = nothing(body).await {
        return problem.into_response();
    }
    match (operations.reload)().await {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response(),
        Err(Refusal { status, detail, member }) => {
            let mut problem = problem(status, &detail);
            if let Some((name, value)) = member {
                problem.1[name] = value;
            }
            problem.into_response()
        }
    }
}

fn refused(closed: Closed) -> Response {
    match closed {
        Closed::ToAll => {
            let detail = "nobody may change anything here: set `admin.token` to a secret, such as { env = \"…\" } or \
                          { file = \"…\" }, restart or send SIGHUP, and show it as `Authorization: Bearer …`";
            problem(StatusCode::FORBIDDEN, detail).into_response()
        }
        Closed::ToThis => {
            let detail = "show the token that `admin.token` names: `Authorization: Bearer …`";
            let challenge = HeaderValue::from_static("Bearer realm=\"liaison\"");
            ([(header::WWW_AUTHENTICATE, challenge)], problem(StatusCode::UNAUTHORIZED, detail))
                .into_response()
        }
    }
}

/// Reads a body that should hold nothing.
async fn nothing(body: Body) -> Result<(), Problem> {
    match tokio::time::timeout(BODY_LIMIT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) if bytes.is_empty() => Ok(()),
        Ok(Ok(_)) => {
            let detail = "leave the body out: the configuration is read from its file";
            Err(problem(StatusCode::BAD_REQUEST, detail))
        }
        Ok(Err(_)) => {
            let detail = "leave the body out; this one is too large, or broke off";
            Err(problem(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Err(_) => Err(problem(StatusCode::REQUEST_TIMEOUT, "leave the body out; this one did not come")),
    }
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Operations").field("door", &self.door).finish_non_exhaustive()
    }
}
