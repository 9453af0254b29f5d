//! AWS Signature Version 4: a request that is signed with keys that are never sent, by AWS's own signer.
//!
//! In goes a message as it will be sent, out it comes with the headers that prove who sent it and that nobody has changed
//! it. The sha256 of its body is signed too: of a kept body in a file it is known already. Keys in files are followed.

use std::cell::{Cell, RefCell};
use std::time::{Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::EgressError;
use super::credential::Generation;
use super::message::Message;
use super::origin::Origin;
use super::outgoing::Outgoing;
use crate::config::AwsCredential;
use crate::config::mask::Mask;
use crate::config::secret::Watched;
use crate::contract::Failure;

/// What a signature adds; a plugin's own would be signed beside it, and is taken out.
const OURS: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
];

/// The keys as they are now, and what they are for.
pub(super) struct Signer {
    region: String,
    service: String,
    keys: RefCell<Keys>,
    generation: Cell<Generation>,
    mask: Mask,
}

struct Keys {
    access_key_id: Watched,
    secret_access_key: Watched,
    session_token: Option<Watched>,
}

impl Signer {
    /// Reads the keys now, so that a mistake is found before anything is consumed.
    pub(super) fn new(settings: &AwsCredential, mask: Mask) -> Result<Self, EgressError> {
        let keys = Keys {
            access_key_id: Watched::read(&settings.access_key_id)?,
            secret_access_key: Watched::read(&settings.secret_access_key)?,
            session_token: settings.session_token.as_ref().map(Watched::read).transpose()?,
        };
        keys.learn(&mask);
        let (region, service) = (settings.region.clone(), settings.service.clone());
        let (keys, generation) = (RefCell::new(keys), Cell::default());
        Ok(Self { region, service, keys, generation, mask })
    }

    /// Signs it with the keys as they are now.
    pub(super) fn sign(&self, message: &mut Message, origin: &Origin) -> Result<(), Failure> {
        self.follow(|key| key.refresh(Instant::now()));
        self.sign_at(message, origin, SystemTime::now())
    }

    /// Signs it anew if there are other keys by now than it was signed with; false where there are none.
    pub(super) fn sign_with_others(&self, message: &mut Message, origin: &Origin) -> Result<bool, Failure> {
        self.follow(|key| key.refresh_now(Instant::now()));
        if !self.generation.get().is_after(message) {
            return Ok(false);
        }
        self.sign_at(message, origin, SystemTime::now()).map(|()| true)
    }

    fn follow(&self, mut is_other: impl FnMut(&mut Watched) -> bool) {
        let mut keys = self.keys.borrow_mut();
        // All of them, whatever the first says: they belong together.
        let changed = keys.all_mut().fold(false, |changed, key| is_other(key) | changed);
        if changed {
            keys.learn(&self.mask);
            self.generation.update(Generation::next);
            tracing::info!(secret = %keys.secret_access_key.reference(), "a rotated secret is in use");
        }
    }

    fn sign_at(&self, message: &mut Message, origin: &Origin, now: SystemTime) -> Result<(), Failure> {
        let failed =
            |why: &dyn std::fmt::Display| Failure::Other(format!("the request cannot be signed: {why}"));
        for name in &OURS {
            message.headers_mut().remove(name);
        }
        let identity = self.keys.borrow().credentials().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(now)
            .settings(self.settings())
            .build()
            .map_err(|error| failed(&error))?;
        let url = format!("{origin}{}", message.uri().path_and_query().map_or("/", |path| path.as_str()));
        let headers = message.headers().iter();
        let text = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let request = SignableRequest::new(message.method().as_str(), url, text, body(message.body()));
        let request = request.map_err(|error| failed(&error))?;
        let signed = sign(request, &parameters.into()).map_err(|error| failed(&error))?;
        let (instructions, _) = signed.into_parts();
        let (headers, _) = instructions.into_parts();
        for header in headers {
            let name = HeaderName::try_from(header.name()).map_err(|error| failed(&error))?;
            let mut value = HeaderValue::try_from(header.value()).map_err(|error| failed(&error))?;
            value.set_sensitive(header.sensitive() || name == AUTHORIZATION);
            message.headers_mut().insert(name, value);
        }
        self.generation.get().mark(message);
        Ok(())
    }

    /// S3 signs a path as it is asked; all other services sign it normalised, and encoded once more.
    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self.service == "s3" || self.service.starts_with("s3-") || self.service == "s3express" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }
}

impl Keys {
    fn all_mut(&mut self) -> impl Iterator<Item = &mut Watched> {
        [&mut self.access_key_id, &mut self.secret_access_key].into_iter().chain(&mut self.session_token)
    }

    fn learn(&self, mask: &Mask) {
        mask.learn(self.secret_access_key.secret());
        if let Some(token) = &self.session_token {
            mask.learn(token.secret());
        }
    }

    fn credentials(&self) -> Credentials {
        let token = self.session_token.as_ref().map(|token| token.secret().expose().to_owned());
        let (id, secret) = (self.access_key_id.secret().expose(), self.secret_access_key.secret().expose());
        Credentials::new(id, secret, token, None, "liaison")
    }
}

fn body(body: &Outgoing) -> SignableBody<'_> {
    match body {
        Outgoing::Bytes(bytes) => SignableBody::Bytes(bytes),
        Outgoing::File(file) => {
            SignableBody::Precomputed(file.sha256().iter().map(|byte| format!("{byte:02x}")).collect())
        }
    }
}

#[cfg(test)]
mod tests;
