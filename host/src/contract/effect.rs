//! A request as a connector asks for it, by HTTP or gRPC, and what came of it. Values only, as in [`super`].

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::{SqlRequest, SqlResponse, written};

/// One request to the external system, as data. Many wait at the same time, and each is moved often: it is small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    Http(Box<HttpRequest>),
    Grpc(Box<GrpcRequest>),
    Sql(SqlRequest),
}

impl From<HttpRequest> for Effect {
    fn from(request: HttpRequest) -> Self {
        Effect::Http(Box::new(request))
    }
}

impl From<GrpcRequest> for Effect {
    fn from(request: GrpcRequest) -> Self {
        Effect::Grpc(Box::new(request))
    }
}

/// An HTTP request as a connector wrote it: unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: String,
    /// Absolute, or a path that is appended to the connector's endpoint.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// At most what is left of the attempt.
    #[serde(with = "written::milliseconds", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The guest is given only length and sha256 of the reply's body.
    pub keep_body: bool,
}

/// A unary gRPC call as a connector wrote it: unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcRequest {
    /// `/package.Service/Method`
    pub method: String,
    pub metadata: Vec<(String, String)>,
    /// Encoded, without gRPC's own framing.
    #[serde(with = "written::bytes")]
    pub message: Bytes,
    /// At most what is left of the attempt.
    #[serde(with = "written::milliseconds", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    None,
    Bytes(#[serde(with = "written::bytes")] Bytes),
    /// The data of the event that is being delivered.
    EventData,
    /// The body of an earlier HTTP reply of the same attempt.
    OfReply {
        round: usize,
        position: usize,
    },
}

/// What came of one effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Http(Box<HttpResponse>),
    Grpc(Box<GrpcResponse>),
    Sql(SqlResponse),
    Failed(Failure),
}

impl Reply {
    /// What a plugin is given of it, nearly.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Reply::Http(response) => {
                let headers = response.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
                response.body.len() + headers.sum::<usize>()
            }
            Reply::Grpc(response) => {
                let metadata = response.metadata.iter().map(|(name, value)| name.len() + value.len());
                response.message.as_ref().map_or(0, Bytes::len) + metadata.sum::<usize>()
            }
            Reply::Sql(response) => response.bytes(),
            Reply::Failed(_) => 0,
        }
    }

    /// What is kept of it in memory for a later request.
    pub(crate) fn kept_bytes(&self) -> usize {
        match self {
            Reply::Http(response) => match response.kept.as_ref().map(|kept| &kept.content) {
                Some(Content::Memory(bytes)) => bytes.len(),
                Some(Content::File(_) | Content::Lost) | None => 0,
            },
            Reply::Grpc(_) | Reply::Sql(_) | Reply::Failed(_) => 0,
        }
    }
}

impl From<HttpResponse> for Reply {
    fn from(response: HttpResponse) -> Self {
        Reply::Http(Box::new(response))
    }
}

impl From<GrpcResponse> for Reply {
    fn from(response: GrpcResponse) -> Self {
        Reply::Grpc(Box::new(response))
    }
}

/// The answer to a unary gRPC call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcResponse {
    /// 0 is OK.
    pub status: u32,
    pub status_message: String,
    /// Headers, then trailers.
    pub metadata: Vec<(String, String)>,
    #[serde(with = "written::optional_bytes", default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: HeaderMap,
    /// Empty where it is kept.
    pub body: Bytes,
    /// Set where the request said `keep_body`.
    pub kept: Option<Kept>,
}

/// A body that stayed with the host; the guest is given length and sha256.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub length: u64,
    pub sha256: [u8; 32],
    pub content: Content,
}

/// Where the bytes of a kept body are.
#[derive(Debug, Clone)]
pub enum Content {
    Memory(Bytes),
    /// Without a name, so that it is gone with its last holder.
    File(Arc<File>),
    /// Not here: of an attempt that was recorded or journalled without it.
    Lost,
}

/// A file is itself alone.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(one), Self::Memory(other)) => one == other,
            (Self::File(one), Self::File(other)) => Arc::ptr_eq(one, other),
            (Self::Lost, Self::Lost) => true,
            (Self::Memory(_) | Self::File(_) | Self::Lost, _) => false,
        }
    }
}

/// Why an effect has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    #[error("not allowed: {0}")]
    NotAllowed(String),
    #[error("invalid request: {0}")]
    Invalid(String),
    #[error("connection failed: {0}")]
    Connection(String),
    #[error("timed out")]
    TimedOut,
    #[error("the reply is larger than {0} bytes")]
    TooLarge(u64),
    #[error("{0} is not supported by this host")]
    Unsupported(String),
    #[error("{0}")]
    Other(String),
}
