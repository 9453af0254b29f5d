//! Strikes a connector's secrets out of whatever is written down: an external system may echo the credential that it
//! was sent, and a plugin may pass that on.
//!
//! In comes a credential, out goes what replaces its values in texts and bytes, in the spellings that replies use.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use url::form_urlencoded::byte_serialize;

use super::Credential;
use super::secret::SecretError;

/// What stands in the place of a secret.
pub const STRUCK: &str = "[secret]";

/// The secrets of one connector. Clones share them.
#[derive(Clone, Default)]
pub struct Mask {
    /// Each secret in all its spellings, the longest first.
    spellings: Arc<[String]>,
}

impl Mask {
    /// Reads the secret of this credential.
    pub fn of(credential: Option<&Credential>) -> Result<Mask, SecretError> {
        let mut spellings = Vec::new();
        match credential {
            None => {}
            Some(Credential::Bearer(secret) | Credential::Header { value: secret, .. }) => {
                spell(secret.read()?.expose(), &mut spellings);
            }
            Some(Credential::Basic { username, password }) => {
                let password = password.read()?;
                spell(password.expose(), &mut spellings);
                spellings.push(STANDARD.encode(format!("{username}:{}", password.expose())));
            }
        }
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        spellings.dedup();
        Ok(Mask { spellings: spellings.into() })
    }

    /// Strikes the secrets out; says whether there were any.
    pub fn text(&self, text: &mut String) -> bool {
        let mut is_struck = false;
        for spelling in self.spellings.iter() {
            if text.contains(spelling.as_str()) {
                *text = text.replace(spelling.as_str(), STRUCK);
                is_struck = true;
            }
        }
        is_struck
    }

    /// As [`Mask::text`], in bytes that need not be text.
    pub fn bytes(&self, bytes: &mut Bytes) -> bool {
        let mut is_struck = false;
        for spelling in self.spellings.iter() {
            if let Some(struck) = replaced(bytes, spelling.as_bytes()) {
                *bytes = struck.into();
                is_struck = true;
            }
        }
        is_struck
    }
}

/// As it is, in a JSON string, in a URL or a form, and in base64.
fn spell(secret: &str, spellings: &mut Vec<String>) {
    let json = serde_json::Value::from(secret).to_string();
    spellings.push(json[1..json.len() - 1].to_owned());
    spellings.push(byte_serialize(secret.as_bytes()).collect());
    spellings.push(STANDARD.encode(secret));
    spellings.push(secret.to_owned());
}

/// `None` if there is nothing to replace.
fn replaced(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let next = |rest: &[u8]| rest.windows(secret.len()).position(|window| window == secret);
    let mut rest = bytes;
    let mut place = next(rest)?;
    let mut text = Vec::with_capacity(bytes.len());
    loop {
        text.extend_from_slice(&rest[..place]);
        text.extend_from_slice(STRUCK.as_bytes());
        rest = &rest[place + secret.len()..];
        match next(rest) {
            Some(found) => place = found,
            None => break,
        }
    }
    text.extend_from_slice(rest);
    Some(text)
}

impl fmt::Debug for Mask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mask").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::SecretRef;

    /// Of a file that is gone again: the secret is read at once.
    pub(crate) fn mask_of(
        name: &str,
        secret: &str,
        credential: impl FnOnce(SecretRef) -> Credential,
    ) -> Mask {
        let path = std::env::temp_dir().join(format!("liaison-mask-{}-{name}", std::process::id()));
        std::fs::write(&path, secret).unwrap();
        let mask = Mask::of(Some(&credential(SecretRef::File(path.clone()))));
        std::fs::remove_file(path).unwrap();
        mask.unwrap()
    }

    #[test]
    fn a_secret_is_struck_out_in_every_spelling() {
        let mask = mask_of("spellings", "s3cret\"/ü", Credential::Bearer);
        for (text, expected) in [
            ("nothing", "nothing"),
            ("token s3cret\"/ü is wrong", "token [secret] is wrong"),
            (r#"{"token":"s3cret\"/ü"}"#, r#"{"token":"[secret]"}"#),
            ("?token=s3cret%22%2F%C3%BC&x", "?token=[secret]&x"),
            ("czNjcmV0Ii/DvA==", "[secret]"),
            ("s3cret\"/üs3cret\"/ü", "[secret][secret]"),
        ] {
            let (mut found, mut bytes) = (text.to_owned(), Bytes::from(text));
            let is_struck = text != expected;
            assert_eq!((mask.text(&mut found), found.as_str()), (is_struck, expected));
            assert_eq!((mask.bytes(&mut bytes), &bytes[..]), (is_struck, expected.as_bytes()));
        }
        let mut binary = Bytes::from([&[0xff_u8][..], "s3cret\"/ü".as_bytes(), &[0xff]].concat());
        assert!(mask.bytes(&mut binary));
        assert_eq!(binary, [&[0xff_u8][..], STRUCK.as_bytes(), &[0xff]].concat());
    }

    #[test]
    fn a_password_is_struck_out_with_its_user_and_without() {
        let basic = |password| Credential::Basic { username: "me".to_owned(), password };
        let mask = mask_of("password", "hush", basic);
        let mut text = "Basic bWU6aHVzaA== is hush".to_owned();
        assert!(mask.text(&mut text));
        assert_eq!(text, "Basic [secret] is [secret]");
        assert!(!Mask::default().text(&mut text));
    }
}
