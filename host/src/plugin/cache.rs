//! Compiled components on disk, so that a plugin is compiled once and not at every start.
//!
//! `Component::deserialize` runs what it is given, so only files that this module wrote are loaded: from a folder that
//! belongs to this user and to nobody else, under a name made of the component's sha256 and of all that the compiler
//! depends on. Losing the folder costs time and nothing else.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, DirBuilder};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

#[derive(Debug)]
pub(super) struct Cache {
    /// `None`: the folder cannot be trusted or made, so nothing is kept.
    folder: Option<PathBuf>,
}

impl Cache {
    pub(super) fn new(folder: &Path) -> Self {
        match private_folder(folder) {
            Ok(()) => Self { folder: Some(folder.to_owned()) },
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "plugins are compiled anew at each start: no cache folder");
                Self { folder: None }
            }
        }
    }

    /// Compiles `bytes`, or takes what an earlier run compiled. Blocks for seconds with a large plugin.
    pub(super) fn component(
        &self,
        engine: &Engine,
        bytes: &[u8],
        sha256: &str,
    ) -> wasmtime::Result<Component> {
        let Some(folder) = &self.folder else { return Component::new(engine, bytes) };
        let path = folder.join(format!("{sha256}-{:016x}.cwasm", compiler(engine)));
        if let Some(component) = load(engine, &path) {
            return Ok(component);
        }
        let component = Component::new(engine, bytes)?;
        if let Err(error) =
            component.serialize().map_err(io::Error::other).and_then(|code| save(&path, &code))
        {
            tracing::warn!(path = %path.display(), %error, "could not keep a compiled plugin");
        }
        Ok(component)
    }
}

/// All that compiled code depends on beside the component itself.
fn compiler(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

#[expect(unsafe_code, reason = "only files of our own private folder are loaded, see the head of this file")]
fn load(engine: &Engine, path: &Path) -> Option<Component> {
    if !path.exists() {
        return None;
    }
    // SAFETY: `save` wrote this file from `Component::serialize`, and only this user can write to its folder.
    match unsafe { Component::deserialize_file(engine, path) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(path = %path.display(), error = format!("{error:#}"), "a kept plugin is of no use");
            None
        }
    }
}

/// Whole or not at all, also with two hosts at once: written beside and renamed.
fn save(path: &Path, code: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(code)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::metadata(folder)?;
    let is_ours = metadata.uid() == fs::metadata("/proc/self")?.uid();
    let is_private = metadata.mode() & 0o077 == 0;
    if is_ours && is_private {
        return Ok(());
    }
    let what = "it must belong to the user that runs the host, with mode 0700";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// The binary form of `(component)`: magic, version 13, layer 1.
    const EMPTY: &[u8] = &[0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("liaison-cache-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        folder
    }

    #[test]
    fn a_component_is_compiled_once_and_kept() {
        let folder = folder("keep");
        let cache = Cache::new(&folder);
        let engine = Engine::default();
        cache.component(&engine, EMPTY, "abc").unwrap();
        let kept: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(kept.len(), 1);
        assert!(load(&engine, &kept[0]).is_some());
        fs::write(&kept[0], b"rubbish").unwrap();
        assert!(load(&engine, &kept[0]).is_none());
        cache.component(&engine, EMPTY, "abc").unwrap();
        assert!(load(&engine, &kept[0]).is_some());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let folder = folder("open");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Cache::new(&folder).folder.is_none());
        fs::remove_dir_all(&folder).unwrap();
    }
}
