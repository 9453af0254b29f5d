//! A mail server on loopback: speaks enough SMTP (RFC 5321) for a client to hand in messages, keeps what it took, and
//! refuses on demand. It may want TLS and a user. It delivers nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::Certified;
use crate::port;

/// A client that says nothing for that long is hung up on.
const SILENCE: Duration = Duration::from_secs(60);

/// One message, and what it was answered.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: Vec<String>,
    /// Headers and text as sent, dots undone.
    pub data: String,
    /// The code that its end was answered with.
    pub code: u16,
}

impl Mail {
    pub fn is_accepted(&self) -> bool {
        self.code == 250
    }

    /// The value of a header on one line.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.data.split_once("\n\n")?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn text(&self) -> &str {
        self.data.split_once("\n\n").map_or("", |(_, text)| text)
    }
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// With the first byte (RFC 8314).
    AtOnce,
    /// When the client asks for it (RFC 3207); nothing else is taken before.
    OnDemand,
}

/// How a server is protected.
#[derive(Debug)]
struct Protection {
    tls: Tls,
    config: Arc<ServerConfig>,
    /// What the client must say after `AUTH PLAIN` (RFC 4616).
    credential: String,
}

/// A running mail server. Its port is closed with the process.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    protection: Option<Protection>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    code: u16,
    mails: Vec<Mail>,
    /// The first word of each line that came in the clear.
    clear_words: Vec<String>,
    /// Connections on which TLS did not come about.
    broken: usize,
}

impl MailServer {
    /// Starts one that answers each message with this code: 250 takes it, 451 and 554 refuse it, for now and for good.
    /// It knows no TLS and no users.
    pub fn start(code: u16) -> anyhow::Result<Self> {
        Self::start_with(code, None)
    }

    /// The same, which takes messages over TLS alone, and from this user with this password alone.
    pub fn start_protected(
        code: u16,
        tls: Tls,
        certified: &Certified,
        (user, password): (&str, &str),
    ) -> anyhow::Result<Self> {
        let certificate = CertificateDer::from_pem_slice(certified.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes())?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        let credential = STANDARD.encode(format!("\0{user}\0{password}"));
        Self::start_with(code, Some(Protection { tls, config: Arc::new(config), credential }))
    }

    fn start_with(code: u16, protection: Option<Protection>) -> anyhow::Result<Self> {
        let listener = port::listen()?;
        let address = listener.local_addr()?;
        let state = Mutex::new(State { code, mails: Vec::new(), clear_words: Vec::new(), broken: 0 });
        let shared = Arc::new(Shared { protection, state, changed: Condvar::new() });
        let server = Arc::clone(&shared);
        thread::Builder::new().name("mail".into()).spawn(move || serve(&listener, &server))?;
        Ok(Self { address, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers messages with this code from now on.
    pub fn answer(&self, code: u16) {
        self.shared.state.lock().expect("no holder panics").code = code;
    }

    /// Every message so far, in the order in which they came, refused ones too.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.state.lock().expect("no holder panics").mails.clone()
    }

    /// The commands that came in the clear, in their order.
    pub fn clear_words(&self) -> Vec<String> {
        self.shared.state.lock().expect("no holder panics").clear_words.clone()
    }

    /// Blocks until so many messages have come.
    pub fn wait_for(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        self.wait_for_count(count, "messages", limit, |state| state.mails.len())
    }

    /// Blocks until TLS has failed on so many connections.
    pub fn wait_for_broken(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        self.wait_for_count(count, "broken handshakes", limit, |state| state.broken)
    }

    fn wait_for_count(
        &self,
        count: usize,
        what: &str,
        limit: Duration,
        found: impl Fn(&State) -> usize,
    ) -> anyhow::Result<()> {
        let state = self.shared.state.lock().map_err(|_| anyhow!("the mail server panicked"))?;
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| found(state) < count);
        let (state, _) = waited.map_err(|_| anyhow!("the mail server panicked"))?;
        let found = found(&state);
        ensure!(found >= count, "{found} of {count} {what} within {limit:?}");
        Ok(())
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().flatten() {
        let shared = Arc::clone(shared);
        // A client that goes away in between is no fault of the test.
        thread::spawn(move || drop(talk(stream, &shared)));
    }
}

/// A connection, in the clear or not.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// One connection of a client.
struct Session<'a> {
    shared: &'a Shared,
    stream: BufReader<Box<dyn Stream>>,
    is_tls: bool,
    is_known: bool,
    to: Vec<String>,
}

fn talk(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let stream = BufReader::new(Box::new(stream) as Box<dyn Stream>);
    let mut session = Session { shared, stream, is_tls: false, is_known: false, to: Vec::new() };
    if shared.protection.as_ref().is_some_and(|protection| protection.tls == Tls::AtOnce) {
        session = session.protected()?;
    }
    session.say("220 test")?;
    while let Some(line) = session.line()? {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let word = word.to_ascii_uppercase();
        if !session.is_tls {
            shared.state.lock().expect("no holder panics").clear_words.push(word.clone());
        }
        if word == "STARTTLS" && shared.protection.is_some() && !session.is_tls {
            session.say("220 go on")?;
            session = session.protected()?;
        } else if session.answer(&word, rest)? {
            return Ok(());
        }
    }
    Ok(())
}

impl Session<'_> {
    /// Answers a command; `true` after the last.
    fn answer(&mut self, word: &str, rest: &str) -> io::Result<bool> {
        let wanted = self.shared.protection.as_ref();
        match word {
            "QUIT" => return self.say("221 bye").map(|()| true),
            "EHLO" => match wanted {
                None => self.say("250-test\r\n250 8BITMIME")?,
                Some(_) if self.is_tls => self.say("250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN")?,
                Some(_) => self.say("250-test\r\n250 STARTTLS")?,
            },
            _ if wanted.is_some() && !self.is_tls => self.say("530 TLS first")?,
            "AUTH" => {
                let credential = wanted.map(|protection| format!("PLAIN {}", protection.credential));
                self.is_known = credential.as_deref() == Some(rest);
                self.say(if self.is_known { "235 welcome" } else { "535 who are you" })?;
            }
            _ if wanted.is_some() && !self.is_known => self.say("530 a user first")?,
            "MAIL" => {
                self.to.clear();
                self.say("250 ok")?;
            }
            "RCPT" => {
                let address = rest.trim_start_matches("TO:<").trim_end_matches('>');
                self.to.push(address.to_owned());
                self.say("250 ok")?;
            }
            "DATA" => self.data()?,
            _ => self.say("502 unknown")?,
        }
        Ok(false)
    }

    fn data(&mut self) -> io::Result<()> {
        self.say("354 go on")?;
        let mut data = String::new();
        while let Some(line) = self.line()?.filter(|line| line != ".") {
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push('\n');
        }
        let code = keep(self.shared, self.to.clone(), data);
        self.say(&format!("{code} as told"))
    }

    /// The next line without its end; `None` when the client has hung up.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line)?;
        Ok((length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        let stream = self.stream.get_mut();
        write!(stream, "{text}\r\n")?;
        stream.flush()
    }

    /// The same over TLS from now on.
    fn protected(self) -> io::Result<Self> {
        let Self { shared, stream, to, .. } = self;
        let protection = shared.protection.as_ref().expect("asked for before");
        let connection = ServerConnection::new(Arc::clone(&protection.config)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream.into_inner());
        while stream.conn.is_handshaking() {
            if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
                shared.state.lock().expect("no holder panics").broken += 1;
                shared.changed.notify_all();
                return Err(error);
            }
        }
        let stream = BufReader::new(Box::new(stream) as Box<dyn Stream>);
        Ok(Self { shared, stream, is_tls: true, is_known: false, to })
    }
}

fn keep(shared: &Shared, to: Vec<String>, data: String) -> u16 {
    let mut state = shared.state.lock().expect("no holder panics");
    let code = state.code;
    state.mails.push(Mail { to, data, code });
    shared.changed.notify_all();
    code
}
