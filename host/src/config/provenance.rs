//! Where a plugin's component comes from, and whose signature it must carry.
//!
//! An image is named by its digest and never by a tag alone: a tag can be moved to other content, a digest cannot.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::{KeyName, SecretRef};

/// Before the path of a registry's image, and before an image in a folder.
const REGISTRY: &str = "oci://";
const LAYOUT: &str = "oci-layout:";

/// What a component is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A component's file.
    File(PathBuf),
    /// An image of a registry.
    Registry(RegistryImage),
    /// An image in a folder of the form that the OCI Image Layout Specification 1.1 gives.
    Layout { folder: PathBuf, digest: Digest },
}

/// An image of a registry, and how that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryImage {
    pub registry: Registry,
    /// Such as `agency/calendar`.
    pub repository: String,
    /// Of the image's manifest.
    pub digest: Digest,
}

/// A registry (OCI Distribution Specification 1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// With the port where that is not the usual one.
    pub host: String,
    pub credential: Option<RegistryCredential>,
    /// PEM certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Without TLS.
    pub is_plain_http: bool,
    pub connect_timeout: Duration,
    /// The most that one image may take, from the first connection to the last byte.
    pub timeout: Duration,
}

/// Shown to the registry, and to the token service that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryCredential {
    Bearer(SecretRef),
    Basic { username: String, password: SecretRef },
}

/// A sha256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// Whose signatures count for one plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers {
    /// Without any, signatures are not looked at.
    pub keys: Vec<SigningKey>,
    /// The plugin is loaded only if one of the keys signed it.
    pub is_required: bool,
}

/// A public key that somebody keeps the private half of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    pub name: KeyName,
    /// PEM, of the kind `PUBLIC KEY` (RFC 7468, section 13).
    pub file: PathBuf,
}

/// Why a text names no image. Each says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error(
        "`{0}` is no image; begin with oci:// for one of a registry, or with oci-layout: for one in a folder"
    )]
    Scheme(String),
    #[error(
        "`{0}` names no digest, and what has none may be another content tomorrow; write it with @sha256: and the digest \
         that the push printed"
    )]
    NoDigest(String),
    #[error("`{0}` is not a digest; write sha256: and 64 hexadecimal digits")]
    Digest(String),
    #[error("the tag `{0}` may be moved, and the digest alone says what is loaded; leave the tag out")]
    Tag(String),
    #[error("`{0}` is no registry; write its host, and its port where that is not the usual one")]
    Host(String),
    #[error("`{0}` is not the name of a repository; write such as agency/calendar, in lower case")]
    Repository(String),
    #[error("no folder is named; write such as oci-layout:plugins/calendar@sha256:…")]
    Folder,
}

impl Source {
    /// An image as a configuration names it: `oci://HOST/REPOSITORY@sha256:…` or `oci-layout:FOLDER@sha256:…`, where a
    /// relative folder starts at `base`. The registry's settings are the usual ones.
    ///
    /// # Errors
    ///
    /// When the text is neither.
    pub fn image(text: &str, base: &Path) -> Result<Self, ImageError> {
        let (is_layout, rest) = match (text.strip_prefix(REGISTRY), text.strip_prefix(LAYOUT)) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(ImageError::Scheme(text.to_owned())),
        };
        let (name, digest) = rest.rsplit_once('@').ok_or_else(|| ImageError::NoDigest(text.to_owned()))?;
        let digest = digest.parse()?;
        if is_layout {
            let folder = base.join(name);
            return if name.is_empty() {
                Err(ImageError::Folder)
            } else {
                Ok(Self::Layout { folder, digest })
            };
        }
        let (host, repository) = name.split_once('/').unwrap_or((name, ""));
        if !is_host(host) {
            return Err(ImageError::Host(host.to_owned()));
        }
        if let Some((_, tag)) = repository.rsplit_once(':') {
            return Err(ImageError::Tag(tag.to_owned()));
        }
        if !is_repository(repository) {
            return Err(ImageError::Repository(repository.to_owned()));
        }
        let (registry, repository) = (Registry::new(host), repository.to_owned());
        Ok(Self::Registry(RegistryImage { registry, repository, digest }))
    }

    /// As [`image`](Self::image), or the path of a file.
    ///
    /// # Errors
    ///
    /// When the text begins as an image does and is none.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        match text.starts_with(REGISTRY) || text.starts_with(LAYOUT) {
            true => Self::image(text, Path::new("")),
            false => Ok(Self::File(text.into())),
        }
    }

    /// The component's file, if it has one of its own.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Registry(_) | Self::Layout { .. } => None,
        }
    }

    /// What the plugin is called where the configuration gives it no name.
    pub fn stem(&self) -> String {
        let path = match self {
            Self::File(path) => path.as_path(),
            Self::Registry(image) => Path::new(&image.repository),
            Self::Layout { folder, .. } => folder,
        };
        path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Registry {
    /// Is this a registry's host, with a port or without?
    pub(super) fn is_host(text: &str) -> bool {
        is_host(text)
    }

    /// Is it on this machine?
    pub(super) fn is_loopback(&self) -> bool {
        Url::parse(&format!("https://{}/", self.host)).is_ok_and(|url| is_loopback(&url))
    }
}

/// Is what stands at this address on this machine, so that nobody is on the way to it?
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_host(text: &str) -> bool {
    let url = Url::parse(&format!("https://{text}/"));
    // What the address' own reading changes, such as a user before an `@` or a path, was no host.
    url.is_ok_and(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!("{}{port}", url.host_str().unwrap_or_default());
        host == text || format!("{host}:443") == text
    })
}

/// The grammar of the OCI Distribution Specification 1.1, "Pulling manifests", but for some ways to repeat separators.
fn is_repository(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 255
        && text.split('/').all(|part| {
            let ends = [part.bytes().next(), part.bytes().next_back()];
            ends.iter().all(|end| end.is_some_and(is_letter))
                && part.bytes().all(|byte| is_letter(byte) || matches!(byte, b'.' | b'_' | b'-'))
        })
}

impl FromStr for Digest {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let digits = text.strip_prefix("sha256:");
        digits.and_then(Self::from_hex).ok_or_else(|| ImageError::Digest(text.to_owned()))
    }
}

impl Digest {
    /// From 64 hexadecimal digits.
    pub fn from_hex(digits: &str) -> Option<Self> {
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(digest))
    }

    /// In 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        format!("{self:x}")
    }
}

impl fmt::LowerHex for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{self:x}")
    }
}

impl fmt::Display for Source {
    /// As it is written in a configuration.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Registry(image) => write!(formatter, "{REGISTRY}{image}"),
            Self::Layout { folder, digest } => write!(formatter, "{LAYOUT}{}@{digest}", folder.display()),
        }
    }
}

impl fmt::Display for RegistryImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}@{}", self.registry.host, self.repository, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn an_image_is_named_by_its_place_and_its_digest() {
        for text in [
            format!("oci://registry.example.gov/agency/calendar@sha256:{HEX}"),
            format!("oci://127.0.0.1:5000/a/b-c/d.e_f@sha256:{HEX}"),
            format!("oci://[::1]:5000/a@sha256:{HEX}"),
            format!("oci-layout:/srv/plug@ins/calendar@sha256:{HEX}"),
        ] {
            let source = Source::image(&text, Path::new("/base")).unwrap();
            assert_eq!(source.to_string(), text);
            assert_eq!(source.file(), None);
        }
        let relative =
            Source::image(&format!("oci-layout:plugins@sha256:{HEX}"), Path::new("/base")).unwrap();
        assert_eq!(relative.to_string(), format!("oci-layout:/base/plugins@sha256:{HEX}"));
        assert_eq!(relative.stem(), "plugins");
        assert_eq!(Source::parse("a/b.wasm"), Ok(Source::File("a/b.wasm".into())));
    }

    #[test]
    fn what_is_no_image_by_digest_is_told_why() {
        let digest = format!("@sha256:{HEX}");
        let short = format!("oci://h/a@sha256:{}", &HEX[1..]);
        for (text, expected) in [
            (format!("docker://h/a{digest}"), "begin with oci://"),
            ("oci://h/a:latest".to_owned(), "may be another content tomorrow"),
            ("oci://h/a".to_owned(), "write it with @sha256:"),
            (format!("oci://h/a:1.2{digest}"), "leave the tag out"),
            (short, "64 hexadecimal digits"),
            (format!("oci://h/a@sha512:{HEX}{HEX}"), "is not a digest"),
            (format!("oci://user:word@h/a{digest}"), "is no registry"),
            (format!("oci:///a{digest}"), "is no registry"),
            (format!("oci://Host/a{digest}"), "is no registry"),
            (format!("oci://h{digest}"), "is not the name of a repository"),
            (format!("oci://h/A{digest}"), "is not the name of a repository"),
            (format!("oci://h/a/../b{digest}"), "is not the name of a repository"),
            (format!("oci://h/a//b{digest}"), "is not the name of a repository"),
            (format!("oci://h/a?b{digest}"), "is not the name of a repository"),
            (format!("oci-layout:{digest}"), "no folder is named"),
        ] {
            let error = Source::image(&text, Path::new("")).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_registry_on_this_machine_is_known() {
        for (host, is_loopback) in [
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("[::1]:5000", true),
            ("registry.example.gov", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(Registry::new(host).is_loopback(), is_loopback, "{host}");
        }
    }
}
