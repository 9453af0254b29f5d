//! MySQL and MariaDB, by mysql_async, which is given the addresses that were checked and looks up none.
//!
//! Every statement is prepared, so that one text holds one statement. Time zones are UTC, and rows that an update finds
//! count as changed, whether it changed them or not.

mod convert;
mod errors;

use std::rc::Rc;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{ClientIdentity, Conn, Error, Opts, OptsBuilder, Params, SslOpts, Statement};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use url::Host;

use super::bounds::{Budget, patience};
use super::login::Login;
use super::state::refused;
use super::{Ended, Session, Sessions};
use crate::config::mask::Mask;
use crate::config::secret::Secret;
use crate::config::{Access, ClientCertificate, Database, Egress};
use crate::contract::{Failure, SqlErrorKind, SqlRequest, SqlResult, SqlStatement};
use crate::egress::dial::{Dialer, Place};
use crate::egress::{EgressError, tls};

/// How long the goodbye of a session may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// One that was idle for longer may be closed by now, which only a transaction's beginning finds out at no risk.
const FRESH: Duration = Duration::from_secs(1);

/// Prepared statements of a session.
const MAX_PREPARED: usize = 128;

/// A packet may always be as large as what a plugin can ask for.
const LEAST_PACKET_BYTES: usize = 16 << 20;

/// One server.
pub(super) struct MySql {
    host: Host,
    port: u16,
    /// For people.
    shown: String,
    login: Login,
    /// All but what changes.
    options: OptsBuilder,
    security: Option<SslOpts>,
    client_certificate: Option<ClientCertificate>,
    dialer: Rc<Dialer>,
}

impl MySql {
    pub(super) fn new(
        database: &Database,
        settings: &Egress,
        dialer: Rc<Dialer>,
        mask: &Mask,
    ) -> Result<Self, EgressError> {
        let (host, name) = super::address(settings)?;
        let port = settings.endpoint.port().unwrap_or(database.engine.default_port());
        let security = match database.tls {
            false => None,
            true => {
                let certificates = tls::trusted_certificates(settings.ca_file.as_deref())?;
                let roots = certificates.into_iter().map(|der| der.to_vec().into()).collect();
                Some(SslOpts::default().with_root_certs(roots).with_disable_built_in_roots(true))
            }
        };
        let login = Login::new(settings, mask)?;
        let max_bytes = usize::try_from(settings.max_reply_bytes).unwrap_or(usize::MAX);
        let options = OptsBuilder::default()
            .ip_or_hostname(super::server_name(&host))
            .tcp_port(port)
            .db_name(Some(name))
            .user(Some(login.username.clone()))
            // A socket in the file system would be another server than the one that was granted.
            .prefer_socket(false)
            .client_found_rows(true)
            .stmt_cache_size(MAX_PREPARED)
            .max_allowed_packet(Some(max_bytes.max(LEAST_PACKET_BYTES)))
            // A statement alone is its own transaction, whatever the server's setting says.
            .init(vec!["set time_zone = '+00:00', autocommit = 1"]);
        let shown = format!("mysql://{host}:{port}");
        let client_certificate = settings.client_certificate.clone();
        Ok(Self { host, port, shown, login, options, security, client_certificate, dialer })
    }

    async fn log_in(&self, password: &Secret) -> Result<MySqlSession, Ended> {
        let place = Place { host: &self.host, port: self.port, shown: &self.shown };
        let addresses = self.dialer.addresses(&place).await?;
        let options = self.options.clone().pass(Some(password.expose())).resolved_ips(Some(addresses));
        let options = Opts::from(options.ssl_opts(self.security()?));
        let connection = Conn::new(options).await.map_err(|error| match error {
            Error::Server(refusal) => errors::ended(&Error::Server(refusal)),
            other => Failure::Connection(format!("connecting to {}: {other}", self.shown)).into(),
        })?;
        Ok(MySqlSession { connection: Some(connection), patience: None, heard: Instant::now() })
    }

    /// With the client's certificate as it is now.
    fn security(&self) -> Result<Option<SslOpts>, Ended> {
        let (Some(security), Some(client)) = (&self.security, &self.client_certificate) else {
            return Ok(self.security.clone());
        };
        let read = |reference: &crate::config::SecretRef| {
            let secret = reference.read().map_err(|error| Failure::Connection(error.to_string()))?;
            Ok::<_, Ended>(secret.expose().as_bytes().to_vec())
        };
        let identity = ClientIdentity::new(read(&client.certificate)?.into(), read(&client.key)?.into());
        Ok(Some(security.clone().with_client_identity(Some(identity))))
    }
}

impl Sessions for MySql {
    type Session = MySqlSession;

    async fn open(&self) -> Result<MySqlSession, Ended> {
        let limit = self.dialer.connect_timeout;
        self.login.enter(&self.shown, limit, async |password| self.log_in(password).await).await
    }
}

pub(super) struct MySqlSession {
    /// Until it is closed.
    connection: Option<Conn>,
    /// When the server gives up a statement that is no part of a transaction, once it was told.
    patience: Option<Duration>,
    /// When it was last heard of.
    heard: Instant,
}

impl MySqlSession {
    /// Tells the server when to give up a statement, and whatever comes after that.
    async fn tell(&mut self, left: Duration, then: &str) -> Result<(), Ended> {
        let (seconds, milliseconds) = (left.as_secs() + 1, left.as_millis().max(1));
        // MariaDB runs the first comment and passes over the second, MySQL the other way round.
        let text = format!(
            "set session innodb_lock_wait_timeout = {seconds} \
             /*M!100100 , max_statement_time = {} */ /*!80000 , max_execution_time = {milliseconds} */{then}",
            left.as_secs_f64().max(0.001),
        );
        self.connection().query_drop(text).await.map_err(|error| errors::ended(&error))
    }

    async fn run_prepared(
        &mut self,
        prepared: &Statement,
        statement: &SqlStatement,
        budget: &mut Budget,
    ) -> Result<SqlResult, Ended> {
        let failed = |error: Error| errors::ended(&error);
        let (takes, given) = (usize::from(prepared.num_params()), statement.parameters.len());
        if takes != given {
            let text = format!("it takes {takes} parameters and is given {given}");
            return Err(refused(SqlErrorKind::Statement, "", text));
        }
        let parameters = convert::all(&statement.parameters)?;
        let parameters = match parameters.is_empty() {
            true => Params::Empty,
            false => Params::Positional(parameters),
        };
        let mut rows = self.connection().exec_iter(prepared, parameters).await.map_err(failed)?;
        let columns = rows.columns_ref().iter().map(|column| column.name_str().into_owned());
        let mut result = SqlResult { columns: columns.collect(), ..SqlResult::default() };
        while let Some(row) = rows.next().await.map_err(failed)? {
            budget.row(result.rows.len())?;
            result.rows.push(convert::values(row, budget)?);
        }
        if !statement.only_reads() {
            result.affected = rows.affected_rows();
        }
        rows.drop_result().await.map_err(failed)?;
        self.heard = Instant::now();
        Ok(result)
    }

    fn connection(&mut self) -> &mut Conn {
        self.connection.as_mut().expect("a session is closed when it is dropped")
    }
}

/// Says goodbye and closes the socket. Left to itself, the client would first read all that the server still sends.
impl Drop for MySqlSession {
    fn drop(&mut self) {
        if let (Some(connection), Ok(runtime)) = (self.connection.take(), Handle::try_current()) {
            runtime.spawn(timeout(GOODBYE, connection.disconnect()));
        }
    }
}

impl Session for MySqlSession {
    /// Nobody reads from it while it is idle: `begin` finds out.
    fn is_open(&self) -> bool {
        true
    }

    /// A statement that gives no row is a transaction by itself: nothing begins it, and its end is its commit.
    async fn run_at_once(
        &mut self,
        request: &SqlRequest,
        access: Access,
        end: Instant,
        budget: &mut Budget,
    ) -> Option<Result<Vec<SqlResult>, Ended>> {
        let [statement] = &request.statements[..] else { return None };
        if statement.only_reads() || access != Access::Write || self.heard.elapsed() > FRESH {
            return None;
        }
        // What is not to be prepared is refused in a transaction.
        let prepared = self.connection().prep(statement.sql.as_str()).await.ok()?;
        if !prepared.columns().is_empty() {
            return None;
        }
        let done = async {
            let wanted = patience(end.saturating_duration_since(Instant::now()));
            if self.patience != Some(wanted) {
                self.tell(wanted, "").await?;
                self.patience = Some(wanted);
            }
            self.run_prepared(&prepared, statement, budget).await.map_err(|ended| ended.in_statement(0))
        };
        Some(done.await.map(|result| vec![result]))
    }

    async fn begin(&mut self, access: Access, end: Instant) -> Result<(), Ended> {
        let mode = match access {
            Access::Read => "; start transaction read only",
            Access::Write => "; start transaction read write",
        };
        self.patience = None;
        self.tell(end.saturating_duration_since(Instant::now()), mode).await
    }

    async fn run(&mut self, statement: &SqlStatement, budget: &mut Budget) -> Result<SqlResult, Ended> {
        let prepared = self.connection().prep(statement.sql.as_str()).await;
        let prepared = prepared.map_err(|error| errors::ended(&error))?;
        self.run_prepared(&prepared, statement, budget).await
    }

    async fn commit(&mut self) -> Result<(), Ended> {
        self.connection().query_drop("commit").await.map_err(|error| errors::ended(&error))
    }

    async fn rollback(&mut self) -> Result<(), Ended> {
        self.connection().query_drop("rollback").await.map_err(|error| errors::ended(&error))
    }
}
