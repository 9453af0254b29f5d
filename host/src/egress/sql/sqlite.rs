//! SQLite, by rusqlite, in threads that may block.
//!
//! The file must be there. SQLite itself says which tables a statement touches (`authorize`), and is stopped in the
//! middle of one when its time is over. A transaction whose effect is not waited for any more is rolled back.

mod authorize;
mod errors;
mod transaction;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use self::authorize::{Rules, Watch};
use super::Ended;
use super::bounds::Budget;
use super::pool::Pool;
use crate::config::{Access, Database, Egress, database};
use crate::contract::{Failure, SqlErrorKind, SqlRequest, SqlResult};
use crate::egress::{EgressError, LONGEST};

/// Between two looks at the time, in steps of SQLite's machine: well under a millisecond.
const STEPS: i32 = 10_000;

/// A value may always be as large as what a plugin can ask for.
const LEAST_LENGTH: i32 = 16 << 20;

/// One file.
pub(super) struct Sqlite {
    path: PathBuf,
    rules: Arc<Rules>,
    pool: Rc<Pool<Open>>,
    max_length: i32,
}

/// A connection with what watches over it.
struct Open {
    connection: Connection,
    watch: Arc<Watch>,
}

impl Sqlite {
    pub(super) fn new(database: &Database, settings: &Egress) -> Result<Self, EgressError> {
        let reason = "must name a file by its absolute path, as sqlite:///var/lib/records.db";
        let path = database::file(&settings.endpoint).ok_or(EgressError::Endpoint { reason })?;
        let rules = Rules::new(database.access, &database.tables);
        let pool = Pool::new(database.connections, settings.idle_timeout.min(LONGEST));
        let max_length = i32::try_from(settings.max_reply_bytes).unwrap_or(i32::MAX).max(LEAST_LENGTH);
        Ok(Self { path, rules: Arc::new(rules), pool, max_length })
    }

    pub(super) async fn perform(
        &self,
        request: &SqlRequest,
        end: Instant,
        mut budget: Budget,
    ) -> Result<Vec<SqlResult>, Ended> {
        let _room = self.pool.room().await;
        let open = self.pool.take();
        let watch = open.as_ref().map_or_else(Arc::default, |open| open.watch.clone());
        let mut waited_for = WaitedFor { watch: watch.clone(), is_done: false };
        watch.begin(end.into_std());
        let (request, access) = (request.clone(), self.rules.access());
        let opened = self.opener(watch);
        let work = spawn_blocking(move || {
            let mut open = match open {
                Some(open) => open,
                None => opened()?,
            };
            let done = transaction::perform(&mut open.connection, &open.watch, access, &request, &mut budget);
            Ok::<_, Ended>((open, done))
        });
        let done = work.await.unwrap_or_else(|error| Err(Failure::Other(error.to_string()).into()));
        waited_for.is_done = true;
        let (open, done) = done?;
        match &done {
            Ok(_) => self.pool.keep(open),
            Err(Ended::Refused(error)) if error.kind != SqlErrorKind::Unavailable => self.pool.keep(open),
            Err(Ended::Refused(_) | Ended::Failed(_)) => {}
        }
        done
    }

    fn opener(&self, watch: Arc<Watch>) -> impl FnOnce() -> Result<Open, Ended> + Send + 'static {
        let (path, rules, max_length) = (self.path.clone(), self.rules.clone(), self.max_length);
        move || {
            let opened = open(&path, &rules, &watch, max_length);
            let connection = opened
                .map_err(|error| Failure::Connection(format!("opening {}: {error}", path.display())))?;
            Ok(Open { connection, watch })
        }
    }
}

fn open(
    path: &std::path::Path,
    rules: &Arc<Rules>,
    watch: &Arc<Watch>,
    max_length: i32,
) -> rusqlite::Result<Connection> {
    let mode = match rules.access() {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let mut connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, max_length)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    let over = watch.clone();
    connection.progress_handler(STEPS, Some(move || over.is_over()))?;
    let (rules, watch) = (rules.clone(), watch.clone());
    connection
        .authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| rules.judge(&context, &watch)))?;
    Ok(connection)
}

/// Dropped before it is done, it says that nobody waits any more.
struct WaitedFor {
    watch: Arc<Watch>,
    is_done: bool,
}

impl Drop for WaitedFor {
    fn drop(&mut self) {
        if !self.is_done {
            self.watch.cancel();
        }
    }
}
