//! A real database of one of three kinds: started, asked by its own client, stopped and started again.

use std::process::Command;

use liaison_tests::folder::Folder;
use liaison_tests::mariadb::{self, MariaDb};
use liaison_tests::postgres::{self, Postgres};
use liaison_tests::process::Process;
use liaison_tests::{is_quick, say_skipped};

use crate::fixture::LIMIT;
use crate::sql::credential;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    MariaDb,
    Sqlite,
}

pub(super) struct Server {
    pub(super) kind: Kind,
    folder: Folder,
    running: Running,
}

enum Running {
    Postgres(Box<Postgres>),
    MariaDb(Box<MariaDb>),
    /// Who holds the file so that nobody else may write into it.
    Sqlite(Option<Process>),
}

/// Runs statements, each ended by `;` and a space, and prints the rows of the last.
const ASK_SQLITE: &str = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], timeout=30)\n\
                          c.execute('pragma foreign_keys = on')\n\
                          for s in sys.argv[2].split('; '):\n  r = c.execute(s).fetchall()\nc.commit()\n\
                          print('\\n'.join('|'.join('' if v is None else str(v) for v in row) for row in r))";

/// Holds the file until it is killed.
const HOLD_SQLITE: &str = "import sqlite3, sys, time\nc = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n\
                           c.execute('begin exclusive')\nprint('held', flush=True)\ntime.sleep(3600)";

impl Kind {
    pub(super) fn dialect(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::MariaDb => "mariadb",
            Kind::Sqlite => "sqlite",
        }
    }

    /// A type of column that may be a key.
    pub(super) fn text(self) -> &'static str {
        match self {
            Kind::Postgres | Kind::Sqlite => "text",
            Kind::MariaDb => "varchar(200)",
        }
    }

    pub(super) fn timestamp(self) -> &'static str {
        match self {
            Kind::Postgres => "timestamptz",
            Kind::MariaDb => "datetime(6)",
            Kind::Sqlite => "text",
        }
    }
}

impl Server {
    /// One with these tables; `None` where such a server is left out.
    pub(super) fn start(kind: Kind, test: &str, schema: &str) -> anyhow::Result<Option<Self>> {
        if kind != Kind::Sqlite && is_quick() {
            say_skipped(test, "needs a database server");
            return Ok(None);
        }
        let folder = Folder::new("database-scenario")?;
        folder.write("password", postgres::PASSWORD)?;
        let running = match kind {
            Kind::Postgres => Running::Postgres(Box::new(Postgres::start(None)?)),
            Kind::MariaDb => Running::MariaDb(Box::new(MariaDb::start(None)?)),
            Kind::Sqlite => Running::Sqlite(None),
        };
        let server = Self { kind, folder, running };
        server.ask(schema)?;
        Ok(Some(server))
    }

    pub(super) fn url(&self) -> String {
        match &self.running {
            Running::Postgres(server) => server.url(),
            Running::MariaDb(server) => server.url(),
            Running::Sqlite(_) => format!("sqlite://{}", self.file().display()),
        }
    }

    pub(super) fn credential(&self) -> anyhow::Result<String> {
        let password = self.folder.path().join("password");
        Ok(match self.kind {
            Kind::Postgres => credential(postgres::USER, &password),
            Kind::MariaDb => credential(mariadb::USER, &password),
            Kind::Sqlite => String::new(),
        })
    }

    /// The rows of the last statement: a row a line, `|` between its values, nothing for null.
    pub(super) fn ask(&self, sql: &str) -> anyhow::Result<String> {
        match &self.running {
            Running::Postgres(server) => server.psql(sql),
            Running::MariaDb(server) => Ok(server.query(sql)?.replace('\t', "|").replace("NULL", "")),
            Running::Sqlite(_) => {
                let mut python = Command::new("python3");
                let output = python.args(["-c", ASK_SQLITE]).arg(self.file()).arg(sql).output()?;
                anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Ok(String::from_utf8(output.stdout)?.trim().to_owned())
            }
        }
    }

    /// Nobody can use it any more: it is killed, or another program holds the file.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        let file = self.file();
        match &mut self.running {
            Running::Postgres(server) => server.kill(),
            Running::MariaDb(server) => server.kill(),
            Running::Sqlite(holder) => {
                let mut python = Command::new("python3");
                python.args(["-c", HOLD_SQLITE]).arg(file);
                let process = Process::start("holder", &python, self.folder.path())?;
                process.wait_for_line("held", LIMIT)?;
                *holder = Some(process);
                Ok(())
            }
        }
    }

    pub(super) fn start_again(&mut self) -> anyhow::Result<()> {
        match &mut self.running {
            Running::Postgres(server) => server.start_again(),
            Running::MariaDb(server) => server.start_again(),
            Running::Sqlite(holder) => holder.take().map_or(Ok(()), |mut holder| holder.kill()),
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("records.db")
    }
}
