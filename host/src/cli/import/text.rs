//! The configuration as text: what was mapped, in the order of the older files.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use toml::Value as Toml;

use super::connectors::Mapped;
use super::sla::Keys;

/// The whole file.
pub(super) fn configuration(
    connectors: &[Mapped],
    sla: &[(String, Keys)],
    brokers: &[String],
    plugins: &str,
) -> String {
    let mut text =
        "# Made by `liaison import`. Its report says what to look at, and where each secret goes;\n\
                    # `liaison check` says whether all is there.\n\n[kafka]\n"
            .to_owned();
    let brokers: Vec<_> = brokers.iter().map(|broker| Toml::from(broker.as_str())).collect();
    line(&mut text, "brokers", &Toml::from(brokers));
    let names: BTreeSet<_> = connectors.iter().map(|connector| connector.plugin).collect();
    for plugin in names {
        let path = format!("{}/{plugin}.wasm", plugins.trim_end_matches('/'));
        table(&mut text, &format!("plugins.{plugin}"), &[("path", Toml::from(path))]);
    }
    for connector in connectors {
        if connector.name != connector.older {
            // A name may hold whatever JSON allows: a comment ends with its line.
            let older: String = connector.older.chars().filter(|character| !character.is_control()).collect();
            let _ = write!(text, "\n# {older}");
        }
        table(&mut text, &format!("connectors.{}", connector.name), &connector.keys);
        table(&mut text, &format!("subscriptions.{}", connector.name), &connector.subscription);
    }
    for (kind, keys) in sla {
        table(&mut text, &format!("sla.{}", key(kind)), keys);
    }
    text
}

fn table(text: &mut String, name: &str, keys: &[(&'static str, Toml)]) {
    let _ = writeln!(text, "\n[{name}]");
    keys.iter().for_each(|(key, value)| line(text, key, value));
}

fn line(text: &mut String, key: &str, value: &Toml) {
    let _ = writeln!(text, "{key} = {value}");
}

/// A key as it may stand in a table's name: quoted unless it is a bare one.
pub(super) fn key(text: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !text.is_empty() && text.bytes().all(is_bare) {
        return text.to_owned();
    }
    // With escapes and on one line, as a key must be.
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_a_key_that_reads_back() {
        for text in ["policy-updated", "policy.updated", "", "a\"b\\c", "tab\there\nand\u{7f}", "é\u{1f600}"]
        {
            let table: toml::Table = format!("[sla.{}]\nalert = true\n", key(text)).parse().unwrap();
            assert!(table["sla"].as_table().unwrap().contains_key(text), "{text:?}");
        }
    }
}
