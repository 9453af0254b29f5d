//! A real CalDAV server for the tests: Radicale, with a calendar on loopback, and people who use it by a client library.
//!
//! Both come by [`liaison_tasks::python`]; the server ends with the value, and what it keeps is gone then.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use liaison_tasks::python;
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::process::Process;
use crate::{host, port};

/// Starting takes a second on an idle machine.
const STARTED: Duration = Duration::from_secs(60);
/// The folder that calendars stand in, and the user who may write there.
pub const USER: &str = "team";
const PASSWORD: &str = "secret-5e1d";
/// The calendar's path.
pub const CALENDAR: &str = "/team/calendar/";

/// A server, running or stopped. Dropped, it is gone.
#[derive(Debug)]
pub struct CalDavServer {
    home: PathBuf,
    command: Command,
    process: Option<Process>,
    address: SocketAddr,
    asks_for_password: bool,
    folder: Folder,
}

impl CalDavServer {
    /// Starts one that lets everybody in, and makes the calendar. Fetches Radicale if that was not done yet.
    pub fn start() -> anyhow::Result<Self> {
        let server = Self::start_empty(false)?;
        server.make_calendar()?;
        Ok(server)
    }

    /// The same, letting only [`USER`] in, with [`CalDavServer::password`].
    pub fn start_with_password() -> anyhow::Result<Self> {
        let server = Self::start_empty(true)?;
        server.make_calendar()?;
        Ok(server)
    }

    /// With the folder for calendars, and no calendar in it.
    pub fn start_empty(asks_for_password: bool) -> anyhow::Result<Self> {
        let home = python::prepare(&python::CALDAV)?;
        let folder = Folder::new("caldav")?;
        folder.write("people.py", include_str!("caldav/people.py"))?;
        let users = folder.write("users", &format!("{USER}:{PASSWORD}\n"))?;
        let program = folder.write("server.py", include_str!("caldav/server.py"))?;
        let address = port::free()?;
        let mut command = python::python(&home);
        command.arg(program).args(["--hosts", &address.to_string(), "--storage-filesystem-folder"]);
        command.arg(folder.path().join("calendars"));
        match asks_for_password {
            false => command.args(["--auth-type", "none"]),
            true => command
                .args(["--auth-type", "htpasswd", "--auth-htpasswd-encryption", "plain", "--auth-delay", "0"])
                .arg("--auth-htpasswd-filename")
                .arg(users),
        };
        let mut server = Self { home, command, process: None, address, asks_for_password, folder };
        server.start_again()?;
        if !asks_for_password {
            // Who logs in has a folder; who does not must make it.
            server.ask("MKCOL", &format!("/{USER}/"), "")?;
        }
        Ok(server)
    }

    /// Starts it where it was, with what it kept, and waits until it listens.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.stop()?;
        let process = Process::start("radicale", &self.command, self.folder.path())?;
        process.wait_for_line("Radicale server ready", STARTED)?;
        self.process = Some(process);
        Ok(())
    }

    /// Kills it: connections are refused from now on.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Makes [`CALENDAR`].
    pub fn make_calendar(&self) -> anyhow::Result<()> {
        self.ask("MKCALENDAR", CALENDAR, "").map(drop)
    }

    /// What a client library reads: each appointment, and each exception from one, by UID.
    pub fn events(&self) -> anyhow::Result<Vec<Value>> {
        let events = self.people("read", json!({}))?;
        Ok(events.as_array().cloned().unwrap_or_default())
    }

    /// The appointment of this UID, as a client library reads it.
    pub fn event(&self, uid: &str) -> anyhow::Result<Value> {
        let mut events = self.events()?;
        events.retain(|event| event["uid"] == uid && event["recurrence-id"].is_null());
        ensure!(events.len() == 1, "{} appointments are called {uid}: {events:#?}", events.len());
        Ok(events.remove(0))
    }

    /// Begin, end and title of each time that something takes place, by a library that knows recurrence and zones.
    pub fn occurrences(&self, from: &str, to: &str) -> anyhow::Result<Value> {
        self.people("occurrences", json!({ "from": from, "to": to }))
    }

    /// Somebody changes an appointment: `change` says what, in the words of `people.py`.
    pub fn change(&self, uid: &str, mut change: Value) -> anyhow::Result<()> {
        change["uid"] = uid.into();
        self.people("change", change).map(drop)
    }

    /// Somebody removes an appointment.
    pub fn delete(&self, uid: &str) -> anyhow::Result<()> {
        self.people("delete", json!({ "uid": uid })).map(drop)
    }

    /// Puts a resource into the calendar as it is.
    pub fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.ask("PUT", &format!("{CALENDAR}{name}"), text).map(drop)
    }

    /// A resource of the calendar as it is kept.
    pub fn text(&self, name: &str) -> anyhow::Result<String> {
        self.ask("GET", &format!("{CALENDAR}{name}"), "")
    }

    fn people(&self, word: &str, mut order: Value) -> anyhow::Result<Value> {
        order["url"] = format!("{}{CALENDAR}", self.url()).into();
        if self.asks_for_password {
            order["user"] = USER.into();
            order["password"] = PASSWORD.into();
        }
        let mut python = python::python(&self.home);
        python.arg(self.folder.path().join("people.py")).arg(word);
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("it reads")?.write_all(order.to_string().as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{word} {order}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Sends a request and gives the body of its answer, which must be a success.
    fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
        let mut rest =
            format!("content-type: text/calendar; charset=utf-8\r\ncontent-length: {}\r\n", body.len());
        if self.asks_for_password {
            let credential = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
            write!(rest, "authorization: Basic {credential}\r\n")?;
        }
        write!(rest, "\r\n{body}")?;
        let (status, text) = host::ask(self.address, method, path, &rest, STARTED)?;
        ensure!((200..300).contains(&status), "{method} {path} answered {status}: {text}");
        Ok(text)
    }
}
