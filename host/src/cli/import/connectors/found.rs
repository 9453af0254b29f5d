//! What an older connector says beside its type, its address and its credentials: taken if there is a place for it, and
//! reported either way.

use serde_json::Value;
use toml::{Table, Value as Toml};

use super::path::{self, Path};
use super::{One, types};
use crate::cli::import::older::plain;
use crate::cli::import::sla::{Rules, whole};

/// What was found beside the type, the address and the credentials.
#[derive(Default)]
pub(super) struct Found {
    pub(super) path: Option<Path>,
    pub(super) method: Option<String>,
    pub(super) headers: Table,
    pub(super) topics: Option<Vec<Toml>>,
    pub(super) types: Option<Vec<Toml>>,
    pub(super) concurrency: Option<u64>,
    pub(super) requests_per_second: Option<f64>,
    pub(super) rules: Rules,
}

impl One<'_> {
    /// Takes a member that is neither type, address nor credential; `false` if it means nothing here.
    pub(super) fn take(&mut self, found: &mut Found, member: &str, value: &Value, plugin: &str) -> bool {
        let from = format!("{}.{member}", self.from);
        let is_request = types::has_path(plugin);
        let (to, taken) = match plain(member).as_str() {
            "path" | "resource" if is_request => {
                let path = text(value).and_then(|text| path::read(&text));
                ("settings.path", set(&mut found.path, self.path(path, &from)))
            }
            "method" | "httpmethod" if is_request => {
                let method = text(value).map(|method| method.to_ascii_uppercase());
                ("settings.method", set(&mut found.method, method.filter(|method| is_method(method))))
            }
            "headers" if is_request => return self.headers(found, value, &from),
            "topic" | "topics" => return self.list(&mut found.topics, value, &from, "topics"),
            "event" | "events" | "eventtypes" | "types" | "subscribesto" => {
                return self.list(&mut found.types, value, &from, "types");
            }
            "concurrency" | "maxconcurrency" | "maxconnections" => {
                let most = whole(value).filter(|most| *most > 0);
                ("concurrency", set(&mut found.concurrency, most))
            }
            "requestspersecond" | "ratelimitpersecond" | "ratelimit" => {
                let rate = value.as_f64().filter(|rate| (0.001..=1e6).contains(rate));
                ("rate-limit.requests-per-second", set(&mut found.requests_per_second, rate))
            }
            _ => {
                let table = format!("subscriptions.{}.sla", self.name);
                return found.rules.take(member, value, (&from, &table), self.report);
            }
        };
        if taken {
            self.report.mapped(&from, &format!("{}.{to}", self.table));
        } else {
            self.report
                .unmapped_member(&from, &format!("is no value that `{to}` can have, or stands there twice"));
        }
        true
    }

    /// Says what of it is left out.
    fn path(&mut self, path: Option<Path>, from: &str) -> Option<Path> {
        let mut path = path?;
        if path.drop_fragment() {
            self.report
                .unmapped_member(from, "what stands behind the `#` was left out: nobody is ever sent it");
        }
        for name in path.drop_secrets(is_secret_parameter) {
            let text = format!(
                "`{name}` behind the `?` was left out: it may be a secret, which settings never hold; where the system \
                 takes it in a header, name it in `credential = {{ header = … }}`"
            );
            self.report.unmapped_member(from, &text);
        }
        Some(path)
    }

    fn list(&mut self, place: &mut Option<Vec<Toml>>, value: &Value, from: &str, key: &str) -> bool {
        let texts = match value {
            Value::String(one) => Some(vec![one.as_str()]),
            Value::Array(many) => many.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let mut texts = texts.unwrap_or_default();
        let mut seen = std::collections::BTreeSet::new();
        texts.retain(|text| seen.insert(*text));
        let is_good = !texts.is_empty() && texts.iter().all(|text| !text.is_empty());
        let is_good = is_good && (key != "topics" || texts.iter().all(|topic| is_topic(topic)));
        if is_good && place.is_none() {
            *place = Some(texts.into_iter().map(Toml::from).collect());
            self.report.mapped(from, &format!("subscriptions.{}.{key}", self.name));
        } else {
            let text = format!("is no text or list of texts that `{key}` can have, or stands there twice");
            self.report.unmapped_member(from, &text);
        }
        true
    }

    fn headers(&mut self, found: &mut Found, value: &Value, from: &str) -> bool {
        let Value::Object(headers) = value else {
            self.report.unmapped_member(from, "is no object of headers");
            return true;
        };
        for (name, value) in headers {
            let from = format!("{from}.{name}");
            match value.as_str() {
                _ if is_secret(name) => {
                    let text = "may be a secret, which settings never hold; name it in `credential = { header = … }`";
                    self.report.unmapped_member(&from, text);
                }
                Some(text) if !text.contains(['{', '}']) => {
                    found.headers.insert(name.clone(), Toml::from(text));
                    self.report.mapped(&from, &format!("{}.settings.headers", self.table));
                }
                _ => self
                    .report
                    .unmapped_member(&from, "is no plain text; see the README of the plugin for fields"),
            }
        }
        true
    }
}

/// By its name: such a value is never copied.
fn is_secret(name: &str) -> bool {
    let name = plain(name);
    ["auth", "token", "key", "secret", "password", "cookie", "signature", "credential"]
        .iter()
        .any(|word| name.contains(word))
}

/// In a query the signature of a link, or the code of a function, has a shorter name.
fn is_secret_parameter(name: &str) -> bool {
    is_secret(name) || matches!(plain(name).as_str(), "sig" | "code")
}

fn is_topic(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.len() <= 249 && text.bytes().all(is_legal) && !matches!(text, "" | "." | "..")
}

fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let is_free = place.is_none() && value.is_some();
    if is_free {
        *place = value;
    }
    is_free
}
