//! Alerts by e-mail: a person can read them, a refusal is counted, receivers do not wait for each other, and nothing goes
//! in the clear where it should not.

use std::collections::BTreeSet;

use liaison_tests::certificates::{Authority, LOOPBACK};
use liaison_tests::folder::Folder;
use liaison_tests::mail::{MailServer, Tls};
use liaison_tests::system::{Behaviour, System};

use crate::fixture::{Config, Fixture, LIMIT, event};

/// The table that sends alerts to this server.
fn table(server: &MailServer, to: &str, security: &str) -> String {
    let address = server.address();
    format!(
        "[alerts.email]\nserver = \"{}\"\nport = {}\nsecurity = \"{security}\"\nfrom = \"liaison@example.gov\"\nto = {to}\n",
        address.ip(),
        address.port()
    )
}

/// The count of a receiver of alerts.
fn count(fixture: &Fixture, what: &str, receiver: &str) -> f64 {
    fixture.metric(&format!("liaison_alerts_{what}_total"), &[("receiver", receiver)])
}

#[test]
fn an_e_mail_says_what_since_when_and_what_to_do() -> anyhow::Result<()> {
    let server = MailServer::start(250)?;
    let tables = table(&server, r#"["duty@example.gov", "night@example.gov"]"#, "none");
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
    fixture.produce([event("bad", "k")])?;
    server.wait_for(2, LIMIT)?;
    fixture.host.stop()?;
    let mails = server.mails();
    let mut to: Vec<_> = mails.iter().flat_map(|mail| mail.to.iter().map(String::as_str)).collect();
    to.sort_unstable();
    assert_eq!(to, ["duty@example.gov", "night@example.gov"]);
    for mail in &mails {
        assert_eq!(mail.header("Subject"), Some("[liaison] calendar: events are given up (rejected)"));
        assert_eq!(mail.header("From"), Some("liaison@example.gov"));
        assert_eq!(mail.header("To"), Some(&*mail.to[0]));
        let text = mail.text().replace("=\n", "");
        for part in
            ["is a dead letter", "answered 400", "event         bad", "since         2", "what to do    see"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
    assert_eq!(mails.len(), 2);
    Ok(())
}

#[test]
fn mail_that_is_refused_for_now_comes_again_and_for_good_is_counted() -> anyhow::Result<()> {
    let server = MailServer::start(451)?;
    let tables = table(&server, r#"["duty@example.gov"]"#, "none");
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
    fixture.produce([event("bad", "k")])?;
    server.wait_for(1, LIMIT)?;
    server.answer(250);
    server.wait_for(2, LIMIT)?;
    let mails = server.mails();
    assert_eq!(mails.iter().map(|mail| mail.code).collect::<Vec<_>>(), [451, 250]);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    assert_eq!(count(&fixture, "failed", "email"), 0.0);

    server.answer(554);
    fixture.system.behave(Behaviour::status(401));
    fixture.produce([event("refused", "k")])?;
    server.wait_for(3, LIMIT)?;
    fixture.host.wait_for_metric(LIMIT, "liaison_alerts_failed_total", &[], |failed| failed == 1.0)?;
    fixture.system.behave(Behaviour::ok());
    fixture.settled("delivered", 1)?;
    fixture.host.stop()
}

#[test]
fn nothing_is_sent_in_the_clear_where_tls_is_asked_for_and_not_offered() -> anyhow::Result<()> {
    let server = MailServer::start(250)?;
    let tables = table(&server, r#"["duty@example.gov"]"#, "starttls");
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
    fixture.produce([event("bad", "k")])?;
    fixture.settled("dead-lettered", 1)?;
    fixture.host.stop()?;
    assert!(server.mails().is_empty(), "{:?}", server.mails());
    // It asks what there is, and goes.
    let words: BTreeSet<String> = server.clear_words().into_iter().filter(|word| word != "QUIT").collect();
    assert_eq!(words, BTreeSet::from(["EHLO".to_owned()]));
    Ok(())
}

const USER: (&str, &str) = ("liaison", "mail-hush-52d0");

/// The lines that trust this authority and come as this user, behind those of [`table`].
fn protected(folder: &Folder, authority: &Authority, password: &str) -> anyhow::Result<String> {
    let (ca, secret) = (authority.write(folder)?, folder.write("password", password)?);
    Ok(format!(
        "ca-file = \"{}\"\ncredential = {{ username = \"{}\", password = {{ file = \"{}\" }} }}\n",
        ca.display(),
        USER.0,
        secret.display()
    ))
}

#[test]
fn mail_goes_over_tls_to_a_server_of_an_authority_of_ones_own() -> anyhow::Result<()> {
    let (authority, folder) = (Authority::new("agency")?, Folder::new("mail")?);
    for (security, tls) in [("tls", Tls::AtOnce), ("starttls", Tls::OnDemand)] {
        let server = MailServer::start_protected(250, tls, &authority.certify(&LOOPBACK)?, USER)?;
        let tables =
            table(&server, r#"["duty@example.gov"]"#, security) + &protected(&folder, &authority, USER.1)?;
        let fixture =
            Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
        fixture.produce([event("bad", "k")])?;
        server.wait_for(1, LIMIT)?;
        fixture.host.stop()?;
        let words: BTreeSet<String> = server.clear_words().into_iter().collect();
        let expected: &[&str] = match tls {
            Tls::AtOnce => &[],
            Tls::OnDemand => &["EHLO", "STARTTLS"],
        };
        assert_eq!(words, expected.iter().map(|word| (*word).to_owned()).collect(), "{security}");
    }
    Ok(())
}

#[test]
fn mail_goes_neither_to_a_stranger_nor_with_a_password_that_is_refused() -> anyhow::Result<()> {
    let (authority, folder) = (Authority::new("agency")?, Folder::new("mail")?);
    for (security, tls) in [("tls", Tls::AtOnce), ("starttls", Tls::OnDemand)] {
        let stranger = Authority::new("stranger")?.certify(&LOOPBACK)?;
        let server = MailServer::start_protected(250, tls, &stranger, USER)?;
        let tables =
            table(&server, r#"["duty@example.gov"]"#, security) + &protected(&folder, &authority, USER.1)?;
        let fixture =
            Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
        fixture.produce([event("bad", "k")])?;
        server.wait_for_broken(1, LIMIT)?;
        fixture.host.stop()?;
        assert!(server.mails().is_empty(), "{security}: {:?}", server.mails());
    }
    let server = MailServer::start_protected(250, Tls::OnDemand, &authority.certify(&LOOPBACK)?, USER)?;
    let tables =
        table(&server, r#"["duty@example.gov"]"#, "starttls") + &protected(&folder, &authority, "wrong")?;
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, Behaviour::status(400))?;
    fixture.produce([event("bad", "k")])?;
    fixture.host.wait_for_metric(
        LIMIT,
        "liaison_alerts_failed_total",
        &[("receiver", "email")],
        |failed| failed == 1.0,
    )?;
    assert!(server.mails().is_empty(), "{:?}", server.mails());
    fixture.host.stop()
}

#[test]
fn a_webhook_that_never_answers_delays_neither_mail_nor_deliveries() -> anyhow::Result<()> {
    let server = MailServer::start(250)?;
    let (silent, folder) = (System::start("alerts", Behaviour::silence())?, Folder::new("alerts")?);
    let secret = folder.write("secret", "whsec_bGlhaXNvbiBzY2VuYXJpb3Mgc2VjcmV0")?;
    let (url, secret) = (silent.url(), secret.display());
    let tables = format!(
        "[alerts]\nwebhook = {{ url = \"{url}\", secret = {{ file = \"{secret}\" }} }}\n{}",
        table(&server, r#"["duty@example.gov"]"#, "none")
    );
    let behaviour = Behaviour::ok().when(|request| request.path.contains("bad"), Behaviour::status(400));
    let fixture = Fixture::start(&Config { tables: &tables, ..Config::default() }, behaviour)?;
    fixture.produce([event("bad", "k")])?;
    silent.wait_for(1, LIMIT)?;
    server.wait_for(1, LIMIT)?;
    fixture.produce((0..200).map(|number| event(&format!("good-{number}"), "k")))?;
    fixture.settled("delivered", 200)?;
    assert_eq!((count(&fixture, "told", "email"), count(&fixture, "told", "webhook")), (1.0, 0.0));
    fixture.host.stop()
}
