//! One message out and its reply in, over one connection.
//!
//! An HTTP/1.1 connection has no task of its own: the exchange that uses it drives it, so that nothing is handed from
//! task to task, and dropping the exchange closes it. An HTTP/2 connection is shared, so a task drives it.

use std::error::Error;
use std::future::poll_fn;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::dial::Stream;
use super::message::Message;
use super::outgoing::Outgoing;
use super::spool::Spool;
use crate::contract::{Failure, Kept};

/// The head of an HTTP/1.1 reply, and what is read at once of its body.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// An HTTP/2 connection with requests under way that stays silent for so long is asked whether it lives, and has as
/// long again to answer: one dead connection must not swallow every request until each has timed out.
const HTTP2_PING: Duration = Duration::from_secs(10);

/// Why a message has no reply.
pub(super) enum Unanswered {
    /// Not a byte of it was written: it may go over another connection.
    Unsent(Box<Message>, Failure),
    Failed(Failure),
}

/// What becomes of the body of a reply.
#[derive(Clone)]
pub(super) enum Intake {
    /// It is given to whoever asked.
    Memory { max_bytes: u64 },
    /// It is kept for a later request.
    Spool { folder: Arc<Path>, max_bytes: u64 },
}

/// A reply, read to its end.
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: ReceivedBody,
    /// Empty where there are none.
    pub(super) trailers: HeaderMap,
}

pub(super) enum ReceivedBody {
    Memory(Bytes),
    Kept(Kept),
}

/// An HTTP/1.1 connection. It is large, and stays in its box from one exchange to the next.
pub(super) struct Http1 {
    sender: http1::SendRequest<Outgoing>,
    driver: Driver,
}

impl Http1 {
    pub(super) async fn new(stream: Stream) -> Result<Box<Self>, Failure> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(READ_BUFFER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken("opening an HTTP/1.1 connection", &error))?;
        Ok(Box::new(Self { sender, driver: Driver(Some(connection)) }))
    }

    /// The reply, and the connection where it can be used again.
    pub(super) async fn exchange(
        mut self: Box<Self>,
        message: Message,
        intake: Intake,
    ) -> Result<(Received, Option<Box<Self>>), Unanswered> {
        let Self { sender, driver } = &mut *self;
        let mut answer = pin!(sender.try_send_request(message));
        // The first poll reads before it writes, so a connection that the server closed gives the message back.
        let response = poll_fn(|context| {
            driver.drive(context);
            answer.as_mut().poll(context)
        })
        .await
        .map_err(unanswered)?;
        let response = receive(response, driver, intake).await.map_err(Unanswered::Failed)?;
        if !sender.is_ready() {
            // What ends the body may still have to be read.
            poll_fn(|context| {
                driver.drive(context);
                Poll::Ready(())
            })
            .await;
        }
        let is_open = driver.0.is_some() && sender.is_ready();
        Ok((response, is_open.then_some(self)))
    }
}

/// A shared HTTP/2 connection. It closes when its last clone is gone and the last reply has been read.
#[derive(Clone)]
pub(super) struct Http2(http2::SendRequest<Outgoing>);

impl Http2 {
    pub(super) async fn new(stream: Stream) -> Result<Self, Failure> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(HTTP2_PING)
            .keep_alive_timeout(HTTP2_PING)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken("opening an HTTP/2 connection", &error))?;
        // How it ends is told to each request on it.
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        Ok(Self(sender))
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.is_ready()
    }

    pub(super) async fn exchange(mut self, message: Message, intake: Intake) -> Result<Received, Unanswered> {
        let response = self.0.try_send_request(message).await.map_err(unanswered)?;
        receive(response, &mut Driver(None), intake).await.map_err(Unanswered::Failed)
    }
}

/// What moves an HTTP/1.1 connection; empty once it is closed, and for HTTP/2.
struct Driver(Option<http1::Connection<TokioIo<Stream>, Outgoing>>);

impl Driver {
    /// A connection that ended is dropped, which answers the request on it; its error is told there.
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = &mut self.0
            && Pin::new(connection).poll(context).is_ready()
        {
            self.0 = None;
        }
    }
}

/// Reads the reply to its end.
async fn receive(
    response: Response<Incoming>,
    driver: &mut Driver,
    intake: Intake,
) -> Result<Received, Failure> {
    let (head, mut body) = response.into_parts();
    let mut trailers = HeaderMap::new();
    let body = match intake {
        Intake::Memory { max_bytes } => {
            refuse_larger(&body, max_bytes)?;
            ReceivedBody::Memory(read_body(&mut body, &mut trailers, driver, max_bytes).await?)
        }
        Intake::Spool { folder, max_bytes } => {
            refuse_larger(&body, max_bytes)?;
            let mut spool = Spool::new(folder, max_bytes);
            while let Some(data) = next_data(&mut body, &mut trailers, driver).await? {
                spool.push(&data).await?;
            }
            ReceivedBody::Kept(spool.finish().await?)
        }
    };
    Ok(Received { status: head.status, headers: head.headers, body, trailers })
}

/// What says before it comes that it is larger need not be read.
fn refuse_larger(body: &Incoming, max_bytes: u64) -> Result<(), Failure> {
    if body.size_hint().lower() > max_bytes {
        return Err(Failure::TooLarge(max_bytes));
    }
    Ok(())
}

/// The whole body. Most come in one piece, which is not copied.
async fn read_body(
    body: &mut Incoming,
    trailers: &mut HeaderMap,
    driver: &mut Driver,
    max_bytes: u64,
) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(data) = next_data(body, trailers, driver).await? {
        if (first.len() + all.len() + data.len()) as u64 > max_bytes {
            return Err(Failure::TooLarge(max_bytes));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// The next piece of the body; what comes behind it as trailers is put there.
async fn next_data(
    body: &mut Incoming,
    trailers: &mut HeaderMap,
    driver: &mut Driver,
) -> Result<Option<Bytes>, Failure> {
    while !body.is_end_stream() {
        let Some(frame) = next_frame(body, driver).await else { break };
        match frame.map_err(|error| broken("reading the reply", &error))?.into_data() {
            Ok(data) => return Ok(Some(data)),
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok(None)
}

async fn next_frame(body: &mut Incoming, driver: &mut Driver) -> Option<hyper::Result<Frame<Bytes>>> {
    poll_fn(|context| {
        let frame = Pin::new(&mut *body).poll_frame(context);
        if frame.is_ready() || driver.0.is_none() {
            return frame;
        }
        driver.drive(context);
        Pin::new(&mut *body).poll_frame(context)
    })
    .await
}

fn unanswered(mut error: TrySendError<Message>) -> Unanswered {
    let message = error.take_message();
    let failure = broken("asking", &error.into_error());
    match message {
        Some(message) => Unanswered::Unsent(Box::new(message), failure),
        None => Unanswered::Failed(failure),
    }
}

/// The step and the whole chain of causes.
fn broken(step: &str, error: &hyper::Error) -> Failure {
    let mut text = format!("{step}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    Failure::Connection(text)
}
