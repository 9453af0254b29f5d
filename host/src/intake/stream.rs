//! The bytes of one connection, in bounded time: a client that does not read what it is answered is let go, and one whose
//! body was not read is listened to for a moment, so that it can read the answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What a client still sends after its answer is read and thrown away for so long. Closed at once, the connection would be
/// reset, and the answer with it.
const LINGER: Duration = Duration::from_secs(2);
const THROWN_AWAY_BYTES: usize = 8 << 10;

/// Whether more of a request's body comes than was read. Clones are about the same connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Course(Arc<AtomicBool>);

impl Course {
    /// Says whether there is more of the request's body than was read.
    pub(super) fn set_unread(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed);
    }

    fn is_unread(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream that fails where what is to be written is not taken within the limit.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    stream: S,
    limit: Duration,
    course: Course,
    waiting: Option<Waiting>,
    lingering: Option<Pin<Box<Sleep>>>,
}

/// What waited to be written when the peer took no more, and until when all of it must be gone: by a byte now and then
/// nobody holds a connection.
#[derive(Debug)]
struct Waiting {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S, limit: Duration, course: Course) -> Self {
        Self { stream, limit, course, waiting: None, lingering: None }
    }

    /// What came of writing, of so many bytes that were offered.
    fn in_time(
        &mut self,
        context: &mut Context<'_>,
        offered: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            let gone = *written.as_ref().unwrap_or(&0);
            let left = self.waiting.as_mut().map(|waiting| {
                waiting.bytes = waiting.bytes.saturating_sub(gone);
                waiting.bytes
            });
            if left == Some(0) {
                self.waiting = None;
            }
            return Poll::Ready(written);
        }
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            until: Box::pin(sleep_until(Instant::now() + self.limit)),
            bytes: offered,
        });
        ready!(waiting.until.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(context, bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        let offered = slices.iter().map(|slice| slice.len()).sum();
        self.in_time(context, offered, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !this.course.is_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let until = this.lingering.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + LINGER)));
        let mut room = [0; THROWN_AWAY_BYTES];
        loop {
            if until.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut room);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_let_go_in_time() {
        let (near, _far) = duplex(64);
        let mut stream = Bounded::new(near, LIMIT, Course::default());
        let began = Instant::now();
        let error = stream.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, LIMIT.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_is_not_enough_and_a_steady_reader_is() {
        for (bytes, is_let_go) in [(1, true), (60, false)] {
            let (near, mut far) = duplex(64);
            let reading = tokio::spawn(async move {
                let mut part = vec![0; bytes];
                for tick in 1.. {
                    sleep_until(Instant::now() + LIMIT / 4).await;
                    if far.read_exact(&mut part).await.is_err() {
                        return tick;
                    }
                }
                0
            });
            let mut stream = Bounded::new(near, LIMIT, Course::default());
            // In parts, as answers are: the whole takes longer than the limit.
            let mut written = Ok(());
            for _ in 0..10 {
                written = written.and(stream.write_all(&[0; 100]).await);
            }
            assert_eq!(written.is_err(), is_let_go, "{bytes} bytes at a time");
            drop(stream);
            assert!(reading.await.unwrap() > 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_any_more_is_thrown_away_for_a_moment() {
        for (unread, expected) in [(false, Duration::ZERO), (true, LINGER)] {
            let (near, mut far) = duplex(64);
            let course = Course::default();
            course.set_unread(unread);
            let sending = tokio::spawn(async move {
                while far.write_all(&[0; 64]).await.is_ok() {
                    sleep_until(Instant::now() + LINGER / 8).await;
                }
            });
            let mut stream = Bounded::new(near, LIMIT, course);
            let began = Instant::now();
            stream.shutdown().await.unwrap();
            assert_eq!(began.elapsed().as_secs(), expected.as_secs());
            drop(stream);
            sending.await.unwrap();
        }
    }
}
