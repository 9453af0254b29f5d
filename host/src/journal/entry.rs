//! One entry of the journal as a record of its topic: the key says whose it is, the value is JSON for people to read.
//!
//! In goes what a delivery was answered, out come bytes, and back. A reply's headers that are not text are left out, as
//! they are for the plugin; a body that was kept from the plugin stands here too, unless it was too large for memory.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::rounds::{Answered, Arguments, Recorded};
use crate::contract::{
    Content, Failure, GrpcResponse, HttpResponse, Kept, Reply, Resolution, SqlResponse, TimestampMs, written,
};

/// Names one entry: `TOPIC/PARTITION/OFFSET/PART/TERM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Where the event was read.
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Which of several parts of it, from 0.
    pub(crate) part: u32,
    /// When its owner was assigned the partition, at least.
    pub(crate) term: TimestampMs,
}

/// Why a record of the journal's topic is none of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("its key is not TOPIC/PARTITION/OFFSET/PART/TERM")]
    Key,
    #[error("its value is not an entry: {0}")]
    Value(#[from] serde_json::Error),
    #[error("its request digest `{0}` is not a number")]
    Digest(String),
    #[error("its body's sha256 has not 32 bytes")]
    Sha256,
    #[error("its reply has a header `{0}` that HTTP does not allow")]
    Header(String),
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { topic, partition, offset, part, term } = self;
        write!(formatter, "{topic}/{partition}/{offset}/{part}/{term}")
    }
}

impl FromStr for Key {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            // A topic's name has no slash.
            let mut parts = text.split('/');
            let key = Key {
                topic: parts.next()?.into(),
                partition: parts.next()?.parse().ok()?,
                offset: parts.next()?.parse().ok()?,
                part: parts.next()?.parse().ok()?,
                term: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(key)
        };
        read().ok_or(EntryError::Key)
    }
}

/// The value of an entry.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    idempotency_key: String,
    attempt: u32,
    now: TimestampMs,
    seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<TimestampMs>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
    rounds: Vec<Vec<WrittenAnswer>>,
}

#[derive(Serialize, Deserialize)]
struct WrittenAnswer {
    asked: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<WrittenReply>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenReply {
    Http {
        status: u16,
        headers: Vec<(String, String)>,
        #[serde(with = "written::bytes")]
        body: Bytes,
        /// It stayed with the host, in `body` here unless it is larger than that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<WrittenKept>,
    },
    Grpc(GrpcResponse),
    Sql(SqlResponse),
    Failed(Failure),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WrittenKept {
    length: u64,
    #[serde(with = "written::bytes")]
    sha256: Bytes,
}

impl Recorded {
    pub(crate) fn to_json(&self) -> Bytes {
        let arguments = &self.arguments;
        let answer = |answered: &Answered| WrittenAnswer {
            asked: format!("{:032x}", answered.asked),
            reply: answered.reply.as_ref().map(WrittenReply::of),
        };
        let written = Written {
            idempotency_key: self.idempotency_key.clone(),
            attempt: arguments.attempt,
            now: arguments.now,
            seed: arguments.seed,
            deadline: arguments.deadline,
            resolution: arguments.resolution.clone(),
            rounds: self.rounds.iter().map(|round| round.iter().map(answer).collect()).collect(),
        };
        let json = serde_json::to_vec(&written);
        json.expect("text, numbers and lists can always be written as JSON").into()
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, EntryError> {
        let written: Written = serde_json::from_slice(json)?;
        let answer = |answer: WrittenAnswer| {
            let asked =
                u128::from_str_radix(&answer.asked, 16).map_err(|_| EntryError::Digest(answer.asked))?;
            Ok(Answered { asked, reply: answer.reply.map(WrittenReply::reply).transpose()? })
        };
        let round = |round: Vec<WrittenAnswer>| round.into_iter().map(answer).collect();
        Ok(Recorded {
            idempotency_key: written.idempotency_key,
            arguments: Arguments {
                attempt: written.attempt,
                now: written.now,
                seed: written.seed,
                deadline: written.deadline,
                resolution: written.resolution,
            },
            rounds: written.rounds.into_iter().map(round).collect::<Result<_, EntryError>>()?,
        })
    }
}

impl WrittenReply {
    fn of(reply: &Reply) -> Self {
        match reply {
            Reply::Failed(failure) => Self::Failed(failure.clone()),
            Reply::Grpc(response) => Self::Grpc((**response).clone()),
            Reply::Sql(response) => Self::Sql(response.clone()),
            Reply::Http(response) => {
                let text = |(name, value): (&HeaderName, &HeaderValue)| {
                    Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
                };
                let body = match response.kept.as_ref().map(|kept| &kept.content) {
                    Some(Content::Memory(bytes)) => bytes.clone(),
                    Some(Content::File(_) | Content::Lost) => Bytes::new(),
                    None => response.body.clone(),
                };
                let kept = response.kept.as_ref();
                Self::Http {
                    status: response.status,
                    headers: response.headers.iter().filter_map(text).collect(),
                    body,
                    kept: kept.map(|kept| WrittenKept {
                        length: kept.length,
                        sha256: Bytes::copy_from_slice(&kept.sha256),
                    }),
                }
            }
        }
    }

    fn reply(self) -> Result<Reply, EntryError> {
        let (status, written, body, kept) = match self {
            Self::Failed(failure) => return Ok(Reply::Failed(failure)),
            Self::Grpc(response) => return Ok(response.into()),
            Self::Sql(response) => return Ok(Reply::Sql(response)),
            Self::Http { status, headers, body, kept } => (status, headers, body, kept),
        };
        let mut headers = HeaderMap::with_capacity(written.len());
        for (name, value) in written {
            let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
            let (known, value) = pair.ok_or(EntryError::Header(name))?;
            headers.append(known, value);
        }
        let Some(kept) = kept else {
            return Ok(Reply::from(HttpResponse { status, headers, body, kept: None }));
        };
        let sha256 = <[u8; 32]>::try_from(&kept.sha256[..]).map_err(|_| EntryError::Sha256)?;
        let is_here = Sha256::digest(&body)[..] == sha256;
        let content = if is_here { Content::Memory(body) } else { Content::Lost };
        let kept = Some(Kept { length: kept.length, sha256, content });
        Ok(Reply::from(HttpResponse { status, headers, body: Bytes::new(), kept }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rounds::extent;
    use super::*;

    fn recorded() -> Recorded {
        let mut headers = HeaderMap::new();
        headers.append("location", HeaderValue::from_static("/cases/7"));
        headers.append("x-odd", HeaderValue::from_bytes(&[0xff]).unwrap());
        headers.append("location", HeaderValue::from_static("/cases/8"));
        let http = |body: &'static [u8], kept| HttpResponse {
            status: 201,
            headers: headers.clone(),
            body: Bytes::from_static(body),
            kept,
        };
        let answered = |reply| Answered { asked: 0xab << 100, reply };
        let kept = |content| {
            let kept = Kept { length: 2, sha256: Sha256::digest(b"\xff\x00").into(), content };
            answered(Some(Reply::from(http(b"", Some(kept)))))
        };
        Recorded {
            idempotency_key: "key-1".into(),
            arguments: Arguments {
                attempt: 3,
                now: 1_700_000_000_000,
                seed: u64::MAX,
                deadline: Some(1),
                resolution: Some(Resolution::Merged { data: Bytes::from_static(b"\xff"), version: None }),
            },
            rounds: vec![
                vec![answered(Some(Reply::from(http(b"{\"id\":7}", None))))],
                vec![answered(None), answered(Some(Reply::Failed(Failure::TooLarge(9))))],
                vec![kept(Content::Memory(Bytes::from_static(b"\xff\x00"))), kept(Content::Lost)],
            ],
        }
    }

    #[test]
    fn what_is_written_reads_back_but_for_headers_that_are_not_text() {
        let before = recorded();
        let after = Recorded::from_json(&before.to_json()).unwrap();
        assert_eq!(format!("{:?}", after.arguments), format!("{:?}", before.arguments));
        assert_eq!((extent(&after.rounds), &after.idempotency_key[..]), ((3, 4), "key-1"));
        for (after, before) in after.rounds.iter().flatten().zip(before.rounds.iter().flatten()) {
            assert_eq!(after.asked, before.asked);
            match (&after.reply, &before.reply) {
                (Some(Reply::Http(after)), Some(Reply::Http(before))) => {
                    assert_eq!((after.status, &after.body), (201, &before.body));
                    assert_eq!(format!("{:?}", after.kept), format!("{:?}", before.kept));
                    let locations: Vec<_> = after.headers.get_all("location").iter().collect();
                    assert_eq!(locations, ["/cases/7", "/cases/8"]);
                    assert_eq!(after.headers.len(), 2);
                }
                (after, before) => assert_eq!(format!("{after:?}"), format!("{before:?}")),
            }
        }
        assert_eq!(after.to_json(), before.to_json());
    }

    #[test]
    fn a_key_names_its_place_and_its_term() {
        let key: Key = "policy-events/3/42/1/1700000000000".parse().unwrap();
        assert_eq!((&*key.topic, key.partition, key.offset, key.part), ("policy-events", 3, 42, 1));
        assert_eq!(key.to_string(), "policy-events/3/42/1/1700000000000");
        for foreign in ["", "a/1/2/3", "a/1/2/3/4/5", "a/1/-/3/4"] {
            assert!(foreign.parse::<Key>().is_err(), "{foreign}");
        }
    }

    #[test]
    fn what_others_wrote_is_told() {
        let json = recorded().to_json();
        let text = std::str::from_utf8(&json).unwrap();
        for (broken, expected) in [
            ("{".to_owned(), "its value is not an entry"),
            (text.replace("location", "a b"), "its reply has a header `a b`"),
            (text.replace(&format!("{:032x}", 0xab_u128 << 100), "x"), "its request digest `x`"),
        ] {
            let error = Recorded::from_json(broken.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
