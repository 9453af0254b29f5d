//! Checks what names a secret or a certificate: that it is there and holds something. What is read is forgotten.

use std::path::{Path, PathBuf};

use super::Checker;
use crate::config::SecretRef;
use crate::config::document::KeyPath;
use crate::config::secret::TOKEN_BYTES;
use crate::config::settings::{FolderSecret, SecretSettings};
use crate::config::webhook_key::WebhookKey;

/// Secrets are struck out of what a system answers: a shorter one would be met by chance.
const SHORT_CHARACTERS: usize = 6;

/// Reports a secret that could not be read when it is wanted.
pub(super) fn secret(path: &KeyPath, settings: SecretSettings, checker: &mut Checker<'_>) -> SecretRef {
    let (reference, text) = read(path, settings, checker);
    if text.is_some_and(|text| text.trim_end().chars().count() < SHORT_CHARACTERS) {
        let warning =
            "is so short that what the system answers may hold it by chance, where it is struck out";
        checker.warning(path, warning);
    }
    reference
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

/// As `secret`, and it must be what nobody guesses.
pub(super) fn token(path: &KeyPath, settings: SecretSettings, checker: &mut Checker<'_>) -> SecretRef {
    let (reference, text) = read(path, settings, checker);
    if text.is_some_and(|text| text.trim_end().len() < TOKEN_BYTES) {
        let text = format!(
            "is shorter than {TOKEN_BYTES} characters and may be guessed; make it with `openssl rand -hex 32`"
        );
        checker.mistake(path, text);
    }
    reference
}

/// As `secret`, and it must be a key of Standard Webhooks 1.0.0.
pub(super) fn webhook_secret(
    path: &KeyPath,
    settings: SecretSettings,
    checker: &mut Checker<'_>,
) -> SecretRef {
    let (reference, text) = read(path, settings, checker);
    match text.as_deref().map(|text| WebhookKey::read(text.trim())) {
        Some(Err(why)) => checker.mistake(path, why.to_string()),
        Some(Ok(key)) if key.is_short() => {
            checker.warning(
                path,
                "is shorter than the 24 bytes that Standard Webhooks asks for; make a longer one",
            );
        }
        Some(Ok(_)) | None => {}
    }
    reference
}

/// The reference, and what it holds now.
fn read(path: &KeyPath, settings: SecretSettings, checker: &mut Checker<'_>) -> (SecretRef, Option<String>) {
    let (reference, key) = match settings {
        SecretSettings::Env(name) => (SecretRef::Env(name), "env"),
        SecretSettings::File(file) => (SecretRef::File(checker.path(file)), "file"),
        SecretSettings::Folder(entry) => match folder_entry(&path.key("folder"), entry, checker) {
            Some(file) => (SecretRef::File(file), "folder"),
            // Reported already.
            None => return (SecretRef::File(PathBuf::new()), None),
        },
    };
    if !checker.are_secrets_needed {
        return (reference, None);
    }
    let found = match &reference {
        SecretRef::Env(name) => match (checker.variable)(name) {
            Some(text) if !text.trim().is_empty() => Ok(text),
            Some(_) => Err(format!("the environment variable {name} is empty; set it to the secret")),
            None => Err(format!("the environment variable {name} is not set; set it to the secret")),
        },
        SecretRef::File(file) => filled_file(file),
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

fn folder_entry(path: &KeyPath, entry: FolderSecret, checker: &mut Checker<'_>) -> Option<PathBuf> {
    let folder = checker.required(&path.key("path"), entry.path, "write where the folder is mounted");
    let name = checker.required(&path.key("name"), entry.name, "write the entry's name");
    let name = name.filter(|name| {
        let is_name = !name.is_empty() && !name.contains('/') && !name.starts_with("..");
        if !is_name {
            checker.mistake(
                &path.key("name"),
                format!("`{name}` is not the name of an entry; write it without a path"),
            );
        }
        is_name
    });
    Some(checker.path(folder?).join(name?))
}

/// As `secret`, and it must hold this kind of PEM.
pub(super) fn pem(
    path: &KeyPath,
    settings: SecretSettings,
    kind: &str,
    checker: &mut Checker<'_>,
) -> SecretRef {
    let (reference, text) = read(path, settings, checker);
    let is_kind =
        |text: &String| text.lines().any(|line| line.starts_with("-----BEGIN ") && line.contains(kind));
    if text.is_some_and(|text| !is_kind(&text)) {
        checker.mistake(path, format!("{reference} holds no {kind} in PEM; export it as PEM"));
    }
    reference
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
