//! One message out and its reply in, over one connection.
//!
//! An HTTP/1.1 connection has no task of its own: the exchange that uses it drives it, so that nothing is handed from
//! task to task, and dropping the exchange closes it. An HTTP/2 connection is shared, so a task drives it.

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::Full;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::dial::Stream;
use super::message::Message;
use crate::contract::Failure;

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

/// An HTTP/1.1 connection. It is large, and stays in its box from one exchange to the next.
pub(super) struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
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
        max_reply_bytes: u64,
    ) -> Result<(Response<Bytes>, Option<Box<Self>>), Unanswered> {
        let Self { sender, driver } = &mut *self;
        let mut answer = pin!(sender.try_send_request(message));
        // The first poll reads before it writes, so a connection that the server closed gives the message back.
        let response = poll_fn(|context| {
            driver.drive(context);
            answer.as_mut().poll(context)
        })
        .await
        .map_err(unanswered)?;
        let response = read_body(response, driver, max_reply_bytes).await.map_err(Unanswered::Failed)?;
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
pub(super) struct Http2(http2::SendRequest<Full<Bytes>>);

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

    pub(super) async fn exchange(
        mut self,
        message: Message,
        max_reply_bytes: u64,
    ) -> Result<Response<Bytes>, Unanswered> {
        let response = self.0.try_send_request(message).await.map_err(unanswered)?;
        read_body(response, &mut Driver(None), max_reply_bytes).await.map_err(Unanswered::Failed)
    }
}

/// What moves an HTTP/1.1 connection; empty once it is closed, and for HTTP/2.
struct Driver(Option<http1::Connection<TokioIo<Stream>, Full<Bytes>>>);

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

/// Reads the body to its end. Most come in one piece, which is not copied.
async fn read_body(
    response: Response<Incoming>,
    driver: &mut Driver,
    max_reply_bytes: u64,
) -> Result<Response<Bytes>, Failure> {
    let (head, mut body) = response.into_parts();
    if body.size_hint().lower() > max_reply_bytes {
        return Err(Failure::TooLarge(max_reply_bytes));
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while !body.is_end_stream() {
        let Some(frame) = next_frame(&mut body, driver).await else {
            break;
        };
        let frame = frame.map_err(|error| broken("reading the reply", &error))?;
        // Trailers are no part of the contract.
        let Ok(data) = frame.into_data() else { continue };
        if (first.len() + all.len() + data.len()) as u64 > max_reply_bytes {
            return Err(Failure::TooLarge(max_reply_bytes));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    let body = if all.is_empty() { first } else { all.freeze() };
    Ok(Response::from_parts(head, body))
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
