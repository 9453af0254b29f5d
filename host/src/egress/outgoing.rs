//! The body of a request on its way out: bytes in memory, or a file that is read piece by piece as the connection takes
//! them.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

/// What is read of a file at a time.
const PIECE_BYTES: u64 = 64 * 1024;

/// A body that nothing has been sent of. A clone begins anew.
pub(super) enum Outgoing {
    /// Empty once it is sent.
    Bytes(Bytes),
    File(FileBody),
}

/// The part of a file that is still to be sent.
pub(super) struct FileBody {
    file: Arc<File>,
    offset: u64,
    length: u64,
    sha256: [u8; 32],
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Outgoing {
    /// Of this length and sha256.
    pub(super) fn of_file(file: Arc<File>, length: u64, sha256: [u8; 32]) -> Self {
        Self::File(FileBody { file, offset: 0, length, sha256, reading: None })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_end_stream()
    }
}

/// Its length alone: it may hold a secret.
impl fmt::Debug for Outgoing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Outgoing({:?} bytes)", self.size_hint().exact())
    }
}

impl Clone for Outgoing {
    fn clone(&self) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Self::File(body) => Self::of_file(body.file.clone(), body.length, body.sha256),
        }
    }
}

impl From<Bytes> for Outgoing {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::File(body) => {
                body.poll_piece(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File(body) => body.offset == body.length,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::File(body) => SizeHint::with_exact(body.length - body.offset),
        }
    }
}

impl FileBody {
    pub(super) fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let left = self.length - self.offset;
        if left == 0 {
            return Poll::Ready(None);
        }
        let (file, offset) = (&self.file, self.offset);
        let reading = self.reading.get_or_insert_with(|| {
            let file = file.clone();
            spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(left.min(PIECE_BYTES)).unwrap_or_default()];
                file.read_exact_at(&mut piece, offset)?;
                Ok(piece.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let piece = read.map_err(io::Error::other).and_then(|piece| piece);
        if let Ok(piece) = &piece {
            self.offset += piece.len() as u64;
        }
        Poll::Ready(Some(piece))
    }
}
