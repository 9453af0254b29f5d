//! What a connector says of one attempt, and how the host decides on a conflict. Values only, as in [`super`].

use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, LOCATION};
use serde::{Deserialize, Serialize};

use super::{Reply, SqlResponse, SqlResult, written};

/// The most bytes of a reason, as the contract says.
const REASON_BYTES: usize = 1024;

/// Cuts a reason that is too long. Where there may be secrets in it they are struck out before, so that no part of one is left.
pub(crate) fn cut_reason(reason: &mut String) {
    reason.truncate(reason.floor_char_boundary(REASON_BYTES));
}

/// What a connector says of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Delivered(Receipt),
    Skipped(String),
    Retry(Retry),
    Throttled(Retry),
    Denied(String),
    Conflict(Conflict),
    Rejected(String),
}

impl Outcome {
    /// What the reply to [`Step::SettleBy`](super::Step::SettleBy) says without another call: that of a 2xx, `delivered` with the first
    /// `location` and the first `etag` that are text; that of a transaction in which each statement changed a row and gave
    /// none, `delivered`. It is what the connector says of such a reply, or it is at fault.
    pub fn delivered_by(reply: &Reply) -> Option<Self> {
        let response = match reply {
            Reply::Http(response) => response,
            Reply::Sql(SqlResponse::Done(results)) => {
                let changed = |result: &SqlResult| result.affected > 0 && result.rows.is_empty();
                let all = !results.is_empty() && results.iter().all(changed);
                return all.then(|| Outcome::Delivered(Receipt::default()));
            }
            Reply::Grpc(_) | Reply::Sql(SqlResponse::Error(_)) | Reply::Failed(_) => return None,
        };
        let first = |name| {
            let mut values = response.headers.get_all(name).iter();
            values.find_map(|value| value.to_str().ok()).map(str::to_owned)
        };
        let receipt = || Receipt { external_id: first(LOCATION), version: first(ETAG) };
        (200..300).contains(&response.status).then(|| Outcome::Delivered(receipt()))
    }

    /// The name used in metrics, logs and dead letters.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Delivered(_) => "delivered",
            Outcome::Skipped(_) => "skipped",
            Outcome::Retry(_) => "retry",
            Outcome::Throttled(_) => "throttled",
            Outcome::Denied(_) => "denied",
            Outcome::Conflict(_) => "conflict",
            Outcome::Rejected(_) => "rejected",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub external_id: Option<String>,
    pub version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How long to wait at least.
    #[serde(with = "written::milliseconds", default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Duration>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    pub version: Option<String>,
    #[serde(with = "written::optional_bytes", default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Bytes>,
    pub reason: String,
}

/// How the conflict policy decided; the connector is called again with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// Write the event over this version.
    Overwrite(Option<String>),
    /// Write this instead of the event's data, over this version.
    Merged {
        #[serde(with = "written::bytes")]
        data: Bytes,
        version: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::contract::{Failure, HttpResponse};

    /// As `a_function_may_end_with_its_last_request` of the SDK, which says it of the guest.
    #[test]
    fn a_success_delivers_with_the_first_text_of_each_header() {
        let reply = |status, values: &[(&'static str, &'static [u8])]| {
            let mut headers = HeaderMap::new();
            for (name, value) in values {
                headers.append(*name, HeaderValue::from_bytes(value).unwrap());
            }
            Reply::from(HttpResponse { status, headers, body: Bytes::new(), kept: None })
        };
        let named: &[(&str, &[u8])] =
            &[("etag", b"\xff"), ("etag", b"\"7\""), ("location", b""), ("location", b"/a"), ("etag", b"8")];
        let receipt = Receipt { external_id: Some(String::new()), version: Some("\"7\"".to_owned()) };
        for (reply, outcome) in [
            (reply(200, named), Some(Outcome::Delivered(receipt.clone()))),
            (reply(299, named), Some(Outcome::Delivered(receipt))),
            (reply(204, &[("etag", b"\xff")]), Some(Outcome::Delivered(Receipt::default()))),
            (reply(199, named), None),
            (reply(300, named), None),
            (Reply::Failed(Failure::TimedOut), None),
        ] {
            assert_eq!(Outcome::delivered_by(&reply), outcome, "{reply:?}");
        }
    }
}
