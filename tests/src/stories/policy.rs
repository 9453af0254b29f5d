//! A policy is updated: its document goes to a public repository, its date to the instructors' calendar, a record to the
//! legacy compliance database and one to another agency, and its guidance, without what is internal, to the citizens' portal.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Told;
use super::ground::{Ground, event};
use super::holding::holds;
use super::systems::{Cast, Role};
use crate::caldav::CalDavServer;
use crate::host::plugin;
use crate::kinto::Kinto;
use crate::mariadb::MariaDb;
use crate::postgres::Postgres;
use crate::screen::{Screen, Tone};
use crate::webdav::WebDav;

const TYPES: &str = "[\"policy.*\"]";
const POLICY: &str = "field-safety";

/// Whoever could be started.
struct Followers {
    documents: Option<WebDav>,
    calendar: Option<CalDavServer>,
    compliance: Option<MariaDb>,
    portal: Option<Kinto>,
    records: Option<Postgres>,
}

pub(super) fn tell(screen: &Screen) -> anyhow::Result<Told> {
    let mut cast = Cast::new()?;
    let followers = followers(&mut cast, screen)?;
    let ground = cast.open()?;
    let (first, second) = (version(1), version(2));
    screen.moment(Tone::Plain, "the policy is published");
    ground.emit([event("policy.published", "1", POLICY, &first)])?;
    followers.settled(&ground, 1)?;
    screen.moment(Tone::Plain, "it is updated: another date, another document");
    ground.emit([event("policy.updated", "2", POLICY, &second)])?;
    followers.settled(&ground, 2)?;
    followers.hold(screen, &second)?;
    screen.moment(Tone::Plain, "the same event once more, by `liaison sync`:");
    sync(&ground, screen, &second)?;
    followers.hold(&Screen::silent(), &second)?;
    screen.moment(Tone::Plain, "nothing has changed by it: every system holds what it held");
    ground.close()?;
    Ok(Told { left_out: cast.left_out })
}

fn followers(cast: &mut Cast, screen: &Screen) -> anyhow::Result<Followers> {
    let role = |name, settings| Role { name, types: TYPES, subscription: "", settings };
    cast.add(&format!(
        "[plugins.redact]\npath = '{}'\n[transformers.public]\nplugin = \"redact\"\n\
         settings = {{ keep = [\"/title\", \"/guidance\", \"/updatedAt\"], subject = \"keep\" }}\n",
        plugin("redact")?.display()
    ));
    let document = "{ inline = \"/document/content\", sha256 = \"/document/sha256\" }";
    let settings = format!(
        "{{ target = \"webdav\", path = \"/policies/{{key}}.pdf\", document = {document}, metadata = {{ title = \"{{/title}}\" }} }}"
    );
    let documents = cast.documents(screen, &role("documents", &settings))?;
    let calendar =
        cast.calendar(screen, &role("instructors", "{ fields = { description = \"/guidance\" } }"))?;
    let compliance = cast.mariadb(
        screen,
        &role(
            "compliance",
            "{ dialect = \"mariadb\", table = \"policies\", key = [\"id\"], version-column = \"updated_at\", \
             columns = { id = \"key\", title = \"/title\", effective = \"/effective\", \
             updated_at = { from = \"/updatedAt\", type = \"timestamp\" } } }",
        ),
        "create table policies (id varchar(100) primary key, title text, effective date, updated_at datetime(6))",
    )?;
    let public = Role {
        subscription: "transformers = [\"public\"]",
        ..role("portal", "{ path = \"/records/{subject}\", wrap = \"/data\", upsert = \"lookup-first\" }")
    };
    let portal = cast.records(screen, &public)?;
    let records = cast.postgres(
        screen,
        "database",
        &role(
            "records",
            "{ dialect = \"postgres\", table = \"policies\", key = [\"id\"], version-column = \"updated_at\", \
             columns = { id = \"key\", title = \"/title\", document_sha256 = \"/document/sha256\", \
             updated_at = { from = \"/updatedAt\", type = \"timestamp\" } } }",
        ),
        "create table policies (id text primary key, title text, document_sha256 text, updated_at timestamptz)",
    )?;
    Ok(Followers { documents, calendar, compliance, portal, records })
}

impl Followers {
    fn settled(&self, ground: &Ground, count: u32) -> anyhow::Result<()> {
        for (name, is_there) in [
            ("documents", self.documents.is_some()),
            ("instructors", self.calendar.is_some()),
            ("compliance", self.compliance.is_some()),
            ("portal", self.portal.is_some()),
            ("records", self.records.is_some()),
        ] {
            if is_there {
                ground.settled(name, "delivered", count)?;
            }
        }
        Ok(())
    }

    /// Each holds this version, by its own word.
    fn hold(&self, screen: &Screen, policy: &Value) -> anyhow::Result<()> {
        let (title, day) = (text(policy, "title"), text(policy, "effective"));
        let sha256 = policy["document"]["sha256"].as_str().unwrap_or_default();
        if let Some(documents) = &self.documents {
            let path = format!("/policies/{POLICY}.pdf");
            let held = documents.document(&path)?.context("the document is not there")?;
            holds(
                screen,
                "documents",
                "the new document, byte for byte",
                &checksum(&held),
                &sha256.to_owned(),
            )?;
            let titled = documents.property(&path, "urn:liaison:document", "title")?;
            holds(screen, "documents", "its title as a property", &titled.as_deref(), &Some(title))?;
        }
        if let Some(calendar) = &self.calendar {
            let appointment = calendar.event(POLICY)?;
            let held = text(&appointment, "start");
            holds(screen, "instructors", &format!("an appointment on {day}"), &held.starts_with(day), &true)?;
        }
        if let Some(compliance) = &self.compliance {
            let held = compliance.query("select id, title, effective from policies")?;
            let expected = format!("{POLICY}\t{title}\t{day}");
            holds(screen, "compliance", "one row, with the new date", &held.trim(), &expected.as_str())?;
        }
        if let Some(portal) = &self.portal {
            let held = portal.record(POLICY)?;
            let public =
                json!({ "title": title, "guidance": policy["guidance"], "updatedAt": policy["updatedAt"] });
            holds(screen, "portal", "the guidance, and nothing internal", &held, &Some(public))?;
        }
        if let Some(records) = &self.records {
            let held = records.psql("select id, title, document_sha256 from policies")?;
            let expected = format!("{POLICY}|{title}|{sha256}");
            holds(screen, "records", "one row, with the new checksum", &held, &expected)?;
        }
        Ok(())
    }
}

/// Shows what `liaison sync` says of each connector: all of them have it already.
fn sync(ground: &Ground, screen: &Screen, policy: &Value) -> anyhow::Result<()> {
    let event = json!({
        "specversion": "1.0", "id": "2", "source": "/tests", "type": "policy.updated", "subject": POLICY,
        "partitionkey": POLICY, "datacontenttype": "application/json", "data": policy,
    });
    ground.write("event.json", &event.to_string())?;
    let summary = ground.command(&["sync", "--event", "event.json"], 0)?;
    for line in summary.lines() {
        screen.show(format!("    {line}"));
    }
    Ok(())
}

fn version(number: u32) -> Value {
    let document = format!("%PDF-1.4\n% Safety in the field, version {number}\n%%EOF\n");
    let day = format!("2026-05-{:02}", 3 + number);
    json!({
        "title": "Safety in the field",
        "guidance": format!("From {day} on, wear a helmet."),
        "effective": day,
        "start": format!("{day}T09:00:00"), "duration": "PT2H", "timezone": "Europe/Berlin",
        "document": { "content": STANDARD.encode(&document), "sha256": checksum(document.as_bytes()) },
        "internal": { "author": "unit 7", "costs": 1200 },
        "updatedAt": format!("2026-04-0{number}T10:00:00Z"),
    })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
