//! Folders to try things out in, and stores in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::id::Chance;
use store::conformance::{Recorder, World};
use store::sqlite::{Options, Sqlite};
use store::{Error, Lanes, MasterKey, Store};
use tokio::task;

/// A folder of its own, gone with the test.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-{}-{count}", process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Chance that is the same in every run of one seed.
#[derive(Debug)]
pub(crate) struct Seeded(pub(crate) u64);

impl Chance for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *byte = self.0.to_le_bytes()[3];
        }
    }
}

pub(crate) const MASTER: [u8; 32] = [7; 32];

/// How a test opens a folder; `seed` differs between openings of one folder.
pub(crate) fn options(folder: &Path, lanes: Arc<dyn Lanes>, seed: u64) -> Options {
    Options {
        folder: folder.to_owned(),
        master: MasterKey::new(&MASTER).unwrap(),
        chance: Box::new(Seeded(seed)),
        lanes,
    }
}

/// Opens a world in a folder that lives as long as it.
pub(crate) async fn open() -> World {
    let opened = task::spawn_blocking(|| {
        let folder = Folder::new();
        let path = folder.path().to_owned();
        open_in(&path, Recorder::new(), 1, folder)
    });
    opened.await.unwrap().unwrap()
}

/// Opens a world in a folder; `keep` lives as long as it.
pub(crate) fn open_in(
    folder: &Path,
    lanes: Arc<Recorder>,
    seed: u64,
    keep: impl Send + Sync + 'static,
) -> Result<World, Error> {
    let sqlite = Sqlite::open(options(folder, Arc::<Recorder>::clone(&lanes), seed))?;
    let views = sqlite.views();
    let store: Arc<dyn Store> = Arc::new(sqlite);
    Ok(World::new(lanes, store, views, Box::new(keep)))
}
