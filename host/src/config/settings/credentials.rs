//! `credential` and `client-certificate` of a connector as people write them, and where a secret is found.
//!
//! Form alone, as in `settings`; secrets are only ever named here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// What the external system knows us by: one of these.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum CredentialSettings {
    /// `Authorization: Bearer …`
    Bearer(SecretSettings),
    /// `Authorization: Basic …`
    Basic(BasicCredential),
    /// Any other header.
    Header(HeaderCredential),
    /// `Authorization: Bearer …` with an access token of OAuth 2.0's client credentials grant.
    Oauth2(OAuth2Credential),
    /// `Authorization: AWS4-HMAC-SHA256 …`: each request is signed in the way of AWS (Signature Version 4).
    Aws(AwsSettings),
    /// A `UsernameToken` of WS-Security in the header of each SOAP envelope.
    WsSecurity(WsSecurityCredential),
    /// `webhook-signature: …`: each request is signed as Standard Webhooks 1.0.0 says.
    StandardWebhooks(StandardWebhooksSettings),
}

/// A user and a password in the header of each SOAP envelope.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct WsSecurityCredential {
    /// The user.
    #[schemars(required)]
    pub(in crate::config) username: Option<String>,
    /// The password.
    #[schemars(required)]
    pub(in crate::config) password: Option<SecretSettings>,
    /// Whether the password itself is sent, or a digest of it. Default: `text`.
    pub(in crate::config) password_type: Option<PasswordTypeSetting>,
    /// Whether a server that does not know WS-Security must refuse the message. Default: it must.
    pub(in crate::config) must_understand: Option<bool>,
}

/// How a UsernameToken proves that it has the password.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum PasswordTypeSetting {
    /// It holds it.
    Text,
    /// It holds a digest of it, with a nonce and the time.
    Digest,
}

/// Keys that sign requests and are never sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct StandardWebhooksSettings {
    /// `whsec_` and base64 (HMAC-SHA-256), or `whsk_` and base64 (Ed25519).
    #[schemars(required)]
    pub(in crate::config) secret: Option<SecretSettings>,
    /// Keys that sign too: the one before while it is being replaced, or one of the other kind.
    #[serde(default)]
    pub(in crate::config) further_secrets: Vec<SecretSettings>,
}

/// Keys that sign requests and are never sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct AwsSettings {
    /// The identifier of the keys.
    #[schemars(required)]
    pub(in crate::config) access_key_id: Option<SecretSettings>,
    /// The secret key.
    #[schemars(required)]
    pub(in crate::config) secret_access_key: Option<SecretSettings>,
    /// Of keys that are good for some hours.
    pub(in crate::config) session_token: Option<SecretSettings>,
    /// Such as `eu-central-1`.
    #[schemars(required)]
    pub(in crate::config) region: Option<String>,
    /// Such as `s3`.
    #[schemars(required)]
    pub(in crate::config) service: Option<String>,
}

/// A client of OAuth 2.0.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct OAuth2Credential {
    /// The token endpoint's address.
    #[schemars(required)]
    pub(in crate::config) token_url: Option<String>,
    /// The client's identifier.
    #[schemars(required)]
    pub(in crate::config) client_id: Option<String>,
    /// The client's secret.
    #[schemars(required)]
    pub(in crate::config) client_secret: Option<SecretSettings>,
    /// What the token is to allow, in the words of the token endpoint.
    pub(in crate::config) scope: Option<String>,
    /// Whom the token is for, where the token endpoint asks for that.
    pub(in crate::config) audience: Option<String>,
    /// How the secret is sent to the token endpoint.
    pub(in crate::config) client_authentication: Option<ClientAuthenticationSetting>,
}

/// How the secret is sent to the token endpoint.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum ClientAuthenticationSetting {
    /// In a header.
    Basic,
    /// In the form.
    Body,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct ClientCertificateSettings {
    /// The certificate, and after it what is between it and its CA.
    #[schemars(required)]
    pub(in crate::config) certificate: Option<SecretSettings>,
    /// The private key.
    #[schemars(required)]
    pub(in crate::config) key: Option<SecretSettings>,
}

/// A user and a password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct BasicCredential {
    /// The user.
    #[schemars(required)]
    pub(in crate::config) username: Option<String>,
    /// The password.
    #[schemars(required)]
    pub(in crate::config) password: Option<SecretSettings>,
}

/// A header and its value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct HeaderCredential {
    /// The header's name.
    #[schemars(required)]
    pub(in crate::config) name: Option<String>,
    /// Its value.
    #[schemars(required)]
    pub(in crate::config) value: Option<SecretSettings>,
}

/// Where a secret is found: one of these.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum SecretSettings {
    /// An environment variable.
    Env(String),
    /// A file; a relative one is looked for beside this file. It is read again when it changes.
    File(PathBuf),
    /// One entry of a mounted folder, as Kubernetes makes it of a Secret. It is read again when it changes.
    Folder(FolderSecret),
}

/// One entry of a mounted folder.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct FolderSecret {
    /// The folder; a relative one is looked for beside this file.
    #[schemars(required)]
    pub(in crate::config) path: Option<PathBuf>,
    /// The entry's name.
    #[schemars(required)]
    pub(in crate::config) name: Option<String>,
}
