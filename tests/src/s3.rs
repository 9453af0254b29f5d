//! A real server of the S3 API for the tests: gofakes3 on loopback, with one bucket, in a file that outlives a kill.
//!
//! It comes by [`liaison_tasks::go`]. What it does and does not, as version 1.2 was seen to do: conditions on a `PUT`
//! (`If-Match`, `If-None-Match`) and `Content-MD5` are checked, and so is the time of a signature. The signature itself, and
//! `x-amz-checksum-sha256`, are not: the latter is given back as it was sent, so it proves nothing here. Metadata that a
//! `PUT` leaves out stay from the object before, where S3 drops them.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use liaison_tasks::go;

use crate::exchange::{self, Reply, encode_path};
use crate::folder::Folder;
use crate::port;
use crate::process::Process;
use crate::wait;

/// Starting takes a moment on an idle machine.
const STARTED: Duration = Duration::from_secs(30);

/// Keys to sign with; any are taken.
pub const ACCESS_KEY_ID: &str = "tests";
pub const SECRET_ACCESS_KEY: &str = "tests-7d41";
pub const REGION: &str = "eu-central-1";

/// A running or killed server with one bucket. Dropped, it is gone with all that is in it.
#[derive(Debug)]
pub struct S3 {
    process: Process,
    command: Command,
    address: SocketAddr,
    bucket: String,
    folder: Folder,
}

/// An object as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    reply: Reply,
}

impl S3 {
    /// Starts one with this bucket, empty, and waits until it answers. Builds gofakes3 if that was not done yet.
    pub fn start(bucket: &str) -> anyhow::Result<Self> {
        let folder = Folder::new("s3")?;
        let address = port::free()?;
        let mut command = Command::new(go::prepare(&go::GOFAKES3)?);
        command.args(["-backend", "bolt", "-host", &address.to_string(), "-initialbucket", bucket]);
        command.arg("-bolt.db").arg(folder.path().join("s3.db"));
        let process = serve(&command, &folder, address)?;
        Ok(Self { process, command, address, bucket: bucket.to_owned(), folder })
    }

    /// Kills it as `kill -9` does. What it holds stays for [`S3::start_again`].
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Starts it again at the same address, with what it holds.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = serve(&self.command, &self.folder, self.address)?;
        Ok(())
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `http://127.0.0.1:PORT/BUCKET`
    pub fn url(&self) -> String {
        format!("{}/{}", self.origin(), self.bucket)
    }

    /// As TOML: keys that the host signs with, from files, which are written into this folder.
    pub fn credential(folder: &Folder) -> anyhow::Result<String> {
        let (id, secret) =
            (folder.write("s3-id", ACCESS_KEY_ID)?, folder.write("s3-key", SECRET_ACCESS_KEY)?);
        Ok(format!(
            "credential = {{ aws = {{ access-key-id = {{ file = '{}' }}, secret-access-key = {{ file = '{}' }}, \
             region = \"{REGION}\", service = \"s3\" }} }}",
            id.display(),
            secret.display()
        ))
    }

    /// The object under this key, if there is one.
    pub fn object(&self, key: &str) -> anyhow::Result<Option<Object>> {
        let reply = self.ask("GET", key, &[], b"")?;
        match reply.status {
            200 => Ok(Some(Object { reply })),
            404 if reply.text().contains("NoSuchKey") => Ok(None),
            status => anyhow::bail!("GET of {key} answered {status}: {}", reply.text()),
        }
    }

    /// Puts an object there, as anyone might who is not the host.
    pub fn put(&self, key: &str, content: &[u8], headers: &[(&str, &str)]) -> anyhow::Result<()> {
        let reply = self.ask("PUT", key, headers, content)?;
        ensure!(reply.status == 200, "PUT of {key} answered {}: {}", reply.status, reply.text());
        Ok(())
    }

    /// All keys, in the order of their bytes.
    pub fn keys(&self) -> anyhow::Result<Vec<String>> {
        let path = format!("/{}?list-type=2&max-keys=1000", self.bucket);
        let reply = exchange::ask(self.address, "GET", &path, &[], b"")?;
        let text = reply.text();
        ensure!(reply.status == 200, "the list of objects: {}: {text}", reply.status);
        ensure!(!text.contains("<IsTruncated>true"), "there are more than 1,000 objects");
        let keys = text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0));
        Ok(keys.map(unescaped).collect())
    }

    /// What it printed of its requests.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    fn ask(&self, method: &str, key: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Reply> {
        let path = format!("/{}/{}", self.bucket, encode_path(key));
        exchange::ask(self.address, method, &path, headers, body)
    }
}

impl Object {
    pub fn content(&self) -> &[u8] {
        &self.reply.body
    }

    /// The value of `x-amz-meta-NAME`.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.header(&format!("x-amz-meta-{name}"))
    }

    /// The first header of this name, which is lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.reply.header(name)
    }
}

fn serve(command: &Command, folder: &Folder, address: SocketAddr) -> anyhow::Result<Process> {
    let mut process = Process::start("gofakes3", command, folder.path())?;
    let answers = || exchange::ask(address, "GET", "/", &[], b"").is_ok_and(|reply| reply.status == 200);
    wait::until(STARTED, "gofakes3", || process.status().is_some() || answers())
        .with_context(|| format!("its last lines:\n{}", process.last_lines()))?;
    ensure!(process.status().is_none(), "gofakes3 ended: {}", process.last_lines());
    Ok(process)
}

/// The text of an XML element without others in it.
fn unescaped(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (name, character)| text.replace(name, character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{is_quick, say_skipped};

    #[test]
    fn an_object_is_read_back_with_its_metadata_and_outlives_a_kill() {
        if is_quick() {
            say_skipped("an_object_is_read_back_with_its_metadata_and_outlives_a_kill", "needs Go");
            return;
        }
        let mut server = S3::start("archive").unwrap();
        let key = "a/ü & b+1.pdf";
        assert_eq!(server.object(key).unwrap(), None);
        let headers = [("content-type", "application/pdf"), ("x-amz-meta-title", "A")];
        server.put(key, b"%PDF\0\xff", &headers).unwrap();
        let conditional = [("if-none-match", "*")];
        assert!(server.put(key, b"other", &conditional).unwrap_err().to_string().contains("412"));
        let wrong = [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")];
        assert!(server.put(key, b"other", &wrong).unwrap_err().to_string().contains("BadDigest"));
        server.kill().unwrap();
        assert!(server.object(key).is_err());
        server.start_again().unwrap();
        let object = server.object(key).unwrap().unwrap();
        assert_eq!((object.content(), object.metadata("title")), (&b"%PDF\0\xff"[..], Some("A")));
        assert_eq!(object.header("content-type"), Some("application/pdf"));
        assert_eq!(server.keys().unwrap(), [key]);
    }
}
