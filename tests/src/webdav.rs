//! A real WebDAV server for the tests: wsgidav on loopback, with locks and properties, in a folder that outlives its end.
//!
//! It comes by [`liaison_tasks::python`]. As version 4.4 was seen to do: its ETag is made of inode, second and length, so
//! what is written again within a second in the same length keeps it; in properties it has no quotes; `If-Match` on what
//! is not there writes it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_tasks::python;

use crate::exchange::{self, Reply, encode_path};
use crate::folder::Folder;
use crate::port;
use crate::process::Process;

/// Starting takes a second on an idle machine.
const STARTED: Duration = Duration::from_secs(60);

/// Who may do anything.
pub const USER: &str = "liaison";
pub const PASSWORD: &str = "webdav-31f7";

/// A running or killed server. Dropped, it is gone with all that is in it.
#[derive(Debug)]
pub struct WebDav {
    process: Process,
    command: Command,
    address: SocketAddr,
    folder: Folder,
}

impl WebDav {
    /// Starts an empty one and waits until it listens. Fetches wsgidav if that was not done yet.
    pub fn start() -> anyhow::Result<Self> {
        let home = python::prepare(&python::WEBDAV)?;
        let folder = Folder::new("webdav")?;
        let address = port::free()?;
        let script = folder.write("server.py", include_str!("webdav/server.py"))?;
        let documents = folder.path().join("documents");
        std::fs::create_dir(&documents)?;
        let mut command = python::python(&home);
        command.arg(script).arg(address.port().to_string()).arg(documents);
        command.arg(folder.path().join("properties")).args([USER, PASSWORD]);
        let process = Process::start("webdav", &command, folder.path())?;
        process.wait_for_line("ready", STARTED)?;
        Ok(Self { process, command, address, folder })
    }

    /// Kills it as `kill -9` does. What it holds, but for locks, stays for [`WebDav::start_again`].
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Starts it again at the same address, with what it holds.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = Process::start("webdav", &self.command, self.folder.path())?;
        self.process.wait_for_line("ready", STARTED).map(drop)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As TOML: the user, with the password from a file, which is written into this folder.
    pub fn credential(folder: &Folder) -> anyhow::Result<String> {
        let password = folder.write("webdav-password", PASSWORD)?;
        let password = password.display();
        Ok(format!(
            "credential = {{ basic = {{ username = \"{USER}\", password = {{ file = '{password}' }} }} }}"
        ))
    }

    /// Where a document is in the server's own folder.
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("documents").join(path.trim_start_matches('/'))
    }

    /// The bytes of a document, if there is one.
    pub fn document(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let reply = self.ask("GET", path, &[], b"")?;
        match reply.status {
            200 => Ok(Some(reply.body)),
            404 => Ok(None),
            status => anyhow::bail!("GET of {path} answered {status}: {}", reply.text()),
        }
    }

    /// The text of a property, if the document has it.
    pub fn property(&self, path: &str, namespace: &str, name: &str) -> anyhow::Result<Option<String>> {
        let body =
            format!("<propfind xmlns=\"DAV:\"><prop><x:{name} xmlns:x=\"{namespace}\"/></prop></propfind>");
        let reply = self.ask("PROPFIND", path, &[("depth", "0")], body.as_bytes())?;
        let text = reply.text();
        ensure!(reply.status == 207, "PROPFIND of {path} answered {}: {text}", reply.status);
        let value = text.split_once(&format!(":{name}>")).and_then(|(_, rest)| rest.split_once("</"));
        Ok(value.map(|(value, _)| value.to_owned()))
    }

    /// Gives a document this property.
    pub fn set_property(&self, path: &str, namespace: &str, name: &str, value: &str) -> anyhow::Result<()> {
        let body = format!(
            "<propertyupdate xmlns=\"DAV:\"><set><prop><x:{name} xmlns:x=\"{namespace}\">{value}</x:{name}></prop></set>\
             </propertyupdate>"
        );
        self.expect("PROPPATCH", path, &[], body.as_bytes(), 207..208).map(drop)
    }

    /// Puts a document there, as anyone might who is not the host. Properties stay.
    pub fn put(&self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        self.expect("PUT", path, &[], content, 200..300).map(drop)
    }

    /// Locks a document, as an editor does. Gives what unlocks it.
    pub fn lock(&self, path: &str) -> anyhow::Result<String> {
        let body = "<lockinfo xmlns=\"DAV:\"><lockscope><exclusive/></lockscope><locktype><write/></locktype>\
                    <owner>editor</owner></lockinfo>";
        let reply = self.expect("LOCK", path, &[("timeout", "Second-600")], body.as_bytes(), 200..300)?;
        Ok(reply.header("lock-token").context("a lock has a token")?.to_owned())
    }

    pub fn unlock(&self, path: &str, token: &str) -> anyhow::Result<()> {
        self.expect("UNLOCK", path, &[("lock-token", token)], b"", 200..300).map(drop)
    }

    /// What it was asked: method, path as it is decoded, and status, in the order answered.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Waits for an answer such as `PUT /a.pdf 423`.
    pub fn wait_for_answer(&self, text: &str, limit: Duration) -> anyhow::Result<String> {
        self.process.wait_for_line(text, limit)
    }

    fn expect(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        statuses: std::ops::Range<u16>,
    ) -> anyhow::Result<Reply> {
        let reply = self.ask(method, path, headers, body)?;
        ensure!(
            statuses.contains(&reply.status),
            "{method} of {path} answered {}: {}",
            reply.status,
            reply.text()
        );
        Ok(reply)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Reply> {
        let user = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let headers: Vec<_> = headers.iter().copied().chain([("authorization", user.as_str())]).collect();
        exchange::ask(self.address, method, &encode_path(path), &headers, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{is_quick, say_skipped};

    #[test]
    fn a_document_is_read_back_and_locked_and_outlives_a_kill() {
        if is_quick() {
            say_skipped("a_document_is_read_back_and_locked_and_outlives_a_kill", "needs Python");
            return;
        }
        let mut server = WebDav::start().unwrap();
        let path = "/ü & b.pdf";
        assert_eq!(server.document(path).unwrap(), None);
        server.put(path, b"%PDF\0\xff").unwrap();
        let lock = server.lock(path).unwrap();
        assert!(server.put(path, b"other").unwrap_err().to_string().contains("423"));
        server.unlock(path, &lock).unwrap();
        server.set_property(path, "urn:x", "t", "a").unwrap();
        server.kill().unwrap();
        assert!(server.document(path).is_err());
        server.start_again().unwrap();
        assert_eq!(server.document(path).unwrap().as_deref(), Some(&b"%PDF\0\xff"[..]));
        assert_eq!(std::fs::read(server.file(path)).unwrap(), b"%PDF\0\xff");
        assert_eq!(server.property(path, "urn:x", "t").unwrap().as_deref(), Some("a"));
        assert_eq!(server.property(path, "urn:x", "u").unwrap(), None);
        server.wait_for_answer("GET /ü & b.pdf 200", STARTED).unwrap();
    }
}
