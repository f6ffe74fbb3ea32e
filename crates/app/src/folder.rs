//! The data folder: which files lie in it, and how they are written.
//!
//! Invariants: what must not be seen is readable by its owner alone; a file is written whole or not at all; a master key
//! is never made for a folder that has a database already, since nothing in it would open any more; it is kept before
//! anything is sealed with it.
//! Left to others: the database itself (`store`).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, anyhow, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::id::Chance as _;
#[cfg(unix)]
use rustix::system::uname;
use store::MasterKey;
use tracing::info;

use crate::chance::SystemChance;
use crate::failure::Advise as _;

/// The database, as `store` names it.
pub(crate) const DATABASE: &str = "countersign.db";
/// Its log.
pub(crate) const LOG: &str = "countersign.db-wal";
/// The lock of whoever runs on the folder, as `store` names it.
const LOCK: &str = "countersign.lock";
/// The master key, where no setting gives one.
pub(crate) const MASTER_KEY: &str = "master.key";
/// How far the clock of development was moved on.
pub(crate) const CLOCK: &str = "clock-offset";
/// The key that `countersign dev` prints.
pub(crate) const DEV_KEY: &str = "api-key";

/// Gives the master key: the one of the settings, else that of the folder, which is made at the first start.
pub(crate) fn master_key(folder: &Path, configured: Option<[u8; 32]>) -> anyhow::Result<MasterKey> {
    let bytes = match configured {
        Some(bytes) => bytes,
        None => kept_key(folder)?,
    };
    Ok(MasterKey::new(&bytes)?)
}

/// Gives the bytes of the master key in use; makes none.
pub(crate) fn known_key(folder: &Path, configured: Option<[u8; 32]>) -> anyhow::Result<[u8; 32]> {
    let file = folder.join(MASTER_KEY);
    let bytes = match configured {
        Some(bytes) => Some(bytes),
        None => read_key(&file)?,
    };
    bytes.with_context(|| {
        format!("no setting gives a master key, and there is no {}", file.display())
    })
}

/// A master key that was drawn and is not kept yet.
#[derive(Debug)]
pub(crate) struct Draft([u8; 32]);

/// Gives the master key for a database elsewhere, which may know another one already: where there is none yet, one that
/// must be kept once the database has taken it, and before anything is sealed with it.
pub(crate) fn key_or_draft(
    folder: &Path,
    configured: Option<[u8; 32]>,
) -> anyhow::Result<(MasterKey, Option<Draft>)> {
    let known = match configured {
        Some(bytes) => Some(bytes),
        None => found_key(folder)?,
    };
    if let Some(bytes) = known {
        return Ok((MasterKey::new(&bytes)?, None));
    }
    let bytes = draw_key();
    Ok((MasterKey::new(&bytes)?, Some(Draft(bytes))))
}

impl Draft {
    /// Writes the key into the folder. When somebody else has made one there meanwhile, theirs counts, and this start fails.
    pub(crate) fn keep(self, folder: &Path) -> anyhow::Result<()> {
        let kept = keep_key(folder, self.0)?;
        ensure!(kept == self.0, "another process made {MASTER_KEY} meanwhile; start again");
        Ok(())
    }
}

fn kept_key(folder: &Path) -> anyhow::Result<[u8; 32]> {
    match found_key(folder)? {
        Some(bytes) => Ok(bytes),
        None => keep_key(folder, draw_key()),
    }
}

/// Gives the folder's key; `None` where one may be made.
fn found_key(folder: &Path) -> anyhow::Result<Option<[u8; 32]>> {
    let file = folder.join(MASTER_KEY);
    if let Some(bytes) = read_key(&file)? {
        return Ok(Some(bytes));
    }
    if folder.join(DATABASE).exists() {
        let error = anyhow!(
            "{} holds a database but no {MASTER_KEY}, and the secrets in it do not open without",
            folder.display()
        );
        return Err(error).advise(format!(
            "put {MASTER_KEY} back from a backup, or set master_key (COUNTERSIGN_MASTER_KEY)"
        ));
    }
    Ok(None)
}

fn draw_key() -> [u8; 32] {
    let mut bytes = [0; 32];
    SystemChance::new().fill(&mut bytes);
    bytes
}

/// Keeps a key in the folder, and gives the one that is there then.
fn keep_key(folder: &Path, bytes: [u8; 32]) -> anyhow::Result<[u8; 32]> {
    create(folder)?;
    let file = folder.join(MASTER_KEY);
    if write_new(&file, BASE64_STANDARD.encode(bytes).as_bytes())? {
        info!(file = %file.display(), "a master key was made; keep a copy of it, apart from the data");
        return Ok(bytes);
    }
    // Somebody else was faster, and theirs counts.
    read_key(&file)?.with_context(|| format!("reading {}", file.display()))
}

fn read_key(file: &Path) -> anyhow::Result<Option<[u8; 32]>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
    };
    let bytes = parse_key(&text).with_context(|| format!("reading {}", file.display())).advise(
        "put the file back from a backup; without it the secrets in the database do not open",
    )?;
    Ok(Some(bytes))
}

/// Reads 32 bytes of base64.
pub(crate) fn parse_key(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes = BASE64_STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.context("expected the base64 of 32 bytes, as `openssl rand -base64 32` gives them")
}

/// Gives the name of the host; where it has none, that of the process.
pub(crate) fn host_name() -> String {
    #[cfg(unix)]
    if let Ok(name) = uname().nodename().to_str()
        && !name.is_empty()
    {
        return name.to_owned();
    }
    format!("process-{}", process::id())
}

/// Makes a folder, for its owner alone.
pub(crate) fn create(folder: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder
        .create(folder)
        .with_context(|| format!("making the folder {}", folder.display()))
        .advise("choose another folder with --data, or let the user of the service write there")
}

/// Tells whether a process runs on the folder.
pub(crate) fn is_held(folder: &Path) -> anyhow::Result<bool> {
    let file = folder.join(LOCK);
    let lock = match File::options().write(true).open(&file) {
        Ok(lock) => lock,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("opening {}", file.display())),
    };
    match lock.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {}", file.display()))
        }
    }
}

/// Writes a file, whole, for its owner alone.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let fresh = beside(file, bytes)?;
    fs::rename(&fresh, file).with_context(|| format!("writing {}", file.display()))?;
    sync_folder(file)
}

/// Writes a file that must not be there yet; `false` when it is.
fn write_new(file: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    let fresh = beside(file, bytes)?;
    let linked = fs::hard_link(&fresh, file);
    fs::remove_file(&fresh).with_context(|| format!("removing {}", fresh.display()))?;
    match linked {
        Ok(()) => sync_folder(file).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("writing {}", file.display())),
    }
}

/// Writes a file's content beside it, and waits until the disk has it.
fn beside(file: &Path, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    let Some(name) = file.file_name() else { bail!("{} names no file", file.display()) };
    let mut name = name.to_owned();
    name.push(format!(".new-{}", process::id()));
    let fresh = file.with_file_name(name);
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(&fresh).and_then(|mut out| {
        out.write_all(bytes)?;
        out.sync_all()
    });
    written.with_context(|| format!("writing {}", fresh.display()))?;
    Ok(fresh)
}

/// Makes a new name in a folder durable.
pub(crate) fn sync_folder(file: &Path) -> anyhow::Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    // A bare file name has the empty path as its parent.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.with_context(|| format!("writing {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::env;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A folder that is gone after the test.
    #[derive(Debug)]
    pub(crate) struct Scratch(PathBuf);

    impl Scratch {
        pub(crate) fn new(name: &str) -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("countersign-{name}-{}-{number}", process::id());
            let path = env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn a_master_key_is_made_once_and_for_its_owner_alone() {
        let scratch = Scratch::new("key");
        let first = kept_key(scratch.path()).unwrap();
        assert_eq!(kept_key(scratch.path()).unwrap(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(scratch.path().join(MASTER_KEY)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn no_key_is_made_where_a_database_lies() {
        let scratch = Scratch::new("lost-key");
        fs::write(scratch.path().join(DATABASE), b"x").unwrap();
        let error = kept_key(scratch.path()).unwrap_err();
        assert!(error.to_string().contains("do not open without"), "{error}");
    }

    #[test]
    fn a_folder_is_held_while_its_lock_is() {
        let scratch = Scratch::new("held");
        assert!(!is_held(scratch.path()).unwrap());
        let lock = File::create(scratch.path().join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert!(is_held(scratch.path()).unwrap());
        drop(lock);
        assert!(!is_held(scratch.path()).unwrap());
    }
}
