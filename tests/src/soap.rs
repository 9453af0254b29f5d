//! A real SOAP server for the plugin `soap`: spyne with lxml, and compliance records that are written, read and deleted. It
//! can be killed and started again, may want a WS-Security UsernameToken, and is read back by zeep, the client of somebody
//! else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use liaison_tasks::python;
use serde_json::Value;

use crate::folder::Folder;
use crate::port;
use crate::process::Process;

/// Starting takes a second on an idle machine.
const STARTED: Duration = Duration::from_secs(60);

/// A running or killed server. Dropped, it is gone.
#[derive(Debug)]
pub struct SoapServer {
    process: Process,
    command: Command,
    client: PathBuf,
    home: PathBuf,
    address: SocketAddr,
    login: Option<(String, String)>,
    folder: Folder,
}

impl SoapServer {
    /// Starts one and waits until it listens. Fetches spyne if that was not done yet. With a user and a password, it takes
    /// calls of that user alone.
    pub fn start(login: Option<(&str, &str)>) -> anyhow::Result<Self> {
        let home = python::prepare(&python::SOAP)?;
        let folder = Folder::new("soap")?;
        let script = folder.write("server.py", include_str!("soap/server.py"))?;
        let client = folder.write("client.py", include_str!("soap/client.py"))?;
        let address = port::free()?;
        let mut command = python::python(&home);
        command.arg(script).arg(address.port().to_string()).arg(folder.path().join("records.json"));
        if let Some((user, password)) = login {
            command.env("LEGACY_USER", user).env("LEGACY_PASSWORD", password);
        }
        let process = Process::start("soap", &command, folder.path())?;
        process.wait_for_line("ready", STARTED)?;
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        Ok(Self { process, command, client, home, address, login, folder })
    }

    /// Kills it: whatever it held in memory alone is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Starts it again after [`SoapServer::kill`], with the records that it kept.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = Process::start("soap", &self.command, self.folder.path())?;
        self.process.wait_for_line("ready", STARTED)?;
        Ok(())
    }

    /// The same with another password, as an administrator would set it.
    pub fn restart_with(&mut self, user: &str, password: &str) -> anyhow::Result<()> {
        self.kill()?;
        self.command.env("LEGACY_USER", user).env("LEGACY_PASSWORD", password);
        self.login = Some((user.to_owned(), password.to_owned()));
        self.start_again()
    }

    /// Where it speaks this version of SOAP, `11` or `12`; anything else is a proxy that has lost its service.
    pub fn url(&self, version: &str) -> String {
        format!("http://{}/{version}", self.address)
    }

    /// The WSDL that it gives for this version.
    pub fn wsdl(&self, version: &str) -> anyhow::Result<PathBuf> {
        let fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())";
        let output = Command::new("python3")
            .args(["-c", fetch])
            .arg(format!("{}?wsdl", self.url(version)))
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.folder.write(&format!("{version}.wsdl"), std::str::from_utf8(&output.stdout)?.trim())
    }

    /// Calls an operation as somebody else would, by zeep. A failure is `{ "fault": …, "message": … }`.
    pub fn call(&self, version: &str, operation: &str, arguments: &Value) -> anyhow::Result<Value> {
        let mut client = python::python(&self.home);
        client.arg(&self.client).arg(self.url(version)).arg(operation).arg(arguments.to_string());
        if let Some((user, password)) = &self.login {
            client.args([user, password]);
        }
        let output = client.output().context("the client could not be run")?;
        let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{operation}: {log}");
        serde_json::from_str(&out).with_context(|| format!("{operation} printed {out}"))
    }

    /// What it printed of its calls since it was started, whoever made them.
    pub fn calls(&self) -> Vec<String> {
        self.process.lines().into_iter().filter(|line| line.starts_with("call ")).collect()
    }
}
