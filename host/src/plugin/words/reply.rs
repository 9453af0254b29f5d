//! The same for replies: what a connector is given, and what it makes of the reply to several of its requests.

use bumpalo::Bump;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{pairs, sql, wit_effects as wit};
use crate::contract::{Failure, GrpcResponse, HttpResponse, Reply, SqlResponse};

pub(in crate::plugin) fn lower<'a>(reply: &'a Reply, arena: &'a Bump) -> wit::ReplyParam<'a> {
    match reply {
        Reply::Http(response) => wit::ReplyParam::Http(wit::HttpResponseParam {
            status: response.status,
            headers: header_pairs(&response.headers, arena),
            body: match &response.kept {
                None => wit::ResponseBodyParam::Bytes(&response.body),
                Some(kept) => wit::ResponseBodyParam::Kept(wit::KeptBodyParam {
                    length: kept.length,
                    sha256: &kept.sha256,
                }),
            },
        }),
        Reply::Grpc(response) => wit::ReplyParam::Grpc(wit::GrpcResponseParam {
            status: response.status,
            status_message: &response.status_message,
            metadata: pairs(&response.metadata, arena),
            message: response.message.as_deref(),
        }),
        Reply::Sql(response) => wit::ReplyParam::Sql(sql::lower_response(response, arena)),
        Reply::Failed(failure) => wit::ReplyParam::Failed(lower_failure(failure)),
    }
}

/// Values that are not text are left out.
fn header_pairs<'a>(headers: &'a HeaderMap, arena: &'a Bump) -> &'a [(&'a str, &'a str)] {
    let text = |(name, value): (&'a HeaderName, &'a HeaderValue)| Some((name.as_str(), value.to_str().ok()?));
    let pairs: Vec<_> = headers.iter().filter_map(text).collect();
    arena.alloc_slice_copy(&pairs)
}

fn lower_failure(failure: &Failure) -> wit::FailureParam<'_> {
    match failure {
        Failure::NotAllowed(what) => wit::FailureParam::NotAllowed(what),
        Failure::Invalid(what) => wit::FailureParam::Invalid(what),
        Failure::Connection(what) => wit::FailureParam::Connection(what),
        Failure::TimedOut => wit::FailureParam::TimedOut,
        Failure::TooLarge(limit) => wit::FailureParam::TooLarge(*limit),
        Failure::Unsupported(what) => wit::FailureParam::Unsupported(what),
        Failure::Other(what) => wit::FailureParam::Other(what),
    }
}

/// A reply that a plugin has made of another one; `None` where it could be none of a request that was done.
pub(in crate::plugin) fn lift(reply: wit::ReplyResult) -> Option<Reply> {
    match reply {
        wit::ReplyResult::Http(response) => {
            let wit::ResponseBodyResult::Bytes(body) = response.body else { return None };
            let mut headers = HeaderMap::with_capacity(response.headers.len());
            for (name, value) in response.headers {
                let name = HeaderName::try_from(name).ok()?;
                headers.append(name, HeaderValue::try_from(value).ok()?);
            }
            let (status, body) = (response.status, body.into());
            Some(Reply::Http(HttpResponse { status, headers, body, kept: None }))
        }
        wit::ReplyResult::Grpc(response) => Some(Reply::Grpc(GrpcResponse {
            status: response.status,
            status_message: response.status_message,
            metadata: response.metadata,
            message: response.message.map(Into::into),
        })),
        wit::ReplyResult::Sql(wit::SqlResponseResult::Done(results)) => {
            Some(Reply::Sql(SqlResponse::Done(results.into_iter().map(sql::lift_result).collect())))
        }
        wit::ReplyResult::Sql(wit::SqlResponseResult::Error(_)) | wit::ReplyResult::Failed(_) => None,
    }
}
