//! Makes the settings as written into the settings as used, and names every mistake on the way.
//!
//! A value that is missing or wrong is reported and a default stands in, so that the checks go on; the result counts
//! only if nothing was reported. Files and environment variables that are named are looked at; nothing else is.

mod admin;
mod alerts;
mod conflict;
mod connectors;
mod databases;
mod grants;
mod intake;
mod kafka;
mod plugins;
mod provenance;
mod schema_registry;
mod secrets;
mod security;
mod sla;
mod subscriptions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use url::Url;

use super::document::{Document, KeyPath};
use super::errors::Mistake;
use super::explain::{did_you_mean, suggest};
use super::settings::{DurationText, RuntimeSettings, Settings};
use super::{Brokers, Config, Runtime, SubscriptionName, defaults};

/// What the checks need to know, and what they found.
pub(super) struct Checker<'a> {
    pub(super) document: &'a Document<'a>,
    /// Relative paths start here.
    pub(super) base: &'a Path,
    /// The environment, which tests replace.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Else nobody looks whether they are there.
    pub(super) are_secrets_needed: bool,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
}

/// The configuration that the settings mean, if the checker holds no mistake afterwards.
pub(super) fn config(settings: Settings, checker: &mut Checker<'_>) -> Config {
    let group_prefix = settings.kafka.as_ref().and_then(|kafka| kafka.group_prefix.clone());
    let mut config = Config::new(Brokers::Embedded);
    config.kafka = kafka::kafka(settings.kafka.unwrap_or_default(), checker);
    let mut origins = provenance::Origins::new(settings.trust, settings.registries, checker);
    config.plugins = plugins::plugins(settings.plugins, &mut origins, checker);
    config.transformers = plugins::transformers(settings.transformers, checker);
    config.connectors = connectors::connectors(settings.connectors, checker);
    let tables = sla::Tables::new(settings.sla, checker);
    let group_prefix = group_prefix.as_deref().unwrap_or(defaults::GROUP_PREFIX);
    config.subscriptions =
        subscriptions::subscriptions(settings.subscriptions, group_prefix, &tables, checker);
    config.alerts = alerts::alerts(settings.alerts, checker);
    config.admin = admin::admin(settings.admin, checker);
    config.intake = settings.intake.map(|settings| intake::intake(settings, &config.subscriptions, checker));
    config.runtime = runtime(settings.runtime, &config.subscriptions, checker);
    want_certificates(&config, checker);
    warn_of_unused(&config, checker);
    origins.warn_of_unused(checker);
    config
}

fn runtime(
    settings: RuntimeSettings,
    subscriptions: &BTreeMap<SubscriptionName, super::Subscription>,
    checker: &mut Checker<'_>,
) -> Runtime {
    let mut runtime = Runtime::default();
    let connectors: BTreeSet<_> =
        subscriptions.values().map(|subscription| &subscription.connector).collect();
    runtime.workers = runtime.workers.min(connectors.len().max(1));
    set(&mut runtime.workers, settings.workers);
    set(&mut runtime.cache, settings.cache.map(|cache| checker.path(&cache)));
    set(&mut runtime.instances, settings.instances);
    set(&mut runtime.stack_bytes, settings.stack);
    let path = KeyPath::of(&["runtime"]);
    if runtime.instances > Runtime::MAX_INSTANCES {
        let text = format!("more than the {} that the address space has room for", Runtime::MAX_INSTANCES);
        checker.mistake(&path.key("instances"), text);
    }
    if !Runtime::STACK_BYTES.contains(&runtime.stack_bytes) {
        checker.mistake(&path.key("stack"), "no stack that plugins run on; write a size from 64KiB to 64MiB");
    }
    set(&mut runtime.call_twice, settings.call_twice);
    set(&mut runtime.require_certificate, settings.require_certificate);
    runtime
}

fn want_certificates(config: &Config, checker: &mut Checker<'_>) {
    let uncertified = config.plugins.iter().filter(|(_, plugin)| plugin.certificate.is_none());
    for (name, _) in uncertified.filter(|_| config.runtime.require_certificate) {
        let path = KeyPath::of(&["plugins", name.as_str(), "certificate"]);
        let text = "missing, and runtime.require-certificate wants it; make it by `liaison plugin certify`";
        checker.mistake(&path, text);
    }
}

fn warn_of_unused(config: &Config, checker: &mut Checker<'_>) {
    let plugins_in_use = || {
        let connectors = config.connectors.values().map(|connector| &connector.plugin);
        connectors.chain(config.transformers.values().map(|transformer| &transformer.plugin))
    };
    for name in config.plugins.keys().filter(|name| !plugins_in_use().any(|used| used == *name)) {
        checker.unused(&["plugins", name.as_str()], "connector or transformer");
    }
    let subscriptions = || config.subscriptions.values();
    for name in config.transformers.keys() {
        if !subscriptions().any(|subscription| subscription.transformers.contains(name)) {
            checker.unused(&["transformers", name.as_str()], "subscription");
        }
    }
    for name in config.connectors.keys() {
        if !subscriptions().any(|subscription| subscription.connector == *name) {
            checker.unused(&["connectors", name.as_str()], "subscription");
        }
    }
}

impl Checker<'_> {
    fn mistake(&mut self, path: &KeyPath, text: impl Into<String>) {
        let position = self.document.locate(path);
        if !self.document.is_broken(position) {
            self.mistakes.push(Mistake::new(position, path, text));
        }
    }

    fn warning(&mut self, path: &KeyPath, text: impl Into<String>) {
        self.warnings.push(Mistake::new(self.document.locate(path), path, text));
    }

    fn unused(&mut self, path: &[&str], by: &str) {
        self.warning(&KeyPath::of(path), format!("no {by} uses it"));
    }

    /// Reports a value that is missing, unless one stands there that could not be read: that is reported already.
    fn required<T>(&mut self, path: &KeyPath, value: Option<T>, mend: &str) -> Option<T> {
        if value.is_none() && self.document.is_whole() && !self.document.has(path) && !self.is_misspelt(path)
        {
            self.mistake(path, format!("missing; {mend}"));
        }
        value
    }

    /// Whether a key was reported that is probably meant to be this one, or one that holds it.
    fn is_misspelt(&self, path: &KeyPath) -> bool {
        path.steps().any(|(table, key)| {
            let (table, mend) = (table.to_string(), did_you_mean(&key));
            let mut mistakes = self.mistakes.iter();
            mistakes.any(|mistake| mistake.key.starts_with(&table) && mistake.text.ends_with(&mend))
        })
    }

    /// The table's key as a name, checked.
    fn name(&mut self, path: &KeyPath, name: &str) {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let starts_well = name.bytes().next().is_some_and(is_plain);
        if !starts_well || !name.bytes().all(|byte| is_plain(byte) || byte == b'-') {
            self.mistake(
                path,
                "not a name; use lower-case letters, digits and `-`, beginning with a letter or digit",
            );
        }
    }

    /// Reports a name that no entry of this section has.
    fn known(&mut self, path: &KeyPath, section: &str, name: &str) {
        let names = self.document.names(section);
        let is_certain = self.document.is_whole() && !self.is_misspelt(&KeyPath::of(&[section]));
        if is_certain && !names.contains(&name) {
            let text = format!("no [{section}.{name}] exists; {}", suggest(name, &names));
            self.mistake(path, text);
        }
    }

    fn not_zero(&mut self, path: &KeyPath, value: Option<DurationText>) {
        if value.is_some_and(|value| std::time::Duration::from(value).is_zero()) {
            self.mistake(path, "must be longer than nothing");
        }
    }

    /// More than nothing and less than all.
    fn share(&mut self, path: &KeyPath, value: Option<f64>) {
        if let Some(value) = value.filter(|value| !(*value > 0.0 && *value < 1.0)) {
            self.mistake(path, format!("{value} is no share; write a number between 0 and 1, such as 0.99"));
        }
    }

    /// An http or https address without user and fragment.
    fn http_url(&mut self, path: &KeyPath, text: &str) -> Option<Url> {
        let problem = match Url::parse(text) {
            Err(error) => {
                format!("`{text}` is not an address ({error}); write such as \"https://api.example.gov\"")
            }
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                format!("`{}` is not spoken here; begin with https:// or http://", url.scheme())
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "must hold no user and password; a connector names them in `credential`".to_owned()
            }
            Ok(url) if url.fragment().is_some() => "must hold no fragment (`#…`); leave it out".to_owned(),
            Ok(url) => return Some(url),
        };
        self.mistake(path, problem);
        None
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.base.join(path)
    }
}

/// Replaces a default by what was written, if anything was.
fn set<T>(target: &mut T, written: Option<impl Into<T>>) {
    if let Some(written) = written {
        *target = written.into();
    }
}
