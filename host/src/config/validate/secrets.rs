//! Checks what names a secret or a certificate: that it is there and holds something. What is read is forgotten.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Checker;
use crate::config::SecretRef;
use crate::config::document::KeyPath;
use crate::config::settings::SecretSettings;

/// Reports a secret that could not be read when it is wanted.
pub(super) fn secret(path: &KeyPath, settings: SecretSettings, checker: &mut Checker<'_>) -> SecretRef {
    read(path, settings, checker).0
}

/// As `secret`, and it must not be missing.
pub(super) fn required_secret(
    path: &KeyPath,
    settings: Option<SecretSettings>,
    checker: &mut Checker<'_>,
) -> Option<SecretRef> {
    let settings = checker.required(path, settings, "write { env = \"…\" } or { file = \"…\" }");
    settings.map(|settings| secret(path, settings, checker))
}

/// As `secret`, and it must be a key of Standard Webhooks 1.0.0.
pub(super) fn webhook_secret(
    path: &KeyPath,
    settings: SecretSettings,
    checker: &mut Checker<'_>,
) -> SecretRef {
    let (reference, text) = read(path, settings, checker);
    if text.is_some_and(|text| !is_signing_key(text.trim())) {
        checker.mistake(path, "is no signing key; it must be `whsec_` and base64");
    }
    reference
}

fn is_signing_key(text: &str) -> bool {
    let key = text.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
    key.is_some_and(|key| !key.is_empty())
}

/// The reference, and what it holds now.
fn read(path: &KeyPath, settings: SecretSettings, checker: &mut Checker<'_>) -> (SecretRef, Option<String>) {
    let reference = match settings {
        SecretSettings::Env(name) => SecretRef::Env(name),
        SecretSettings::File(file) => SecretRef::File(checker.path(file)),
    };
    if !checker.are_secrets_needed {
        return (reference, None);
    }
    let (key, found) = match &reference {
        SecretRef::Env(name) => {
            let found = match (checker.variable)(name) {
                Some(text) if !text.trim().is_empty() => Ok(text),
                Some(_) => Err(format!("the environment variable {name} is empty; set it to the secret")),
                None => Err(format!("the environment variable {name} is not set; set it to the secret")),
            };
            ("env", found)
        }
        SecretRef::File(file) => ("file", filled_file(file)),
    };
    match found {
        Ok(text) => (reference, Some(text)),
        Err(problem) => {
            checker.mistake(&path.key(key), problem);
            (reference, None)
        }
    }
}

/// A file that must hold PEM certificates.
pub(super) fn certificate_file(path: &KeyPath, file: &Path, checker: &mut Checker<'_>) -> PathBuf {
    let file = checker.path(file);
    match filled_file(&file) {
        Err(problem) => checker.mistake(path, problem),
        Ok(text) if !text.contains("-----BEGIN CERTIFICATE-----") => {
            checker.mistake(path, format!("{} holds no PEM certificate; export it as PEM", file.display()));
        }
        Ok(_) => {}
    }
    file
}

/// The text of a file that must hold something.
pub(super) fn filled_file(file: &Path) -> Result<String, String> {
    match std::fs::read_to_string(file) {
        Err(error) => Err(format!("cannot read {} ({error}); mend the path or its rights", file.display())),
        Ok(text) if text.trim().is_empty() => {
            Err(format!("{} is empty; write into it what it is for", file.display()))
        }
        Ok(text) => Ok(text),
    }
}
