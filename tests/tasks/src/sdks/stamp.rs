//! What something was made from, written beside it, so that it is made again only when that has changed.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use crate::command::Failure;

/// Folders that are made, and never part of what something is made from.
const MADE: [&str; 5] = ["node_modules", "dist", "__pycache__", ".mypy_cache", ".pytest_cache"];

/// Makes something unless it was made from these files and folders before. What was begun and failed is made again.
pub(super) fn unless_made(
    stamp: &Path,
    sources: &[PathBuf],
    make: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::from(format!("{}: {error}", stamp.display()));
    let digest = digest(sources).map_err(failed)?;
    if fs::read_to_string(stamp).is_ok_and(|before| before == digest) {
        return Ok(());
    }
    if let Some(folder) = stamp.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    make()?;
    fs::write(stamp, digest).map_err(failed)
}

/// Of names and contents.
fn digest(sources: &[PathBuf]) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    for source in sources {
        for file in files(source)? {
            hasher.write(file.strip_prefix(source).unwrap_or(&file).as_os_str().as_encoded_bytes());
            let content = fs::read(&file)?;
            hasher.write_usize(content.len());
            hasher.write(&content);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// A file, or all files below a folder, in order of name. Links are followed.
fn files(source: &Path) -> io::Result<Vec<PathBuf>> {
    if !source.is_dir() {
        return Ok(vec![source.to_owned()]);
    }
    let mut entries = fs::read_dir(source)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut all = Vec::new();
    for entry in entries {
        if !MADE.iter().any(|made| entry.file_name() == *made) {
            all.extend(files(&entry.path())?);
        }
    }
    Ok(all)
}

/// Copies a file or folder, without what is made.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for file in files(from)? {
        let place = match file.strip_prefix(from) {
            Ok(below) if !below.as_os_str().is_empty() => to.join(below),
            Ok(_) | Err(_) => to.to_owned(),
        };
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(&file, place)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_did_not_change_is_made_once_and_what_failed_again() {
        let folder = std::env::temp_dir().join(format!("liaison-tasks-stamp-{}", std::process::id()));
        fs::create_dir_all(folder.join("source/dist")).unwrap();
        let (stamp, source) = (folder.join("made/stamp"), folder.join("source"));
        let made = Cell::new(0);
        let make = |result: Result<(), Failure>| {
            let count = || {
                made.set(made.get() + 1);
                result
            };
            unless_made(&stamp, std::slice::from_ref(&source), count)
        };
        fs::write(source.join("a"), "1").unwrap();
        assert!(make(Err("no".to_owned().into())).is_err());
        make(Ok(())).unwrap();
        make(Ok(())).unwrap();
        assert_eq!(made.get(), 2);
        fs::write(source.join("dist/a"), "made itself").unwrap();
        make(Ok(())).unwrap();
        assert_eq!(made.get(), 2);
        fs::write(source.join("a"), "2").unwrap();
        make(Ok(())).unwrap();
        assert_eq!(made.get(), 3);
        fs::rename(source.join("a"), source.join("b")).unwrap();
        make(Ok(())).unwrap();
        assert_eq!(made.get(), 4);

        copy(&source, &folder.join("copy")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("copy/b")).unwrap(), "2");
        assert!(!folder.join("copy/dist").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
