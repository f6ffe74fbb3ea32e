//! `countersign import`.
//!
//! Left to others: what stands in the file, and that half an import is never served (`store`).

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use store::MasterKey;
use store::carry::{Findings, Lines};
use store::{postgres, sqlite};

use crate::cli::Context;
use crate::cli::progress::Ticker;
use crate::config::Settings;
use crate::config::gather::Mode;
use crate::failure::Advise as _;
use crate::screen::Screen;
use crate::{folder, runtime};

/// Fill a new store from a file of `countersign export`.
///
/// Into a data folder without a store, or into the empty PostgreSQL of `database_url`. Needs the master key of the store
/// that the file came from. A store that was half filled is not served; the next import begins anew. What was pending is
/// due, what another node had leased as well: stop the old service before its export, or both will deliver it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file; - reads the standard input.
    file: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  countersign import store.jsonl --database-url postgres://countersign@db.internal/countersign
  zcat store.jsonl.gz | countersign import - --data /var/lib/countersign";

/// What to do about a master key that is not there.
const KEY_ADVICE: &str = "copy master.key from the data folder that the export came from, or set master_key (COUNTERSIGN_MASTER_KEY)";

pub(crate) fn run(args: &Args, context: Context) -> anyhow::Result<ExitCode> {
    let settings = context.settings(Mode::Production)?;
    let findings = if args.file.as_os_str() == "-" {
        fill(&settings, &mut BufReader::new(io::stdin()))?
    } else {
        let file = File::open(&args.file);
        let file = file.with_context(|| format!("opening {}", args.file.display()))?;
        fill(&settings, &mut BufReader::new(file))?
    };
    let Findings { counts, chains, entries, .. } = findings;
    let mut screen = Screen::stdout();
    screen.line(screen.judged(true, &format!("imported {} rows", counts.total())))?;
    let rows: Vec<String> = counts
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(table, rows)| format!("{rows} {table}"))
        .collect();
    screen.line(format!("  {}", rows.join(", ")))?;
    screen.line(format!("  the chains of {chains} requests hold: {entries} entries"))?;
    Ok(ExitCode::SUCCESS)
}

fn fill(settings: &Settings, from: &mut (dyn BufRead + Send)) -> anyhow::Result<Findings> {
    let data = &settings.data;
    let key = folder::known_key(data, settings.master_key).advise(KEY_ADVICE)?;
    let master = MasterKey::new(&key)?;
    let mut ticker = Ticker::new(None);
    let mut watch = |progress| ticker.hear(progress);
    let mut lines = Lines::begin(from, &mut watch).context("reading the file")?;
    match &settings.database_url {
        None => {
            folder::create(data)?;
            sqlite::import(data, &master, &mut lines)
                .with_context(|| format!("importing into {}", data.display()))
        }
        Some(url) => {
            let imported = runtime::run(postgres::import(url, &master, &mut lines))?;
            imported.context("importing into the database")
        }
    }
}
