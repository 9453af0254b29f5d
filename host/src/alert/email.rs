//! Tells alerts by e-mail, in words for a person: what, since when, what to do.
//!
//! In comes a notice, out goes one message to one address by SMTP. A reply of the 4xx kind, and no reply, may be
//! different next time; 5xx never is (RFC 5321, section 4.2.1).

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncTransport as _, Tokio1Executor};

use super::causes::{Notice, State};
use super::webhook::id;
use super::{AlertError, config};
use crate::config::{ConnectorName, MailSecurity, SubscriptionName};
use crate::contract::TimestampMs;

/// One try, from connecting to the last reply.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One address.
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Mailbox,
}

/// Why one try failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum MailError {
    #[error("the message cannot be put together: {0}")]
    Message(#[from] lettre::error::Error),
    #[error("{0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
    #[error("no reply within {TIMEOUT:?}")]
    TimedOut,
}

impl Mailer {
    /// One for each address: what one mailbox refuses, another may take.
    pub(super) fn all(settings: &config::Email) -> Result<Vec<Mailer>, AlertError> {
        let transport = transport(settings)?;
        let from = mailbox(&settings.from)?;
        let to = settings.to.iter();
        to.map(|to| Ok(Mailer { transport: transport.clone(), from: from.clone(), to: mailbox(to)? }))
            .collect()
    }

    pub(super) fn address(&self) -> String {
        self.to.email.to_string()
    }

    /// Sends one notice, once.
    pub(super) async fn send(&self, notice: &Notice) -> Result<(), MailError> {
        let sent = self.transport.send(message(notice, &self.from, &self.to)?);
        tokio::time::timeout(TIMEOUT, sent).await.map_err(|_| MailError::TimedOut)??;
        Ok(())
    }
}

impl MailError {
    /// May the same message be taken later?
    pub(super) fn may_pass(&self) -> bool {
        match self {
            MailError::Message(_) => false,
            MailError::Smtp(error) => !error.is_permanent(),
            MailError::TimedOut => true,
        }
    }
}

fn transport(settings: &config::Email) -> Result<AsyncSmtpTransport<Tokio1Executor>, AlertError> {
    let tls = match settings.security {
        MailSecurity::StartTls => Tls::Required(tls(settings)?),
        MailSecurity::Tls => Tls::Wrapper(tls(settings)?),
        MailSecurity::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.server)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(TIMEOUT));
    if let Some((username, password)) = &settings.credential {
        builder =
            builder.credentials(Credentials::new(username.clone(), password.read()?.expose().to_owned()));
    }
    Ok(builder.build())
}

/// Trusts what the system trusts, and the certificates of the CA file.
fn tls(settings: &config::Email) -> Result<TlsParameters, AlertError> {
    let mut parameters = TlsParameters::builder(settings.server.clone());
    if let Some(path) = &settings.ca_file {
        let pem = std::fs::read(path).map_err(|source| AlertError::CaFile { path: path.clone(), source })?;
        parameters =
            parameters.add_root_certificate(Certificate::from_pem(&pem).map_err(AlertError::MailTls)?);
    }
    parameters.build().map_err(AlertError::MailTls)
}

fn mailbox(address: &str) -> Result<Mailbox, AlertError> {
    let email =
        address.parse().map_err(|source| AlertError::Address { address: address.to_owned(), source })?;
    Ok(Mailbox::new(None, email))
}

/// The same on every try, so that a mailbox that took it twice can tell.
fn message(notice: &Notice, from: &Mailbox, to: &Mailbox) -> Result<Message, MailError> {
    // RFC 3834: nobody's absence is to be answered to us.
    let automatic =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let message = Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(subject(notice))
        .message_id(Some(format!("<{}@{}>", id(notice), from.email.domain())))
        .raw_header(automatic)
        .header(ContentType::TEXT_PLAIN)
        .body(text(notice))?;
    Ok(message)
}

/// Of the host's own words and names alone: what comes from an event stays in the text.
fn subject(notice: &Notice) -> String {
    let state = match notice.state {
        State::Raised => "",
        State::Reminder => "still: ",
        State::Recovered => "over: ",
    };
    let subscription = notice.alert.subscription.as_ref().map_or("host", SubscriptionName::as_str);
    let about = notice.alert.about.as_deref().map(|about| format!(" ({about})")).unwrap_or_default();
    format!("[liaison] {subscription}: {state}{}{about}", notice.alert.kind.title())
}

fn text(notice: &Notice) -> String {
    let Notice { state, alert, since_ms, at_ms, count } = notice;
    let mut text = format!("{}.\n\n", alert.message);
    let mut line = |title: &str, content: &str| {
        writeln!(text, "{title:<14}{content}").expect("writing to a string cannot fail");
    };
    line("what", &format!("{} ({})", alert.kind.title(), alert.kind.name()));
    if let Some(subscription) = &alert.subscription {
        line("subscription", subscription.as_str());
    }
    if let Some(connector) = alert.connector.as_ref().map(ConnectorName::as_str) {
        line("connector", connector);
    }
    if let Some(event_id) = &alert.event_id {
        line("event", event_id);
    }
    line("since", &date(*since_ms));
    match state {
        State::Raised => line("what to do", alert.kind.advice()),
        State::Reminder => {
            line(
                "now",
                &format!("{}; it lasts, and was raised {count} times since the last message", date(*at_ms)),
            );
            line("what to do", alert.kind.advice());
        }
        State::Recovered => line("over", &date(*at_ms)),
    }
    text
}

fn date(ms: TimestampMs) -> String {
    let date = i64::try_from(ms).ok().and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or_default();
    date.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alert, notice};
    use super::super::{Alert, AlertKind};
    use super::*;

    fn formatted(notice: &Notice) -> String {
        let boxes = ["liaison@example.gov", "duty@example.gov"].map(|address| mailbox(address).unwrap());
        String::from_utf8(message(notice, &boxes[0], &boxes[1]).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_message_says_what_since_when_and_what_to_do() {
        let text = text(&notice(alert("event e-1 is a dead letter: 400")));
        for part in [
            "event e-1 is a dead letter: 400.\n",
            "what          events are given up (dead-letter)\n",
            "subscription  calendar\n",
            "connector     training-calendar\n",
            "event         e-1\n",
            "since         2023-11-14T22:13:20Z\n",
            "what to do    see them by `liaison dead-letters list`",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn a_reminder_has_the_count_and_an_end_has_no_advice() {
        let reminder = Notice { state: State::Reminder, count: 17, ..notice(alert("x")) };
        assert!(text(&reminder).contains("it lasts, and was raised 17 times"), "{}", text(&reminder));
        assert_eq!(subject(&reminder), "[liaison] calendar: still: events are given up");
        let over = Notice { state: State::Recovered, ..notice(alert("it is up again")) };
        assert!(text(&over).contains("over          2023-11-14T22:13:20Z"), "{}", text(&over));
        assert!(!text(&over).contains("what to do"));
        assert_eq!(subject(&over), "[liaison] calendar: over: events are given up");
    }

    #[test]
    fn what_comes_from_outside_cannot_add_headers() {
        let evil = Alert {
            event_id: Some("e\r\nBcc: all@example.gov".to_owned()),
            ..alert("x\r\nBcc: a@b\r\n.\r\n")
        };
        let about = Alert { kind: AlertKind::AtRisk, about: Some("policy\r\nBcc: a@b".to_owned()), ..evil };
        let formatted = formatted(&notice(about));
        let (head, _) = formatted.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        assert!(head.contains("Message-ID: <alert_"), "{head}");
    }

    #[test]
    fn the_same_notice_has_the_same_message_id_and_another_another() {
        let id_of = |notice: &Notice| {
            let formatted = formatted(notice);
            formatted.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned()
        };
        let first = notice(alert("a"));
        assert_eq!(id_of(&first), id_of(&first));
        assert_ne!(id_of(&first), id_of(&Notice { state: State::Recovered, ..first.clone() }));
        assert_ne!(id_of(&first), id_of(&Notice { at_ms: 1, ..first.clone() }));
    }
}
