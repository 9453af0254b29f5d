//! Reads the body of a request, bounded in bytes and in time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::Body;

use super::answer::Problem;
use crate::config::IntakeLimits;

/// The whole body.
pub(super) async fn read(
    head: &Parts,
    body: impl Body<Data = Bytes> + Unpin,
    limits: &IntakeLimits,
) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body has more than {} bytes: send less at once", limits.body_bytes);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    let is_plain = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !head.headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
        let problem = Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the body as it is, without Content-Encoding",
        );
        return Err(problem.header(header::ACCEPT_ENCODING, "identity"));
    }
    let announced =
        head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > limits.body_bytes as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(limits.read_timeout, whole(body, limits.body_bytes)).await {
        Ok(Ok(Some(whole))) => Ok(whole),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad("the body broke off")),
        Err(_) => Err(late(limits.read_timeout)),
    }
}

/// `None` where it is more than that. It is copied together: each chunk, however short, holds on to all that was read with
/// it.
async fn whole<B>(mut body: B, most: usize) -> Result<Option<Bytes>, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // What is no data are trailers, and no event has any.
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > most - whole.len() {
            return Ok(None);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Some(whole.freeze()))
}

fn late(limit: Duration) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {limit:?}"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// A body of so many chunks of one byte, each of which must be gone when the next one is asked for.
    struct Chunks {
        left: usize,
        held: Arc<AtomicUsize>,
    }

    struct Chunk(Arc<AtomicUsize>);

    impl AsRef<[u8]> for Chunk {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }

    impl Drop for Chunk {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            assert_eq!(self.held.load(Ordering::Relaxed), 0, "a chunk is held on to");
            let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
            self.left = left;
            self.held.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(Chunk(self.held.clone()))))))
        }
    }

    #[tokio::test]
    async fn a_body_in_small_chunks_takes_the_memory_of_a_body() {
        let limits = IntakeLimits { body_bytes: 1000, ..IntakeLimits::default() };
        let (head, ()) = http::Request::new(()).into_parts();
        let read = async |left| super::read(&head, Chunks { left, held: Arc::default() }, &limits).await;
        assert_eq!(read(1000).await.unwrap(), "x".repeat(1000));
        assert_eq!(read(1001).await.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
