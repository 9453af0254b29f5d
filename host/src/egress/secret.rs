//! Credentials: from the configuration to the header that carries them, marked sensitive.
//!
//! A secret never reaches a plugin, a log or an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::EgressError;
use crate::config::Credential;

/// The header that proves who we are.
pub(super) fn credential_header(credential: &Credential) -> Result<(HeaderName, HeaderValue), EgressError> {
    let (name, text, reference) = match credential {
        Credential::Bearer(token) => (AUTHORIZATION, format!("Bearer {}", token.read()?.expose()), token),
        Credential::Basic { username, password } => {
            if username.contains(':') {
                return Err(EgressError::Username { username: username.clone() });
            }
            let pair = format!("{username}:{}", password.read()?.expose());
            (AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)), password)
        }
        Credential::Header { name, value } => (name.clone(), value.read()?.expose().to_owned(), value),
    };
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| EgressError::SecretNotHeader { place: reference.to_string() })?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{env, fs};

    use super::*;
    use crate::config::SecretRef;

    fn file(name: &str, content: &str) -> SecretRef {
        let path = env::temp_dir().join(format!("liaison-secret-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        SecretRef::File(path)
    }

    fn remove(reference: &SecretRef) {
        if let SecretRef::File(path) = reference {
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn credentials_become_sensitive_headers() {
        let reference = file("header", "open sesame");
        let cases = [
            (Credential::Bearer(reference.clone()), "authorization", "Bearer open sesame"),
            (
                Credential::Basic { username: "Aladdin".into(), password: reference.clone() },
                "authorization",
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            ),
            (
                Credential::Header { name: HeaderName::from_static("x-api-key"), value: reference.clone() },
                "x-api-key",
                "open sesame",
            ),
        ];
        for (credential, name, value) in cases {
            let header = credential_header(&credential).unwrap();
            assert_eq!((header.0.as_str(), header.1.to_str().unwrap()), (name, value));
            assert!(header.1.is_sensitive());
        }
        remove(&reference);
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        let empty = file("empty", "\n");
        let broken = file("broken", "hush\nhush\n");
        let cases = [
            (
                Credential::Bearer(SecretRef::Env("LIAISON_NO_SUCH_VARIABLE".into())),
                "the environment variable LIAISON_NO_SUCH_VARIABLE is not set",
            ),
            (
                Credential::Bearer(SecretRef::File(PathBuf::from("/nowhere/token"))),
                "cannot be read from /nowhere/token",
            ),
            (Credential::Bearer(empty.clone()), "but is empty"),
            (Credential::Bearer(broken.clone()), "holds a character"),
            (Credential::Basic { username: "a:b".into(), password: broken.clone() }, "holds a `:`"),
        ];
        for (credential, expected) in cases {
            let message = credential_header(&credential).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("hush"), "{message}");
        }
        remove(&empty);
        remove(&broken);
    }
}
