//! Folders and files that belong to this user and to nobody else.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Makes the folder, or finds it as it must be.
///
/// # Errors
///
/// When it is a link, or belongs to somebody else, or others may look into it: says what to do.
pub(crate) fn folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::symlink_metadata(folder)?;
    let refused = |what: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    if metadata.is_symlink() {
        return refused("it is a link; name the folder that it points to".to_owned());
    }
    if metadata.uid() != user()? {
        let what =
            "it belongs to another user; give it to the one that runs the host (chown), or name another";
        return refused(what.to_owned());
    }
    if metadata.mode() & 0o077 != 0 {
        return refused(format!("others may use it; take that from them: chmod 700 {}", folder.display()));
    }
    Ok(())
}

/// Opens a file that only this user can have written; `None` where there is none.
///
/// # Errors
///
/// When it is a link or no plain file, or belongs to somebody else, or others may write to it.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    // What is not a plain file is not waited for.
    options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let metadata = file.metadata()?;
    let is_ours = metadata.is_file() && metadata.uid() == user()? && metadata.mode() & 0o022 == 0;
    if !is_ours {
        let what = "it is not a file that this user alone can write to";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    Ok(Some(file))
}

/// Writes a file whole or not at all, also with two hosts at once: beside it, and renamed.
pub(crate) fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    // Nobody else has it: what is written to must never be what somebody has opened under its own name.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{:016x}.tmp", fastrand::u64(..)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_all());
    let kept = written.and_then(|()| fs::rename(&beside, path));
    // What is cut off is of no use, and does no harm if it stays.
    kept.inspect_err(|_| drop(fs::remove_file(&beside)))
}

fn user() -> io::Result<u32> {
    Ok(fs::metadata("/proc/self")?.uid())
}
