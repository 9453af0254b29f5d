//! A real PostgreSQL for the tests: Debian's, in a folder of its own, on loopback. It can be killed and started again.
//!
//! Who is logged in to proves it by a password (SCRAM). What is in it is read by its own client, `psql`.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::certificates::Certified;
use crate::folder::Folder;
use crate::port;
use crate::process::Process;
use crate::wait;

/// Starting takes a second on an idle machine.
const STARTED: Duration = Duration::from_secs(60);

/// The user that owns everything in it.
pub const USER: &str = "owner";
pub const PASSWORD: &str = "owner-5c1d";
/// The database that is there from the beginning.
pub const DATABASE: &str = "postgres";

/// A running or killed server. Dropped, it is gone.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    command: Command,
    address: SocketAddr,
    folder: Folder,
}

impl Postgres {
    /// Starts one and waits until it answers. With a certificate, it takes connections by TLS alone.
    pub fn start(certified: Option<&Certified>) -> anyhow::Result<Self> {
        let folder = Folder::new("postgres")?;
        let programs = programs()?;
        let data = folder.path().join("data");
        let password = folder.write("password", PASSWORD)?;
        own(folder.path())?;
        let mut initdb = unprivileged(&programs.join("initdb"))?;
        initdb.args(["--no-sync", "--auth", "scram-sha-256", "--encoding", "UTF8", "--username", USER]);
        initdb.arg("--pwfile").arg(password).arg("--pgdata").arg(&data);
        run(&mut initdb)?;
        let address = port::free()?;
        let mut command = unprivileged(&programs.join("postgres"))?;
        command.arg("-D").arg(&data).arg("-k").arg(folder.path());
        command.args([
            "-p",
            &address.port().to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ]);
        if let Some(certified) = certified {
            std::fs::write(data.join("server.crt"), &certified.certificate)?;
            std::fs::write(data.join("server.key"), &certified.key)?;
            run(Command::new("chmod").arg("600").arg(data.join("server.key")))?;
            std::fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n")?;
            own(folder.path())?;
            command.args(["-c", "ssl=on"]);
        }
        let process = Process::start("postgres", &command, folder.path())?;
        let server = Self { process, command, address, folder };
        server.wait_ready()?;
        Ok(server)
    }

    /// `postgresql://127.0.0.1:PORT/postgres`
    pub fn url(&self) -> String {
        format!("postgresql://{}/{DATABASE}", self.address)
    }

    /// What `psql` prints of these statements, run by the owner: a row a line, `|` between its values.
    pub fn psql(&self, sql: &str) -> anyhow::Result<String> {
        let output = self.session(sql)?.output().context("psql could not be run")?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A session that is at these statements for as long as they take, or until it is dropped.
    pub fn busy_with(&self, sql: &str) -> anyhow::Result<Process> {
        Process::start("psql", &self.session(sql)?, self.folder.path())
    }

    fn session(&self, sql: &str) -> anyhow::Result<Command> {
        let mut psql = Command::new(programs()?.join("psql"));
        psql.args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--quiet",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
        ]);
        psql.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string(), "-U", USER, DATABASE]);
        psql.env("PGPASSWORD", PASSWORD).env("PGCONNECT_TIMEOUT", "10");
        Ok(psql)
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Starts it again with what it holds, and waits until it answers.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        // Processes of one that was killed may live a moment longer, and hold its folder.
        let started = || {
            let mut process = Process::start("postgres", &self.command, self.folder.path()).ok()?;
            let is_up = || process.status().is_some() || self.answers();
            wait::until(STARTED, "PostgreSQL", is_up).ok()?;
            process.status().is_none().then_some(process)
        };
        self.process = wait::until_some(STARTED, "PostgreSQL to start again", started)?;
        Ok(())
    }

    fn wait_ready(&self) -> anyhow::Result<()> {
        wait::until(STARTED, "PostgreSQL", || self.answers())
            .with_context(|| format!("its last lines:\n{}", self.process.last_lines()))
    }

    fn answers(&self) -> bool {
        self.psql("select 1").is_ok_and(|text| text == "1")
    }
}

/// The folder with the programs of the newest version.
fn programs() -> anyhow::Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = folders.map(|entry| entry.path()).max_by_key(number).map(|path| path.join("bin"));
    newest.filter(|path| path.join("postgres").exists()).context(
        "PostgreSQL is missing; `cargo verify` installs it as root, or `apt-get install postgresql`; \
         LIAISON_TESTS=quick leaves it out",
    )
}

fn is_root() -> anyhow::Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// PostgreSQL does not run as root: then it is run by the user that its package makes.
fn unprivileged(program: &Path) -> anyhow::Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    Ok(command)
}

fn own(folder: &Path) -> anyhow::Result<()> {
    match is_root()? {
        true => run(Command::new("chown").args(["-R", "postgres:postgres"]).arg(folder)),
        false => Ok(()),
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?} could not be run"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
