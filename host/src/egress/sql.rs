//! SQL effects: the statements of one transaction, performed in the database that the connector's endpoint is.
//!
//! ```text
//! statements as data ─▶ grant (allowed?) ─▶ a session of the pool, or a new one ─▶ begin, each statement, commit ─▶ results
//! ```
//!
//! In comes a request as the plugin wrote it, out goes what came of it: committed as a whole, or not at all. A session
//! whose transaction did not come to a known end is closed and never used again, so that a database rolls it back.

mod bounds;
mod grant;
mod login;
mod mysql;
mod pool;
mod postgres;
mod sqlite;
mod state;
mod value;

use std::rc::Rc;

use tokio::time::{Instant, timeout_at};
use url::Host;

use self::bounds::Budget;
use self::grant::Grant;
use self::mysql::MySql;
use self::pool::Pool;
use self::postgres::Postgres;
use self::sqlite::Sqlite;
use super::EgressError;
use super::dial::Dialer;
use crate::config::mask::Mask;
use crate::config::{Access, Database, Egress, Engine, database};
use crate::contract::{Failure, SqlError, SqlErrorKind, SqlRequest, SqlResponse, SqlResult, SqlStatement};

/// The database of one connector in one subscription.
pub(super) struct Sql {
    grant: Grant,
    access: Access,
    max_rows: usize,
    max_bytes: u64,
    server: Server,
}

/// Boxed where it is large: a gateway to HTTP is no larger for it.
enum Server {
    Postgres(Box<Pooled<Postgres>>),
    MySql(Box<Pooled<MySql>>),
    Sqlite(Rc<Sqlite>),
    /// None: what is asked is only checked.
    Nowhere,
}

/// A server with its sessions.
struct Pooled<S: Sessions> {
    server: S,
    pool: Rc<Pool<S::Session>>,
}

/// Opens sessions at one server.
trait Sessions {
    type Session: Session;

    /// Looks up, checks and dials the address, and logs in.
    async fn open(&self) -> Result<Self::Session, Ended>;
}

/// A connection that is logged in, and does one transaction at a time.
trait Session: 'static {
    fn is_open(&self) -> bool;

    /// The whole transaction in one go, from `begin` to `commit`; `None` where that cannot be. Refused, it is rolled back
    /// already, or by the end of the session.
    async fn run_at_once(
        &mut self,
        _request: &SqlRequest,
        _access: Access,
        _end: Instant,
        _budget: &mut Budget,
    ) -> Option<Result<Vec<SqlResult>, Ended>> {
        None
    }

    /// The server is told to give up by `end`, too.
    async fn begin(&mut self, access: Access, end: Instant) -> Result<(), Ended>;

    async fn run(&mut self, statement: &SqlStatement, budget: &mut Budget) -> Result<SqlResult, Ended>;

    async fn commit(&mut self) -> Result<(), Ended>;

    async fn rollback(&mut self) -> Result<(), Ended>;
}

/// How a transaction ended that was not committed.
#[derive(Debug, Clone, PartialEq)]
enum Ended {
    /// By the database, which is as well as before.
    Refused(SqlError),
    /// Somehow: the session is not to be used again.
    Failed(Failure),
}

impl Sql {
    /// Reads the password and the certificates now, so that a mistake is found before anything is consumed. Connects to
    /// nothing.
    pub(super) fn new(
        database: &Database,
        settings: &Egress,
        dialer: Rc<Dialer>,
        mask: &Mask,
    ) -> Result<Self, EgressError> {
        let server = match database.engine {
            Engine::Postgres => Server::Postgres(Pooled::new(
                Postgres::new(database, settings, dialer, mask)?,
                database,
                settings,
            )),
            Engine::MySql => {
                Server::MySql(Pooled::new(MySql::new(database, settings, dialer, mask)?, database, settings))
            }
            Engine::Sqlite => Server::Sqlite(Rc::new(Sqlite::new(database, settings)?)),
        };
        Ok(Self::at(server, database, settings))
    }

    /// Checks what is asked, and performs nothing.
    pub(super) fn unconnected(database: &Database, settings: &Egress) -> Self {
        Self::at(Server::Nowhere, database, settings)
    }

    fn at(server: Server, database: &Database, settings: &Egress) -> Self {
        Self {
            grant: Grant::of(database),
            access: database.access,
            max_rows: database.max_rows,
            max_bytes: settings.max_reply_bytes,
            server,
        }
    }

    /// Is it well formed and granted? SQLite alone tells only when it reads a statement.
    pub(super) fn check(&self, request: &SqlRequest) -> Result<(), Failure> {
        bounds::check(request)?;
        self.grant.check(request)
    }

    /// The most rows that one statement may give.
    pub(super) fn max_rows(&self) -> usize {
        self.max_rows
    }

    /// Performs one transaction by then. Dropped before it is done, it closes the session it was using.
    pub(super) async fn perform(&self, request: &SqlRequest, end: Instant) -> Result<SqlResponse, Failure> {
        self.check(request)?;
        let budget = Budget::new(self.max_rows, self.max_bytes);
        let performed = async {
            match &self.server {
                Server::Postgres(pooled) => pooled.perform(request, self.access, end, budget).await,
                Server::MySql(pooled) => pooled.perform(request, self.access, end, budget).await,
                Server::Sqlite(sqlite) => sqlite.perform(request, end, budget).await,
                Server::Nowhere => Err(Failure::Unsupported("nothing is performed here".to_owned()).into()),
            }
        };
        match timeout_at(end, performed).await {
            Ok(Ok(results)) => Ok(SqlResponse::Done(results)),
            Ok(Err(Ended::Refused(error))) => Ok(SqlResponse::Error(error)),
            Ok(Err(Ended::Failed(failure))) => Err(failure),
            Err(_) => Err(Failure::TimedOut),
        }
    }
}

impl<S: Sessions> Pooled<S> {
    fn new(server: S, database: &Database, settings: &Egress) -> Box<Self> {
        let pool = Pool::new(database.connections, settings.idle_timeout.min(super::LONGEST));
        Box::new(Self { server, pool })
    }

    async fn perform(
        &self,
        request: &SqlRequest,
        access: Access,
        end: Instant,
        mut budget: Budget,
    ) -> Result<Vec<SqlResult>, Ended> {
        let _room = self.pool.room().await;
        if let Some(mut session) = self.idle() {
            if let Some(done) = session.run_at_once(request, access, end, &mut budget).await {
                if done.as_ref().map_or_else(Ended::leaves_session, |_| true) {
                    self.pool.keep(session);
                }
                return done;
            }
            self.pool.keep(session);
        }
        let mut session = self.begun(access, end).await?;
        let done = run_all(&mut session, request, &mut budget).await;
        let is_as_before = match &done {
            Ok(_) => true,
            Err(ended) => ended.leaves_session() && session.rollback().await.is_ok(),
        };
        if is_as_before {
            self.pool.keep(session);
        }
        done
    }

    fn idle(&self) -> Option<S::Session> {
        std::iter::from_fn(|| self.pool.take()).find(Session::is_open)
    }

    /// A session that has begun a transaction. An idle one that turns out closed has done nothing: the next is tried, and
    /// at last a new one.
    async fn begun(&self, access: Access, end: Instant) -> Result<S::Session, Ended> {
        while let Some(mut session) = self.pool.take() {
            if session.is_open() && session.begin(access, end).await.is_ok() {
                return Ok(session);
            }
        }
        let mut session = self.server.open().await?;
        session.begin(access, end).await?;
        Ok(session)
    }
}

/// The server and the database that the endpoint names.
fn address(settings: &Egress) -> Result<(Host, String), EgressError> {
    let endpoint = &settings.endpoint;
    let address = database::host(endpoint).zip(database::name(endpoint));
    address.ok_or(EgressError::Endpoint {
        reason: "must name a server and one database, as postgresql://host/name",
    })
}

/// What a server's certificate must be for.
fn server_name(host: &Host) -> String {
    match host {
        Host::Domain(name) => name.clone(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

async fn run_all(
    session: &mut impl Session,
    request: &SqlRequest,
    budget: &mut Budget,
) -> Result<Vec<SqlResult>, Ended> {
    let mut results = Vec::with_capacity(request.statements.len());
    for (number, statement) in (0..).zip(&request.statements) {
        let result = session.run(statement, budget).await;
        results.push(result.map_err(|ended| ended.in_statement(number))?);
    }
    session.commit().await?;
    Ok(results)
}

impl Ended {
    /// Can the session be used again? Of rows that are too many, some may still be on their way.
    fn leaves_session(&self) -> bool {
        match self {
            Self::Refused(error) => error.kind != SqlErrorKind::TooManyRows,
            Self::Failed(_) => false,
        }
    }

    fn in_statement(self, number: u32) -> Self {
        match self {
            Self::Refused(error) => Self::Refused(SqlError { statement: Some(number), ..error }),
            Self::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<SqlError> for Ended {
    fn from(error: SqlError) -> Self {
        Self::Refused(error)
    }
}
