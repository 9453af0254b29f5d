//! Where what was fetched once is kept: a folder in the user's cache.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::Failure;

/// `liaison-tests` in the user's cache folder.
pub(crate) fn cache() -> Result<PathBuf, Failure> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".cache")))
        .map(|cache| cache.join("liaison-tests"))
        .ok_or_else(|| {
            "neither XDG_CACHE_HOME nor HOME is set: no place to keep what is fetched".to_owned().into()
        })
}

/// Moves what was fetched to its place in one step, so that a home that exists is complete.
pub(crate) fn keep(partial: &Path, home: &Path) -> Result<(), Failure> {
    match fs::rename(partial, home) {
        Ok(()) => Ok(()),
        // Another process was first.
        Err(_) if home.exists() => Ok(()),
        Err(error) => Err(format!("{} cannot be made: {error}", home.display()).into()),
    }
}
