//! Checks `[plugins]` and `[transformers]`: that each plugin's file is there, and is the one that was pinned.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::provenance::Origins;
use super::{Checker, set};
use crate::config::document::KeyPath;
use crate::config::settings::{
    InstancesSetting, LimitsSettings, PluginSettings, RolloutSettings, TransformerSettings,
};
use crate::config::settings_file::{self, Form, SettingsFile};
use crate::config::{
    Digest, Instances, Limits, Plugin, PluginName, Rollout, Source, Transformer, TransformerName,
};

pub(super) fn plugins(
    settings: BTreeMap<String, PluginSettings>,
    origins: &mut Origins,
    checker: &mut Checker<'_>,
) -> BTreeMap<PluginName, Plugin> {
    let checked = settings.into_iter().map(|(name, settings)| {
        let path = KeyPath::of(&["plugins", &name]);
        checker.name(&path, &name);
        (PluginName::new(&name), plugin(&path, settings, origins, checker))
    });
    checked.collect()
}

pub(super) fn transformers(
    settings: BTreeMap<String, TransformerSettings>,
    checker: &mut Checker<'_>,
) -> BTreeMap<TransformerName, Transformer> {
    let checked = settings.into_iter().map(|(name, settings)| {
        let path = KeyPath::of(&["transformers", &name]);
        checker.name(&path, &name);
        let plugin = plugin_name(&path, settings.plugin, checker);
        let settings = own_settings(&path, settings.settings, settings.settings_files, checker);
        (TransformerName::new(&name), Transformer { settings, ..Transformer::new(plugin) })
    });
    checked.collect()
}

/// The plugin that a connector or transformer names.
pub(super) fn plugin_name(path: &KeyPath, name: Option<String>, checker: &mut Checker<'_>) -> PluginName {
    let path = path.key("plugin");
    let name = checker.required(&path, name, "name an entry of [plugins]");
    if let Some(name) = &name {
        checker.known(&path, "plugins", name);
    }
    PluginName::new(name.as_deref().unwrap_or_default())
}

/// A plugin's own settings as the JSON that it will see, with what is in the files; a date or a time becomes text.
pub(super) fn own_settings(
    path: &KeyPath,
    settings: toml::Table,
    files: BTreeMap<String, SettingsFile>,
    checker: &mut Checker<'_>,
) -> serde_json::Map<String, serde_json::Value> {
    let own = path.key("settings");
    let settings = settings.into_iter();
    let mut settings: serde_json::Map<_, _> =
        settings.map(|(key, value)| (key.clone(), json(&own.key(&key), value, checker))).collect();
    for (name, file) in files {
        let path = path.key("settings-files").key(&name);
        if settings.contains_key(&name) {
            checker.mistake(&path, "stands in `settings` too; leave one out");
        }
        let form = file.form.unwrap_or(Form::Text);
        let path = path.key("path");
        let Some(file) = checker.required(&path, file.path, "write where the file is") else { continue };
        match settings_file::read(&checker.path(&file), form) {
            Ok(content) => drop(settings.insert(name, content.into())),
            Err(problem) => checker.mistake(&path, problem),
        }
    }
    settings
}

fn json(path: &KeyPath, value: toml::Value, checker: &mut Checker<'_>) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(integer) => integer.into(),
        toml::Value::Float(float) => {
            if !float.is_finite() {
                checker.mistake(path, format!("{float} is no number to a plugin; write a finite one"));
            }
            float.into()
        }
        toml::Value::Boolean(boolean) => boolean.into(),
        toml::Value::Datetime(datetime) => datetime.to_string().into(),
        toml::Value::Array(values) => {
            let values = values.into_iter().enumerate();
            values.map(|(index, value)| json(&path.index(index), value, checker)).collect()
        }
        toml::Value::Table(table) => {
            let entries = table.into_iter();
            entries.map(|(key, value)| (key.clone(), json(&path.key(&key), value, checker))).collect()
        }
    }
}

fn plugin(
    path: &KeyPath,
    settings: PluginSettings,
    origins: &mut Origins,
    checker: &mut Checker<'_>,
) -> Plugin {
    let source = origins.source(path, &settings, checker);
    let sha256 = settings.sha256.and_then(|digits| pin(&path.key("sha256"), &digits, checker));
    if let Some(Source::File(file)) = &source {
        content(path, file, sha256, checker);
    }
    let mut plugin = Plugin::from_source(source.unwrap_or(Source::File(PathBuf::new())));
    plugin.sha256 = sha256;
    plugin.signers = origins.signers(path, settings.signers.as_deref(), checker);
    plugin.certificate = settings.certificate.map(|certificate| checker.path(&certificate));
    set(&mut plugin.instances, settings.instances);
    set(&mut plugin.batch, settings.batch);
    limits(&path.key("limits"), settings.limits, &mut plugin.limits, checker);
    rollout(&path.key("rollout"), settings.rollout, &mut plugin.rollout, checker);
    plugin
}

impl From<InstancesSetting> for Instances {
    fn from(setting: InstancesSetting) -> Self {
        match setting {
            InstancesSetting::Fresh => Self::Fresh,
            InstancesSetting::Warm(calls) => Self::Warm { calls: calls.into() },
        }
    }
}

fn limits(path: &KeyPath, settings: LimitsSettings, limits: &mut Limits, checker: &mut Checker<'_>) {
    checker.not_zero(&path.key("cpu-time"), settings.cpu_time);
    checker.not_zero(&path.key("wall-time"), settings.wall_time);
    let blamed = if settings.wall_time.is_some() { "wall-time" } else { "cpu-time" };
    set(&mut limits.cpu_time, settings.cpu_time);
    set(&mut limits.wall_time, settings.wall_time);
    set(&mut limits.memory_bytes, settings.memory);
    set(&mut limits.table_elements, settings.table_elements);
    set(&mut limits.handles, settings.handles);
    set(&mut limits.host_calls, settings.host_calls);
    set(&mut limits.result_bytes, settings.result);
    set(&mut limits.log_lines, settings.log_lines);
    set(&mut limits.log_bytes, settings.log_bytes);
    set(&mut limits.log_rate, settings.log_rate);
    set(&mut limits.steps, settings.steps);
    set(&mut limits.effects, settings.effects);
    set(&mut limits.request_head_bytes, settings.request_head);
    set(&mut limits.request_body_bytes, settings.request_body);
    check_sizes(path, &settings, limits, checker);
    if limits.wall_time < limits.cpu_time && !limits.wall_time.is_zero() {
        let (cpu, wall) = (limits.cpu_time, limits.wall_time);
        let text =
            format!("`cpu-time` is {cpu:?} and `wall-time` only {wall:?}; no call could use all of it");
        checker.mistake(&path.key(blamed), text);
    }
}

fn rollout(path: &KeyPath, settings: RolloutSettings, rollout: &mut Rollout, checker: &mut Checker<'_>) {
    checker.not_zero(&path.key("window"), settings.window);
    checker.not_zero(&path.key("canary-for"), settings.canary_for);
    checker.share(&path.key("max-failures"), settings.max_failures);
    checker.share(&path.key("canary"), settings.canary);
    if settings.canary_for.is_some() && settings.canary.is_none() {
        checker.mistake(&path.key("canary-for"), "there is no `canary`; write its share, or leave this out");
    }
    set(&mut rollout.window, settings.window);
    set(&mut rollout.max_failures, settings.max_failures);
    set(&mut rollout.min_events, settings.min_events);
    rollout.canary = settings.canary.or(rollout.canary);
    set(&mut rollout.canary_for, settings.canary_for);
    set(&mut rollout.shadow, settings.shadow);
}

/// Sizes that nothing could ever use up, because something else is smaller.
fn check_sizes(path: &KeyPath, settings: &LimitsSettings, limits: &Limits, checker: &mut Checker<'_>) {
    if limits.memory_bytes > Limits::MAX_MEMORY_BYTES {
        checker.mistake(&path.key("memory"), "more than the 4 GiB that an instance can address");
    }
    if limits.table_elements > Limits::MAX_TABLE_ELEMENTS {
        let text = format!("more than the {} that this host can set aside", Limits::MAX_TABLE_ELEMENTS);
        checker.mistake(&path.key("table-elements"), text);
    }
    let (memory, result, body) = (limits.memory_bytes, limits.result_bytes, limits.request_body_bytes);
    if settings.result.is_some() && result > memory {
        let text = format!("is {result} and `memory` only {memory}, in bytes; no answer could be that large");
        checker.mistake(&path.key("result"), text);
    }
    if settings.request_body.is_some() && body > result {
        let text = format!("is {body} and `result` only {result}, in bytes; no body could be that large");
        checker.mistake(&path.key("request-body"), text);
    }
}

/// The digest of 64 hexadecimal digits.
fn pin(path: &KeyPath, digits: &str, checker: &mut Checker<'_>) -> Option<[u8; 32]> {
    let digest = Digest::from_hex(digits);
    if digest.is_none() {
        checker.mistake(path, "not a sha256; write the 64 hexadecimal digits that `sha256sum` prints");
    }
    digest.map(|digest| digest.0)
}

/// Reports a file that cannot be read, or that is not the pinned one.
fn content(path: &KeyPath, file: &Path, pinned: Option<[u8; 32]>, checker: &mut Checker<'_>) {
    let found = match pinned {
        None => open(file).map(|_| None),
        Some(_) => sha256(file).map(Some),
    };
    let file = file.display();
    match found {
        Err(error) => {
            checker.mistake(
                &path.key("path"),
                format!("cannot read {file} ({error}); build it, or mend the path"),
            );
        }
        Ok(Some(digest)) if pinned != Some(digest) => {
            let digest = Digest(digest).hex();
            let text =
                format!("{file} is another file, with sha256 {digest}; write that only if you trust it");
            checker.mistake(&path.key("sha256"), text);
        }
        Ok(_) => {}
    }
}

/// Opens a plain file; anything else might never answer.
fn open(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    File::open(path)
}

fn sha256(path: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    io::copy(&mut open(path)?, &mut hash)?;
    Ok(hash.finalize().into())
}
