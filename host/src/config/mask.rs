//! Strikes a connector's secrets out of whatever is written down: an external system may echo the credential that it
//! was sent, and a plugin may pass that on.
//!
//! In come secrets, those of the configuration and each that is read anew or fetched later; out goes what replaces them
//! in texts and bytes, in the spellings that replies use.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use memchr::memmem;
use url::form_urlencoded::byte_serialize;

use super::secret::Secret;

/// What stands in the place of a secret.
pub const STRUCK: &str = "[secret]";

/// The most secrets that are known at a time. Tokens are fetched for ever: the oldest, long over, are forgotten first.
const MAX_SECRETS: usize = 64;

/// What is shorter is found in every text and is no secret: a token endpoint that gives `e` must not blot out all others.
const MIN_BYTES: usize = 4;

/// The secrets of one connector. Clones share them.
#[derive(Clone, Default)]
pub struct Mask {
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    /// The spellings of each secret, the oldest first.
    secrets: VecDeque<Vec<String>>,
    /// All of them, the longest first.
    spellings: Arc<[String]>,
}

impl Mask {
    /// Is there nothing to strike out?
    pub fn is_empty(&self) -> bool {
        self.spellings().is_empty()
    }

    /// Strikes this one out too from now on.
    pub fn learn(&self, secret: &Secret) {
        self.add(spellings(secret.expose()));
    }

    /// The same, and the pair that basic authentication makes of it.
    pub fn learn_password(&self, username: &str, password: &Secret) {
        let mut all = spellings(password.expose());
        all.push(STANDARD.encode(format!("{username}:{}", password.expose())));
        self.add(all);
    }

    fn add(&self, spellings: Vec<String>) {
        let spellings: Vec<_> =
            spellings.into_iter().filter(|spelling| spelling.len() >= MIN_BYTES).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.secrets.contains(&spellings) {
            return;
        }
        if known.secrets.len() == MAX_SECRETS {
            known.secrets.pop_front();
        }
        known.secrets.push_back(spellings);
        let mut all: Vec<String> = known.secrets.iter().flatten().cloned().collect();
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        known.spellings = all.into();
    }

    fn spellings(&self) -> Arc<[String]> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).spellings.clone()
    }

    /// Strikes the secrets out; says whether there were any.
    pub fn text(&self, text: &mut String) -> bool {
        let mut is_struck = false;
        for spelling in self.spellings().iter() {
            if text.contains(spelling.as_str()) {
                *text = text.replace(spelling.as_str(), STRUCK);
                is_struck = true;
            }
        }
        is_struck
    }

    /// Is there any in these bytes?
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.spellings().iter().any(|spelling| memmem::find(bytes, spelling.as_bytes()).is_some())
    }

    /// As [`Mask::text`], in bytes that need not be text.
    pub fn bytes(&self, bytes: &mut Bytes) -> bool {
        let mut is_struck = false;
        for spelling in self.spellings().iter() {
            if let Some(struck) = replaced(bytes, spelling.as_bytes()) {
                *bytes = struck.into();
                is_struck = true;
            }
        }
        is_struck
    }
}

impl Mask {
    /// As [`Mask::bytes`], with as many asterisks in the place of each.
    pub fn blank(&self, bytes: &mut Bytes) {
        for spelling in self.spellings().iter() {
            let places: Vec<usize> = memmem::find_iter(bytes, spelling.as_bytes()).collect();
            if !places.is_empty() {
                let mut blank = bytes.to_vec();
                places.iter().for_each(|place| blank[*place..place + spelling.len()].fill(b'*'));
                *bytes = blank.into();
            }
        }
    }
}

/// As it is, in a JSON string, in a URL or a form, and in base64.
fn spellings(secret: &str) -> Vec<String> {
    let json = serde_json::Value::from(secret).to_string();
    let in_json = json[1..json.len() - 1].to_owned();
    vec![in_json, byte_serialize(secret.as_bytes()).collect(), STANDARD.encode(secret), secret.to_owned()]
}

/// `None` if there is nothing to replace.
fn replaced(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let finder = memmem::Finder::new(secret);
    let mut places = finder.find_iter(bytes).peekable();
    places.peek()?;
    let mut text = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for place in places {
        text.extend_from_slice(&bytes[from..place]);
        text.extend_from_slice(STRUCK.as_bytes());
        from = place + secret.len();
    }
    text.extend_from_slice(&bytes[from..]);
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
    /// That knows this secret.
    pub(crate) fn mask_of(secret: &str) -> Mask {
        let mask = Mask::default();
        mask.learn(&Secret::new(secret.to_owned()));
        mask
    }

    #[test]
    fn a_secret_is_struck_out_in_every_spelling() {
        let mask = mask_of("s3cret\"/ü");
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
        let mut framed = Bytes::from([&[10_u8][..], "s3cret\"/ü".as_bytes(), &[0xff]].concat());
        mask.blank(&mut framed);
        assert_eq!(framed, [&[10_u8][..], b"**********", &[0xff]].concat());
    }

    #[test]
    fn a_password_is_struck_out_with_its_user_and_without() {
        let mask = Mask::default();
        mask.learn_password("me", &Secret::new("hush".to_owned()));
        let mut text = "Basic bWU6aHVzaA== is hush".to_owned();
        assert!(mask.text(&mut text));
        assert_eq!(text, "Basic [secret] is [secret]");
        assert!(!Mask::default().text(&mut text));
    }

    #[test]
    fn what_stands_in_every_text_is_no_secret() {
        let mut text = "the text".to_owned();
        assert!(!mask_of("te").text(&mut text));
        assert!(mask_of("text").text(&mut text));
        assert_eq!(text, "the [secret]");
    }

    #[test]
    fn what_is_learnt_later_is_struck_out_by_every_clone_and_the_oldest_is_forgotten() {
        let mask = Mask::default();
        let clone = mask.clone();
        for number in 0..=MAX_SECRETS {
            mask.learn(&Secret::new(format!("token-{number:03}")));
            mask.learn(&Secret::new(format!("token-{number:03}")));
        }
        let mut text = format!("token-000 token-001 token-{MAX_SECRETS:03}");
        assert!(clone.text(&mut text));
        assert_eq!(text, "token-000 [secret] [secret]");
    }
}
