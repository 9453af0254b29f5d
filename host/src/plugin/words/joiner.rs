//! The same for effects and replies that go both ways: what is joined, and what is split. All of it is owned.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::contract::{
    Body, Effect, Failure, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, Joint, Real, Reply,
    SqlError, SqlErrorKind, SqlRequest, SqlResponse, SqlResult, SqlStatement, SqlValue,
};
use crate::plugin::bindings::joiner::exports::liaison::plugin::joiner as wit_joiner;
use crate::plugin::bindings::joiner::liaison::plugin::effects as wit;

pub(crate) fn lower_effect(effect: &Effect) -> wit::Effect {
    match effect {
        Effect::Http(request) => wit::Effect::Http(wit::HttpRequest {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: match &request.body {
                Body::None => wit::Body::None,
                Body::Bytes(bytes) => wit::Body::Bytes(bytes.to_vec()),
                Body::EventData => wit::Body::EventData,
                Body::OfReply { round, position } => wit::Body::OfReply((index(*round), index(*position))),
            },
            timeout: request.timeout.map(milliseconds),
            keep_body: request.keep_body,
        }),
        Effect::Grpc(request) => wit::Effect::Grpc(wit::GrpcRequest {
            method: request.method.clone(),
            metadata: request.metadata.clone(),
            message: request.message.to_vec(),
            timeout: request.timeout.map(milliseconds),
        }),
        Effect::Sql(request) => wit::Effect::Sql(wit::SqlRequest {
            statements: request
                .statements
                .iter()
                .map(|statement| wit::SqlStatement {
                    sql: statement.sql.clone(),
                    parameters: statement.parameters.iter().map(lower_value).collect(),
                })
                .collect(),
            timeout: request.timeout.map(milliseconds),
        }),
    }
}

pub(crate) fn lift_joint(joint: wit_joiner::Joint) -> Joint {
    Joint { effect: lift_effect(joint.effect), members: joint.members, memo: joint.memo.into() }
}

fn lift_effect(effect: wit::Effect) -> Effect {
    match effect {
        wit::Effect::Http(request) => Effect::Http(HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: match request.body {
                wit::Body::None => Body::None,
                wit::Body::Bytes(bytes) => Body::Bytes(bytes.into()),
                wit::Body::EventData => Body::EventData,
                wit::Body::OfReply((round, position)) => {
                    Body::OfReply { round: round as usize, position: position as usize }
                }
            },
            timeout: request.timeout.map(Duration::from_millis),
            keep_body: request.keep_body,
        }),
        wit::Effect::Grpc(request) => Effect::Grpc(GrpcRequest {
            method: request.method,
            metadata: request.metadata,
            message: request.message.into(),
            timeout: request.timeout.map(Duration::from_millis),
        }),
        wit::Effect::Sql(request) => Effect::Sql(SqlRequest {
            statements: request
                .statements
                .into_iter()
                .map(|statement| SqlStatement {
                    sql: statement.sql,
                    parameters: statement.parameters.into_iter().map(lift_value).collect(),
                })
                .collect(),
            timeout: request.timeout.map(Duration::from_millis),
        }),
    }
}

pub(crate) fn lower_reply(reply: &Reply) -> wit::Reply {
    match reply {
        Reply::Http(response) => wit::Reply::Http(wit::HttpResponse {
            status: response.status,
            headers: response
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
                .collect(),
            body: match &response.kept {
                None => wit::ResponseBody::Bytes(response.body.to_vec()),
                Some(kept) => wit::ResponseBody::Kept(wit::KeptBody {
                    length: kept.length,
                    sha256: kept.sha256.to_vec(),
                }),
            },
        }),
        Reply::Grpc(response) => wit::Reply::Grpc(wit::GrpcResponse {
            status: response.status,
            status_message: response.status_message.clone(),
            metadata: response.metadata.clone(),
            message: response.message.as_ref().map(|message| message.to_vec()),
        }),
        Reply::Sql(SqlResponse::Done(results)) => {
            wit::Reply::Sql(wit::SqlResponse::Done(results.iter().map(lower_result).collect()))
        }
        Reply::Sql(SqlResponse::Error(error)) => wit::Reply::Sql(wit::SqlResponse::Error(lower_error(error))),
        Reply::Failed(failure) => wit::Reply::Failed(lower_failure(failure)),
    }
}

/// A reply that a plugin has made of another one; `None` where it could be none of a request that was done.
pub(crate) fn lift_reply(reply: wit::Reply) -> Option<Reply> {
    match reply {
        wit::Reply::Http(response) => {
            let wit::ResponseBody::Bytes(body) = response.body else { return None };
            let mut headers = HeaderMap::with_capacity(response.headers.len());
            for (name, value) in response.headers {
                let name = HeaderName::try_from(name).ok()?;
                headers.append(name, HeaderValue::try_from(value).ok()?);
            }
            Some(Reply::Http(HttpResponse {
                status: response.status,
                headers,
                body: body.into(),
                kept: None,
            }))
        }
        wit::Reply::Grpc(response) => Some(Reply::Grpc(GrpcResponse {
            status: response.status,
            status_message: response.status_message,
            metadata: response.metadata,
            message: response.message.map(Into::into),
        })),
        wit::Reply::Sql(wit::SqlResponse::Done(results)) => {
            Some(Reply::Sql(SqlResponse::Done(results.into_iter().map(lift_result).collect())))
        }
        wit::Reply::Sql(wit::SqlResponse::Error(_)) | wit::Reply::Failed(_) => None,
    }
}

fn lower_result(result: &SqlResult) -> wit::SqlResult {
    let rows = result.rows.iter().map(|row| row.iter().map(lower_value).collect());
    wit::SqlResult { affected: result.affected, columns: result.columns.clone(), rows: rows.collect() }
}

fn lift_result(result: wit::SqlResult) -> SqlResult {
    let rows = result.rows.into_iter().map(|row| row.into_iter().map(lift_value).collect());
    SqlResult { affected: result.affected, columns: result.columns, rows: rows.collect() }
}

fn lower_value(value: &SqlValue) -> wit::SqlValue {
    match value {
        SqlValue::Null => wit::SqlValue::Null,
        SqlValue::Boolean(value) => wit::SqlValue::Boolean(*value),
        SqlValue::Integer(value) => wit::SqlValue::Integer(*value),
        SqlValue::Real(Real(value)) => wit::SqlValue::Real(*value),
        SqlValue::Text(text) => wit::SqlValue::Text(text.clone()),
        SqlValue::Bytes(bytes) => wit::SqlValue::Bytes(bytes.to_vec()),
        SqlValue::Timestamp(microseconds) => wit::SqlValue::Timestamp(*microseconds),
        SqlValue::Json(text) => wit::SqlValue::Json(text.clone()),
    }
}

fn lift_value(value: wit::SqlValue) -> SqlValue {
    match value {
        wit::SqlValue::Null => SqlValue::Null,
        wit::SqlValue::Boolean(value) => SqlValue::Boolean(value),
        wit::SqlValue::Integer(value) => SqlValue::Integer(value),
        wit::SqlValue::Real(value) => SqlValue::Real(Real(value)),
        wit::SqlValue::Text(text) => SqlValue::Text(text),
        wit::SqlValue::Bytes(bytes) => SqlValue::Bytes(bytes.into()),
        wit::SqlValue::Timestamp(microseconds) => SqlValue::Timestamp(microseconds),
        wit::SqlValue::Json(text) => SqlValue::Json(text),
    }
}

fn lower_error(error: &SqlError) -> wit::SqlError {
    wit::SqlError {
        kind: match error.kind {
            SqlErrorKind::Constraint => wit::SqlErrorKind::Constraint,
            SqlErrorKind::Data => wit::SqlErrorKind::Data,
            SqlErrorKind::Serialization => wit::SqlErrorKind::Serialization,
            SqlErrorKind::Statement => wit::SqlErrorKind::Statement,
            SqlErrorKind::Permission => wit::SqlErrorKind::Permission,
            SqlErrorKind::TooManyRows => wit::SqlErrorKind::TooManyRows,
            SqlErrorKind::Unavailable => wit::SqlErrorKind::Unavailable,
            SqlErrorKind::Other => wit::SqlErrorKind::Other,
        },
        statement: error.statement,
        code: error.code.clone(),
        message: error.message.clone(),
        constraint: error.constraint.clone(),
    }
}

fn lower_failure(failure: &Failure) -> wit::Failure {
    match failure {
        Failure::NotAllowed(what) => wit::Failure::NotAllowed(what.clone()),
        Failure::Invalid(what) => wit::Failure::Invalid(what.clone()),
        Failure::Connection(what) => wit::Failure::Connection(what.clone()),
        Failure::TimedOut => wit::Failure::TimedOut,
        Failure::TooLarge(limit) => wit::Failure::TooLarge(*limit),
        Failure::Unsupported(what) => wit::Failure::Unsupported(what.clone()),
        Failure::Other(what) => wit::Failure::Other(what.clone()),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects() -> Vec<Effect> {
        let timeout = Some(Duration::from_millis(7));
        let http = |body, keep_body| {
            let headers = vec![("a".to_owned(), "b".to_owned())];
            let (method, url) = ("PUT".to_owned(), "/x".to_owned());
            Effect::Http(HttpRequest { method, url, headers, body, timeout, keep_body })
        };
        let values = vec![
            SqlValue::Null,
            SqlValue::Boolean(true),
            SqlValue::Integer(-1),
            SqlValue::Real(Real(0.5)),
            SqlValue::Text("t".to_owned()),
            SqlValue::Bytes("b".into()),
            SqlValue::Timestamp(3),
            SqlValue::Json("{}".to_owned()),
        ];
        let statements = vec![SqlStatement { sql: "select 1".to_owned(), parameters: values }];
        let metadata = vec![("m".to_owned(), "v".to_owned())];
        vec![
            http(Body::None, false),
            http(Body::Bytes("data".into()), true),
            http(Body::EventData, false),
            http(Body::OfReply { round: 1, position: 2 }, false),
            Effect::Grpc(GrpcRequest {
                method: "/s/M".to_owned(),
                metadata,
                message: "x".into(),
                timeout: None,
            }),
            Effect::Sql(SqlRequest { statements, timeout }),
        ]
    }

    #[test]
    fn effects_come_back_as_they_went() {
        for effect in effects() {
            assert_eq!(lift_effect(lower_effect(&effect)), effect);
        }
    }

    #[test]
    fn replies_come_back_as_they_went_where_something_was_done() {
        let mut headers = HeaderMap::new();
        headers.append("etag", HeaderValue::from_static("\"1\""));
        let rows = vec![vec![SqlValue::Integer(1)]];
        let result = SqlResult { affected: 2, columns: vec!["a".to_owned()], rows };
        for reply in [
            Reply::Http(HttpResponse { status: 201, headers, body: "x".into(), kept: None }),
            Reply::Grpc(GrpcResponse {
                status: 0,
                status_message: "s".to_owned(),
                metadata: vec![("m".to_owned(), "v".to_owned())],
                message: Some("x".into()),
            }),
            Reply::Sql(SqlResponse::Done(vec![result])),
        ] {
            assert_eq!(lift_reply(lower_reply(&reply)), Some(reply));
        }
        assert_eq!(lift_reply(lower_reply(&Reply::Failed(Failure::TimedOut))), None);
        let headers = vec![("a b".to_owned(), String::new())];
        let response = wit::HttpResponse { status: 200, headers, body: wit::ResponseBody::Bytes(Vec::new()) };
        assert_eq!(lift_reply(wit::Reply::Http(response)), None);
    }
}
