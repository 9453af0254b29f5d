//! Checks a connector whose endpoint is a database: its address, `database`, and what only HTTP can do.

use url::Url;

use super::{Checker, set};
use crate::config::document::KeyPath;
use crate::config::settings::{
    AccessSetting, ConnectorSettings, CredentialSettings, DatabaseSettings, DatabaseTlsSetting,
};
use crate::config::{Access, Database, Egress, Engine, database};

/// The address, where it is one of a database.
pub(super) fn url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| Engine::of(url).is_some())
}

/// Such an address, unless something is wrong with it.
pub(super) fn endpoint(path: &KeyPath, url: Url, checker: &mut Checker<'_>) -> Option<Url> {
    let is_file = Engine::of(&url) == Some(Engine::Sqlite);
    let problem = if !url.username().is_empty() || url.password().is_some() {
        "must hold no user and password; name them in `credential = { basic = … }`"
    } else if url.query().is_some() || url.fragment().is_some() {
        "must hold no query and no fragment (`?…`, `#…`); what is particular goes into `database = { … }`"
    } else if is_file && database::file(&url).is_none() {
        "must name a file by its absolute path; write such as \"sqlite:///var/lib/records.db\""
    } else if !is_file && database::host(&url).is_none() {
        "names no server; write such as \"postgresql://db.example.gov:5432/records\""
    } else if !is_file && database::name(&url).is_none() {
        "must name one database after the server; write such as \"postgresql://db.example.gov:5432/records\""
    } else {
        return Some(url);
    };
    checker.mistake(path, problem);
    None
}

/// Takes `database`, and looks at what else belongs to a database or does not.
pub(super) fn database(
    path: &KeyPath,
    settings: &mut ConnectorSettings,
    egress: &mut Egress,
    checker: &mut Checker<'_>,
) {
    let (key, written) = (path.key("database"), settings.database.take());
    let Some(database) = &mut egress.database else {
        // Where the endpoint is missing or wrong, that is reported already.
        if written.is_some() && egress.endpoint.as_str() != "https://invalid/" {
            checker.mistake(&key, "is for an endpoint that is a database, and this one is not; leave it out");
        }
        return;
    };
    let written = written.unwrap_or_default();
    let has_tls = written.tls.is_some();
    fill(&key, written, database, checker);
    let is_file = database.engine == Engine::Sqlite;
    credential(path, settings, is_file, checker);
    for (name, is_there) in [
        ("client-certificate", settings.client_certificate.is_some()),
        ("ca-file", settings.ca_file.is_some()),
    ] {
        if is_there && (is_file || !database.tls) {
            checker.mistake(
                &path.key(name),
                "is for TLS, which this database is not spoken to by; leave it out, or write \
                 `database = { tls = \"require\" }`",
            );
        }
    }
    if is_file && has_tls {
        checker.mistake(&key.key("tls"), "is for a server, and the endpoint is a file; leave it out");
    }
    let is_here = database::host(&egress.endpoint).is_some_and(|host| database::is_loopback(&host));
    if !is_file && !database.tls && !is_here {
        checker.warning(
            &key.key("tls"),
            "what is asked and answered travels as plain text; use \"require\" outside a test",
        );
    }
}

fn fill(path: &KeyPath, written: DatabaseSettings, database: &mut Database, checker: &mut Checker<'_>) {
    database.access = match written.access {
        Some(AccessSetting::Read) => Access::Read,
        Some(AccessSetting::Write) | None => Access::Write,
    };
    let tables = path.key("tables");
    if written.tables.as_ref().is_some_and(Vec::is_empty) {
        checker.mistake(&tables, "an empty list allows nothing; leave it out to allow all");
    }
    database.tables = written.tables.unwrap_or_default();
    for (index, name) in database.tables.iter().enumerate() {
        if name.split('.').any(|part| part.trim() != part || part.is_empty()) {
            checker.mistake(
                &tables.index(index),
                format!("`{name}` is not the name of a table; write such as \"records\" or \"hr.records\""),
            );
        }
    }
    set(&mut database.max_rows, written.max_rows);
    set(&mut database.connections, written.connections);
    if let Some(tls) = written.tls {
        database.tls = tls == DatabaseTlsSetting::Require;
    }
}

fn credential(path: &KeyPath, settings: &ConnectorSettings, is_file: bool, checker: &mut Checker<'_>) {
    let path = path.key("credential");
    match &settings.credential {
        Some(_) if is_file => {
            checker.mistake(&path, "is for a server, and the endpoint is a file; leave it out")
        }
        None if is_file => {}
        None => {
            let text = "missing; no database is logged in to without; write { basic = { username = \"…\", password = { env = \"…\" } } }";
            checker.mistake(&path, text);
        }
        Some(CredentialSettings::Basic(_)) => {}
        Some(
            CredentialSettings::Aws(_)
            | CredentialSettings::Bearer(_)
            | CredentialSettings::Header(_)
            | CredentialSettings::Oauth2(_)
            | CredentialSettings::WsSecurity(_)
            | CredentialSettings::StandardWebhooks(_),
        ) => checker.mistake(
            &path,
            "no database takes it; write { basic = { username = \"…\", password = { env = \"…\" } } }",
        ),
    }
}
