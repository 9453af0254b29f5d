//! The connections: accepted up to a bound, each request answered, and at the end those at work let finish.
//!
//! What the requests ask is `events`' business.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::IntakeError;
use super::events::Events;
use super::rules::Rulebook;
use super::stream::{Bounded, Course};
use crate::config::IntakeLimits;
use crate::kafka::producer::Producer;
use crate::telemetry::Telemetry;
use crate::whereabouts::Whereabouts;

/// A wait before the next connection is accepted, where the system gives none: too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct IntakeServer {
    listener: TcpListener,
    address: SocketAddr,
}

/// What it answers by.
#[derive(Debug)]
pub struct Serving {
    pub limits: IntakeLimits,
    pub rules: Rulebook,
    /// Its own: what is taken here never waits behind dead letters, nor they behind it.
    pub producer: Producer,
    pub whereabouts: Whereabouts,
    pub telemetry: Telemetry,
}

impl IntakeServer {
    /// Port 0 takes any that is free.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, IntakeError> {
        let bind_error = |source| IntakeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(Self { listener, address })
    }

    /// Where it listens, the port resolved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`, then lets what is at work finish within the grace.
    pub async fn serve(self, serving: Serving, shutdown: impl Future<Output = ()>) {
        let limits = serving.limits;
        let events = Arc::new(Events::new(serving));
        let room = Arc::new(Semaphore::new(limits.connections));
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                (stream, permit) = accept(&self.listener, &room) => {
                    connections.spawn(connection(events.clone(), stream, stopped.clone(), permit));
                }
            }
        }
        drop(self.listener);
        // Those that are at work notice; nobody else is left.
        let _ = stop.send(true);
        let finish = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(limits.grace, finish).await.is_err() {
            tracing::warn!(
                "some requests to the intake were not answered in time: what they sent may be in Kafka"
            );
        }
    }
}

/// The next connection, once there is room for one.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("it is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "the intake cannot accept a connection now");
                tokio::time::sleep_until(tokio::time::Instant::now() + ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    events: Arc<Events>,
    stream: TcpStream,
    mut stopped: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    // Without it a small answer may wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let (limits, course) = (events.limits(), Course::default());
    let service = service_fn(|request| {
        let (events, course) = (events.clone(), course.clone());
        async move { Ok::<_, Infallible>(events.answer(request, &course).await) }
    });
    let stream = Bounded::new(stream, limits.read_timeout, course.clone());
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            // Whoever sends no more, or has gone away, has sent all the same: it is written, counted, remembered and answered.
            .half_close(true)
            .header_read_timeout(limits.read_timeout)
            .max_buf_size(limits.head_bytes)
            .serve_connection(TokioIo::new(stream), service)
    );
    // A client may go away at any time: whoever was answered knows, and whoever was not sends again.
    let is_over = tokio::select! {
        _ = connection.as_mut() => true,
        _ = stopped.wait_for(|stopped| *stopped) => false,
    };
    if !is_over {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
    drop(permit);
}
