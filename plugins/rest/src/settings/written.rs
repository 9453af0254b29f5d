//! The settings as written, and which of them contradict each other.

use std::collections::BTreeMap;

use liaison_sdk::outcome::OutcomeKind;
use liaison_sdk::pointer::Pointer;
use liaison_sdk::statuses::{HttpStatus, Statuses};
use liaison_sdk::template::{FieldTemplate, PathTemplate};
use serde::Deserialize;

use super::{BodyKind, Create, Gone, Lookup, Patch, Settings, Upsert};
use crate::body::{Fields, FilePart};
use crate::shape::Shape;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default)]
    upsert: Upsert,
    method: Option<String>,
    delete_method: Option<String>,
    path: PathTemplate,
    create_method: Option<String>,
    create_path: Option<PathTemplate>,
    create_headers: Option<BTreeMap<String, FieldTemplate>>,
    lookup: Option<Lookup>,
    #[serde(default)]
    headers: BTreeMap<String, FieldTemplate>,
    #[serde(default)]
    body: WrittenBody,
    fields: Option<BTreeMap<String, FieldTemplate>>,
    files: Option<Vec<FilePart>>,
    wrap: Option<Pointer>,
    patch_keeps: Option<Vec<Pointer>>,
    version: Option<WrittenVersion>,
    gone: Option<WrittenGone>,
    conflict_current: Option<ConflictCurrent>,
    #[serde(default)]
    statuses: Statuses<HttpStatus>,
    check_path: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(try_from = "String")]
enum WrittenBody {
    #[default]
    Data,
    None,
    Part(Pointer),
    Form,
    Multipart,
    Patch(Patch),
}

impl TryFrom<String> for WrittenBody {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(match text.as_str() {
            "data" => WrittenBody::Data,
            "none" => WrittenBody::None,
            "form" => WrittenBody::Form,
            "multipart" => WrittenBody::Multipart,
            "json-patch" => WrittenBody::Patch(Patch::Json),
            "merge-patch" => WrittenBody::Patch(Patch::Merge),
            pointer if pointer.starts_with('/') => WrittenBody::Part(Pointer::parse(pointer)?),
            other => {
                return Err(format!(
                    "`{other}` is no body: use `data`, `none`, `form`, `multipart`, `json-patch`, `merge-patch` or a JSON \
                     pointer such as `/policy`"
                ));
            }
        })
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a JSON pointer such as `/updatedAt`, or `false`")]
enum WrittenVersion {
    At(Pointer),
    Is(bool),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenGone {
    Create,
    Delivered,
    Skipped,
    Rejected,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ConflictCurrent {
    /// What the answer with 409 or 412 carries.
    Answer,
    /// What a GET of the record's path gives after it.
    Lookup,
}

impl Written {
    pub(super) fn checked(self) -> Result<Settings, String> {
        self.check_upsert()?;
        self.check_body()?;
        let upsert = self.upsert;
        let (create_method, create_headers) = (self.create_method, self.create_headers.unwrap_or_default());
        let is_conflict_looked_up =
            self.conflict_current.map_or(upsert != Upsert::Put, |current| current == ConflictCurrent::Lookup);
        let usual_create = if self.create_path.is_some() { "POST" } else { "PUT" };
        let usual_method = if upsert == Upsert::PostThenPatch { "PATCH" } else { "PUT" };
        let usual_method = if matches!(self.body, WrittenBody::Patch(_)) { "PATCH" } else { usual_method };
        let (part, body) = body(self.body, self.fields, self.files, self.patch_keeps);
        Ok(Settings {
            upsert,
            method: self.method.unwrap_or_else(|| usual_method.to_owned()),
            delete_method: self.delete_method.unwrap_or_else(|| "DELETE".to_owned()),
            path: self.path,
            create: Create {
                method: create_method.unwrap_or_else(|| usual_create.to_owned()),
                path: self.create_path,
                headers: create_headers,
            },
            lookup: self.lookup,
            has_content_type: self.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")),
            headers: self.headers,
            body,
            shape: Shape::new(part, self.wrap),
            is_version_named: matches!(self.version, Some(WrittenVersion::At(_))),
            version: version(self.version)?,
            gone: match self.gone {
                None => Gone::AsStatus,
                Some(WrittenGone::Create) => Gone::Create,
                Some(WrittenGone::Delivered) => Gone::Kind(OutcomeKind::Delivered),
                Some(WrittenGone::Skipped) => Gone::Kind(OutcomeKind::Skipped),
                Some(WrittenGone::Rejected) => Gone::Kind(OutcomeKind::Rejected),
            },
            looks_up_conflicts: is_conflict_looked_up,
            statuses: self.statuses,
            check_path: self.check_path,
        })
    }

    fn check_upsert(&self) -> Result<(), String> {
        let is_put = self.upsert == Upsert::Put;
        let creates = !is_put || matches!(self.gone, Some(WrittenGone::Create));
        if self.upsert == Upsert::PostThenPatch && self.create_path.is_none() {
            return Err("missing field `create-path`: `post-then-patch` posts a new record there".to_owned());
        }
        if is_put && matches!(self.gone, Some(WrittenGone::Create)) && self.create_path.is_none() {
            return Err("gone: `create` needs `create-path`, where a new record is posted".to_owned());
        }
        for (name, is_set) in [
            ("create-path", self.create_path.is_some()),
            ("create-method", self.create_method.is_some()),
            ("create-headers", self.create_headers.is_some()),
        ] {
            if is_set && !creates {
                return Err(format!(
                    "{name}: with `upsert = \"put\"` nothing is created by a request of its own"
                ));
            }
        }
        if is_put && self.lookup.is_some() {
            return Err("lookup: `upsert = \"put\"` looks nothing up; use `lookup-first`".to_owned());
        }
        if let (Some(_), Some(_)) = (&self.gone, self.statuses.of_status_alone(410)) {
            return Err("gone: `statuses` says of 410 what it means, too; keep one of them".to_owned());
        }
        let others = [self.create_path.as_ref(), self.lookup.as_ref().map(|lookup| &lookup.path)];
        if others.into_iter().flatten().any(PathTemplate::needs_found) {
            return Err("`{found/…}` stands in `path` alone: elsewhere nothing is found yet".to_owned());
        }
        if self.lookup.is_none() && self.path.needs_found() {
            return Err(
                "path: `{found/…}` is a field of the record that `lookup` finds, and there is no `lookup`"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn check_body(&self) -> Result<(), String> {
        let is_patch = matches!(self.body, WrittenBody::Patch(_));
        if is_patch && self.upsert == Upsert::Put {
            let why = "a patch is made from what the system holds; use it with `upsert = \"lookup-first\"` or `\"post-then-patch\"`";
            return Err(format!("body: {why}"));
        }
        let is_form = matches!(self.body, WrittenBody::Form | WrittenBody::Multipart);
        for (name, is_set, fits, kind) in [
            ("fields", self.fields.is_some(), is_form, "`form` or `multipart`"),
            ("files", self.files.is_some(), matches!(self.body, WrittenBody::Multipart), "`multipart`"),
            ("patch-keeps", self.patch_keeps.is_some(), is_patch, "`json-patch` or `merge-patch`"),
            ("wrap", self.wrap.is_some(), !is_form && !matches!(self.body, WrittenBody::None), "JSON"),
        ] {
            if is_set && !fits {
                return Err(format!("{name}: is for a body of {kind}"));
            }
        }
        Ok(())
    }
}

/// Which part of the data it is of, and what it is.
fn body(
    written: WrittenBody,
    fields: Option<BTreeMap<String, FieldTemplate>>,
    files: Option<Vec<FilePart>>,
    patch_keeps: Option<Vec<Pointer>>,
) -> (Option<Pointer>, BodyKind) {
    // A form with files and without fields has no fields; one without either has those of the data.
    let fields = match (fields, &files) {
        (Some(fields), _) => Fields::Named(fields),
        (None, Some(_)) => Fields::Named(BTreeMap::new()),
        (None, None) => Fields::OfData,
    };
    match written {
        WrittenBody::Data => (None, BodyKind::Data),
        WrittenBody::Part(pointer) => (Some(pointer), BodyKind::Data),
        WrittenBody::None => (None, BodyKind::None),
        WrittenBody::Form => (None, BodyKind::Form(fields)),
        WrittenBody::Multipart => (None, BodyKind::Multipart(fields, files.unwrap_or_default())),
        WrittenBody::Patch(patch) => (None, BodyKind::Patch(patch, patch_keeps)),
    }
}

fn version(written: Option<WrittenVersion>) -> Result<Option<Pointer>, String> {
    match written {
        None => Ok(Some(Pointer::updated_at())),
        Some(WrittenVersion::At(pointer)) => Ok(Some(pointer)),
        Some(WrittenVersion::Is(false)) => Ok(None),
        Some(WrittenVersion::Is(true)) => Err("version: must be a JSON pointer or `false`".to_owned()),
    }
}
