//! `countersign export`.
//!
//! Invariant: a file has the export's name only when all of it is on the disk.
//! Left to others: what stands in it (`store::carry`).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use domain::time::Clock as _;
use store::carry::{Counts, Pen};
use store::{postgres, sqlite};

use crate::cli::Context;
use crate::cli::progress::Ticker;
use crate::clock::RealClock;
use crate::config::Settings;
use crate::config::gather::Mode;
use crate::failure::Advise as _;
use crate::{folder, runtime};

/// Write all that a store remembers into one file of JSON lines.
///
/// From the data folder, or from the PostgreSQL of `database_url`; the service may run meanwhile. The file has
/// everything as it was at one moment, of all accounts. Secrets stay sealed: `countersign import` needs the same master
/// key, which is not part of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file, which must not be there yet; - writes to the standard output.
    file: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  countersign export store.jsonl
  countersign export - --database-url postgres://countersign@db.internal/countersign | gzip > store.jsonl.gz";

pub(crate) fn run(args: &Args, context: Context) -> anyhow::Result<ExitCode> {
    let settings = context.settings(Mode::Production)?;
    let counts = if args.file.as_os_str() == "-" {
        write(&settings, &mut BufWriter::new(io::stdout()))?
    } else {
        write_file(&settings, &args.file)?
    };
    // The standard output may be the export.
    drop(writeln!(io::stderr(), "exported {} rows", counts.total()));
    Ok(ExitCode::SUCCESS)
}

fn write_file(settings: &Settings, file: &Path) -> anyhow::Result<Counts> {
    if file.try_exists().with_context(|| format!("looking for {}", file.display()))? {
        return Err(anyhow!("{} is there already", file.display())).advise("name another file");
    }
    let mut name = OsString::from(file);
    name.push(".partial");
    let partial = PathBuf::from(name);
    let mut out = BufWriter::new(hold(&partial)?);
    let written = write(settings, &mut out).and_then(|counts| {
        out.get_ref().sync_all().with_context(|| format!("writing {}", partial.display()))?;
        fs::rename(&partial, file).with_context(|| format!("naming {}", file.display()))?;
        folder::sync_folder(file)?;
        Ok(counts)
    });
    if written.is_err() {
        // The failure is told; a file that stays is written over by the next one who makes this export.
        drop(fs::remove_file(&partial));
    }
    written
}

/// Makes the file in which an export is made, for its owner alone, and holds it.
fn hold(partial: &Path) -> anyhow::Result<File> {
    let context = || format!("writing {}", partial.display());
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let out = options.open(partial).with_context(context);
    let out = out.advise("name a file where this user may write")?;
    match out.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another command makes the same export: {} is held", partial.display())
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(context),
    }
    out.set_len(0).with_context(context)?;
    Ok(out)
}

fn write(settings: &Settings, out: &mut (dyn Write + Send)) -> anyhow::Result<Counts> {
    let mut ticker = Ticker::new(None);
    let mut watch = |progress| ticker.hear(progress);
    let pen = Pen::begin(out, &mut watch, RealClock.now(), env!("CARGO_PKG_VERSION"))?;
    match &settings.database_url {
        None => {
            let data = &settings.data;
            sqlite::export(data, pen).with_context(|| format!("exporting {}", data.display()))
        }
        Some(url) => {
            let exported = runtime::run(postgres::export(url, pen))?;
            exported
                .context("exporting the database")
                .advise("check database_url with `countersign doctor`")
        }
    }
}
