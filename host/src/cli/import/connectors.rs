//! The older connectors, `{"calendarService": {"type": "rest", "endpoint": …, "authToken": …}}`: each becomes a connector
//! and a subscription to it.

mod credential;
mod types;

use serde_json::Value;
use toml::{Table, Value as Toml};

use self::credential::Credentials;
use self::types::plugin;
use super::endpoint::{self, Address};
use super::older::{Entry, Older, plain};
use super::report::Report;
use super::secrets::Variables;
use super::sla::{Rules, whole};

/// What stands in where the older files say nothing.
#[derive(Debug)]
pub(super) struct Defaults<'a> {
    pub(super) topics: &'a [String],
}

/// One connector, and the subscription of its name.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) name: String,
    /// The name it had.
    pub(super) older: String,
    pub(super) plugin: &'static str,
    pub(super) keys: Vec<(&'static str, Toml)>,
    pub(super) subscription: Vec<(&'static str, Toml)>,
}

pub(super) fn map(older: &Older, defaults: &Defaults<'_>, report: &mut Report) -> Vec<Mapped> {
    let mut variables = Variables::default();
    let mut mapped: Vec<Mapped> = Vec::new();
    for (older_name, entry) in &older.entries {
        let from = format!("{}: {older_name}", older.name);
        let Entry::Members(members) = entry else {
            report.unmapped_member(&from, "is no object");
            continue;
        };
        let name = free_name(older_name, &mapped);
        let one = One {
            name: &name,
            from: &from,
            table: format!("connectors.{name}"),
            variables: &mut variables,
            report: &mut *report,
        };
        let Some(one) = one.map(older_name, members, defaults) else { continue };
        if name != *older_name {
            report.look(
                &from,
                &format!("connectors.{name}"),
                "the name had to change: lower case, digits and `-` alone",
            );
        }
        mapped.push(one);
    }
    mapped
}

/// What a name may be in a configuration, and none has yet.
fn free_name(older: &str, mapped: &[Mapped]) -> String {
    let mut name = String::with_capacity(older.len() + 4);
    let mut was_lower = false;
    for character in older.chars() {
        if character.is_ascii_uppercase() && was_lower {
            name.push('-');
        }
        was_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    let name = if name.is_empty() { "connector" } else { name };
    let is_free = |name: &str| mapped.iter().all(|one| one.name != name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| is_free(name)).unwrap_or_default()
}

/// One connector on its way.
struct One<'a> {
    name: &'a str,
    from: &'a str,
    table: String,
    variables: &'a mut Variables,
    report: &'a mut Report,
}

/// What was found beside the type, the address and the credentials.
#[derive(Default)]
struct Found {
    path: Option<String>,
    method: Option<String>,
    headers: Table,
    topics: Option<Vec<Toml>>,
    types: Option<Vec<Toml>>,
    concurrency: Option<u64>,
    requests_per_second: Option<f64>,
    rules: Rules,
}

impl One<'_> {
    fn map(mut self, older: &str, members: &[(String, Value)], defaults: &Defaults<'_>) -> Option<Mapped> {
        if members.iter().any(|(name, value)| plain(name) == "enabled" && *value == Value::Bool(false)) {
            self.report.unmapped_member(self.from, "is switched off (`enabled` is false), and was left out");
            return None;
        }
        let plugin = self.plugin(members)?;
        let address = self.address(members, plugin)?;
        let (mut credentials, mut found) = (Credentials::default(), Found::default());
        for (member, value) in members {
            let from = format!("{}.{member}", self.from);
            if !matches!(plain(member).as_str(), "type" | "enabled")
                && !is_address(member)
                && !credentials.take(member, value)
                && !self.take(&mut found, member, value, plugin)
            {
                let text =
                    format!("a connector has nothing like it; the settings of `{plugin}` are in its README");
                self.report.unmapped_member(&from, &text);
            }
        }
        let credential =
            credentials.map(self.name, &address, (self.from, &self.table), self.variables, self.report);
        let keys = self.keys(plugin, address, credential, &mut found);
        let subscription = self.subscription(found, defaults);
        Some(Mapped { name: self.name.to_owned(), older: older.to_owned(), plugin, keys, subscription })
    }

    fn plugin(&mut self, members: &[(String, Value)]) -> Option<&'static str> {
        let Some((_, value)) = members.iter().find(|(name, _)| plain(name) == "type") else {
            let text = "has no `type`, so that no plugin can be chosen for it";
            self.report.unmapped_member(self.from, text);
            return None;
        };
        let from = format!("{}.type", self.from);
        let found = value.as_str().and_then(plugin);
        if found.is_none() {
            let shown = value.as_str().map_or_else(String::new, |text| format!(" `{text}`"));
            let text =
                format!("no plugin that ships with liaison is of type{shown}; known are {}", types::names());
            self.report.unmapped_member(&from, &text);
            return None;
        }
        self.report.mapped(&from, &format!("{}.plugin", self.table));
        found
    }

    fn address(&mut self, members: &[(String, Value)], plugin: &str) -> Option<Address> {
        let Some((member, value)) = members.iter().find(|(name, _)| is_address(name)) else {
            self.report.unmapped_member(self.from, "has no `endpoint`, and was left out");
            return None;
        };
        let from = format!("{}.{member}", self.from);
        let to = format!("{}.endpoint", self.table);
        let parsed = value.as_str().ok_or("is no text");
        match parsed.and_then(|text| endpoint::parse(text, plugin, types::has_path(plugin))) {
            Ok(address) => {
                self.report.mapped(&from, &to);
                if let Some(note) = address.note {
                    self.report.look(&from, &to, note);
                }
                if address.has_query {
                    let text = "what stands behind the `?` was left out: it may hold a secret, and an endpoint has none";
                    self.report.unmapped_member(&from, text);
                }
                Some(address)
            }
            Err(why) => {
                self.report.unmapped_member(&from, &format!("{why}; the connector was left out"));
                None
            }
        }
    }

    /// Takes a member that is neither type, address nor credential; `false` if it means nothing here.
    fn take(&mut self, found: &mut Found, member: &str, value: &Value, plugin: &str) -> bool {
        let from = format!("{}.{member}", self.from);
        let is_request = types::has_path(plugin);
        let (to, taken) = match plain(member).as_str() {
            "path" | "resource" if is_request => ("settings.path", set(&mut found.path, text(value))),
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

    fn keys(
        &mut self,
        plugin: &'static str,
        address: Address,
        credential: Option<Toml>,
        found: &mut Found,
    ) -> Vec<(&'static str, Toml)> {
        let mut keys =
            vec![("plugin", Toml::from(plugin)), ("endpoint", Toml::from(address.endpoint.clone()))];
        keys.extend(credential.map(|credential| ("credential", credential)));
        if !address.networks.is_empty() {
            let text = "the endpoint is on a private network, which nothing reaches unless it is allowed";
            self.report.look(self.from, &format!("{}.allow-networks", self.table), text);
            let networks: Vec<_> =
                address.networks.iter().map(|network| Toml::from(network.as_str())).collect();
            keys.push(("allow-networks", Toml::from(networks)));
        }
        keys.extend(
            found
                .concurrency
                .map(|most| ("concurrency", Toml::from(i64::try_from(most).unwrap_or(i64::MAX)))),
        );
        if let Some(rate) = found.requests_per_second {
            let limit = Table::from_iter([("requests-per-second".to_owned(), Toml::from(rate))]);
            keys.push(("rate-limit", Toml::Table(limit)));
        }
        if types::has_path(plugin) {
            keys.push(("settings", Toml::Table(self.request(address, found))));
        } else {
            let text = format!(
                "`{plugin}` has settings that the older file does not hold; see its README and example.toml"
            );
            self.report.look(self.from, &format!("{}.settings", self.table), &text);
        }
        keys
    }

    /// Path, method and headers of the plugin that makes one request of each event.
    fn request(&mut self, address: Address, found: &mut Found) -> Table {
        let before = address.path.unwrap_or_default();
        let path = match found.path.take() {
            Some(more) => format!("{}/{}", before.trim_end_matches('/'), more.trim_start_matches('/')),
            None => before,
        };
        let (path, is_changed) = types::with_fields(&path);
        let to = format!("{}.settings.path", self.table);
        if is_changed {
            let text =
                "a field that no event has is taken for a member of the data; see the README of the plugin";
            self.report.look(self.from, &to, text);
        }
        let method = found.method.take().unwrap_or_else(|| {
            let method = if path.contains('{') { "PUT" } else { "POST" };
            let text = format!("the older file names no method; see whether {method} is right");
            self.report.look(self.from, &format!("{}.settings.method", self.table), &text);
            method.to_owned()
        });
        let mut settings = Table::new();
        settings.insert("path".to_owned(), Toml::from(path));
        settings.insert("method".to_owned(), Toml::from(method));
        if !found.headers.is_empty() {
            settings.insert("headers".to_owned(), Toml::Table(std::mem::take(&mut found.headers)));
        }
        settings
    }

    fn subscription(&mut self, found: Found, defaults: &Defaults<'_>) -> Vec<(&'static str, Toml)> {
        let table = format!("subscriptions.{}", self.name);
        let topics = found.topics.unwrap_or_else(|| {
            let text = "the older file names no topic; this is what --topic says";
            self.report.look(self.from, &format!("{table}.topics"), text);
            defaults.topics.iter().map(|topic| Toml::from(topic.as_str())).collect()
        });
        let types = found.types.unwrap_or_else(|| {
            let text = "the older file names no event types: all that are in the topic";
            self.report.look(self.from, &format!("{table}.types"), text);
            vec![Toml::from("*")]
        });
        let mut keys = vec![
            ("connector", Toml::from(self.name)),
            ("topics", Toml::from(topics)),
            ("types", Toml::from(types)),
        ];
        let sla = found.rules.keys((self.from, &format!("{table}.sla")), self.report);
        if !sla.is_empty() {
            let sla = sla.into_iter().map(|(key, value)| (key.to_owned(), value));
            keys.push(("sla", Toml::Table(sla.collect())));
        }
        keys
    }
}

fn is_address(member: &str) -> bool {
    matches!(
        plain(member).as_str(),
        "endpoint" | "url" | "uri" | "baseurl" | "address" | "jdbcurl" | "connectionstring"
    )
}

/// By its name: such a value is never copied.
fn is_secret(name: &str) -> bool {
    let name = plain(name);
    ["auth", "token", "key", "secret", "password", "cookie", "signature", "credential"]
        .iter()
        .any(|word| name.contains(word))
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

#[cfg(test)]
mod tests;
