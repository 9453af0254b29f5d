//! The repository, whichever of the two it is: what is asked of it, in words that both know.

use std::cell::Cell;

use liaison_sdk::etag;
use liaison_sdk::prelude::*;

use crate::document::{Content, Digest, Fetched};
use crate::held::Held;
use crate::path::DocumentPath;
use crate::settings::{Settings, TargetKind, Verify};
use crate::stop::Stop;
use crate::wanted::Wanted;
use crate::{s3, webdav};

/// Folders that are asked for in one attempt: a host bounds the steps of one, and the next goes on where it ended.
const FOLDERS: u32 = 4;

/// The way to the repository, for one attempt.
pub(crate) struct Repository<'attempt> {
    pub(crate) http: &'attempt Http,
    pub(crate) settings: &'attempt Settings,
    /// Folders that may still be asked for.
    pub(crate) folders: Cell<u32>,
}

/// Over what a document may be written, or what may be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Over nothing.
    Absent,
    /// Over what has this ETag, a strong one: the repository sees to it.
    Over(String),
    /// Over this state ([`Held::version`]), which has no ETag that the repository could see to it by: another look just
    /// before must find the same.
    Seen(String),
    /// Over whatever is there, which is no one else's.
    Any,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) enum Put {
    /// It is written, under this ETag where it is told, and what the answer says of its checksum.
    Written { etag: Option<String>, checksum: Option<Digest> },
    /// Not over what the condition said: something else is there.
    Refused,
}

impl Condition {
    /// Over what was seen.
    pub(crate) fn over(held: &Held) -> Self {
        match etag::if_match(held.etag.as_deref()) {
            Some(etag) => Condition::Over(etag.to_owned()),
            None => Condition::Seen(held.version()),
        }
    }

    pub(crate) fn on<'http>(&self, request: Request<'http>) -> Request<'http> {
        match self {
            Condition::Absent => request.header("if-none-match", "*"),
            Condition::Over(etag) => request.header("if-match", etag),
            Condition::Seen(_) | Condition::Any => request,
        }
    }
}

impl<'attempt> Repository<'attempt> {
    pub(crate) fn new(http: &'attempt Http, settings: &'attempt Settings) -> Self {
        Self { http, settings, folders: Cell::new(FOLDERS) }
    }

    /// What is there.
    pub(crate) async fn look(&self, path: &DocumentPath) -> Result<Option<Held>, Stop> {
        match self.settings.target {
            TargetKind::WebDav => webdav::look(self, path).await,
            TargetKind::S3 => s3::look(self, path).await,
        }
    }

    /// Writes it, with its metadata where the repository takes both at once.
    pub(crate) async fn write(
        &self,
        path: &DocumentPath,
        wanted: &Wanted,
        document: &Fetched,
        condition: &Condition,
    ) -> Result<Put, Stop> {
        match self.settings.target {
            TargetKind::WebDav => webdav::write(self, path, wanted, document, condition).await,
            TargetKind::S3 => self.put(path, wanted, Some(document), condition).await,
        }
    }

    /// One `PUT`, of an empty document where there is none, and the folders that it needs.
    pub(crate) async fn put(
        &self,
        path: &DocumentPath,
        wanted: &Wanted,
        document: Option<&Fetched>,
        condition: &Condition,
    ) -> Result<Put, Stop> {
        let put = || {
            let request = self.http.put(path.url()).header("content-type", &wanted.content_type);
            let headers = self.settings.headers.iter();
            let request = headers.fold(request, |request, (name, value)| request.header(name, value));
            let request = condition.on(request);
            match document {
                Some(document) => document.carried_by(request),
                None => request.body([]),
            }
        };
        if let (TargetKind::S3, Some(document)) = (self.settings.target, document) {
            return s3::answered(&s3::described(put(), wanted, document).send().await?);
        }
        let reply = put().send().await?;
        if let Some(put) = webdav::answered(&reply)? {
            return Ok(put);
        }
        webdav::make_folders(self, path, &reply.summary()).await?;
        let reply = put().send().await?;
        webdav::answered(&reply)?.ok_or_else(|| Stop::retry(reply.summary()))
    }

    /// Makes sure that what was written is what is there now, and gives its ETag.
    pub(crate) async fn verify(
        &self,
        path: &DocumentPath,
        put: &Put,
        sha256: &Digest,
    ) -> Result<Option<String>, Stop> {
        let Put::Written { etag, checksum } = put else { return Ok(None) };
        if self.settings.verify == Verify::Answer {
            match checksum {
                Some(checksum) if checksum != sha256 => return Err(corrupt(path, checksum, sha256)),
                Some(_) => return Ok(etag.clone()),
                None if self.settings.target == TargetKind::WebDav => return Ok(etag.clone()),
                None => {}
            }
        }
        let reply = self.http.get(path.url()).keep_body().send().await?;
        match reply.status() {
            200 => {}
            404 | 410 => {
                return Err(Stop::retry(format!("{}: it was written a moment ago", reply.summary())));
            }
            _ => return Err(Stop::unexpected(&reply)),
        }
        let (found, _) = Digest::of_kept(&reply)?;
        let seen = reply.header("etag");
        if found != *sha256 {
            // By another ETag it is another one's: the next attempt looks again, and asks who wins.
            return Err(match (etag.as_deref(), seen) {
                (Some(written), Some(seen)) if !etag::is_same(written, seen) => {
                    Stop::retry(format!("{}: someone else has changed it meanwhile", path.url()))
                }
                _ => corrupt(path, &found, sha256),
            });
        }
        Ok(etag.clone().or_else(|| seen.map(str::to_owned)))
    }

    /// Writes metadata and version down beside a document, where the repository did not take them with it.
    pub(crate) async fn describe(
        &self,
        path: &DocumentPath,
        wanted: &Wanted,
        content: &Content,
    ) -> Result<(), Stop> {
        match self.settings.target {
            TargetKind::WebDav => webdav::describe(self, path, wanted, content).await,
            TargetKind::S3 => Ok(()),
        }
    }

    /// Removes what was seen a moment ago. `false`: not what the condition said is there.
    pub(crate) async fn delete(&self, path: &DocumentPath, condition: &Condition) -> Result<bool, Stop> {
        let request = self.http.delete(path.url());
        let request = match self.settings.target {
            TargetKind::WebDav => condition.on(request),
            // Few servers of this API take a condition there, and some refuse the request for it.
            TargetKind::S3 => request,
        };
        let reply = request.send().await?;
        let status = match reply.status() {
            // It names what could not be removed (RFC 4918, 9.6.1).
            207 => webdav::refused_part(&reply)?.unwrap_or(204),
            status => status,
        };
        match status {
            200..=299 | 404 | 410 => Ok(true),
            412 => Ok(false),
            _ if reply.status() == 207 => {
                Err(Stop::refused(status, format!("{}: its removal was", reply.summary())))
            }
            _ => Err(Stop::unexpected(&reply)),
        }
    }

    /// Is it there, and may we use it?
    pub(crate) async fn check(&self) -> Result<Check, Failure> {
        match self.settings.target {
            TargetKind::WebDav => webdav::check(self).await,
            TargetKind::S3 => s3::check(self).await,
        }
    }
}

/// What is there is not what was sent: a person should know, and no attempt would tell.
fn corrupt(path: &DocumentPath, found: &Digest, sha256: &Digest) -> Stop {
    let (path, found, sent) = (path.url(), found.hex(), sha256.hex());
    Stop::rejected(format!(
        "{path}: what it holds after the write has the sha256 {found}, and what was sent has {sent}"
    ))
}
