//! A real MariaDB for the tests: Debian's, in a folder of its own, on loopback.
//!
//! What is in it is read by its own client, `mariadb`, through its socket.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::certificates::Certified;
use crate::folder::Folder;
use crate::port;
use crate::process::Process;
use crate::wait;

/// Starting takes two seconds on an idle machine.
const STARTED: Duration = Duration::from_secs(60);

/// The user that may do everything in [`DATABASE`].
pub const USER: &str = "owner";
pub const PASSWORD: &str = "owner-5c1d";
pub const DATABASE: &str = "records";

/// A running server. Dropped, it is gone.
#[derive(Debug)]
pub struct MariaDb {
    process: Process,
    command: Command,
    address: SocketAddr,
    folder: Folder,
}

impl MariaDb {
    /// Starts one and waits until it answers. With a certificate, it takes connections over the network by TLS alone.
    pub fn start(certified: Option<&Certified>) -> anyhow::Result<Self> {
        let folder = Folder::new("mariadb")?;
        let data = folder.path().join("data");
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
        // Two at a time would meet in the common one.
        install.arg(format!("--tmpdir={}", folder.path().display()));
        install.arg(format!("--datadir={}", data.display())).args(user()?);
        let output = install.output().context(
            "MariaDB is missing; `cargo verify` installs it as root, or `apt-get install mariadb-server`; \
             LIAISON_TESTS=quick leaves it out",
        )?;
        ensure!(output.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&output.stderr));
        let address = port::free()?;
        let mut command = Command::new("mariadbd");
        command.arg("--no-defaults").arg(format!("--datadir={}", data.display())).args(user()?);
        command.arg(format!("--socket={}", folder.path().join("socket").display()));
        command.args(["--bind-address=127.0.0.1", &format!("--port={}", address.port())]);
        command.args([
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=16M",
            "--skip-name-resolve",
        ]);
        if let Some(certified) = certified {
            for (option, name, pem) in
                [("cert", "server.crt", &certified.certificate), ("key", "server.key", &certified.key)]
            {
                command.arg(format!("--ssl-{option}={}", folder.write(name, pem)?.display()));
            }
            command.arg("--require-secure-transport=ON");
        }
        let process = Process::start("mariadbd", &command, folder.path())?;
        let server = Self { process, command, address, folder };
        wait::until(STARTED, "MariaDB", || server.answers())
            .with_context(|| format!("its last lines:\n{}", server.process.last_lines()))?;
        let make = format!(
            "create database {DATABASE}; create user {USER}@'127.0.0.1' identified by '{PASSWORD}'; \
             grant all on {DATABASE}.* to {USER}@'127.0.0.1'"
        );
        server.client("mysql", &make)?;
        Ok(server)
    }

    /// `mysql://127.0.0.1:PORT/records`
    pub fn url(&self) -> String {
        format!("mysql://{}/{DATABASE}", self.address)
    }

    /// What its client prints of these statements: a row a line, tabs between its values.
    pub fn query(&self, sql: &str) -> anyhow::Result<String> {
        self.client(DATABASE, sql)
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Starts it again with what it holds, and waits until it answers.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = Process::start("mariadbd", &self.command, self.folder.path())?;
        wait::until(STARTED, "MariaDB to start again", || self.answers())
            .with_context(|| format!("its last lines:\n{}", self.process.last_lines()))
    }

    fn answers(&self) -> bool {
        self.client("mysql", "select 1").is_ok()
    }

    fn client(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--batch", "--skip-column-names", "--user=root", "--protocol=socket"]);
        client.arg(format!("--socket={}", self.folder.path().join("socket").display()));
        let output = client.args([database, "-e", sql]).output().context("mariadb could not be run")?;
        ensure!(output.status.success(), "mariadb: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

/// It does not run as root unless it is told to.
fn user() -> anyhow::Result<Option<&'static str>> {
    Ok((std::fs::metadata("/proc/self")?.uid() == 0).then_some("--user=root"))
}
