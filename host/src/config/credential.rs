//! How a connector proves who it is. No secret is here: only where each is found.

use std::path::PathBuf;

use url::Url;

/// Sent with each request to the endpoint's own origin, and to no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Bearer(SecretRef),
    Basic {
        username: String,
        password: SecretRef,
    },
    Header {
        name: http::HeaderName,
        value: SecretRef,
    },
    /// An access token, fetched with these.
    OAuth2(OAuth2Client),
    /// A signature of each request.
    Aws(AwsCredential),
    /// In the header of each SOAP envelope.
    WsSecurity(UsernameToken),
    /// Signatures of each request by Standard Webhooks 1.0.0, one a key; at least one.
    StandardWebhooks(Vec<SecretRef>),
}

/// A UsernameToken of WS-Security (OASIS WSS 1.1), which the host puts into the header of a SOAP envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsernameToken {
    pub username: String,
    pub password: SecretRef,
    pub password_type: PasswordType,
    /// A server that does not know WS-Security then refuses the message.
    pub must_understand: bool,
}

/// How a UsernameToken proves that it has the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordType {
    /// It holds it.
    Text,
    /// It holds a digest of it, with a nonce and the time.
    Digest,
}

/// Keys that sign requests in the way of AWS (Signature Version 4), and are never sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCredential {
    pub access_key_id: SecretRef,
    pub secret_access_key: SecretRef,
    /// Of keys that are good for some hours.
    pub session_token: Option<SecretRef>,
    pub region: String,
    /// As the signature names it, such as `s3`.
    pub service: String,
}

/// A client of OAuth 2.0 that gets its tokens by the client credentials grant (RFC 6749, 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth2Client {
    pub token_url: Url,
    pub id: String,
    pub secret: SecretRef,
    pub scope: Option<String>,
    /// Not in RFC 6749, and asked for by some.
    pub audience: Option<String>,
    pub authentication: ClientAuthentication,
}

/// How a client proves to the token endpoint who it is (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// By a header.
    Basic,
    /// In the form, for token endpoints that know no better.
    Body,
}

/// What the endpoint's TLS is shown: mutual TLS. Both are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// With what is between it and the CA, itself first.
    pub certificate: SecretRef,
    pub key: SecretRef,
}

/// Where a secret is found. The configuration never holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    Env(String),
    File(PathBuf),
}
