//! WebDAV (RFC 4918): content by `PUT`, metadata by `PROPPATCH`, missing folders by `MKCOL`.
//!
//! A write takes several requests, an attempt may end between any of them, and a server may keep half a document. So what is
//! begun is marked first, by a property: what is marked is no one else's, and the next attempt writes it anew. A document
//! that is not there yet begins as an empty one, which can be marked.

mod xml;

use liaison_sdk::etag;
use liaison_sdk::prelude::*;
use liaison_sdk::version::Version;

use crate::document::{Content, Digest, Fetched};
use crate::held::{Held, Mark, Record, of_http_date};
use crate::path::DocumentPath;
use crate::repository::{Condition, Put, Repository};
use crate::said::Said;
use crate::settings::Compare;
use crate::stop::Stop;
use crate::wanted::{Metadata, Wanted, one_line};

use self::xml::{Found, Namespace, Properties, Update};

/// The property that marks what is begun: what is to be there.
const PENDING: &str = "pending";

/// What is there, by its properties and, unless they are to be believed, by its content.
pub(crate) async fn look(repository: &Repository<'_>, path: &DocumentPath) -> Result<Option<Held>, Stop> {
    let (http, settings) = (repository.http, repository.settings);
    let names: Vec<&str> = settings.metadata.keys().map(String::as_str).collect();
    let asked = http
        .request("PROPFIND", path.url())
        .header("depth", "0")
        .header("content-type", "application/xml; charset=utf-8")
        .body(xml::propfind(&settings.namespace, &names));
    let (found, content) = match settings.compare {
        Compare::Record => (asked.send().await?, None),
        Compare::Content => {
            let (found, content) = join(asked.send(), http.get(path.url()).keep_body().send()).await;
            (found?, Some(content?))
        }
    };
    let content = content.as_ref().map(read).transpose()?.flatten();
    match found.status() {
        207 => held(repository, &found, content),
        404 | 410 => Ok(None),
        405 | 501 => Err(Stop::rejected(format!("{}: it does not speak WebDAV there", found.summary()))),
        _ => Err(Stop::unexpected(&found)),
    }
}

/// What a document has in it; nothing where there is none.
fn read(reply: &Response) -> Result<Option<Digest>, Stop> {
    match reply.status() {
        200 => Ok(Some(Digest::of_kept(reply)?.0)),
        404 | 410 => Ok(None),
        _ => Err(Stop::unexpected(reply)),
    }
}

fn held(
    repository: &Repository<'_>,
    found: &Response,
    content: Option<Digest>,
) -> Result<Option<Held>, Stop> {
    let not_understood = |why| Failure::Reply(format!("{}: {why}", found.summary()));
    let properties = match Found::read(&found.text()).map_err(not_understood)? {
        Found::Nothing => return Ok(None),
        Found::Refused(status) => {
            return Err(Stop::refused(status, format!("{}: a property was", found.summary())));
        }
        Found::There(properties) => properties,
    };
    if properties.is_folder() {
        return Err(Stop::rejected(format!("{}: it is a folder", found.summary())));
    }
    let metadata = repository.settings.metadata.keys().filter_map(|name| {
        let value = one_line(properties.get(Namespace::Metadata(&repository.settings.namespace), name)?);
        (!value.is_empty()).then(|| (name.clone(), value))
    });
    let dav = |name| properties.get(Namespace::Dav, name);
    Ok(Some(Held {
        etag: dav("getetag").map(etag::quoted).filter(|etag| !etag.is_empty()),
        length: dav("getcontentlength").and_then(|length| length.trim().parse().ok()),
        modified: dav("getlastmodified").and_then(of_http_date),
        metadata: metadata.collect::<Metadata>(),
        record: record(&properties),
        content,
        mark: properties.get(Namespace::Record, PENDING).and_then(Mark::parse),
    }))
}

fn record(properties: &Properties) -> Option<Record> {
    let get = |name| properties.get(Namespace::Record, name);
    Some(Record {
        version: Version::kept(get("version")?)?,
        sha256: Digest::parse(get("sha256")?)?,
        length: get("length").and_then(|length| length.trim().parse().ok()),
        said: get("said").map(Said::parse).unwrap_or_default(),
    })
}

/// What the answer to a write means; nothing where its folder is not there, which is 409, of some servers 404.
pub(crate) fn answered(reply: &Response) -> Result<Option<Put>, Stop> {
    match reply.status() {
        207 => Err(unfinished(reply, refused_part(reply)?)),
        200..=299 => {
            let etag = reply.header("etag").map(str::to_owned);
            Ok(Some(Put::Written { etag, checksum: None }))
        }
        412 => Ok(Some(Put::Refused)),
        404 | 409 => Ok(None),
        405 => Err(Stop::rejected(format!("{}: it is a folder, or may not be written", reply.summary()))),
        _ => Err(Stop::unexpected(reply)),
    }
}

/// What of a multi-status failed, by its status; nothing where all of it went well.
pub(crate) fn refused_part(reply: &Response) -> Result<Option<u16>, Stop> {
    let not_understood = |why| Failure::Reply(format!("{}: {why}", reply.summary()));
    Ok(xml::refusal(&reply.text()).map_err(not_understood)?)
}

/// A multi-status to what has no parts: whether it was done must be looked at again.
fn unfinished(reply: &Response, refused: Option<u16>) -> Stop {
    match refused {
        Some(status) => Stop::refused(status, format!("{}: a part of it was", reply.summary())),
        None => Stop::retry(format!("{}: it does not say that all is done", reply.summary())),
    }
}

/// Makes the folders that a document lies in, from the innermost that is missing outwards and back.
pub(crate) async fn make_folders(
    repository: &Repository<'_>,
    path: &DocumentPath,
    why: &str,
) -> Result<(), Stop> {
    let folders = path.folders();
    let (mut next, mut is_rising) = (folders.len(), true);
    loop {
        next = match next.checked_sub(usize::from(is_rising)) {
            // Above them is the endpoint's own.
            None => {
                return Err(Stop::Outcome(Outcome::denied(format!(
                    "{why}: the endpoint's own folder is not there"
                ))));
            }
            Some(next) if next == folders.len() => return Ok(()),
            Some(next) => next,
        };
        let Some(left) = repository.folders.get().checked_sub(1) else {
            return Err(Stop::retry(format!(
                "{why}: many of its folders are missing; the next attempt goes on"
            )));
        };
        repository.folders.set(left);
        let reply = repository.http.request("MKCOL", format!("{}/", folders[next])).send().await?;
        match reply.status() {
            207 => return Err(unfinished(&reply, refused_part(&reply)?)),
            // 405: it is there.
            200..=299 | 405 => (next, is_rising) = (next + 1, false),
            404 | 409 if is_rising => {}
            404 | 409 => {
                return Err(Stop::rejected(format!(
                    "{}: a document is where a folder should be",
                    reply.summary()
                )));
            }
            _ => return Err(Stop::unexpected(&reply)),
        }
    }
}

/// Marks the document, and writes it. What another has changed since is neither marked nor written over.
pub(crate) async fn write(
    repository: &Repository<'_>,
    path: &DocumentPath,
    wanted: &Wanted,
    document: &Fetched,
    condition: &Condition,
) -> Result<Put, Stop> {
    let condition = match condition {
        Condition::Absent => match begin(repository, path, wanted).await? {
            Some(condition) => condition,
            None => return Ok(Put::Refused),
        },
        Condition::Over(_) | Condition::Seen(_) | Condition::Any => condition.clone(),
    };
    let mark = Mark::text(&document.content, wanted);
    if !update(repository, path, &condition, &Update::default().set_record(PENDING, &mark)).await? {
        return Ok(Put::Refused);
    }
    let put = repository.put(path, wanted, Some(document), &condition).await?;
    if matches!(put, Put::Refused) {
        // It is another one's, and must not pass for ours.
        update(repository, path, &Condition::Any, &Update::default().remove_record(PENDING)).await?;
    }
    Ok(put)
}

/// Makes an empty document where none is, and says over what to write; nothing where another one's is there. Without a
/// strong ETag in the answer it is looked at again: a moment is enough for someone else to write there.
async fn begin(
    repository: &Repository<'_>,
    path: &DocumentPath,
    wanted: &Wanted,
) -> Result<Option<Condition>, Stop> {
    let Put::Written { etag, .. } = repository.put(path, wanted, None, &Condition::Absent).await? else {
        return Ok(None);
    };
    if let Some(etag) = etag::if_match(etag.as_deref()) {
        return Ok(Some(Condition::Over(etag.to_owned())));
    }
    let held = repository.look(path).await?.filter(Held::is_begun);
    Ok(held.map(|held| Condition::over(&held)))
}

/// Writes metadata and record as properties, and takes the mark away.
pub(crate) async fn describe(
    repository: &Repository<'_>,
    path: &DocumentPath,
    wanted: &Wanted,
    content: &Content,
) -> Result<(), Stop> {
    let record = wanted.record(content);
    let of_record =
        record.iter().fold(Update::default(), |update, (name, value)| update.set_record(name, value));
    let names = repository.settings.metadata.keys();
    let whole = names.fold(of_record, |update, name| match wanted.metadata.get(name) {
        Some(value) => update.set_metadata(name, value),
        None => update.remove_metadata(name),
    });
    update(repository, path, &Condition::Any, &whole.remove_record(PENDING)).await.map(drop)
}

/// Changes properties, all or none. `false`: not what the condition said is there.
async fn update(
    repository: &Repository<'_>,
    path: &DocumentPath,
    condition: &Condition,
    update: &Update<'_>,
) -> Result<bool, Stop> {
    let request = condition.on(repository.http.request("PROPPATCH", path.url()));
    let request = request.header("content-type", "application/xml; charset=utf-8");
    let reply = request.body(update.text(&repository.settings.namespace)).send().await?;
    match reply.status() {
        207 => {}
        412 if matches!(condition, Condition::Over(_)) => return Ok(false),
        405 | 501 => return Err(Stop::rejected(format!("{}: it takes no properties", reply.summary()))),
        404 | 410 => return Err(Stop::retry(format!("{}: it was there a moment ago", reply.summary()))),
        _ => return Err(Stop::unexpected(&reply)),
    }
    match refused_part(&reply)? {
        None => Ok(true),
        // A value that the property cannot have (RFC 4918, 9.2.1).
        Some(409) => Err(Stop::rejected(format!("{}: a property was refused with 409", reply.summary()))),
        Some(status) => Err(Stop::refused(status, format!("{}: a property was", reply.summary()))),
    }
}

/// Is the endpoint's own folder there?
pub(crate) async fn check(repository: &Repository<'_>) -> Result<Check, Failure> {
    let request = repository.http.request("PROPFIND", "/").header("depth", "0");
    let request = request.header("content-type", "application/xml; charset=utf-8");
    let reply = request.body(xml::propfind(&repository.settings.namespace, &[])).send().await?;
    Ok(match reply.status() {
        404 | 405 | 410 | 501 => {
            Check::unusable(format!("{}: there is no folder of WebDAV", reply.summary()))
        }
        _ => Check::from_response(&reply),
    })
}
