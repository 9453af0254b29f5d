//! A host that takes events over HTTP, and a client that speaks to it by the byte.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, ensure};
use liaison_tests::folder::Folder;
use liaison_tests::port;
use liaison_tests::system::Behaviour;
use serde_json::Value;

use crate::fixture::{Config, Fixture, LIMIT, TOPIC};

/// Of the client `core`, which may send everything, and of `portal`, which may not.
pub(crate) const CORE: &str = "core-5f0c9a1e77b24d33";
pub(crate) const PORTAL: &str = "portal-91b6a0c2d4e8f173";

/// A host with `[intake]`, and the subscription `calendar` behind it.
pub(crate) struct Channel {
    pub(crate) fixture: Fixture,
    pub(crate) address: SocketAddr,
    pub(crate) folder: Folder,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{self:?}"))
    }

    /// The detail of its problem, which must be one.
    pub(crate) fn detail(&self) -> anyhow::Result<String> {
        ensure!(self.head.contains("content-type: application/problem+json"), "no problem: {self:?}");
        let problem = self.json()?;
        ensure!(problem["status"] == self.status, "another status: {problem}");
        Ok(problem["detail"].as_str().context("a detail")?.to_owned())
    }
}

/// The table with this more in it, its clients and the routes `policy.*` (with a schema) and `schedule.*`.
pub(crate) fn table(address: SocketAddr, folder: &Folder, more: &str) -> anyhow::Result<String> {
    let core = folder.write("core", CORE)?;
    let portal = folder.write("portal", PORTAL)?;
    let schema = r#"{"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}}"#;
    let schema = folder.write("policy.json", schema)?;
    Ok(format!(
        r#"
        [intake]
        address = "{address}"
        {more}
        [[intake.routes]]
        types = ["policy.*"]
        topic = "{TOPIC}"
        schema = "{}"
        [[intake.routes]]
        types = ["schedule.*", "odd.*"]
        topic = "{TOPIC}"
        key = ["subject"]
        [[intake.routes]]
        types = ["other.*"]
        topic = "other"
        [intake.clients.core]
        token = {{ file = "{}" }}
        [intake.clients.portal]
        token = {{ file = "{}" }}
        types = ["schedule.*", "other.*"]
        topics = ["{TOPIC}"]
        "#,
        schema.display(),
        core.display(),
        portal.display()
    ))
}

impl Channel {
    pub(crate) fn start(more: &str, config: &Config<'_>, behaviour: Behaviour) -> anyhow::Result<Self> {
        let (folder, address) = (Folder::new("intake")?, port::free()?);
        let tables = format!("{}\n{}", config.tables, table(address, &folder, more)?);
        let fixture = Fixture::start(&Config { tables: &tables, ..*config }, behaviour)?;
        let channel = Self { fixture, address, folder };
        // It answers once Kafka is there.
        let ask = || channel.get("/nothing").is_ok_and(|reply| reply.status == 404);
        liaison_tests::wait::until(LIMIT, "the intake to answer", ask)?;
        Ok(channel)
    }

    /// `POST /events` with this token.
    pub(crate) fn post(&self, token: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<Reply> {
        self.post_to("/events", token, headers, body)
    }

    pub(crate) fn post_to(
        &self,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> anyhow::Result<Reply> {
        let length = body.len().to_string();
        let bearer = format!("Bearer {token}");
        let usual = [("authorization", bearer.as_str()), ("content-length", length.as_str())];
        self.ask("POST", path, &[&usual[..], headers].concat(), body.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.ask("GET", path, &[("authorization", &format!("Bearer {CORE}"))], b"")
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Reply> {
        let mut stream = self.begin(method, path, headers)?;
        // An answer may come, and the connection close, before all of it was sent.
        match stream.write_all(body) {
            Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                return Err(error.into());
            }
            Ok(()) | Err(_) => {}
        }
        reply(stream)
    }

    /// A request whose body is still to come.
    pub(crate) fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        // At once: the server may close before it has the whole of one that is too large.
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\r\n",
            self.address
        );
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    }
}

/// What is answered, to the end of the connection.
pub(crate) fn reply(mut stream: TcpStream) -> anyhow::Result<Reply> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&part[..length]),
            // What was sent and not read resets the connection, after the answer.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !bytes.is_empty() => break,
            Err(error) => return Err(error.into()),
        }
    }
    let text = String::from_utf8(bytes)?;
    let (head, body) =
        text.split_once("\r\n\r\n").with_context(|| format!("no end of the head: {text:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok(Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}
