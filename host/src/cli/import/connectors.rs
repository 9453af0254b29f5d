//! The older connectors, `{"calendarService": {"type": "rest", "endpoint": …, "authToken": …}}`: each becomes a connector
//! and a subscription to it.

mod credential;
mod found;
mod keys;
mod path;
mod types;

use serde_json::Value;
use toml::Value as Toml;

use self::credential::Credentials;
use self::found::Found;
use self::types::plugin;
use super::endpoint::{self, Address};
use super::older::{Entry, Older, plain};
use super::report::Report;
use super::secrets::Variables;

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
                && !self.is_address(member, members)
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

    /// Says, of all but the first, that it is left out.
    fn is_address(&mut self, member: &str, members: &[(String, Value)]) -> bool {
        let first = members.iter().find(|(name, _)| is_address(name));
        if let Some((first, _)) = first.filter(|(first, _)| is_address(member) && first != member) {
            let text = format!("is a second address, and a connector has one: that of `{first}`");
            self.report.unmapped_member(&format!("{}.{member}", self.from), &text);
        }
        is_address(member)
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
}

fn is_address(member: &str) -> bool {
    matches!(
        plain(member).as_str(),
        "endpoint" | "url" | "uri" | "baseurl" | "address" | "jdbcurl" | "connectionstring"
    )
}

#[cfg(test)]
mod tests;
