//! Connections of one connector: those that are idle, the shared HTTP/2 ones, and new ones where there is neither.
//!
//! In comes a message for an origin, out goes its reply. Nothing here is shared with another connector, so that no
//! connection is used under another's grants. Idle connections are bounded in number and in age.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::dial::Dialer;
use super::exchange::{Http1, Http2, Intake, Received, Unanswered};
use super::message::{Message, shape};
use super::origin::{Grants, Origin, OriginIndex};
use crate::contract::Failure;

/// Idle HTTP/1.1 connections an origin; beyond it, the oldest is closed.
const MAX_IDLE: usize = 256;

/// All connections of one connector.
pub(super) struct Pool {
    pub(super) grants: Grants,
    dialer: Rc<Dialer>,
    idle_timeout: Duration,
    /// One for each of the grants' origins.
    connections: Box<[Connections]>,
    is_sweeping: Cell<bool>,
}

/// The connections to one origin.
#[derive(Default)]
struct Connections {
    /// Longest idle first.
    idle: RefCell<VecDeque<(Instant, Box<Http1>)>>,
    shared: RefCell<Option<(Instant, Http2)>>,
    speaks_http1: Cell<bool>,
    /// Held while an https origin is dialled of which it is not known that it speaks HTTP/1.1: those who wait will
    /// share the connection if it is HTTP/2.
    dialling: Mutex<()>,
    failed_dials: Cell<u64>,
    last_failure: RefCell<Option<Failure>>,
}

/// What a message may go over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Any,
    Http2,
}

enum Connection {
    Http1(Box<Http1>),
    Http2(Http2),
}

impl Pool {
    pub(super) fn new(grants: Grants, dialer: Rc<Dialer>, idle_timeout: Duration) -> Rc<Self> {
        let connections = (0..grants.len()).map(|_| Connections::default()).collect();
        Rc::new(Self { grants, dialer, idle_timeout, connections, is_sweeping: Cell::new(false) })
    }

    /// Sends the message and reads the reply. A message that could not be written because an idle connection turned
    /// out closed goes over the next one, and at last over a new one.
    pub(super) async fn exchange(
        self: &Rc<Self>,
        index: OriginIndex,
        mut message: Message,
        protocol: Protocol,
        intake: &Intake,
    ) -> Result<Received, Failure> {
        let origin = self.grants.origin(index);
        let connections = &self.connections[index.0];
        loop {
            let (connection, is_new) = match connections.take(origin, protocol) {
                Some(connection) => (connection, false),
                // Rare and large: boxed, so that not every exchange is as large.
                None => Box::pin(self.connect(origin, connections, protocol)).await?,
            };
            let answer = match connection {
                Connection::Http1(connection) => {
                    shape(&mut message, origin, false);
                    connection.exchange(message, intake.clone()).await.map(|(response, connection)| {
                        if let Some(connection) = connection {
                            self.keep(connections, connection);
                        }
                        response
                    })
                }
                Connection::Http2(connection) => {
                    shape(&mut message, origin, true);
                    self.sweep_later();
                    Box::pin(connection.exchange(message, intake.clone())).await
                }
            };
            match answer {
                Ok(response) => return Ok(response),
                Err(Unanswered::Unsent(unsent, _)) if !is_new => {
                    message = *unsent;
                    connections.shared.take();
                }
                Err(Unanswered::Unsent(_, failure) | Unanswered::Failed(failure)) => return Err(failure),
            }
        }
    }

    /// A connection, and whether it is a new one.
    async fn connect(
        &self,
        origin: &Origin,
        connections: &Connections,
        protocol: Protocol,
    ) -> Result<(Connection, bool), Failure> {
        let is_shared = || match protocol {
            Protocol::Http2 => true,
            Protocol::Any => origin.security.is_some() && !connections.speaks_http1.get(),
        };
        if !is_shared() {
            return Ok((self.open(origin, connections, protocol).await?, true));
        }
        let failed_before = connections.failed_dials.get();
        let dialling = connections.dialling.lock().await;
        if let Some(connection) = connections.take(origin, protocol) {
            return Ok((connection, false));
        }
        // Those who waited for a dial that failed share its failure: one after another, each would wait as long again.
        if connections.failed_dials.get() != failed_before
            && let Some(failure) = &*connections.last_failure.borrow()
        {
            return Err(failure.clone());
        }
        // HTTP/1.1 is not shared: then the others need not wait.
        let _dialling = is_shared().then_some(dialling);
        let opened = self.open(origin, connections, protocol).await.map(|connection| (connection, true));
        opened.inspect_err(|failure| {
            connections.failed_dials.set(connections.failed_dials.get() + 1);
            connections.last_failure.replace(Some(failure.clone()));
        })
    }

    async fn open(
        &self,
        origin: &Origin,
        connections: &Connections,
        protocol: Protocol,
    ) -> Result<Connection, Failure> {
        let stream = self.dialer.dial(origin).await?;
        // Without TLS nothing is agreed on: HTTP/2 is spoken at once (RFC 9113, 3.3).
        let is_http2 = stream.is_http2() || (protocol == Protocol::Http2 && origin.security.is_none());
        if origin.security.is_some() {
            connections.speaks_http1.set(!is_http2);
        }
        if !is_http2 && protocol == Protocol::Http2 {
            return Err(Failure::Connection(format!("{origin} speaks no HTTP/2, which gRPC needs")));
        }
        if !is_http2 {
            return Ok(Connection::Http1(Http1::new(stream).await?));
        }
        let connection = Http2::new(stream).await?;
        connections.shared.replace(Some((Instant::now(), connection.clone())));
        Ok(Connection::Http2(connection))
    }

    fn keep(self: &Rc<Self>, connections: &Connections, connection: Box<Http1>) {
        let mut idle = connections.idle.borrow_mut();
        if idle.len() == MAX_IDLE {
            idle.pop_front();
        }
        idle.push_back((Instant::now(), connection));
        drop(idle);
        self.sweep_later();
    }

    /// Sees to it that connections are closed when they have been idle for too long. One task a pool at most, and none
    /// while nothing is idle.
    fn sweep_later(self: &Rc<Self>) {
        if !self.is_sweeping.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self)));
        }
    }

    /// Closes what has been idle for too long, and says when to look again, if anything is left.
    fn close_idle(&self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for connections in &self.connections {
            let oldest = connections.close_idle(now, self.idle_timeout);
            next = next.into_iter().chain(oldest).min();
        }
        self.is_sweeping.set(next.is_some());
        next
    }
}

impl Connections {
    /// One that can be used at once. Of the idle ones the latest, so that those not needed grow old.
    fn take(&self, origin: &Origin, protocol: Protocol) -> Option<Connection> {
        let mut shared = self.shared.borrow_mut();
        match &mut *shared {
            // What speaks HTTP/2 for gRPC without TLS need not speak it for anything else.
            Some(_) if protocol == Protocol::Any && origin.security.is_none() => {}
            Some((used, connection)) if connection.is_open() => {
                *used = Instant::now();
                return Some(Connection::Http2(connection.clone()));
            }
            Some(_) => *shared = None,
            None => {}
        }
        if protocol == Protocol::Http2 {
            return None;
        }
        let (_, connection) = self.idle.borrow_mut().pop_back()?;
        Some(Connection::Http1(connection))
    }

    fn close_idle(&self, now: Instant, idle_timeout: Duration) -> Option<Instant> {
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|(since, _)| *since + idle_timeout <= now) {
            idle.pop_front();
        }
        // Requests that are under way hold the connection too, so letting go of it ends none.
        let mut shared = self.shared.borrow_mut();
        if shared.as_ref().is_some_and(|(used, _)| *used + idle_timeout <= now) {
            *shared = None;
        }
        let ages = [idle.front().map(|(since, _)| *since), shared.as_ref().map(|(used, _)| *used)];
        ages.into_iter().flatten().min().map(|since| since + idle_timeout)
    }
}

async fn sweep(pool: Weak<Pool>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.close_idle(Instant::now())) {
        sleep_until(next).await;
    }
}
