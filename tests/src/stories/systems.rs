//! The systems of the stories: how each is started, and what the host is told of it.
//!
//! In comes a cast that grows, out comes the running system, or nothing where this machine cannot start it.

use anyhow::Context as _;

use super::ground::{Ground, TOPIC};
use crate::caldav::{CALENDAR, CalDavServer};
use crate::folder::Folder;
use crate::host::plugin;
use crate::kinto::{self, Kinto};
use crate::mariadb::{self, MariaDb};
use crate::postgres::{self, Postgres};
use crate::screen::{Screen, Tone};
use crate::webdav::WebDav;

/// Who plays in a story.
pub(super) struct Cast {
    /// With the secrets of all.
    folder: Folder,
    tables: String,
    /// One for each connector, of the same name.
    subscriptions: Vec<&'static str>,
    pub(super) left_out: Vec<String>,
}

/// What a subscription is told beside its connector and topic.
pub(super) struct Role<'a> {
    pub(super) name: &'static str,
    /// Of the events, as TOML.
    pub(super) types: &'a str,
    /// Further lines of the subscription.
    pub(super) subscription: &'a str,
    /// The plugin's settings, as an inline table.
    pub(super) settings: &'a str,
}

impl Cast {
    pub(super) fn new() -> anyhow::Result<Self> {
        let folder = Folder::new("story")?;
        folder.write("database-password", postgres::PASSWORD)?;
        folder.write("mariadb-password", mariadb::PASSWORD)?;
        folder.write("kinto-password", kinto::PASSWORD)?;
        Ok(Self { folder, tables: String::new(), subscriptions: Vec::new(), left_out: Vec::new() })
    }

    /// Tables that belong to no system, such as transformers and alerts.
    pub(super) fn add(&mut self, tables: &str) {
        self.tables.push_str(tables);
    }

    /// A connector and subscription of [`Cast::add`].
    pub(super) fn subscribe(&mut self, name: &'static str) {
        self.subscriptions.push(name);
    }

    /// The document repository: wsgidav.
    pub(super) fn documents(&mut self, screen: &Screen, role: &Role<'_>) -> anyhow::Result<Option<WebDav>> {
        let Some(server) = self.started(screen, role, "wsgidav, a WebDAV server", WebDav::start()) else {
            return Ok(None);
        };
        let credential = WebDav::credential(&self.folder)?;
        self.join("documents", &server.url(), &format!("{credential}\n"), role)?;
        Ok(Some(server))
    }

    /// A calendar: Radicale.
    pub(super) fn calendar(
        &mut self,
        screen: &Screen,
        role: &Role<'_>,
    ) -> anyhow::Result<Option<CalDavServer>> {
        let started = CalDavServer::start();
        let Some(server) = self.started(screen, role, "Radicale, a CalDAV server", started) else {
            return Ok(None);
        };
        let settings = role.settings.replacen('{', &format!("{{ calendar = \"{CALENDAR}\","), 1);
        self.join("calendar", &server.url(), "", &Role { settings: &settings, ..*role })?;
        Ok(Some(server))
    }

    /// A store of records with ETags: Kinto.
    pub(super) fn records(&mut self, screen: &Screen, role: &Role<'_>) -> anyhow::Result<Option<Kinto>> {
        let Some(server) = self.started(screen, role, "Kinto, an HTTP API with ETags", Kinto::start()) else {
            return Ok(None);
        };
        let credential = self.credential(kinto::USER, "kinto-password");
        self.join("rest", &server.url(), &credential, role)?;
        Ok(Some(server))
    }

    /// A legacy database: MariaDB, with these tables.
    pub(super) fn mariadb(
        &mut self,
        screen: &Screen,
        role: &Role<'_>,
        schema: &str,
    ) -> anyhow::Result<Option<MariaDb>> {
        let Some(server) = self.started(screen, role, "MariaDB", MariaDb::start(None)) else {
            return Ok(None);
        };
        server.query(schema)?;
        let credential = self.credential(mariadb::USER, "mariadb-password");
        self.join("database", &server.url(), &credential, role)?;
        Ok(Some(server))
    }

    /// A database of another agency, or a data warehouse: PostgreSQL, with these tables, for this plugin.
    pub(super) fn postgres(
        &mut self,
        screen: &Screen,
        plugin: &str,
        role: &Role<'_>,
        schema: &str,
    ) -> anyhow::Result<Option<Postgres>> {
        let Some(server) = self.started(screen, role, "PostgreSQL", Postgres::start(None)) else {
            return Ok(None);
        };
        server.psql(schema)?;
        let credential = self.credential(postgres::USER, "database-password");
        self.join(plugin, &server.url(), &credential, role)?;
        Ok(Some(server))
    }

    /// A broker and a host for all of them.
    pub(super) fn open(&self) -> anyhow::Result<Ground> {
        Ground::open(&self.tables, &self.subscriptions)
    }

    fn started<S>(
        &mut self,
        screen: &Screen,
        role: &Role<'_>,
        what: &str,
        started: anyhow::Result<S>,
    ) -> Option<S> {
        match started.with_context(|| format!("{} ({what})", role.name)) {
            Ok(system) => {
                screen.titled(Tone::Plain, &format!("  {}", role.name), what, 17);
                Some(system)
            }
            Err(error) => {
                let reason = format!("{error:#}");
                screen.titled(Tone::Alert, &format!("  {}", role.name), &format!("left out: {reason}"), 17);
                self.left_out.push(reason);
                None
            }
        }
    }

    fn credential(&self, user: &str, file: &str) -> String {
        let file = self.folder.path().join(file);
        let file = file.display();
        format!("credential = {{ basic = {{ username = \"{user}\", password = {{ file = '{file}' }} }} }}\n")
    }

    /// Tables for one system: its plugin, unless another has it too, its connector and its subscription.
    fn join(&mut self, name: &str, endpoint: &str, connector: &str, role: &Role<'_>) -> anyhow::Result<()> {
        let table = format!("[plugins.{name}]\n");
        if !self.tables.contains(&table) {
            self.add(&format!("{table}path = '{}'\n", plugin(name)?.display()));
        }
        let Role { name: role, types, subscription, settings } = role;
        self.add(&format!(
            "[connectors.{role}]\nplugin = \"{name}\"\nendpoint = \"{endpoint}\"\nallow-networks = [\"127.0.0.0/8\"]\n\
             {connector}settings = {settings}\n\
             [subscriptions.{role}]\nconnector = \"{role}\"\ntopics = [\"{TOPIC}\"]\ntypes = {types}\n{subscription}\n"
        ));
        self.subscriptions.push(role);
        Ok(())
    }
}
