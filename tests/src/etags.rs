//! JSON documents behind HTTP, each with an ETag: the conditional requests of RFC 9110, and somebody else who changes
//! them too.
//!
//! It is the behaviour of a [`System`](crate::system::System). A request whose condition does not hold is answered with
//! 412, the document as it is now and its ETag. Whoever holds the [`Documents`] reads them back and changes them, as the
//! users of a portal do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::system::{Answer, Behaviour, Request};

/// The documents of one system. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Documents(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    held: BTreeMap<String, Held>,
    changes: u64,
    /// Said to be without versions: no ETag, no condition.
    is_unversioned: bool,
    /// What somebody else does just before a write that names a version, and how often still.
    meddler: Option<(u32, Meddler)>,
}

type Meddler = Box<dyn FnMut(&mut Value) + Send>;

#[derive(Debug, Clone)]
struct Held {
    document: Value,
    etag: String,
}

impl Documents {
    /// That names no version of anything and refuses nothing but a write where something is (`If-None-Match: *`).
    pub fn unversioned() -> Self {
        let documents = Self::default();
        documents.shelf().is_unversioned = true;
        documents
    }

    /// It names its versions from now on.
    pub fn name_versions(&self) {
        self.shelf().is_unversioned = false;
    }

    /// How it answers.
    pub fn behaviour(&self) -> Behaviour {
        let documents = self.clone();
        Behaviour::from_fn(move |request| documents.shelf().answer(request))
    }

    /// Writes a document past all conditions; gives its ETag.
    pub fn write(&self, path: &str, document: Value) -> String {
        self.shelf().write(path, document)
    }

    /// What is held there now.
    pub fn read(&self, path: &str) -> Option<Value> {
        self.shelf().held.get(path).map(|held| held.document.clone())
    }

    /// The ETag of what is held there now.
    pub fn etag(&self, path: &str) -> Option<String> {
        self.shelf().held.get(path).map(|held| held.etag.clone())
    }

    /// Somebody else changes what is held just before each of the next so many writes that name a version.
    pub fn meddle(&self, times: u32, change: impl FnMut(&mut Value) + Send + 'static) {
        self.shelf().meddler = Some((times, Box::new(change)));
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().expect("no holder panics")
    }
}

impl Shelf {
    fn write(&mut self, path: &str, document: Value) -> String {
        self.changes += 1;
        let etag = format!("\"v{}\"", self.changes);
        self.held.insert(path.to_owned(), Held { document, etag: etag.clone() });
        etag
    }

    fn answer(&mut self, request: &Request<'_>) -> Answer {
        let (path, method) = (request.path, request.method);
        if *method != Method::GET && request.headers.contains_key(IF_MATCH) {
            self.meddle(path);
        }
        if !self.condition_holds(request) {
            return self.found(412, path);
        }
        match *method {
            Method::GET if self.held.contains_key(path) => self.found(200, path),
            Method::PUT => match serde_json::from_slice(request.body) {
                Ok(document) => {
                    let status = if self.held.contains_key(path) { 200 } else { 201 };
                    self.write(path, document);
                    self.found(status, path)
                }
                Err(error) => Answer::status(400).with_body(error.to_string()),
            },
            Method::DELETE if self.held.remove(path).is_some() => Answer::status(204),
            Method::GET | Method::DELETE => Answer::status(404),
            _ => Answer::status(405),
        }
    }

    /// RFC 9110, section 13.1: of strong validators, one each.
    fn condition_holds(&self, request: &Request<'_>) -> bool {
        let text = |name: HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
        let held = self.held.get(request.path);
        let matches = |wanted: &str| held.is_some_and(|held| wanted == "*" || wanted == held.etag);
        text(IF_MATCH).is_none_or(matches) && !text(IF_NONE_MATCH).is_some_and(matches)
    }

    fn found(&self, status: u16, path: &str) -> Answer {
        let answer = Answer::status(status);
        let Some(held) = self.held.get(path) else { return answer };
        let answer = answer.with_body(held.document.to_string());
        if self.is_unversioned {
            return answer;
        }
        let etag = HeaderValue::from_str(&held.etag).expect("a number in quotes may be a header");
        answer.with_header(ETAG, etag)
    }

    fn meddle(&mut self, path: &str) {
        let Some((times, mut change)) = self.meddler.take() else { return };
        if let Some(held) = self.held.get(path) {
            let mut document = held.document.clone();
            change(&mut document);
            self.write(path, document);
        }
        if times > 1 {
            self.meddler = Some((times - 1, change));
        }
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shelf").field("held", &self.held).finish_non_exhaustive()
    }
}
