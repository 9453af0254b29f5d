//! One event into a file of lines (NDJSON) by the API of S3. A file's name says which events are in it, so that the same
//! ones overwrite the same file, and others never do.

use liaison_sdk::column::Document;
use liaison_sdk::prelude::*;
use liaison_sdk::push_segment;
use liaison_sdk::text::fnv_1a;

use crate::line;
use crate::settings::Files;

/// What every file ends with.
const ENDING: &str = ".ndjson";
/// Digits of an offset: names sort as offsets do.
const DIGITS: usize = 19;

pub(crate) fn deliver(files: &Files, delivery: &Delivery, http: &Http) -> Result<Settling, Failure> {
    let document = delivery.data().map(Document::read).transpose()?;
    let mut line = line::of(delivery, document.as_ref())?;
    line.push('\n');
    let origin = &delivery.event.origin;
    let mut path = format!("/{}", files.prefix);
    push_segment(&mut path, &origin.topic);
    let path = format!("{path}/{}/{}", origin.partition, name(origin.offset, origin.offset, line.as_bytes()));
    let request = http.put(path).header("content-type", "application/x-ndjson").body(line);
    Ok(request.settle_or(judge))
}

/// A bucket that is not there is nobody's event's fault.
fn judge(response: &Response) -> Outcome {
    match response.status() {
        301 | 307 | 404 => Outcome::denied(format!("{}: is the bucket there?", response.summary())),
        _ => Outcome::from_response(response),
    }
}

pub(crate) async fn check(files: &Files, http: &Http) -> Result<Check, Failure> {
    let path = format!("/?list-type=2&max-keys=1&prefix={}", files.prefix.replace('/', "%2F"));
    let response = http.get(path).send().await?;
    Ok(match response.status() {
        301 | 307 | 404 => Check::unusable(format!("{}: is the bucket there?", response.summary())),
        _ => Check::from_response(&response),
    })
}

/// The first and the last offset, and what tells this content from another with the same.
pub(crate) fn name(first: i64, last: i64, content: &[u8]) -> String {
    format!("{first:0DIGITS$}-{last:0DIGITS$}-{:016x}{ENDING}", fnv_1a(content))
}

/// The first offset of a name, and the path before it.
pub(crate) fn parse(path: &str) -> Option<(&str, i64)> {
    let (folder, name) = path.rsplit_once('/')?;
    let first = name.strip_suffix(ENDING)?.split('-').next()?;
    Some((folder, first.parse().ok()?))
}
