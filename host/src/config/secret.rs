//! Reads the secrets that the configuration names but never holds.
//!
//! In comes a [`SecretRef`], out goes a [`Secret`] that does not show itself in logs. A [`Watched`] one is read again when
//! its file is another: secrets are rotated without a restart.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::SecretRef;

/// Files are looked at no more often than this, and only when their secret is used.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The most bytes of a secret.
const LIMIT_BYTES: u64 = 64 * 1024;

/// What lets somebody in has at least this many.
pub(super) const TOKEN_BYTES: usize = 16;

/// A secret value. Its `Debug` hides it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Secret {
    /// One that was made or fetched and not read, such as an access token.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Is this what somebody showed?
    pub fn is(&self, shown: &[u8]) -> bool {
        // Of digests, whose length is always the same: how long it takes tells nothing of the secret.
        let digest = |text: &[u8]| Sha256::digest(text);
        digest(shown).ct_eq(&digest(self.0.as_bytes())).into()
    }
}

/// What stands behind `Bearer` in a header `authorization`, in any case (RFC 6750, 2.1; RFC 9110, 11.1).
pub fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
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
    #[error(
        "{0} should hold a token, but what it holds is shorter than {TOKEN_BYTES} characters and may be guessed; make it \
         with `openssl rand -hex 32`"
    )]
    TooShort(SecretRef),
    #[error("{0} holds the token of somebody else, so that nobody can tell them apart; give each its own")]
    NotItsOwn(SecretRef),
}

impl SecretRef {
    /// Reads what lets somebody in, which nobody may guess.
    fn read_token(&self) -> Result<Secret, SecretError> {
        let secret = self.read()?;
        if secret.0.len() < TOKEN_BYTES { Err(SecretError::TooShort(self.clone())) } else { Ok(secret) }
    }

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

/// A secret as it is now. What an environment variable holds never changes; a file is followed, also through the links
/// by which Kubernetes swaps the folder of a mounted secret as a whole.
#[derive(Debug)]
pub struct Watched {
    reference: SecretRef,
    secret: Secret,
    read: fn(&SecretRef) -> Result<Secret, SecretError>,
    /// Of the file when it was read.
    stamp: Option<Stamp>,
    looked: Instant,
    /// What could not be read was said, for this state of the file.
    complained: Option<Option<Stamp>>,
}

/// What tells a file from another one in its place: device, inode, size, and times of change in nanoseconds.
type Stamp = (u64, u64, u64, i128, i128);

impl Watched {
    /// Reads it for the first time.
    ///
    /// # Errors
    ///
    /// When it is not there, empty or too large.
    pub fn read(reference: &SecretRef) -> Result<Self, SecretError> {
        Self::read_by(reference, SecretRef::read)
    }

    /// As [`Watched::read`], of what lets somebody in: one that may be guessed is never taken up.
    ///
    /// # Errors
    ///
    /// Also when it is shorter than 16 characters.
    pub fn token(reference: &SecretRef) -> Result<Self, SecretError> {
        Self::read_by(reference, SecretRef::read_token)
    }

    fn read_by(
        reference: &SecretRef,
        read: fn(&SecretRef) -> Result<Secret, SecretError>,
    ) -> Result<Self, SecretError> {
        // The stamp first: a file that is replaced in between is read again, and not missed.
        let stamp = stamp(reference);
        let secret = read(reference)?;
        let reference = reference.clone();
        Ok(Self { reference, secret, read, stamp, looked: Instant::now(), complained: None })
    }

    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    pub fn reference(&self) -> &SecretRef {
        &self.reference
    }

    /// Looks at the file if that was a second ago or more. True where the secret is another one now.
    pub fn refresh(&mut self, now: Instant) -> bool {
        self.refresh_if(now, |_| Ok(()))
    }

    /// As [`Watched::refresh`], but takes up no secret that is not fit to be one here: said as one that cannot be read.
    pub fn refresh_if(
        &mut self,
        now: Instant,
        is_fit: impl FnOnce(&Secret) -> Result<(), SecretError>,
    ) -> bool {
        now.saturating_duration_since(self.looked) >= LOOK_INTERVAL && self.look(now, is_fit)
    }

    /// Looks at the file at once. One that cannot be read, or is half written, leaves the secret as it was: it is said
    /// once in the log.
    pub fn refresh_now(&mut self, now: Instant) -> bool {
        self.look(now, |_| Ok(()))
    }

    fn look(&mut self, now: Instant, is_fit: impl FnOnce(&Secret) -> Result<(), SecretError>) -> bool {
        self.looked = now;
        let stamp = stamp(&self.reference);
        if stamp == self.stamp {
            return false;
        }
        let read = (self.read)(&self.reference).and_then(|secret| is_fit(&secret).map(|()| secret));
        match read {
            Ok(secret) => {
                self.stamp = stamp;
                self.complained = None;
                let is_other = secret != self.secret;
                self.secret = secret;
                is_other
            }
            Err(error) => {
                if self.complained != Some(stamp) {
                    complain(&error);
                    self.complained = Some(stamp);
                }
                false
            }
        }
    }
}

/// What is not there may be half written, and is looked at again; what is not fit waits for a person.
fn complain(error: &SecretError) {
    match error {
        SecretError::NotSet(_)
        | SecretError::NotText(_)
        | SecretError::Unreadable { .. }
        | SecretError::Empty(_)
        | SecretError::TooLarge(_) => {
            tracing::warn!(%error, "a secret cannot be read again; the one that was read before stays in use");
        }
        SecretError::TooShort(_) | SecretError::NotItsOwn(_) => {
            tracing::error!(%error, "a token that was replaced is refused; the one that was read before stays in use");
        }
    }
}

fn stamp(reference: &SecretRef) -> Option<Stamp> {
    let SecretRef::File(path) = reference else { return None };
    let file = std::fs::metadata(path).ok()?;
    let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    let changed = nanoseconds(file.ctime(), file.ctime_nsec());
    Some((file.dev(), file.ino(), file.size(), nanoseconds(file.mtime(), file.mtime_nsec()), changed))
}

/// One byte more than allowed is read, so that too much is noticed.
fn read_file(path: &Path) -> std::io::Result<String> {
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

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("liaison-watched-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_is_read_again_when_it_is_another_and_a_second_has_passed() {
        let folder = folder("file");
        let path = folder.join("token");
        std::fs::write(&path, "one").unwrap();
        let mut watched = Watched::read(&SecretRef::File(path.clone())).unwrap();
        let begin = watched.looked;
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        assert!(!watched.refresh(at(1000)));
        // Of the same length, and within the resolution of times: only the inode tells.
        std::fs::write(folder.join("next"), "two").unwrap();
        std::fs::rename(folder.join("next"), &path).unwrap();
        assert!(!watched.refresh(at(1999)));
        assert_eq!(watched.secret().expose(), "one");
        assert!(watched.refresh(at(2000)));
        assert_eq!(watched.secret().expose(), "two");
        std::fs::write(&path, "three").unwrap();
        assert!(watched.refresh_now(at(2001)));
        assert_eq!(watched.secret().expose(), "three");
        for broken in [Some(""), None] {
            match broken {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            assert!(!watched.refresh_now(at(2002)));
            assert_eq!(watched.secret().expose(), "three");
        }
        std::fs::write(&path, "three\n").unwrap();
        assert!(!watched.refresh_now(at(2003)), "it is the same secret");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_token_that_may_be_guessed_or_is_not_fit_never_takes_the_place_of_a_good_one() {
        let folder = folder("token");
        let path = folder.join("token");
        let reference = SecretRef::File(path.clone());
        std::fs::write(&path, "x".repeat(15)).unwrap();
        assert!(matches!(Watched::token(&reference), Err(SecretError::TooShort(_))));
        std::fs::write(&path, "first-token-0123").unwrap();
        let mut watched = Watched::token(&reference).unwrap();
        let mut now = watched.looked;
        for (text, is_fit) in [("short", true), ("", true), ("of-somebody-else-0123", false)] {
            std::fs::write(&path, text).unwrap();
            now += LOOK_INTERVAL;
            let fit = || if is_fit { Ok(()) } else { Err(SecretError::NotItsOwn(reference.clone())) };
            assert!(!watched.refresh_if(now, |_| fit()), "{text:?}");
            assert_eq!(watched.secret().expose(), "first-token-0123");
        }
        // What made it unfit may have gone: the same file is looked at again.
        assert!(watched.refresh(now + LOOK_INTERVAL));
        assert_eq!(watched.secret().expose(), "of-somebody-else-0123");
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// `token -> ..data/token`, and `..data` is a link that is swapped.
    #[test]
    fn a_mounted_folder_that_is_swapped_is_followed() {
        let folder = folder("mounted");
        for (version, secret) in [("..1", "one"), ("..2", "two")] {
            std::fs::create_dir_all(folder.join(version)).unwrap();
            std::fs::write(folder.join(version).join("token"), secret).unwrap();
        }
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
        link("..1", "..data");
        link("..data/token", "token");
        let mut watched = Watched::read(&SecretRef::File(folder.join("token"))).unwrap();
        link("..2", "..data_tmp");
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        assert!(watched.refresh_now(watched.looked));
        assert_eq!(watched.secret().expose(), "two");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let path = std::env::var("PATH").unwrap();
        let secret = SecretRef::Env("PATH".to_owned()).read().unwrap();
        assert_eq!(secret.expose(), path);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
