//! The API of S3: document and metadata by one `PUT`, with a checksum that the server checks where it knows it.
//!
//! The endpoint is the bucket, by its path or by its host. The host signs.

mod words;

use liaison_sdk::prelude::*;
use liaison_sdk::version::Version;

use crate::document::{Content, Digest, Fetched};
use crate::held::{Held, Record, of_http_date};
use crate::path::DocumentPath;
use crate::repository::{Put, Repository};
use crate::said::Said;
use crate::settings::{Compare, RECORD_PREFIX};
use crate::stop::Stop;
use crate::wanted::{Wanted, one_line};

const METADATA: &str = "x-amz-meta-";
const CHECKSUM: &str = "x-amz-checksum-sha256";

/// Codes of errors that another attempt may be spared, whatever their status.
const PASSING: [&str; 6] = [
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "OperationAborted",
    "RequestTimeout",
    "XAmzContentSHA256Mismatch",
];

/// What is there, by its headers and, unless they are to be believed, by its content.
pub(crate) async fn look(repository: &Repository<'_>, path: &DocumentPath) -> Result<Option<Held>, Stop> {
    let http = repository.http;
    let reply = match repository.settings.compare {
        Compare::Content => http.get(path.url()).keep_body().send().await?,
        Compare::Record => http.request("HEAD", path.url()).send().await?,
    };
    match reply.status() {
        200 => {}
        404 => return Ok(None),
        _ => return Err(Stop::unexpected(&reply)),
    }
    let (content, length) = match repository.settings.compare {
        Compare::Content => Digest::of_kept(&reply).map(|(sha256, length)| (Some(sha256), Some(length)))?,
        Compare::Record => (None, reply.header("content-length").and_then(|length| length.parse().ok())),
    };
    let metadata = repository.settings.metadata.keys().filter_map(|name| {
        let value = one_line(&words::decode(reply.header(&format!("{METADATA}{name}"))?));
        (!value.is_empty()).then(|| (name.clone(), value))
    });
    Ok(Some(Held {
        etag: reply.header("etag").map(str::to_owned),
        length,
        modified: reply.header("last-modified").and_then(of_http_date),
        metadata: metadata.collect(),
        record: record(&reply),
        content,
        mark: None,
    }))
}

fn record(reply: &Response) -> Option<Record> {
    let get = |name: &str| reply.header(&format!("{METADATA}{RECORD_PREFIX}{name}")).map(words::decode);
    Some(Record {
        version: Version::kept(&get("version")?)?,
        sha256: Digest::parse(&get("sha256")?)?,
        length: get("length").and_then(|length| length.parse().ok()),
        said: get("said").map(|said| Said::parse(&said)).unwrap_or_default(),
    })
}

/// The request with all that is kept beside the document.
pub(crate) fn described<'http>(
    request: Request<'http>,
    wanted: &Wanted,
    document: &Fetched,
) -> Request<'http> {
    let Content { sha256, .. } = &document.content;
    let request = request.header(CHECKSUM, sha256.base64());
    let record = wanted.record(&document.content).into_iter();
    let record = record.map(|(name, value)| (format!("{RECORD_PREFIX}{name}"), value));
    let metadata = wanted.metadata.iter().map(|(name, value)| (name.clone(), value.clone()));
    record.chain(metadata).fold(request, |request, (name, value)| {
        request.header(format!("{METADATA}{name}"), words::encode(&value))
    })
}

/// What the answer to a write means.
pub(crate) fn answered(reply: &Response) -> Result<Put, Stop> {
    let text = reply.text();
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| Some(rest.split_once("</Code>")?.0))
        .unwrap_or_default();
    match reply.status() {
        200..=299 => {
            let etag = reply.header("etag").map(str::to_owned);
            Ok(Put::Written { etag, checksum: reply.header(CHECKSUM).and_then(Digest::parse) })
        }
        412 => Ok(Put::Refused),
        // Of a condition on what is not there any more.
        404 if code == "NoSuchKey" => Ok(Put::Refused),
        404 if code == "NoSuchBucket" => {
            Err(Stop::Outcome(Outcome::denied(format!("{}: there is no such bucket", reply.summary()))))
        }
        _ if PASSING.contains(&code) => Err(Stop::retry(format!("{}: {code}", reply.summary()))),
        _ => Err(Stop::unexpected(reply)),
    }
}

/// Is the bucket there?
pub(crate) async fn check(repository: &Repository<'_>) -> Result<Check, Failure> {
    let reply = repository.http.request("HEAD", "").send().await?;
    Ok(match reply.status() {
        404 => Check::unusable(format!("{}: there is no such bucket", reply.summary())),
        _ => Check::from_response(&reply),
    })
}
