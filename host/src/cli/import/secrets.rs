//! Secrets of the older files: each becomes an environment variable's name, and its value is looked at no further.

use std::collections::BTreeSet;

use serde_json::Value;

use super::report::Report;

/// The names that are given out, so that no two secrets share one by chance.
#[derive(Debug, Default)]
pub(super) struct Variables(BTreeSet<String>);

impl Variables {
    /// The variable for the secret at `from`, which is to stand at `to`; `None`, reported, if there is none there.
    pub(super) fn take(
        &mut self,
        connector: &str,
        member: &str,
        value: &Value,
        (from, to): (&str, &str),
        report: &mut Report,
    ) -> Option<String> {
        let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) else {
            report.unmapped_member(from, "is no secret: text is wanted, and it is none or empty");
            return None;
        };
        if let Some(named) = named(text) {
            report.secret(from, to, named, true);
            return Some(named.to_owned());
        }
        let mut variable = upper(&format!("{connector}_{member}"));
        while !self.0.insert(variable.clone()) {
            variable.push('_');
        }
        report.secret(from, to, &variable, false);
        Some(variable)
    }
}

/// The environment variable that a value stands for: `${NAME}`, `$NAME` or `env:NAME`.
fn named(text: &str) -> Option<&str> {
    let text = text.trim();
    let braced = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let name = braced.or_else(|| text.strip_prefix("env:")).or_else(|| text.strip_prefix('$'))?;
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    (begins && name.bytes().all(is_name)).then_some(name)
}

/// `calendar-service_authToken` as `CALENDAR_SERVICE_AUTH_TOKEN`.
fn upper(text: &str) -> String {
    let mut name = String::with_capacity(text.len() + 4);
    let mut was_lower = false;
    for character in text.chars() {
        if character.is_ascii_uppercase() && was_lower {
            name.push('_');
        }
        was_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        name.push(if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' });
    }
    if name.starts_with(|character: char| character.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_becomes_a_name_and_its_value_is_nowhere() {
        let (mut variables, mut report) = (Variables::default(), Report::default());
        let mut take = |connector: &str, member: &str, value: Value| {
            variables.take(connector, member, &value, ("from", "to"), &mut report)
        };
        assert_eq!(
            take("calendar-service", "authToken", json!("s3cret")).unwrap(),
            "CALENDAR_SERVICE_AUTH_TOKEN"
        );
        assert_eq!(
            take("calendar", "service_auth-token", json!("x")).unwrap(),
            "CALENDAR_SERVICE_AUTH_TOKEN_"
        );
        assert_eq!(take("7th", "apiKey2", json!("x")).unwrap(), "_7TH_API_KEY2");
        for text in ["${OLD_TOKEN}", "$OLD_TOKEN", "env:OLD_TOKEN"] {
            assert_eq!(take("a", "b", json!(text)).unwrap(), "OLD_TOKEN");
        }
        assert_eq!(take("a", "b", json!("$ecret")).unwrap(), "A_B", "it only begins like a name");
        for nothing in [json!(""), json!(" "), json!(7), json!(null)] {
            assert_eq!(take("a", "b", nothing), None);
        }
        assert!(!report.text().contains("s3cret") && !report.json().to_string().contains("s3cret"));
    }
}
