//! A mail server on loopback: speaks enough SMTP (RFC 5321) for a client to hand in messages, keeps what it took, and
//! refuses on demand. It delivers nothing and knows no TLS.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure};

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

/// A running mail server. Its port is closed with the process.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    code: u16,
    mails: Vec<Mail>,
}

impl MailServer {
    /// Starts one that answers each message with this code: 250 takes it, 451 and 554 refuse it, for now and for good.
    pub fn start(code: u16) -> anyhow::Result<Self> {
        let listener = port::listen()?;
        let address = listener.local_addr()?;
        let state = Mutex::new(State { code, mails: Vec::new() });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
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

    /// Blocks until so many messages have come.
    pub fn wait_for(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        let state = self.shared.state.lock().map_err(|_| anyhow!("the mail server panicked"))?;
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| state.mails.len() < count);
        let (state, _) = waited.map_err(|_| anyhow!("the mail server panicked"))?;
        let found = state.mails.len();
        ensure!(found >= count, "{found} of {count} messages within {limit:?}");
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

fn talk(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut to = Vec::new();
    write!(stream, "220 test\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let (word, rest) = line.split_at(line.len().min(4));
        match word.to_ascii_uppercase().as_str() {
            "EHLO" => write!(stream, "250-test\r\n250 8BITMIME\r\n")?,
            "MAIL" => {
                to.clear();
                write!(stream, "250 ok\r\n")?;
            }
            "RCPT" => {
                let address = rest.trim_start_matches(" TO:<").trim_end_matches('>');
                to.push(address.to_owned());
                write!(stream, "250 ok\r\n")?;
            }
            "DATA" => {
                write!(stream, "354 go on\r\n")?;
                let mut data = String::new();
                while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
                    data.push_str(line.strip_prefix('.').unwrap_or(&line));
                    data.push('\n');
                }
                let code = keep(shared, to.clone(), data);
                write!(stream, "{code} as told\r\n")?;
            }
            "QUIT" => return write!(stream, "221 bye\r\n"),
            _ => write!(stream, "502 unknown\r\n")?,
        }
    }
    Ok(())
}

fn keep(shared: &Shared, to: Vec<String>, data: String) -> u16 {
    let mut state = shared.state.lock().expect("no holder panics");
    let code = state.code;
    state.mails.push(Mail { to, data, code });
    shared.changed.notify_all();
    code
}
