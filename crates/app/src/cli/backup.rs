//! `countersign backup`.
//!
//! Invariants: a folder has the backup's name only when all of it is on the disk and was looked at; the master key goes
//! along only when somebody asked for that.
//! Left to others: copying and looking (`store::sqlite`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::chain::Hash;
use domain::time::{Clock as _, Timestamp};
use ring::digest::{Context as Digest, SHA256};
use serde::{Deserialize, Serialize};
use store::MasterKey;
use store::carry::Findings;
use store::sqlite;

use crate::cli::Context;
use crate::cli::progress::Ticker;
use crate::clock::RealClock;
use crate::config::Settings;
use crate::config::gather::Mode;
use crate::failure::Advise as _;
use crate::folder;
use crate::screen::Screen;

/// Copy the embedded store into a folder, while the service runs.
///
/// Everything that was acknowledged before the command began is in the copy. All of it is looked at before it gets its
/// name: the database's integrity, every hash of every chain, the rows. To restore it, put the folder in the place of the
/// data folder, with the master key. A PostgreSQL is backed up with its own tools: docs/operating.md says how.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where the backup goes; must not be there yet, or be empty.
    folder: PathBuf,
    /// Look at a backup that was made before instead: digests, integrity, chains, rows.
    #[arg(long, conflicts_with_all = ["with_master_key", "rate"])]
    verify: bool,
    /// Copy the master key as well: whoever has the backup can then read every secret in it.
    #[arg(long)]
    with_master_key: bool,
    /// Copy so many MiB a second at most, so that the service has the disk.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
}

const EXAMPLES: &str = "\
Examples:
  countersign backup /backups/2026-01-31
  countersign backup --verify /backups/2026-01-31";

/// What is in a backup, beside the database.
const MANIFEST: &str = "backup.json";
/// Whoever makes a backup holds this file.
const LOCK: &str = "countersign.lock";
/// What the manifest says it is.
const FORMAT: &str = "countersign backup 1";
/// A manifest has so many bytes at most.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: String,
    program: String,
    made_at: Timestamp,
    schema: u32,
    rows: BTreeMap<String, u64>,
    chains: u64,
    entries: u64,
    /// Entries whose text is gone.
    erased: u64,
    has_master_key: bool,
    files: Vec<Copied>,
}

/// A file of the backup.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Copied {
    name: String,
    bytes: u64,
    sha256: String,
}

pub(crate) fn run(args: &Args, context: Context) -> anyhow::Result<ExitCode> {
    if args.verify {
        verify(&args.folder)?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = context.settings(Mode::Production)?;
    if settings.database_url.is_some() {
        return Err(anyhow!("the store is a PostgreSQL, which has tools of its own for this")).advise(
            "use pg_dump, or pg_basebackup with an archive of the log, and keep the master key beside it; \
             docs/operating.md has the commands",
        );
    }
    let (data, target) = (&settings.data, &args.folder);
    refuse_taken(target)?;
    let key = if args.with_master_key { Some(key_to_copy(&settings)?) } else { None };
    let (making, lock) = begin(target)?;
    let made = make(data, &making, args, key.as_ref());
    let manifest = match made.and_then(|manifest| name(&making, target).map(|()| manifest)) {
        Ok(manifest) => manifest,
        Err(error) => {
            // The failure is told; a folder that stays is cleared by the next one who makes this backup.
            drop(fs::remove_dir_all(&making));
            return Err(error).with_context(|| format!("backing up {}", data.display()));
        }
    };
    drop(lock);
    let mut screen = Screen::stdout();
    let done = format!("a backup of {} is in {}", data.display(), target.display());
    screen.line(screen.judged(true, &done))?;
    tell(&mut screen, &manifest)?;
    screen.line(if args.with_master_key {
        screen.bold("The master key is part of it: whoever has this folder can read every secret, so guard it like one.")
    } else {
        format!(
            "The master key is not part of it, and no secret in it opens without: keep a copy of {} (or of the setting \
             master_key) in another place.",
            data.join(folder::MASTER_KEY).display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn refuse_taken(target: &Path) -> anyhow::Result<()> {
    let is_free = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => {
            return Err(error).with_context(|| format!("looking into {}", target.display()));
        }
    };
    if is_free {
        return Ok(());
    }
    Err(anyhow!("{} is not empty", target.display())).advise("name a folder that is not there yet")
}

/// Gives the master key in use, and its text.
fn key_to_copy(settings: &Settings) -> anyhow::Result<(MasterKey, String)> {
    let bytes = folder::known_key(&settings.data, settings.master_key)?;
    Ok((MasterKey::new(&bytes)?, BASE64_STANDARD.encode(bytes)))
}

/// Makes the folder in which a backup is made, beside its place, empties it, and holds it.
fn begin(target: &Path) -> anyhow::Result<(PathBuf, File)> {
    let Some(name) = target.file_name() else {
        return Err(anyhow!("{} names no folder", target.display()))
            .advise("name a folder that is not there yet");
    };
    let mut name = OsString::from(name);
    name.push(".partial");
    let making = target.with_file_name(name);
    folder::create(&making).advise("name a folder where this user may write")?;
    let file = making.join(LOCK);
    let context = || format!("writing {}", file.display());
    let lock = File::create(&file).with_context(context)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another command makes the same backup: {} is held", making.display())
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(context),
    }
    for entry in fs::read_dir(&making).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path != file {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok((making, lock))
}

fn make(
    data: &Path,
    making: &Path,
    args: &Args,
    key: Option<&(MasterKey, String)>,
) -> anyhow::Result<Manifest> {
    let mut ticker = Ticker::new(Some(args.rate));
    let findings = sqlite::backup(data, making, &mut |progress| ticker.hear(progress))?;
    if let Some((key, text)) = key {
        sqlite::try_key(making, key)?;
        folder::write(&making.join(folder::MASTER_KEY), text.as_bytes())?;
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(making).context("looking at the copy")? {
        let entry = entry.context("looking at the copy")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != LOCK {
            files.push(copied(making, name)?);
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let Findings { schema, counts, chains, entries, erased } = findings;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: RealClock.now(),
        schema,
        rows: counts.iter().map(|(table, rows)| (table.to_owned(), rows)).collect(),
        chains,
        entries,
        erased,
        has_master_key: key.is_some(),
        files,
    };
    let text = serde_json::to_string_pretty(&manifest).context("writing the manifest")?;
    folder::write(&making.join(MANIFEST), text.as_bytes())?;
    Ok(manifest)
}

/// Gives the backup its name.
fn name(making: &Path, target: &Path) -> anyhow::Result<()> {
    fs::rename(making, target)
        .with_context(|| format!("naming the backup {}", target.display()))
        .advise("name a folder that is not there yet")?;
    folder::sync_folder(target)?;
    // Held to the end, it says nothing now.
    let lock = target.join(LOCK);
    fs::remove_file(&lock).with_context(|| format!("removing {}", lock.display()))
}

fn copied(folder: &Path, name: String) -> anyhow::Result<Copied> {
    let path = folder.join(&name);
    let mut digest = Sink(Digest::new(&SHA256));
    let bytes = File::open(&path)
        .and_then(|mut file| io::copy(&mut file, &mut digest))
        .with_context(|| format!("reading {}", path.display()))?;
    let sha256 = digest.0.finish();
    let sha256 = sha256.as_ref().try_into().map(Hash).context("a SHA-256 has 32 bytes")?;
    Ok(Copied { name, bytes, sha256: sha256.to_string() })
}

/// Bytes that are digested and forgotten.
struct Sink(Digest);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Looks at a backup that was made before.
fn verify(target: &Path) -> anyhow::Result<()> {
    let manifest = read(target)?;
    let context = || format!("{} is no whole backup any more", target.display());
    for file in &manifest.files {
        let found = copied(target, file.name.clone()).with_context(context)?;
        ensure!(
            found == *file,
            "{}: {} was changed or damaged: its SHA-256 is {}, and was {} when it was made",
            context(),
            file.name,
            found.sha256,
            file.sha256
        );
    }
    let mut ticker = Ticker::new(None);
    let found =
        sqlite::check(target, &mut |progress| ticker.hear(progress)).with_context(context)?;
    let rows: BTreeMap<_, _> =
        found.counts.iter().map(|(table, rows)| (table.to_owned(), rows)).collect();
    ensure!(
        (rows, found.entries) == (manifest.rows.clone(), manifest.entries),
        "{}: its rows are not those that its manifest says",
        context()
    );
    let mut screen = Screen::stdout();
    let made = format!("the backup in {} of {} is whole", target.display(), manifest.made_at);
    screen.line(screen.judged(true, &made))?;
    tell(&mut screen, &manifest)
}

fn read(target: &Path) -> anyhow::Result<Manifest> {
    let path = target.join(MANIFEST);
    let advice = "name a folder that `countersign backup` has made";
    let size = fs::metadata(&path).with_context(|| format!("looking at {}", path.display()));
    let size = size.advise(advice)?.len();
    ensure!(
        size <= MANIFEST_BYTES_MAX,
        "{} is longer than {MANIFEST_BYTES_MAX} bytes",
        path.display()
    );
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let manifest: Manifest = serde_json::from_str(&text)
        .with_context(|| format!("reading {}", path.display()))
        .advise(advice)?;
    ensure!(
        manifest.format == FORMAT,
        "{} is a `{}`, and this program knows `{FORMAT}`",
        path.display(),
        manifest.format
    );
    Ok(manifest)
}

fn tell(screen: &mut Screen, manifest: &Manifest) -> anyhow::Result<()> {
    let rows: Vec<String> = manifest
        .rows
        .iter()
        .filter(|(_, rows)| **rows > 0)
        .map(|(table, rows)| format!("{rows} {table}"))
        .collect();
    screen.line(format!(
        "  rows: {}",
        if rows.is_empty() { "none".to_owned() } else { rows.join(", ") }
    ))?;
    screen.line(format!(
        "  the chains of {} requests hold: {} entries",
        manifest.chains, manifest.entries
    ))?;
    for Copied { name, bytes, sha256 } in manifest.files.iter().filter(|file| file.bytes > 0) {
        screen.line(format!("  {name}: {bytes} bytes, sha256 {sha256}"))?;
    }
    Ok(())
}
