//! What the scenarios of documents share: a repository of either kind, a host that delivers to it, and events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison::kafka::embedded::Embedded;
use liaison::kafka::producer::Outgoing;
use liaison_tests::folder::Folder;
use liaison_tests::local::LocalHost;
use liaison_tests::produce::{cloudevent, produce};
use liaison_tests::s3::S3;
use liaison_tests::webdav::WebDav;
use liaison_tests::{is_quick, say_skipped};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::command::Program;
use crate::fixture::{Config, DEAD_LETTERS, LIMIT, Letter, QUICK, TOPIC, letters};

/// A real repository, as it is read back and as others change it.
pub(crate) trait Repository {
    /// As the plugin's setting `target`.
    const TARGET: &'static str;

    fn start() -> anyhow::Result<Self>
    where
        Self: Sized;

    /// The connector's endpoint.
    fn url(&self) -> String;

    /// Of the connector, as TOML.
    fn credential(folder: &Folder) -> anyhow::Result<String>;

    fn content(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>>;

    /// What the settings name, beside a document.
    fn metadata(&self, path: &str, name: &str) -> anyhow::Result<Option<String>>;

    /// What the plugin writes down, beside a document.
    fn record(&self, path: &str, name: &str) -> anyhow::Result<Option<String>>;

    /// Writes over it, as anyone might who is not the host.
    fn change(&self, path: &str, content: &[u8]) -> anyhow::Result<()>;

    /// How often it was asked to write the document.
    fn writes(&self, path: &str) -> usize;

    fn kill(&mut self) -> anyhow::Result<()>;

    fn start_again(&mut self) -> anyhow::Result<()>;
}

impl Repository for WebDav {
    const TARGET: &'static str = "webdav";

    fn start() -> anyhow::Result<Self> {
        WebDav::start()
    }

    fn url(&self) -> String {
        WebDav::url(self)
    }

    fn credential(folder: &Folder) -> anyhow::Result<String> {
        WebDav::credential(folder)
    }

    fn content(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        self.document(path)
    }

    fn metadata(&self, path: &str, name: &str) -> anyhow::Result<Option<String>> {
        self.property(path, "urn:liaison:document", name)
    }

    fn record(&self, path: &str, name: &str) -> anyhow::Result<Option<String>> {
        self.property(path, "urn:liaison:delivery", name)
    }

    fn change(&self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        self.put(path, content)
    }

    fn writes(&self, path: &str) -> usize {
        // Over what is there: a new document begins as an empty one.
        let call = format!("PUT {path} 204");
        self.log().iter().filter(|line| line.starts_with(&call)).count()
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        WebDav::kill(self)
    }

    fn start_again(&mut self) -> anyhow::Result<()> {
        WebDav::start_again(self)
    }
}

impl Repository for S3 {
    const TARGET: &'static str = "s3";

    fn start() -> anyhow::Result<Self> {
        S3::start("archive")
    }

    fn url(&self) -> String {
        S3::url(self)
    }

    fn credential(folder: &Folder) -> anyhow::Result<String> {
        S3::credential(folder)
    }

    fn content(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.object(key(path))?.map(|object| object.content().to_vec()))
    }

    fn metadata(&self, path: &str, name: &str) -> anyhow::Result<Option<String>> {
        Ok(self.object(key(path))?.and_then(|object| object.metadata(name).map(str::to_owned)))
    }

    fn record(&self, path: &str, name: &str) -> anyhow::Result<Option<String>> {
        self.metadata(path, &format!("liaison-{name}"))
    }

    fn change(&self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        self.put(key(path), content, &[])
    }

    fn writes(&self, path: &str) -> usize {
        let call = format!("CREATE OBJECT: archive {}", key(path));
        self.log().iter().filter(|line| line.ends_with(&call)).count()
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        S3::kill(self)
    }

    fn start_again(&mut self) -> anyhow::Result<()> {
        S3::start_again(self)
    }
}

/// An object's key has no `/` before it.
fn key(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// What documents are configured with beside the usual.
#[derive(Clone, Copy)]
pub(crate) struct Wants<'a> {
    pub(crate) path: &'a str,
    /// More of the plugin's settings.
    pub(crate) settings: &'a str,
    /// More of the connector.
    pub(crate) connector: &'a str,
    /// Where an event has its document.
    pub(crate) document: &'a str,
    /// How conflicts are decided.
    pub(crate) conflict: &'a str,
    pub(crate) tables: &'a str,
}

pub(crate) const USUAL: Wants<'static> = Wants {
    path: "/policies/{key}.pdf",
    settings: "",
    connector: "",
    document: r#"{ inline = "/document/content", url = "/document/url", sha256 = "/document/sha256" }"#,
    conflict: r#"{ policy = "newest-wins" }"#,
    tables: QUICK,
};

/// A host that delivers documents to a repository. The host goes first.
pub(crate) struct Stage<R> {
    pub(crate) host: LocalHost,
    pub(crate) broker: Embedded,
    pub(crate) repository: R,
    /// As it is written.
    config: String,
    _folder: Folder,
}

impl<R: Repository> Stage<R> {
    /// `None` where only quick tests are asked for.
    pub(crate) fn start(test: &str, wants: Wants<'_>) -> anyhow::Result<Option<Self>> {
        if is_quick() {
            say_skipped(test, "needs a real repository of documents");
            return Ok(None);
        }
        let (repository, folder) = (R::start()?, Folder::new("documents")?);
        let broker = Embedded::start(&[(TOPIC, 4), (DEAD_LETTERS, 1)])?;
        let config = config(&repository, &folder, &broker, wants)?;
        let host = LocalHost::start(&config)?;
        Ok(Some(Self { host, broker, repository, config, _folder: folder }))
    }

    /// The program beside the host.
    pub(crate) fn program(&self) -> anyhow::Result<Program> {
        Program::new(&self.config)
    }

    pub(crate) fn produce(&self, events: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        produce(self.broker.bootstrap(), events.into_iter().collect())
    }

    pub(crate) fn settled(&self, kind: &str, count: f64) -> anyhow::Result<()> {
        let is_there = |found: f64| found >= count;
        self.host.wait_for_metric(LIMIT, "liaison_events_settled_total", &[("kind", kind)], is_there)
    }

    pub(crate) fn attempts(&self, outcome: &str) -> f64 {
        self.host.metrics().sum("liaison_attempts_total", &[("outcome", outcome)])
    }

    pub(crate) fn letters(&self) -> anyhow::Result<Vec<Letter>> {
        letters(&self.broker)
    }

    /// Content, title and version there are these.
    pub(crate) fn holds(&self, path: &str, content: &str, title: &str, version: &str) -> anyhow::Result<()> {
        let repository = &self.repository;
        let found = repository.content(path)?.map(|content| String::from_utf8_lossy(&content).into_owned());
        assert_eq!(found.as_deref(), Some(content), "{path}");
        assert_eq!(repository.metadata(path, "title")?.as_deref(), Some(title), "{path}");
        assert_eq!(repository.record(path, "version")?.as_deref(), Some(version), "{path}");
        let recorded = repository.record(path, "sha256")?;
        assert_eq!(recorded.as_deref(), Some(sha256(content.as_bytes()).as_str()), "{path}");
        Ok(())
    }

    /// Ends without a dead letter.
    pub(crate) fn stop_without_dead_letters(self) -> anyhow::Result<()> {
        self.host.stop()?;
        let letters = letters(&self.broker)?;
        anyhow::ensure!(letters.is_empty(), "{letters:?}");
        Ok(())
    }
}

/// The whole configuration of a host.
pub(crate) fn config<R: Repository>(
    repository: &R,
    folder: &Folder,
    broker: &Embedded,
    wants: Wants<'_>,
) -> anyhow::Result<String> {
    let connector = format!(
        r#"{credential}
            {connector}
            [connectors.calendar.settings]
            target = "{target}"
            path = "{path}"
            document = {document}
            metadata = {{ title = "{{/title}}", agency = "{{/agency}}" }}
            {settings}"#,
        credential = R::credential(folder)?,
        connector = wants.connector,
        target = R::TARGET,
        document = wants.document,
        path = wants.path,
        settings = wants.settings,
    );
    let subscription = format!("conflict = {}", wants.conflict);
    let config = Config {
        plugin: "documents",
        connector: &connector,
        subscription: &subscription,
        tables: wants.tables,
        ..Config::default()
    };
    config.text(broker.bootstrap(), &repository.url())
}

/// A version of a policy, with its document in it.
pub(crate) fn policy(id: &str, key: &str, updated_at: &str, title: &str, content: &str) -> Outgoing {
    let document = json!({ "content": STANDARD.encode(content), "sha256": sha256(content.as_bytes()) });
    let data =
        json!({ "title": title, "agency": "Büro für Tests", "updatedAt": updated_at, "document": document });
    cloudevent(TOPIC, "policy.updated", id, key, &data)
}

/// A version of a policy whose document is elsewhere.
pub(crate) fn reference(id: &str, key: &str, updated_at: &str, url: &str, sha256: &str) -> Outgoing {
    let data = json!({ "title": id, "updatedAt": updated_at, "document": { "url": url, "sha256": sha256 } });
    cloudevent(TOPIC, "policy.updated", id, key, &data)
}

/// Its removal.
pub(crate) fn removal(id: &str, key: &str) -> Outgoing {
    Outgoing { value: None, ..cloudevent(TOPIC, "policy.removed", id, key, &json!(null)) }
}

pub(crate) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
