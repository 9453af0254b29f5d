//! Reads the secrets that the configuration names but never holds.
//!
//! In comes a [`SecretRef`], out goes a [`Secret`] that does not show itself in logs. Read once, at start: nothing here
//! watches for changes.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use super::SecretRef;

/// The most bytes of a secret.
const LIMIT_BYTES: u64 = 64 * 1024;

/// A secret value. Its `Debug` hides it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable {0} is not set; it should hold a secret")]
    NotSet(String),
    #[error("the environment variable {0} should hold a secret, but is not text")]
    NotText(String),
    #[error("the secret cannot be read from {path}: {source}", path = path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{0} should hold a secret, but is empty")]
    Empty(SecretRef),
    #[error("{0} should hold a secret, but holds more than 64 KiB")]
    TooLarge(SecretRef),
}

impl SecretRef {
    /// Reads the secret. White space at its end, such as the newline that editors add to files, does not belong to it.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let text = match self {
            SecretRef::Env(name) => std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => SecretError::NotSet(name.clone()),
                std::env::VarError::NotUnicode(_) => SecretError::NotText(name.clone()),
            })?,
            SecretRef::File(path) => {
                read_file(path).map_err(|source| SecretError::Unreadable { path: path.clone(), source })?
            }
        };
        if text.len() as u64 > LIMIT_BYTES {
            return Err(SecretError::TooLarge(self.clone()));
        }
        match text.trim_end() {
            "" => Err(SecretError::Empty(self.clone())),
            secret => Ok(Secret(secret.to_owned())),
        }
    }
}

/// One byte more than allowed is read, so that too much is noticed.
fn read_file(path: &PathBuf) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LIMIT_BYTES + 1).read_to_string(&mut text)?;
    Ok(text)
}

impl fmt::Display for SecretRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(formatter, "the environment variable {name}"),
            SecretRef::File(path) => write!(formatter, "the file {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(name: &str, content: &[u8]) -> (PathBuf, Result<Secret, SecretError>) {
        let path = std::env::temp_dir().join(format!("liaison-secret-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let read = SecretRef::File(path.clone()).read();
        std::fs::remove_file(&path).unwrap();
        (path, read)
    }

    #[test]
    fn a_secret_in_a_file_is_its_text_without_the_last_newline() {
        assert_eq!(in_file("text", b" token\r\n").1.unwrap().expose(), " token");
    }

    #[test]
    fn what_is_no_secret_is_said_with_its_place() {
        let (path, empty) = in_file("empty", b"\n");
        let expected = format!("the file {} should hold a secret, but is empty", path.display());
        assert_eq!(empty.unwrap_err().to_string(), expected);
        let (path, large) = in_file("large", &vec![b'x'; 65 * 1024]);
        let expected =
            format!("the file {} should hold a secret, but holds more than 64 KiB", path.display());
        assert_eq!(large.unwrap_err().to_string(), expected);
        assert!(matches!(in_file("binary", &[0xff]).1, Err(SecretError::Unreadable { .. })));
        let missing = SecretRef::File(path).read().unwrap_err().to_string();
        assert!(missing.contains("cannot be read from") && missing.contains("No such file"), "{missing}");
        let unset = SecretRef::Env("LIAISON_NO_SUCH_VARIABLE".to_owned()).read().unwrap_err().to_string();
        assert_eq!(
            unset,
            "the environment variable LIAISON_NO_SUCH_VARIABLE is not set; it should hold a secret"
        );
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let path = std::env::var("PATH").unwrap();
        let secret = SecretRef::Env("PATH".to_owned()).read().unwrap();
        assert_eq!(secret.expose(), path);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
