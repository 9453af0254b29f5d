//! Reads the reply of a script, and what a body should be.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::super::{Content, ScriptedAnswer, ScriptedReply};
use super::sql::{self, WrittenRefusal, WrittenResult};
use super::{Kind, duration};
use crate::contract::{Failure, GrpcResponse};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct WrittenReply {
    status: Option<u16>,
    grpc_status: Option<u32>,
    status_message: Option<String>,
    /// Of a gRPC call: headers and trailers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    text: Option<String>,
    base64: Option<String>,
    /// Of SQL: one for each statement.
    results: Option<Vec<WrittenResult>>,
    sql_error: Option<WrittenRefusal>,
    failed: Option<Failure>,
    #[serde(default, with = "duration")]
    after: Option<Duration>,
}

impl WrittenReply {
    /// As the reply to a request of this kind.
    pub(super) fn read(self, kind: Kind) -> Result<ScriptedReply, String> {
        let after = self.after.unwrap_or_default();
        let answer = match kind {
            Kind::Sql => self.of_sql()?,
            Kind::Http | Kind::Grpc => self.of_http(kind == Kind::Grpc)?,
        };
        Ok(ScriptedReply { answer, after })
    }

    fn of_sql(self) -> Result<ScriptedAnswer, String> {
        let is_other = self.status.is_some()
            || self.grpc_status.is_some()
            || self.status_message.is_some()
            || !self.headers.is_empty()
            || self.json.is_some()
            || self.text.is_some()
            || self.base64.is_some();
        match (self.results, self.sql_error, self.failed) {
            (Some(results), None, None) if !is_other => sql::done(results).map(ScriptedAnswer::Sql),
            (None, Some(refusal), None) if !is_other => sql::refused(refusal).map(ScriptedAnswer::Sql),
            (None, None, Some(failure)) if !is_other => Ok(ScriptedAnswer::Failed(failure)),
            _ => Err("give a `results` or `sql-error`, or `failed` alone".to_owned()),
        }
    }

    fn of_http(self, is_grpc: bool) -> Result<ScriptedAnswer, String> {
        if self.results.is_some() || self.sql_error.is_some() {
            return Err("`results` and `sql-error` answer SQL".to_owned());
        }
        let content = content(self.json, self.text, self.base64)?;
        let is_bare = content.is_none() && self.headers.is_empty() && self.status_message.is_none();
        let answer = match (self.status, self.grpc_status, self.failed) {
            (None, None, Some(failure)) if is_bare => ScriptedAnswer::Failed(failure),
            (Some(status @ 100..=599), None, None) if !is_grpc && self.status_message.is_none() => {
                http(status, self.headers, content)
            }
            (Some(status), None, None) if !is_grpc && self.status_message.is_none() => {
                return Err(format!("{status} is no HTTP status"));
            }
            (None, Some(status), None) if is_grpc => ScriptedAnswer::Grpc(GrpcResponse {
                status,
                status_message: self.status_message.unwrap_or_default(),
                metadata: self.headers.into_iter().collect(),
                message: content.map(Content::bytes),
            }),
            _ => {
                let status = if is_grpc { "grpc-status" } else { "status" };
                return Err(format!(
                    "give a `{status}`, with headers and a body as need be, or `failed` alone"
                ));
            }
        };
        Ok(answer)
    }
}

fn http(status: u16, headers: BTreeMap<String, String>, content: Option<Content>) -> ScriptedAnswer {
    let mut headers: Vec<_> = headers.into_iter().collect();
    let is_json = matches!(content, Some(Content::Json(_)));
    let is_given = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
    if is_json && !headers.iter().any(is_given) {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let body = content.map(Content::bytes).unwrap_or_default();
    ScriptedAnswer::Http { status, headers, body }
}

/// A body or a message, in one of three ways; `None`: it is not said.
pub(in crate::rehearsal::case) fn content(
    json: Option<Value>,
    text: Option<String>,
    base64: Option<String>,
) -> Result<Option<Content>, String> {
    match (json, text, base64) {
        (None, None, None) => Ok(None),
        (Some(json), None, None) => Ok(Some(Content::Json(json))),
        (None, Some(text), None) => Ok(Some(Content::Bytes(text.into()))),
        (None, None, Some(base64)) => {
            let bytes = STANDARD.decode(base64).map_err(|error| format!("base64: {error}"))?;
            Ok(Some(Content::Bytes(bytes.into())))
        }
        _ => Err("give a body as one of `json`, `text` and `base64`".to_owned()),
    }
}

impl Content {
    fn bytes(self) -> Bytes {
        match self {
            Content::Json(value) => value.to_string().into(),
            Content::Bytes(bytes) => bytes,
        }
    }
}
