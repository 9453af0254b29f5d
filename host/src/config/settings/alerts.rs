//! `[alerts]` as people write it.
//!
//! Form alone, as in `settings`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DurationText, SecretSettings};

/// Who is told when something needs a person.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct AlertsSettings {
    /// A Standard Webhooks 1.0.0 endpoint.
    pub(in crate::config) webhook: Option<WebhookSettings>,
    /// A mail server and who is told by it.
    pub(in crate::config) email: Option<EmailSettings>,
    /// What lasts is told again after this.
    pub(in crate::config) reminder: Option<DurationText>,
    /// What happens again and again, such as dead letters, is over when it has not for that long.
    pub(in crate::config) quiet: Option<DurationText>,
    /// Warn when the oldest undelivered event has reached this share of its topic's retention.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(in crate::config) retention_share: Option<f64>,
}

/// A Standard Webhooks 1.0.0 endpoint.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct WebhookSettings {
    /// Where alerts are posted.
    #[schemars(required)]
    pub(in crate::config) url: Option<String>,
    /// What they are signed with: `whsec_` and base64.
    #[schemars(required)]
    pub(in crate::config) secret: Option<SecretSettings>,
}

/// A mail server and who is told by it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct EmailSettings {
    /// The mail server's name, which its certificate must bear.
    #[schemars(required)]
    pub(in crate::config) server: Option<String>,
    /// Its port. Default: 587 with `starttls`, 465 with `tls`, 25 with `none`.
    pub(in crate::config) port: Option<u16>,
    /// How the connection is protected. Default: `starttls`.
    pub(in crate::config) security: Option<SecuritySetting>,
    /// PEM certificates trusted beside the system's.
    pub(in crate::config) ca_file: Option<PathBuf>,
    /// The sender's address.
    #[schemars(required)]
    pub(in crate::config) from: Option<String>,
    /// The addresses that are told, each by a message of its own.
    #[schemars(required)]
    pub(in crate::config) to: Option<Vec<String>>,
    /// What the server asks for. Default: nothing.
    pub(in crate::config) credential: Option<MailCredentialSettings>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum SecuritySetting {
    /// Begins in the clear and must change to TLS.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// In the clear.
    None,
}

/// What a mail server asks for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct MailCredentialSettings {
    /// The user's name.
    #[schemars(required)]
    pub(in crate::config) username: Option<String>,
    /// The user's password.
    #[schemars(required)]
    pub(in crate::config) password: Option<SecretSettings>,
}
