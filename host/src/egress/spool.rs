//! Keeps the body of a reply for a later request: in memory while it is small, else in a file, so that a large one takes
//! no more memory than a small one.
//!
//! In come the pieces as they arrive, out goes a [`Kept`] with length and sha256. The file has no name: it is gone when
//! nobody holds it any more, however the process ends. Disk is touched by threads of their own, piece by piece.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use crate::contract::{Content, Failure, Kept};

/// A body up to this size stays in memory; of a larger one so much waits to be written.
pub(super) const MEMORY_BYTES: usize = 256 * 1024;

/// A body that is being received.
pub(super) struct Spool {
    folder: Arc<Path>,
    max_bytes: u64,
    length: u64,
    hash: Sha256,
    waiting: BytesMut,
    file: Option<Arc<File>>,
}

impl Spool {
    /// Large bodies go to files in this folder, which is made where it is not there.
    pub(super) fn new(folder: Arc<Path>, max_bytes: u64) -> Self {
        Self { folder, max_bytes, length: 0, hash: Sha256::new(), waiting: BytesMut::new(), file: None }
    }

    /// Takes the next piece.
    pub(super) async fn push(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.length += piece.len() as u64;
        if self.length > self.max_bytes {
            return Err(Failure::TooLarge(self.max_bytes));
        }
        self.hash.update(piece);
        if self.waiting.len() + piece.len() > MEMORY_BYTES {
            self.write().await?;
        }
        self.waiting.extend_from_slice(piece);
        Ok(())
    }

    /// All pieces have come.
    pub(super) async fn finish(mut self) -> Result<Kept, Failure> {
        if self.file.is_some() {
            self.write().await?;
        }
        let content = match self.file {
            Some(file) => Content::File(file),
            None => Content::Memory(self.waiting.freeze()),
        };
        Ok(Kept { length: self.length, sha256: self.hash.finalize().into(), content })
    }

    async fn write(&mut self) -> Result<(), Failure> {
        let (waiting, file, folder) = (self.waiting.split().freeze(), self.file.take(), self.folder.clone());
        let written = spawn_blocking(move || write(&waiting, file, &folder)).await;
        let file = written.map_err(io::Error::other).and_then(|written| written).map_err(|error| {
            Failure::Other(format!("the reply's body cannot be kept in {}: {error}", self.folder.display()))
        })?;
        self.file = Some(file);
        self.waiting.reserve(MEMORY_BYTES);
        Ok(())
    }
}

fn write(waiting: &Bytes, file: Option<Arc<File>>, folder: &Path) -> io::Result<Arc<File>> {
    let file = match file {
        Some(file) => file,
        None => Arc::new(nameless(folder)?),
    };
    (&*file).write_all(waiting)?;
    Ok(file)
}

/// For reading and writing, and for nobody else.
fn nameless(folder: &Path) -> io::Result<File> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("body-{}-{number}", std::process::id()));
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("liaison-spool-{}-{name}", std::process::id()))
    }

    async fn keep(folder: &Path, max_bytes: u64, pieces: &[Vec<u8>]) -> Result<Kept, Failure> {
        let mut spool = Spool::new(folder.into(), max_bytes);
        for piece in pieces {
            spool.push(piece).await?;
        }
        spool.finish().await
    }

    fn content(kept: &Kept) -> Vec<u8> {
        match &kept.content {
            Content::Memory(bytes) => bytes.to_vec(),
            Content::File(file) => {
                let mut bytes = vec![0; usize::try_from(kept.length).unwrap()];
                file.read_exact_at(&mut bytes, 0).unwrap();
                bytes
            }
            Content::Lost => panic!("it is here"),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_comes_in_pieces_is_kept_as_a_whole(lengths in proptest::collection::vec(0_usize..200_000, 0..8)) {
            let folder = folder("pieces");
            let pieces: Vec<Vec<u8>> = lengths.iter().map(|length| vec![*length as u8; *length]).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let kept = runtime.block_on(keep(&folder, u64::MAX, &pieces)).unwrap();
            let whole = pieces.concat();
            prop_assert_eq!(kept.length, whole.len() as u64);
            prop_assert_eq!(matches!(kept.content, Content::Memory(_)), whole.len() <= MEMORY_BYTES);
            prop_assert_eq!(&kept.sha256[..], &Sha256::digest(&whole)[..]);
            prop_assert!(content(&kept) == whole);
            let left = fs::read_dir(&folder).map(|entries| entries.count()).unwrap_or_default();
            prop_assert_eq!(left, 0, "the file has no name");
        }
    }

    #[tokio::test]
    async fn the_limit_and_a_disk_that_fails_are_told() {
        let folder = folder("limits");
        let pieces = vec![vec![1; 200_000]; 3];
        let failure = keep(&folder, 599_999, &pieces).await.unwrap_err();
        assert_eq!(failure, Failure::TooLarge(599_999));
        assert_eq!(keep(&folder, 600_000, &pieces).await.unwrap().length, 600_000);
        let nowhere = Path::new("/proc/nowhere");
        let failure = keep(nowhere, 600_000, &pieces).await.unwrap_err();
        let Failure::Other(why) = &failure else { panic!("{failure}") };
        assert!(why.starts_with("the reply's body cannot be kept in /proc/nowhere: "), "{why}");
        fs::remove_dir_all(folder).unwrap();
    }
}
