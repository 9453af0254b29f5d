//! Checks `[alerts]`: that whoever is to be told can be.

use super::{Checker, secrets, set};
use crate::config::document::KeyPath;
use crate::config::settings::{
    AlertsSettings, EmailSettings, MailCredentialSettings, SecuritySetting, WebhookSettings,
};
use crate::config::{Alerts, Email, MailSecurity, SecretRef, Webhook};

const A_SECRET: &str = "write { env = \"…\" } or { file = \"…\" }";

pub(super) fn alerts(settings: AlertsSettings, checker: &mut Checker<'_>) -> Alerts {
    let path = KeyPath::of(&["alerts"]);
    let webhook = settings.webhook.and_then(|settings| webhook(settings, checker));
    let email = settings.email.and_then(|settings| email(settings, checker));
    let mut alerts = Alerts { webhook, email, ..Alerts::default() };
    checker.not_zero(&path.key("reminder"), settings.reminder);
    checker.not_zero(&path.key("quiet"), settings.quiet);
    checker.share(&path.key("retention-share"), settings.retention_share);
    set(&mut alerts.reminder, settings.reminder);
    set(&mut alerts.quiet, settings.quiet);
    set(&mut alerts.retention_share, settings.retention_share);
    alerts
}

fn webhook(settings: WebhookSettings, checker: &mut Checker<'_>) -> Option<Webhook> {
    let path = KeyPath::of(&["alerts", "webhook"]);
    let url = checker.required(&path.key("url"), settings.url, "write where alerts are posted");
    let url = url.and_then(|url| checker.http_url(&path.key("url"), &url));
    let secret = checker.required(&path.key("secret"), settings.secret, A_SECRET);
    let secret = secret.map(|secret| secrets::webhook_secret(&path.key("secret"), secret, checker));
    Some(Webhook { url: url?, secret: secret? })
}

fn email(settings: EmailSettings, checker: &mut Checker<'_>) -> Option<Email> {
    let path = KeyPath::of(&["alerts", "email"]);
    let server = checker.required(&path.key("server"), settings.server, "name the mail server");
    if server.as_ref().is_some_and(|server| url::Host::parse(server).is_err()) {
        checker
            .mistake(&path.key("server"), "is no host; write its name alone, such as \"mail.example.gov\"");
    }
    let from = checker.required(&path.key("from"), settings.from, "write the sender's address");
    let to = checker.required(&path.key("to"), settings.to, "write such as [\"duty@example.gov\"]");
    if checker.document.has_empty_list(&path.key("to")) {
        checker.mistake(&path.key("to"), "names nobody; write such as [\"duty@example.gov\"]");
    }
    if let Some(from) = &from {
        address(&path.key("from"), from, checker);
    }
    for (index, to) in to.iter().flatten().enumerate() {
        address(&path.key("to").index(index), to, checker);
    }
    let security = settings.security.map_or(MailSecurity::StartTls, MailSecurity::from);
    if settings.port == Some(0) {
        checker.mistake(&path.key("port"), "is no port; leave it out for the usual one");
    }
    let port = settings.port.unwrap_or(usual_port(security));
    let credential = settings.credential.map(|settings| credential(&path, settings, security, checker));
    let ca_file =
        settings.ca_file.map(|file| secrets::certificate_file(&path.key("ca-file"), &file, checker));
    if ca_file.is_some() && security == MailSecurity::None {
        let text = "is of use with TLS alone; set `security` to \"starttls\" or \"tls\", or leave it out";
        checker.mistake(&path.key("ca-file"), text);
    }
    Some(Email {
        server: server?,
        port,
        security,
        ca_file,
        from: from?,
        to: to?,
        credential: credential.flatten(),
    })
}

fn credential(
    path: &KeyPath,
    settings: MailCredentialSettings,
    security: MailSecurity,
    checker: &mut Checker<'_>,
) -> Option<(String, SecretRef)> {
    let path = path.key("credential");
    if security == MailSecurity::None {
        let text = "would go over the network in the clear; set `security` to \"starttls\" or \"tls\"";
        checker.mistake(&path, text);
    }
    let username = checker.required(&path.key("username"), settings.username, "write the user's name");
    let password = secrets::required_secret(&path.key("password"), settings.password, checker);
    Some((username?, password?))
}

/// The address alone, without a name before it (RFC 5321, section 4.1.2).
fn address(path: &KeyPath, text: &str, checker: &mut Checker<'_>) {
    if !email_address::EmailAddress::is_valid(text) {
        let text = format!("`{text}` is no e-mail address; write such as \"duty@example.gov\"");
        checker.mistake(path, text);
    }
}

/// By RFC 6409, RFC 8314 and RFC 5321.
fn usual_port(security: MailSecurity) -> u16 {
    match security {
        MailSecurity::StartTls => 587,
        MailSecurity::Tls => 465,
        MailSecurity::None => 25,
    }
}

impl From<SecuritySetting> for MailSecurity {
    fn from(setting: SecuritySetting) -> Self {
        match setting {
            SecuritySetting::Starttls => Self::StartTls,
            SecuritySetting::Tls => Self::Tls,
            SecuritySetting::None => Self::None,
        }
    }
}
