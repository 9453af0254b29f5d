//! Opens connections: resolve, check every address, connect to one that passed, speak TLS where the scheme says so.
//!
//! The address that was checked is the one that is dialled; there is no second look-up, no proxy and no way around.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;
use url::Host;

use super::address::refusal;
use super::origin::Origin;
use super::tls::HTTP2;
use crate::contract::Failure;

/// How one connector dials.
pub(super) struct Dialer {
    pub(super) allow_networks: Vec<IpNet>,
    /// For the whole of it: looking up, connecting, TLS.
    pub(super) connect_timeout: Duration,
    pub(super) names: Names,
}

/// What is dialled, and what people call it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) host: &'a Host,
    pub(super) port: u16,
    pub(super) shown: &'a dyn Display,
}

/// Who says at which addresses a name is.
pub(super) enum Names {
    /// The machine's resolver.
    System,
    /// One answer a look-up, until there is none left.
    #[cfg(test)]
    Scripted(std::cell::RefCell<std::collections::VecDeque<Vec<IpAddr>>>),
}

impl Names {
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<IpAddr>> {
        match self {
            Names::System => Ok(lookup_host((name, port)).await?.map(|address| address.ip()).collect()),
            #[cfg(test)]
            Names::Scripted(answers) => Ok(answers.borrow_mut().pop_front().unwrap_or_default()),
        }
    }
}

impl Dialer {
    /// A connection to this origin.
    pub(super) async fn dial(&self, origin: &Origin) -> Result<Stream, Failure> {
        timeout(self.connect_timeout, self.open(origin)).await.unwrap_or_else(|_| {
            Err(Failure::Connection(format!("{origin} did not answer within {:?}", self.connect_timeout)))
        })
    }

    async fn open(&self, origin: &Origin) -> Result<Stream, Failure> {
        let place = Place { host: &origin.host, port: origin.port, shown: origin };
        let connection = self.tcp(&place).await?;
        let Some(security) = &origin.security else {
            return Ok(Stream::Plain(connection));
        };
        let stream = security
            .connector
            .connect(security.name.clone(), connection)
            .await
            .map_err(|error| Failure::Connection(format!("TLS with {origin}: {error}")))?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// A bare connection, on which nothing is said yet. The caller sees to the time that it takes in all.
    pub(super) async fn tcp(&self, place: &Place<'_>) -> Result<TcpStream, Failure> {
        let end = Instant::now() + self.connect_timeout;
        connect(place, &self.addresses(place).await?, end).await
    }

    /// The addresses of it that may be dialled.
    pub(super) async fn addresses(&self, place: &Place<'_>) -> Result<Vec<IpAddr>, Failure> {
        permitted(place, self.resolve(place).await?, &self.allow_networks)
    }

    async fn resolve(&self, place: &Place<'_>) -> Result<Vec<IpAddr>, Failure> {
        match place.host {
            Host::Ipv4(address) => Ok(vec![IpAddr::V4(*address)]),
            Host::Ipv6(address) => Ok(vec![IpAddr::V6(*address)]),
            Host::Domain(name) => self
                .names
                .look_up(name, place.port)
                .await
                .map_err(|error| Failure::Connection(format!("looking up {name}: {error}"))),
        }
    }
}

/// Those that may be dialled. If there is none, the reason why the first may not.
fn permitted(
    place: &Place<'_>,
    addresses: Vec<IpAddr>,
    allow_networks: &[IpNet],
) -> Result<Vec<IpAddr>, Failure> {
    let mut reason = None;
    let mut passed = addresses;
    passed.retain(|address| match refusal(*address, allow_networks) {
        None => true,
        Some(kind) => {
            reason.get_or_insert((*address, kind));
            false
        }
    });
    match reason {
        _ if !passed.is_empty() => Ok(passed),
        None => Err(Failure::Connection(format!("looking up {}: no address", place.host))),
        Some((address, kind)) => {
            let granted: Vec<String> = allow_networks.iter().map(IpNet::to_string).collect();
            let granted = if granted.is_empty() { "none".to_owned() } else { granted.join(", ") };
            Err(Failure::NotAllowed(format!(
                "asked {}, which is at {address} ({kind}); granted networks beside the public ones: {granted}; the connector's \
                 `allow-networks` grants them",
                place.shown
            )))
        }
    }
}

/// One after another, each with an equal share of the time that is left.
async fn connect(place: &Place<'_>, addresses: &[IpAddr], end: Instant) -> Result<TcpStream, Failure> {
    let mut failure = String::new();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let now = Instant::now();
        let share = end.saturating_duration_since(now) / left;
        left -= 1;
        failure =
            match timeout_at(now + share, TcpStream::connect(SocketAddr::new(*address, place.port))).await {
                Ok(Ok(connection)) => match connection.set_nodelay(true) {
                    Ok(()) => return Ok(connection),
                    Err(error) => format!("{address}: {error}"),
                },
                Ok(Err(error)) => format!("{address}: {error}"),
                Err(_) => format!("{address}: no answer within {share:?}"),
            };
    }
    Err(Failure::Connection(format!("connecting to {}: {failure}", place.shown)))
}

/// A connection, plain or secured.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Did the server choose HTTP/2? Without TLS it is never spoken.
    pub(super) fn is_http2(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(HTTP2),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::origin::{Grants, OriginIndex};
    use crate::egress::tests::settings;

    /// DNS rebinding: a name that is at a public address when it is looked at, and at a private one when it is dialled.
    #[tokio::test]
    async fn a_name_is_looked_up_once_a_dial_and_judged_each_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://rebound.example:{}", listener.local_addr().unwrap().port());
        let grants = Grants::new(&settings(&url)).unwrap();
        let origin = grants.origin(OriginIndex::ENDPOINT);
        let answers: [&[&str]; 4] =
            [&["127.0.0.1"], &["169.254.169.254", "10.0.0.1"], &["::ffff:10.0.0.1"], &["127.0.0.1"]];
        let answers = answers.iter().map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect());
        let dialer = Dialer {
            allow_networks: vec!["127.0.0.1/32".parse().unwrap()],
            connect_timeout: Duration::from_secs(5),
            names: Names::Scripted(std::cell::RefCell::new(answers.collect())),
        };
        for expected in [None, Some("169.254.169.254 (a cloud's metadata service)"), Some("(private)"), None]
        {
            match (dialer.dial(origin).await, expected) {
                (Ok(_), None) => drop(listener.accept().await.unwrap()),
                (Err(Failure::NotAllowed(why)), Some(part)) => assert!(why.contains(part), "{why}"),
                (found, _) => panic!("{expected:?}: {:?}", found.err()),
            }
        }
        let Names::Scripted(left) = &dialer.names else { panic!("they are scripted") };
        assert!(left.borrow().is_empty());
    }

    #[test]
    fn only_addresses_that_passed_are_dialled() {
        let grants = Grants::new(&settings("http://h")).unwrap();
        let origin = grants.origin(OriginIndex::ENDPOINT);
        type Texts = &'static [&'static str];
        let cases: [(Texts, Texts, Result<Texts, &str>); 5] = [
            (&["8.8.8.8", "127.0.0.1", "1.1.1.1"], &[], Ok(&["8.8.8.8", "1.1.1.1"])),
            (&["127.0.0.1"], &["127.0.0.0/8"], Ok(&["127.0.0.1"])),
            (
                &["::1", "10.0.0.1"],
                &[],
                Err(
                    "asked http://h, which is at ::1 (loopback); granted networks beside the public ones: none; the connector's \
                     `allow-networks` grants them",
                ),
            ),
            (&["10.0.0.1"], &["10.1.0.0/16"], Err("public ones: 10.1.0.0/16")),
            (&[], &[], Err("no address")),
        ];
        for (addresses, allow, expected) in cases {
            let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            let allow: Vec<IpNet> = allow.iter().map(|text| text.parse().unwrap()).collect();
            let place = Place { host: &origin.host, port: origin.port, shown: origin };
            match (permitted(&place, addresses, &allow), expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found.iter().map(IpAddr::to_string).collect::<Vec<_>>(), expected);
                }
                (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
                (found, _) => panic!("{found:?}"),
            }
        }
    }
}
