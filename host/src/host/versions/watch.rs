//! Watches the files of plugins, and compiles and checks what is new in them: on a thread of its own, one at a time, and
//! behind everything that delivers.
//!
//! A file is looked at twice a second, and read where anything of it has changed. It may be half written then: what does
//! not load is tried once more when it has kept still for a while, and only then told. Renames and links that are flipped
//! are followed, for the path is looked up anew each time.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::behind::stand_behind;
use super::{LoadError, Loader};
use crate::config::{self, PluginName};
use crate::plugin::Plugin;
use crate::provenance::{BUNDLE, SIGNATURE, beside};

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A file that does not load is not half written when it has not changed for that long.
const STILL: Duration = Duration::from_secs(1);

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Another file, or other settings, for a plugin.
    Change(PluginName, Box<config::Plugin>),
    /// These plugins are watched, and no others, and this loads them.
    Follow(Loader, BTreeMap<PluginName, Watch>),
}

/// A plugin that is to be watched.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) settings: config::Plugin,
    /// What it was loaded with just now; `None` where it is watched already.
    pub(super) loaded: Option<[u8; 32]>,
}

/// What came of a file that has changed.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) plugin: PluginName,
    /// What it was loaded with.
    pub(super) settings: config::Plugin,
    pub(super) loaded: Result<Arc<Plugin>, LoadError>,
    /// Its settings have changed, not just its file.
    pub(super) is_ordered: bool,
}

/// Starts the thread. It ends when nobody takes what is found any more, or nobody is left to tell it anything.
pub(super) fn start(orders: Receiver<Order>, found: mpsc::Sender<Found>) -> io::Result<()> {
    let watch = move || {
        // Where no plugin is a component there is nothing to compile.
        let Ok(first) = orders.recv() else { return };
        let Some(compiler) = compiler() else { return };
        let mut desk = Desk::default();
        desk.obey(first);
        while !found.is_closed() && compiler.install(|| desk.look(&found)) {
            match orders.recv_timeout(LOOK) {
                Ok(order) => desk.obey(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    };
    thread::Builder::new().name("liaison-versions".into()).spawn(watch).map(drop)
}

/// What the thread watches.
#[derive(Default)]
struct Desk {
    loader: Option<Loader>,
    files: BTreeMap<PluginName, Watched>,
}

impl Desk {
    fn obey(&mut self, order: Order) {
        match order {
            Order::Change(plugin, settings) => {
                if let Some(file) = self.files.get_mut(&plugin) {
                    file.change(*settings);
                }
            }
            Order::Follow(loader, plugins) => {
                self.loader = Some(loader);
                let mut before = std::mem::take(&mut self.files);
                let files = plugins.into_iter().map(|(name, Watch { settings, loaded })| {
                    let file = match (before.remove(&name), loaded) {
                        (Some(mut file), None) => {
                            file.follow(settings);
                            file
                        }
                        (_, Some(sha256)) => Watched::new(settings, sha256),
                        (None, None) => Watched::ordered(settings),
                    };
                    (name, file)
                });
                self.files = files.collect();
            }
        }
    }

    /// Tells what is new; `false` when nobody takes it any more.
    fn look(&mut self, found: &mpsc::Sender<Found>) -> bool {
        let Some(loader) = &self.loader else { return true };
        for (name, file) in &mut self.files {
            let Some(loaded) = file.look(name, loader, Instant::now()) else { continue };
            let (plugin, settings) = (name.clone(), file.settings.clone());
            let is_ordered = loaded.is_ok() && std::mem::take(&mut file.is_ordered);
            if found.blocking_send(Found { plugin, settings, loaded, is_ordered }).is_err() {
                return false;
            }
        }
        true
    }
}

/// One thread that compiles, however many cores there are: those who deliver need the others, and go first on this one.
fn compiler() -> Option<rayon::ThreadPool> {
    let behind = |_| stand_behind();
    let name = |_| "liaison-compile".to_owned();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(name).start_handler(behind).build();
    pool.inspect_err(
        |error| tracing::error!(%error, "changes of plugins are not noticed: no thread for them"),
    )
    .ok()
}

/// The file of one plugin.
struct Watched {
    settings: config::Plugin,
    /// What was in it when it was judged last.
    sha256: Option<[u8; 32]>,
    was_refused: bool,
    sight: Sight,
    /// These settings are new, and nothing was loaded with them yet.
    is_ordered: bool,
}

impl Watched {
    /// Loaded with these settings, and with this content then.
    fn new(settings: config::Plugin, sha256: [u8; 32]) -> Self {
        Self {
            settings,
            sha256: Some(sha256),
            was_refused: false,
            sight: Sight::default(),
            is_ordered: false,
        }
    }

    /// What is in the file is to be loaded with these settings, whatever it is.
    fn ordered(settings: config::Plugin) -> Self {
        Self { settings, sha256: None, was_refused: false, sight: Sight::default(), is_ordered: true }
    }

    fn change(&mut self, settings: config::Plugin) {
        *self = Self::ordered(settings);
    }

    /// These settings hold now: nothing is new where they are the same.
    fn follow(&mut self, settings: config::Plugin) {
        if settings != self.settings {
            self.change(settings);
        }
    }

    /// Loads what is in the file where that is new; `None` where there is nothing to tell.
    fn look(
        &mut self,
        name: &PluginName,
        loader: &Loader,
        now: Instant,
    ) -> Option<Result<Arc<Plugin>, LoadError>> {
        let file = self.settings.source.file();
        let stamp = file.and_then(|path| {
            let of_signature = |ending| Stamp::of(&beside(path, ending));
            Some([Some(Stamp::of(path)?), of_signature(SIGNATURE), of_signature(BUNDLE)])
        });
        let news = self.sight.news(stamp, now);
        if news == News::No {
            return None;
        }
        let sha256 = match file {
            Some(path) => sha256_of(path).ok(),
            // An image is named by its digest: it never changes.
            None => self.sha256,
        };
        // What was refused may have been signed since.
        if sha256.is_some() && sha256 == self.sha256 && !self.was_refused {
            self.sight.judged(stamp);
            return None;
        }
        let loaded = loader.load(name, &self.settings);
        if loaded.is_err() && news == News::Changed {
            return None;
        }
        // Where the file has changed since its stamp was taken, it has another one at the next look.
        self.sight.judged(stamp);
        self.was_refused = loaded.is_err();
        self.sha256 = loaded.as_ref().map_or(sha256, |plugin| Some(plugin.sha256));
        Some(loaded.map(Arc::new))
    }
}

/// What a file looks like from outside, and when that is worth reading it. Pure.
#[derive(Debug, Default)]
struct Sight {
    /// What it looked like when it was judged; the inner one is `None` where there was no file.
    judged: Option<Option<Stamps>>,
    /// What it looks like since when, and is not judged.
    changed: Option<(Option<Stamps>, Instant)>,
}

/// Is there something to read?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    No,
    /// It has changed just now, and may be half written.
    Changed,
    /// It has changed, and keeps still since: whatever it is, it is to be judged.
    Still,
}

impl Sight {
    fn news(&mut self, stamp: Option<Stamps>, now: Instant) -> News {
        if self.judged == Some(stamp) {
            self.changed = None;
            return News::No;
        }
        match self.changed {
            Some((seen, since)) if seen == stamp => {
                if now.saturating_duration_since(since) >= STILL {
                    News::Still
                } else {
                    News::No
                }
            }
            Some(_) | None => {
                self.changed = Some((stamp, now));
                News::Changed
            }
        }
    }

    fn judged(&mut self, stamp: Option<Stamps>) {
        (self.judged, self.changed) = (Some(stamp), None);
    }
}

/// Of a component's file, and of the signatures that may stand beside it.
type Stamps = [Option<Stamp>; 3];

/// What tells a file from one before without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Stamp {
    /// `None` where there is no file.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

fn sha256_of(path: &Path) -> io::Result<[u8; 32]> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut hash = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hash)?;
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(bytes: u64) -> Option<Stamps> {
        Some([Some(Stamp { device: 1, inode: 2, bytes, modified: (3, 4) }), None, None])
    }

    #[test]
    fn a_change_is_news_twice_and_then_no_more_until_the_next() {
        let (mut sight, begin) = (Sight::default(), Instant::now());
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        assert_eq!(sight.news(stamp(1), at(0)), News::Changed);
        assert_eq!(sight.news(stamp(1), at(500)), News::No);
        // Still being written.
        assert_eq!(sight.news(stamp(2), at(1_000)), News::Changed);
        assert_eq!(sight.news(stamp(2), at(1_500)), News::No);
        assert_eq!(sight.news(stamp(2), at(2_000)), News::Still);
        sight.judged(stamp(2));
        assert_eq!(sight.news(stamp(2), at(9_000)), News::No);
        // Gone, and back as it was.
        assert_eq!(sight.news(None, at(9_500)), News::Changed);
        assert_eq!(sight.news(stamp(2), at(10_000)), News::No);
        assert_eq!(sight.news(None, at(10_500)), News::Changed);
        assert_eq!(sight.news(None, at(11_500)), News::Still);
        sight.judged(None);
        assert_eq!(sight.news(None, at(20_000)), News::No);
    }

    #[test]
    fn a_renamed_file_of_the_same_size_and_a_link_to_another_look_different() {
        let folder = std::env::temp_dir().join(format!("liaison-watch-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let [one, two, link] = ["one", "two", "link"].map(|name| folder.join(name));
        fs::write(&one, "1").unwrap();
        fs::write(&two, "2").unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let before = Stamp::of(&link);
        assert_eq!((before, before.is_some()), (Stamp::of(&one), true));
        fs::rename(&two, &one).unwrap();
        assert_ne!(Stamp::of(&link), before);
        fs::remove_file(&one).unwrap();
        assert_eq!(Stamp::of(&link), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
