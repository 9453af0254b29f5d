//! Credentials: what a message to the connector's endpoint carries so that it is let in, and another one where the first
//! is refused.
//!
//! In goes a message, out it comes with the header that is right now: a secret as it stands in its file, or an access
//! token. Headers are marked sensitive, and every secret that is read or fetched is made known to the mask.

use std::cell::RefCell;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::EgressError;
use super::aws::Signer;
use super::exchange::Received;
use super::message::Message;
use super::oauth::TokenSource;
use super::origin::Origin;
use super::standard_webhooks::{self, WebhookSigner};
use super::ws_security::UsernameToken;
use crate::config::mask::Mask;
use crate::config::secret::{Secret, Watched};
use crate::config::{Credential, Egress, SecretRef};
use crate::contract::Failure;

/// Which secret a message was signed with, counted from the first: what is refused may have been signed with one that was
/// rotated meanwhile, which somebody else has noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl Generation {
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Notes that the message is signed with this one.
    pub(super) fn mark(self, message: &mut Message) {
        message.extensions_mut().insert(self);
    }

    /// Was the message signed with one before this?
    pub(super) fn is_after(self, message: &Message) -> bool {
        message.extensions().get::<Self>().is_some_and(|signed| *signed != self)
    }
}

/// How one connector proves who it is.
pub(super) enum Credentials {
    None,
    Header(Box<RefCell<HeaderCredential>>),
    OAuth2(Box<TokenSource>),
    Aws(Box<Signer>),
    /// In the body, and not in a header of HTTP.
    WsSecurity(Box<UsernameToken>),
    StandardWebhooks(Box<WebhookSigner>),
}

impl Credentials {
    /// Reads the secret now, so that a mistake is found before anything is consumed.
    pub(super) fn new(settings: &Egress, mask: &Mask) -> Result<Self, EgressError> {
        // That of a database is for its log-in.
        let credential = settings.credential.as_ref().filter(|_| settings.database.is_none());
        match credential {
            None => Ok(Self::None),
            Some(Credential::OAuth2(client)) => {
                Ok(Self::OAuth2(Box::new(TokenSource::new(client, settings, mask.clone())?)))
            }
            Some(Credential::Aws(keys)) => Ok(Self::Aws(Box::new(Signer::new(keys, mask.clone())?))),
            Some(Credential::WsSecurity(token)) => {
                Ok(Self::WsSecurity(Box::new(UsernameToken::new(token, mask.clone())?)))
            }
            Some(Credential::StandardWebhooks(secrets)) => {
                Ok(Self::StandardWebhooks(Box::new(WebhookSigner::new(secrets, mask.clone())?)))
            }
            Some(Credential::Bearer(secret)) => Self::header_of(Form::Bearer, secret, mask),
            Some(Credential::Basic { username, .. }) if username.contains(':') => {
                Err(EgressError::Username { username: username.clone() })
            }
            Some(Credential::Basic { username, password }) => {
                Self::header_of(Form::Basic { username: username.clone() }, password, mask)
            }
            Some(Credential::Header { name, value }) => {
                Self::header_of(Form::Header(name.clone()), value, mask)
            }
        }
    }

    fn header_of(form: Form, reference: &SecretRef, mask: &Mask) -> Result<Self, EgressError> {
        let header = HeaderCredential::new(form, reference, mask.clone())?;
        Ok(Self::Header(Box::new(RefCell::new(header))))
    }

    /// The header that is ours: a plugin may not set it.
    pub(super) fn header(&self) -> Option<HeaderName> {
        match self {
            Self::None | Self::WsSecurity(_) => None,
            Self::Header(header) => Some(header.borrow().form.name()),
            Self::OAuth2(_) | Self::Aws(_) => Some(AUTHORIZATION),
            Self::StandardWebhooks(_) => Some(standard_webhooks::SIGNATURE),
        }
    }

    /// Does this status say that the credential was refused? A signature that is wrong is answered with 403 too, as AWS does;
    /// who shows a token and is answered so is known, and may not.
    pub(super) fn is_refusal(&self, status: StatusCode) -> bool {
        match self {
            Self::None | Self::Header(_) | Self::OAuth2(_) => status == StatusCode::UNAUTHORIZED,
            Self::Aws(_) | Self::WsSecurity(_) | Self::StandardWebhooks(_) => {
                matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            }
        }
    }

    /// Does the body of this reply say that the credential was refused, whatever its status?
    pub(super) fn is_refused_in(&self, reply: &Received) -> bool {
        matches!(self, Self::WsSecurity(_)) && UsernameToken::is_refused(reply)
    }

    /// Adds what is right now. Fetches an access token where there is none that holds.
    pub(super) async fn apply(&self, message: &mut Message, origin: &Origin) -> Result<(), Failure> {
        let (name, value) = match self {
            Self::None => return Ok(()),
            Self::Header(header) => {
                let mut header = header.borrow_mut();
                header.refresh(Instant::now());
                (header.form.name(), header.value.clone())
            }
            Self::OAuth2(tokens) => (AUTHORIZATION, tokens.current().await?),
            Self::Aws(signer) => return signer.sign(message, origin),
            Self::WsSecurity(token) => return token.apply(message),
            Self::StandardWebhooks(signer) => return signer.sign(message),
        };
        message.headers_mut().insert(name, value);
        Ok(())
    }

    /// Could there be another one when this one is refused?
    pub(super) fn is_renewable(&self) -> bool {
        match self {
            Self::None => false,
            Self::Header(header) => matches!(header.borrow().watched.reference(), SecretRef::File(_)),
            Self::OAuth2(_) | Self::Aws(_) | Self::StandardWebhooks(_) => true,
            Self::WsSecurity(token) => token.is_renewable(),
        }
    }

    /// The message was refused with what it carries: gives it another credential, if there is one. False where
    /// there is none.
    pub(super) async fn renew(&self, message: &mut Message, origin: &Origin) -> Result<bool, Failure> {
        if let Self::WsSecurity(token) = self {
            return Ok(token.renew(message));
        }
        let Some(name) = self.header() else { return Ok(false) };
        let value = match (self, message.headers().get(&name)) {
            (Self::None | Self::WsSecurity(_), _) | (_, None) => return Ok(false),
            (Self::Header(header), Some(refused)) => {
                let mut header = header.borrow_mut();
                header.refresh_now(Instant::now());
                if header.value == *refused {
                    return Ok(false);
                }
                header.value.clone()
            }
            (Self::Aws(signer), Some(_)) => return signer.sign_with_others(message, origin),
            (Self::StandardWebhooks(signer), Some(_)) => return signer.sign_with_others(message),
            (Self::OAuth2(tokens), Some(refused)) => tokens.other_than(refused).await?,
        };
        message.headers_mut().insert(name, value);
        Ok(true)
    }
}

/// A secret in a header, as it is now.
pub(super) struct HeaderCredential {
    form: Form,
    watched: Watched,
    value: HeaderValue,
    mask: Mask,
}

enum Form {
    Bearer,
    Basic { username: String },
    Header(HeaderName),
}

impl HeaderCredential {
    fn new(form: Form, reference: &SecretRef, mask: Mask) -> Result<Self, EgressError> {
        let watched = Watched::read(reference)?;
        let value = form.value(watched.secret());
        let value = value.ok_or_else(|| EgressError::SecretNotHeader { place: reference.to_string() })?;
        form.learn(watched.secret(), &mask);
        Ok(Self { form, watched, value, mask })
    }

    fn refresh(&mut self, now: Instant) {
        if self.watched.refresh(now) {
            self.changed();
        }
    }

    fn refresh_now(&mut self, now: Instant) {
        if self.watched.refresh_now(now) {
            self.changed();
        }
    }

    fn changed(&mut self) {
        let (secret, place) = (self.watched.secret(), self.watched.reference());
        self.form.learn(secret, &self.mask);
        match self.form.value(secret) {
            Some(value) => {
                self.value = value;
                tracing::info!(secret = %place, "a rotated secret is in use");
            }
            None => {
                let error = EgressError::SecretNotHeader { place: place.to_string() };
                tracing::warn!(%error, "a rotated secret cannot be used; the one before stays in use");
            }
        }
    }
}

impl Form {
    fn name(&self) -> HeaderName {
        match self {
            Form::Bearer | Form::Basic { .. } => AUTHORIZATION,
            Form::Header(name) => name.clone(),
        }
    }

    fn learn(&self, secret: &Secret, mask: &Mask) {
        match self {
            Form::Basic { username } => mask.learn_password(username, secret),
            Form::Bearer | Form::Header(_) => mask.learn(secret),
        }
    }

    /// `None` where no header may carry it.
    fn value(&self, secret: &Secret) -> Option<HeaderValue> {
        let text = match self {
            Form::Bearer => format!("Bearer {}", secret.expose()),
            Form::Basic { username } => basic(username, secret),
            Form::Header(_) => secret.expose().to_owned(),
        };
        sensitive(text)
    }
}

/// RFC 7617.
pub(super) fn basic(username: &str, password: &Secret) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose())))
}

/// `None` where the text holds what no header may carry.
pub(super) fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{env, fs};

    use bytes::Bytes;
    use http::Request;

    use super::*;
    use crate::egress::origin::{Grants, OriginIndex};
    use crate::egress::tests::settings;

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

    fn credentials(credential: Credential, mask: &Mask) -> Result<Credentials, EgressError> {
        Credentials::new(&Egress { credential: Some(credential), ..settings("http://h") }, mask)
    }

    fn grants() -> Grants {
        Grants::new(&settings("http://h")).unwrap()
    }

    fn origin(grants: &Grants) -> &Origin {
        grants.origin(OriginIndex::ENDPOINT)
    }

    fn message() -> Message {
        Request::new(Bytes::new().into())
    }

    #[tokio::test]
    async fn credentials_become_sensitive_headers() {
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
            let credentials = credentials(credential, &Mask::default()).unwrap();
            assert_eq!(credentials.header().unwrap(), name);
            let mut message = message();
            credentials.apply(&mut message, origin(&grants())).await.unwrap();
            assert_eq!(message.headers()[name], value);
            assert!(message.headers()[name].is_sensitive());
            assert!(!format!("{message:?}").contains("sesame"));
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
            let message = credentials(credential, &Mask::default())
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("hush"), "{message}");
        }
        remove(&empty);
        remove(&broken);
    }

    #[tokio::test]
    async fn a_refused_secret_is_read_again_and_both_are_struck_out() {
        let reference = file("rotated", "first-one");
        let mask = Mask::default();
        let credentials = credentials(Credential::Bearer(reference.clone()), &mask).unwrap();
        assert!(credentials.is_renewable());
        let mut message = message();
        credentials.apply(&mut message, origin(&grants())).await.unwrap();
        assert!(!credentials.renew(&mut message, origin(&grants())).await.unwrap(), "there is no other");
        file("rotated", "second-one");
        assert!(credentials.renew(&mut message, origin(&grants())).await.unwrap());
        assert_eq!(message.headers()[AUTHORIZATION], "Bearer second-one");
        file("rotated", "hush\nhush");
        assert!(!credentials.renew(&mut message, origin(&grants())).await.unwrap(), "no header carries it");
        let mut text = "first-one second-one".to_owned();
        assert!(mask.text(&mut text));
        assert_eq!(text, "[secret] [secret]");
        remove(&reference);
    }
}
