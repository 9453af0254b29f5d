//! PostgreSQL, by tokio-postgres over a connection whose address the dialer has checked.
//!
//! Every statement is prepared, so that the server says the types of its parameters and columns, and that one text holds
//! one statement; prepared ones are kept for as long as their session.

mod alone;
mod bind;
mod decode;
mod errors;
mod metered;
mod pipeline;

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::Instant;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::Severity;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Host;

use self::bind::Bound;
use self::decode::Form;
use self::errors::{sql_error, text};
use self::metered::{Allowance, Metered};
use super::bounds::Budget;
use super::login::Login;
use super::state::refused;
use super::{Ended, Session, Sessions};
use crate::config::mask::Mask;
use crate::config::secret::Secret;
use crate::config::{Access, Database, Egress};
use crate::contract::{Failure, SqlErrorKind, SqlRequest, SqlResult, SqlStatement, SqlValue};
use crate::egress::dial::{Dialer, Place};
use crate::egress::{EgressError, tls};

/// Prepared statements of a session; beyond it all are given up.
const MAX_PREPARED: usize = 128;

/// More statements go one after another: what is sent ahead is held in memory.
const MAX_AT_ONCE: usize = 16;

/// What a log-in and a transaction may read beside its rows.
const SPARE_BYTES: u64 = 1 << 20;

/// One server.
pub(super) struct Postgres {
    host: Host,
    port: u16,
    name: String,
    /// For people.
    shown: String,
    login: Login,
    security: Option<MakeRustlsConnect>,
    dialer: Rc<Dialer>,
    max_bytes: u64,
}

impl Postgres {
    pub(super) fn new(
        database: &Database,
        settings: &Egress,
        dialer: Rc<Dialer>,
        mask: &Mask,
    ) -> Result<Self, EgressError> {
        let (host, name) = super::address(settings)?;
        let security = match database.tls {
            false => None,
            true => {
                let roots = tls::trusted(settings.ca_file.as_deref())?;
                let config = tls::client_config(roots.into(), settings.client_certificate.as_ref())?;
                Some(MakeRustlsConnect::new(config))
            }
        };
        let port = settings.endpoint.port().unwrap_or(database.engine.default_port());
        let shown = format!("postgresql://{host}:{port}");
        let login = Login::new(settings, mask)?;
        Ok(Self { host, port, name, shown, login, security, dialer, max_bytes: settings.max_reply_bytes })
    }

    async fn log_in(&self, password: &Secret) -> Result<PostgresSession, Ended> {
        let place = Place { host: &self.host, port: self.port, shown: &self.shown };
        let stream = self.dialer.tcp(&place).await?;
        let allowance = Allowance::default();
        allowance.set(SPARE_BYTES);
        let stream = Metered { stream, allowance: allowance.clone() };
        let mut config = Config::new();
        config.user(&self.login.username).password(password.expose()).dbname(&self.name);
        config.application_name("liaison");
        let failed = |error: Error| self.not_let_in(&error);
        let (client, driver) = match &self.security {
            None => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(failed)?;
                (client, spawn_local(connection).abort_handle())
            }
            Some(security) => {
                config.ssl_mode(SslMode::Require);
                let connect = <MakeRustlsConnect as MakeTlsConnect<Metered>>::make_tls_connect(
                    &mut security.clone(),
                    &super::server_name(&self.host),
                );
                let connect = connect.map_err(|error| Failure::Connection(error.to_string()))?;
                let (client, connection) = config.connect_raw(stream, connect).await.map_err(failed)?;
                (client, spawn_local(connection).abort_handle())
            }
        };
        let driver = Driver(driver);
        let max_bytes = self.max_bytes;
        let (prepared, patience) = (HashMap::new(), None);
        Ok(PostgresSession { client, _driver: driver, prepared, patience, allowance, max_bytes })
    }

    fn not_let_in(&self, error: &Error) -> Ended {
        match error.as_db_error() {
            Some(refusal) => Ended::Refused(sql_error(refusal)),
            None => Failure::Connection(format!("logging in to {}: {}", self.shown, text(error))).into(),
        }
    }
}

impl Sessions for Postgres {
    type Session = PostgresSession;

    async fn open(&self) -> Result<PostgresSession, Ended> {
        let limit = self.dialer.connect_timeout;
        self.login.enter(&self.shown, limit, async |password| self.log_in(password).await).await
    }
}

/// Closes the connection when it is dropped, whatever it is waiting for.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) struct PostgresSession {
    client: Client,
    _driver: Driver,
    prepared: HashMap<String, Prepared>,
    /// When the server gives up a statement that is no part of a transaction, once it was told.
    patience: Option<Duration>,
    allowance: Allowance,
    max_bytes: u64,
}

#[derive(Clone)]
struct Prepared {
    statement: Statement,
    forms: Rc<[Form]>,
}

impl Prepared {
    /// Gives it no row, and does it something?
    fn only_changes(&self, statement: &SqlStatement) -> bool {
        self.statement.columns().is_empty() && !statement.only_reads()
    }
}

impl Session for PostgresSession {
    fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Of statements that were prepared before: what comes of one does not change what is asked next. One that is refused
    /// makes the server refuse those after it.
    async fn run_at_once(
        &mut self,
        request: &SqlRequest,
        access: Access,
        end: Instant,
        budget: &mut Budget,
    ) -> Option<Result<Vec<SqlResult>, Ended>> {
        let statements = &request.statements;
        if statements.len() > MAX_AT_ONCE {
            return None;
        }
        let known = statements.iter().map(|statement| self.prepared.get(&statement.sql).cloned());
        let prepared: Vec<Prepared> = known.collect::<Option<_>>()?;
        Some(match (&statements[..], &prepared[..], access) {
            // Rows may turn out too many, which undoes what they come of: that takes a transaction.
            ([statement], [prepared], Access::Write) if prepared.only_changes(statement) => {
                self.alone(statement, &prepared.statement, end).await.map(|result| vec![result])
            }
            _ => self.pipeline(statements, &prepared, access, end, budget).await,
        })
    }

    async fn begin(&mut self, access: Access, end: Instant) -> Result<(), Ended> {
        self.allowance.set(self.max_bytes.saturating_mul(2).saturating_add(SPARE_BYTES));
        self.client.batch_execute(&begin_text(access, end)).await.map_err(|error| self.ended(&error))
    }

    async fn run(&mut self, statement: &SqlStatement, budget: &mut Budget) -> Result<SqlResult, Ended> {
        let prepared = self.prepare(&statement.sql).await?;
        let parameters = bind::all(&statement.parameters, prepared.statement.params())?;
        self.answer(statement, &prepared, parameters, &RefCell::new(budget)).await
    }

    async fn commit(&mut self) -> Result<(), Ended> {
        self.client.batch_execute("commit").await.map_err(|error| self.ended(&error))
    }

    async fn rollback(&mut self) -> Result<(), Ended> {
        self.client.batch_execute("rollback").await.map_err(|error| self.ended(&error))
    }
}

impl PostgresSession {
    /// Performs one statement. Polled for the first time, it is sent.
    async fn answer(
        &self,
        statement: &SqlStatement,
        prepared: &Prepared,
        parameters: Vec<Bound<'_>>,
        budget: &RefCell<&mut Budget>,
    ) -> Result<SqlResult, Ended> {
        let columns = prepared.statement.columns();
        let mut result = SqlResult {
            affected: 0,
            columns: columns.iter().map(|column| column.name().to_owned()).collect(),
            rows: Vec::new(),
        };
        let rows = self.client.query_raw(&prepared.statement, parameters).await;
        let mut rows = pin!(rows.map_err(|error| self.ended(&error))?);
        while let Some(row) = rows.try_next().await.map_err(|error| self.ended(&error))? {
            let mut budget = budget.borrow_mut();
            budget.row(result.rows.len())?;
            result.rows.push(values(&row, &prepared.forms, &mut budget)?);
        }
        if !statement.only_reads() {
            result.affected = rows.rows_affected().unwrap_or_default();
        }
        Ok(result)
    }

    async fn prepare(&mut self, sql: &str) -> Result<Prepared, Ended> {
        if let Some(prepared) = self.prepared.get(sql) {
            return Ok(prepared.clone());
        }
        let statement = self.client.prepare(sql).await.map_err(|error| self.ended(&error))?;
        let forms: Result<Rc<[Form]>, Ended> = statement
            .columns()
            .iter()
            .map(|column| Form::of(column.type_()).ok_or_else(|| no_form(column.name(), column.type_())))
            .collect();
        let prepared = Prepared { statement, forms: forms? };
        if self.prepared.len() == MAX_PREPARED {
            self.prepared.clear();
        }
        self.prepared.insert(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }

    /// What was sent ahead of a statement was refused: what came of the statement is not known.
    fn lost(&self, error: &Error) -> Ended {
        match self.ended(error) {
            Ended::Refused(refusal) => {
                Failure::Connection(format!("the session is of no use: {}", refusal.message)).into()
            }
            failed @ Ended::Failed(_) => failed,
        }
    }

    /// What an error leaves: a transaction to roll back, or a session that is of no use any more.
    fn ended(&self, error: &Error) -> Ended {
        let Some(refusal) = error.as_db_error() else {
            let failure = match self.allowance.is_spent() {
                true => Failure::TooLarge(self.max_bytes),
                false => Failure::Connection(text(error)),
            };
            return failure.into();
        };
        if matches!(refusal.parsed_severity(), Some(Severity::Fatal | Severity::Panic)) {
            return Failure::Connection(format!("{}: {}", refusal.code().code(), refusal.message())).into();
        }
        match refusal.code().code() {
            // Cancelled by the time limit that it was given.
            "57014" => Failure::TimedOut.into(),
            // The table has changed under a prepared statement: a new session prepares it anew.
            "0A000" if refusal.routine() == Some("RevalidateCachedQuery") => {
                Failure::Connection(refusal.message().to_owned()).into()
            }
            // A pooler before the server has forgotten what was prepared.
            "26000" => Failure::Connection(refusal.message().to_owned()).into(),
            _ => Ended::Refused(sql_error(refusal)),
        }
    }
}

/// With the time that the server is told to give up after.
fn begin_text(access: Access, end: Instant) -> String {
    let mode = match access {
        Access::Read => "read only",
        Access::Write => "read write",
    };
    let left = milliseconds(end.saturating_duration_since(Instant::now()));
    format!(
        "begin {mode}; set local statement_timeout = {left}; \
         set local idle_in_transaction_session_timeout = {left}"
    )
}

fn values(row: &Row, forms: &[Form], budget: &mut Budget) -> Result<Vec<SqlValue>, Ended> {
    let mut values = Vec::with_capacity(forms.len());
    for (index, form) in forms.iter().enumerate() {
        let raw = row.try_get::<_, Option<Raw<'_>>>(index);
        let value = match raw.ok().flatten() {
            None => SqlValue::Null,
            Some(Raw(bytes)) => form.value(bytes).ok_or_else(|| {
                let column = &row.columns()[index];
                let text =
                    format!("column `{}` holds a {} that has no form here", column.name(), column.type_());
                refused(SqlErrorKind::Data, "", text)
            })?,
        };
        budget.value(&value)?;
        values.push(value);
    }
    Ok(values)
}

fn no_form(column: &str, of: &Type) -> Ended {
    let text = format!(
        "column `{column}` is of type {of}, which has no form here; cast it, say to text or to jsonb"
    );
    refused(SqlErrorKind::Statement, "", text)
}

/// A value's bytes, of whatever type.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// At least one: none would be no limit.
fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1)
}
