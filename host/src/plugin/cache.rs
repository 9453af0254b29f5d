//! Compiled components on disk, so that a plugin is compiled once and not at every start.
//!
//! `Component::deserialize` runs what it is given, so only files that this module wrote are loaded: from a folder that
//! belongs to this user and to nobody else, plain files of that user and no links, under a name made of the component's
//! sha256 and of all that the compiler depends on, with the sha256 of the machine code at their end. A file that is cut,
//! altered or somebody else's is compiled anew. Losing the folder costs time and nothing else.
//!
//! What remains: whoever acts as this user, or as root, can write a file that is taken. They can as well write to this
//! process; a key beside the files would keep nobody out who can read them.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::provenance::private;

/// Another number, and what was written before is not looked at any more.
const FORMAT: u32 = 2;
/// Bytes that are read at a time.
const PART_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Cache {
    /// `None`: the folder cannot be trusted or made, so nothing is kept.
    folder: Option<PathBuf>,
}

impl Cache {
    pub(super) fn new(folder: &Path) -> Self {
        match private::folder(folder) {
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
        let kept = component.serialize().map_err(io::Error::other);
        if let Err(error) = kept.and_then(|code| private::write(&path, &[&code, &Sha256::digest(&code)])) {
            tracing::warn!(path = %path.display(), %error, "could not keep a compiled plugin");
        }
        Ok(component)
    }
}

/// All that compiled code depends on beside the component itself.
fn compiler(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    (FORMAT, env!("CARGO_PKG_VERSION")).hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let loaded = private::open(path).and_then(|file| match file {
        Some(file) if is_whole(&file)? => deserialize(engine, &file).map(Some).map_err(io::Error::other),
        Some(_) => Err(io::Error::other("it was cut or altered")),
        None => Ok(None),
    });
    loaded.unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "a kept plugin is of no use, and compiled anew");
        None
    })
}

/// Is what stands before the last 32 bytes what they are the sha256 of?
fn is_whole(mut file: &File) -> io::Result<bool> {
    let mut end = [0; 32];
    let Some(length) = file.metadata()?.len().checked_sub(end.len() as u64) else { return Ok(false) };
    let mut hash = Sha256::new();
    let (mut code, mut part) = (file.take(length), vec![0; PART_BYTES]);
    loop {
        match code.read(&mut part)? {
            0 => break,
            count => hash.update(&part[..count]),
        }
    }
    file.read_exact(&mut end)?;
    Ok(hash.finalize().as_slice() == end)
}

#[expect(unsafe_code, reason = "only what this module wrote is loaded, see the head of this file")]
fn deserialize(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    // By its descriptor: the very file that was looked at, whatever its name means by now. Mapped and not read, so that
    // pages of large guests that nobody needs take no memory.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: `component` wrote this file from `Component::serialize`. It is of this user, whom alone its folder lets in,
    // and it is what it was when it was written.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// The binary form of `(component)`: magic, version 13, layer 1.
    const EMPTY: &[u8] = &[0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

    /// A cache with one kept component; it is removed again.
    struct Kept {
        folder: PathBuf,
        cache: Cache,
        engine: Engine,
    }

    impl Kept {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("liaison-cache-{name}-{}", std::process::id()));
            drop(fs::remove_dir_all(&folder));
            let kept = Self { cache: Cache::new(&folder), folder, engine: Engine::default() };
            kept.compile();
            kept
        }

        fn compile(&self) {
            self.cache.component(&self.engine, EMPTY, "abc").unwrap();
        }

        fn files(&self) -> Vec<PathBuf> {
            fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path()).collect()
        }

        fn is_loaded(&self) -> bool {
            load(&self.engine, &self.files()[0]).is_some()
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.folder));
        }
    }

    #[test]
    fn a_component_is_compiled_once_and_kept_for_this_user_alone() {
        let kept = Kept::new("keep");
        let files = kept.files();
        assert_eq!(files.len(), 1);
        assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(kept.is_loaded());
    }

    #[test]
    fn what_was_cut_or_altered_is_compiled_anew() {
        let kept = Kept::new("altered");
        let file = &kept.files()[0];
        let whole = fs::read(file).unwrap();
        let mut altered = whole.clone();
        altered[whole.len() / 2] ^= 1;
        let longer = [whole.as_slice(), b"x"].concat();
        for content in
            [b"rubbish", b"".as_slice(), &whole[..whole.len() - 1], &whole[..64], &altered, &longer]
        {
            fs::write(file, content).unwrap();
            assert!(!kept.is_loaded());
            kept.compile();
            assert!(kept.is_loaded());
            assert_eq!(fs::read(file).unwrap().len(), whole.len());
        }
        // Its own digest makes no code of rubbish.
        fs::write(file, [b"rubbish".as_slice(), &Sha256::digest(b"rubbish")].concat()).unwrap();
        assert!(!kept.is_loaded());
    }

    #[test]
    fn what_others_may_have_written_is_not_loaded() {
        let kept = Kept::new("others");
        let file = &kept.files()[0];
        fs::set_permissions(file, Permissions::from_mode(0o660)).unwrap();
        assert!(!kept.is_loaded());
        fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
        assert!(kept.is_loaded());
        let elsewhere = kept.folder.with_extension("elsewhere");
        fs::rename(file, &elsewhere).unwrap();
        symlink(&elsewhere, file).unwrap();
        assert!(!kept.is_loaded(), "a link leads out of the private folder");
        kept.compile();
        assert!(kept.is_loaded());
        assert!(!fs::symlink_metadata(file).unwrap().is_symlink());
        fs::remove_file(elsewhere).unwrap();
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
        assert!(!kept.is_loaded());
    }

    /// Only root can make a file of somebody else's.
    #[test]
    fn a_file_or_a_folder_of_another_user_is_not_used() {
        let kept = Kept::new("owner");
        let file = &kept.files()[0];
        if std::os::unix::fs::chown(file, Some(65_534), None).is_err() {
            return;
        }
        assert!(!kept.is_loaded());
        std::os::unix::fs::chown(&kept.folder, Some(65_534), None).unwrap();
        assert!(Cache::new(&kept.folder).folder.is_none());
        let error = private::folder(&kept.folder).unwrap_err().to_string();
        assert!(error.contains("belongs to another user; give it to the one that runs the host"), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_private_is_not_used() {
        let kept = Kept::new("open");
        for mode in [0o777, 0o770, 0o750, 0o701] {
            fs::set_permissions(&kept.folder, Permissions::from_mode(mode)).unwrap();
            assert!(Cache::new(&kept.folder).folder.is_none(), "{mode:o}");
        }
        let error = private::folder(&kept.folder).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod 700 {}", kept.folder.display())), "{error}");
        fs::set_permissions(&kept.folder, Permissions::from_mode(0o700)).unwrap();
        assert!(Cache::new(&kept.folder).folder.is_some());
        let link = kept.folder.with_extension("link");
        symlink(&kept.folder, &link).unwrap();
        assert!(Cache::new(&link).folder.is_none());
        fs::remove_file(link).unwrap();
    }

    #[test]
    fn what_another_compiler_made_has_another_name() {
        let kept = Kept::new("compiler");
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let other = Engine::new(&config).unwrap();
        assert_ne!(compiler(&other), compiler(&kept.engine));
        kept.cache.component(&other, EMPTY, "abc").unwrap();
        assert_eq!(kept.files().len(), 2);
    }
}
