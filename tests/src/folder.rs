//! A folder for one test, removed with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use anyhow::Context;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An empty folder under the system's temporary one. Dropped, it is removed with all that is in it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one whose name begins with `name`.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unique = format!("liaison-{name}-{}-{number}", process::id());
        let path = std::env::temp_dir().join(unique);
        // Left by a process of the same number that was killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it and gives its path.
    pub fn write(&self, name: &str, content: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in the system's temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_own_and_goes_with_its_content() {
        let (one, other) = (Folder::new("test").unwrap(), Folder::new("test").unwrap());
        assert_ne!(one.path(), other.path());
        let file = one.write("a.txt", "text").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        drop(one);
        assert!(!file.exists());
        assert!(other.path().exists());
    }
}
