//! The tables that a connector becomes: its own, and that of its subscription.

use toml::{Table, Value as Toml};

use super::found::Found;
use super::{Defaults, One, types};
use crate::cli::import::endpoint::Address;

impl One<'_> {
    pub(super) fn keys(
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
            Some(more) => more.behind(&before),
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

    pub(super) fn subscription(
        &mut self,
        found: Found,
        defaults: &Defaults<'_>,
    ) -> Vec<(&'static str, Toml)> {
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
