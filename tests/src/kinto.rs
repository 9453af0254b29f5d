//! A real store of records for the tests: Kinto, with ETags, conditions and both kinds of patches, in memory, on loopback.
//!
//! It comes by [`liaison_tasks::python`]. It can be killed and started again, and holds nothing then. What is in it is read
//! and changed by HTTP, past the host.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_tasks::python;
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::port;
use crate::process::Process;
use crate::wait;

/// Starting takes two seconds on an idle machine.
const STARTED: Duration = Duration::from_secs(60);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Whoever logs in first is a user.
pub const USER: &str = "liaison";
pub const PASSWORD: &str = "records-5c1d";

/// Where all records are, below the server's address. Collection and bucket are made when they are first used.
const COLLECTION: &str = "/v1/buckets/default/collections/policies";

const START: &str = "import sys; from kinto.__main__ import main; sys.exit(main(sys.argv[1:]))";

/// A running or killed server. Dropped, it is gone.
#[derive(Debug)]
pub struct Kinto {
    process: Process,
    command: Command,
    address: SocketAddr,
    folder: Folder,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub status: u16,
    pub etag: Option<String>,
    pub body: Value,
}

impl Kinto {
    /// Starts one and waits until it answers. Fetches it if that was not done yet.
    pub fn start() -> anyhow::Result<Self> {
        let home = python::prepare(&python::KINTO)?;
        let folder = Folder::new("kinto")?;
        let address = port::free()?;
        let settings = folder.write("kinto.ini", &settings(address))?;
        let mut command = python::python(&home);
        command.args(["-c", START, "start", "--ini"]).arg(settings);
        let process = Process::start("kinto", &command, folder.path())?;
        let server = Self { process, command, address, folder };
        server.wait_ready()?;
        Ok(server)
    }

    /// `http://127.0.0.1:PORT/…`: records are at `/records` below it.
    pub fn url(&self) -> String {
        format!("http://{}{COLLECTION}", self.address)
    }

    /// The record with this id, without what the server adds; nothing where there is none.
    pub fn record(&self, id: &str) -> anyhow::Result<Option<Value>> {
        let answered = self.ask("GET", &format!("/{id}"), &[], None)?;
        match answered.status {
            404 => Ok(None),
            200 => Ok(Some(own(&answered.body["data"]))),
            _ => bail!("{id}: {answered:?}"),
        }
    }

    /// All records, without what the server adds, by their identifiers.
    pub fn records(&self) -> anyhow::Result<Vec<Value>> {
        let answered = self.ask("GET", "?_sort=id", &[], None)?;
        ensure!(answered.status == 200, "{answered:?}");
        Ok(answered.body["data"].as_array().context("a list")?.iter().map(own).collect())
    }

    /// Another agency writes this record.
    pub fn write(&self, id: &str, record: &Value) -> anyhow::Result<()> {
        let answered = self.ask("PUT", &format!("/{id}"), &[], Some(&json!({ "data": record })))?;
        ensure!(matches!(answered.status, 200 | 201), "{answered:?}");
        Ok(())
    }

    /// One request to a path below all records.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Answered> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let login = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!("{method} {COLLECTION}/records{path} HTTP/1.0\r\nhost: {}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        write!(
            stream,
            "{head}authorization: Basic {login}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        let (head, body) = reply.split_once("\r\n\r\n").context("the reply has no end of its head")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let etag = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("etag").then(|| value.trim().to_owned())
        });
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body)? };
        Ok(Answered { status: status.context("the reply has no status")?, etag, body })
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Starts it again, on the same port and without what it held, and waits until it answers.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = Process::start("kinto", &self.command, self.folder.path())?;
        self.wait_ready()
    }

    fn wait_ready(&self) -> anyhow::Result<()> {
        let answers = || self.ask("GET", "", &[], None).is_ok_and(|answered| answered.status == 200);
        wait::until(STARTED, "Kinto", answers)
            .with_context(|| format!("its last lines:\n{}", self.process.last_lines()))
    }
}

/// Without the members that the server adds.
fn own(record: &Value) -> Value {
    let mut record = record.clone();
    if let Some(members) = record.as_object_mut() {
        members.remove("last_modified");
        members.remove("id");
    }
    record
}

fn settings(address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    format!(
        "[app:main]
use = egg:kinto
kinto.userid_hmac_secret = of-a-test
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.includes = kinto.plugins.default_bucket
multiauth.policies = basicauth
multiauth.policy.basicauth.use = kinto.core.authentication.BasicAuthAuthenticationPolicy
[server:main]
use = egg:waitress#main
host = {host}
port = {port}
threads = 8
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic
[formatter_generic]
format = %(message)s
"
    )
}
