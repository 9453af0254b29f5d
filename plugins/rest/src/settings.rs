//! The settings of a connector that uses this plugin: read and checked once an instance.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use liaison_sdk::outcome::OutcomeKind;
use serde::{Deserialize, Deserializer};

use crate::pointer::Pointer;
use crate::template::{HeaderTemplate, PathTemplate};

/// The settings as used. The README describes each.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) method: String,
    pub(crate) delete_method: String,
    pub(crate) path: PathTemplate,
    pub(crate) headers: BTreeMap<String, HeaderTemplate>,
    /// True where `headers` says what the body is.
    pub(crate) has_content_type: bool,
    pub(crate) body: BodySource,
    pub(crate) statuses: Statuses,
    pub(crate) check_path: Option<String>,
}

/// The settings as written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    method: Option<String>,
    delete_method: Option<String>,
    path: PathTemplate,
    #[serde(default)]
    headers: BTreeMap<String, HeaderTemplate>,
    #[serde(default)]
    body: BodySource,
    #[serde(default)]
    statuses: Statuses,
    check_path: Option<String>,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        Ok(Self {
            method: written.method.unwrap_or_else(|| "PUT".to_owned()),
            delete_method: written.delete_method.unwrap_or_else(|| "DELETE".to_owned()),
            path: written.path,
            has_content_type: written.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")),
            headers: written.headers,
            body: written.body,
            statuses: written.statuses,
            check_path: written.check_path,
        })
    }
}

/// True for the headers that make a write depend on what is there (RFC 9110, 13.1).
pub(crate) fn is_precondition(header: &str) -> bool {
    ["if-match", "if-none-match", "if-unmodified-since"].iter().any(|name| header.eq_ignore_ascii_case(name))
}

/// What the request carries.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum BodySource {
    /// The event's data as it is.
    #[default]
    Data,
    None,
    /// A part of the event's data, which is JSON.
    Part(Pointer),
}

impl TryFrom<String> for BodySource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "data" => Ok(BodySource::Data),
            "none" => Ok(BodySource::None),
            pointer if pointer.starts_with('/') => Pointer::parse(pointer).map(BodySource::Part),
            other => {
                Err(format!("`{other}` is no body: use `data`, `none` or a JSON pointer such as `/policy`"))
            }
        }
    }
}

/// What statuses mean to this external system where it differs from the usual.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, OutcomeKind>")]
pub(crate) struct Statuses {
    exact: Vec<(u16, OutcomeKind)>,
    /// By the first digit.
    classes: Vec<(u16, OutcomeKind)>,
}

impl Statuses {
    /// What a status was set to mean: by itself, else by its class.
    pub(crate) fn kind_of(&self, status: u16) -> Option<OutcomeKind> {
        let find = |kinds: &[(u16, OutcomeKind)], wanted| {
            kinds.iter().find(|(known, _)| *known == wanted).map(|(_, kind)| *kind)
        };
        find(&self.exact, status).or_else(|| find(&self.classes, status / 100))
    }

    /// True where each 2xx means that the event is delivered, as it usually does.
    pub(crate) fn is_success_delivered(&self) -> bool {
        let says_other = |kinds: &[(u16, OutcomeKind)], success: RangeInclusive<u16>| {
            kinds.iter().any(|(status, kind)| success.contains(status) && *kind != OutcomeKind::Delivered)
        };
        !says_other(&self.exact, 200..=299) && !says_other(&self.classes, 2..=2)
    }
}

impl TryFrom<BTreeMap<String, OutcomeKind>> for Statuses {
    type Error = String;

    fn try_from(written: BTreeMap<String, OutcomeKind>) -> Result<Self, String> {
        let mut statuses = Statuses::default();
        for (name, kind) in written {
            let class = name.strip_suffix("xx").and_then(|class| class.parse().ok());
            match (class, name.parse()) {
                (Some(class @ 1..=5), _) => statuses.classes.push((class, kind)),
                (_, Ok(status @ 100..=599)) => statuses.exact.push((status, kind)),
                _ => {
                    return Err(format!(
                        "`{name}` is no status: use one such as `404`, or a class such as `5xx`"
                    ));
                }
            }
        }
        Ok(statuses)
    }
}
