//! One request over a connection of its own, to read back what an external system holds, or to change it behind the
//! host's back.
//!
//! HTTP/1.0, so that the end of the connection is the end of the body. It knows no system in particular.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

const PATIENCE: Duration = Duration::from_secs(30);

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Names are lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of this name, which is lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks for a path, which is percent-encoded already.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> anyhow::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n")?;
    }
    write!(head, "content-length: {}\r\n\r\n", body.len())?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).with_context(|| format!("reading the reply to {method} {path}"))?;
    read(&reply).with_context(|| format!("the reply to {method} {path}"))
}

fn read(reply: &[u8]) -> anyhow::Result<Reply> {
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").context("its head has no end")?;
    let head = String::from_utf8_lossy(&reply[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Ok(Reply {
        status: status.context("it has no status")?,
        headers: headers.collect(),
        body: reply[end + 4..].to_vec(),
    })
}

/// A path of these segments, `/` between them: everything but RFC 3986's unreserved characters is percent-encoded.
pub fn encode_path(path: &str) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{Answer, Behaviour, System};

    #[test]
    fn a_reply_is_read_with_its_head_and_its_bytes() {
        let answers =
            Behaviour::from_fn(|request| Answer::status(201).with_body(request.path.to_owned().into_bytes()));
        let system = System::start("echo", answers).unwrap();
        let path = encode_path("/a b/ü+.pdf");
        assert_eq!(path, "/a%20b/%C3%BC%2B.pdf");
        let reply = ask(system.address(), "PUT", &path, &[("x-tenant", "north")], b"\0\xff").unwrap();
        assert_eq!((reply.status, reply.text()), (201, path));
        let length = reply.body.len().to_string();
        assert_eq!(reply.header("content-length"), Some(length.as_str()));
        let entry = &system.ledger()[0];
        assert_eq!((&entry.body[..], entry.headers["x-tenant"].as_bytes()), (&b"\0\xff"[..], &b"north"[..]));
    }
}
