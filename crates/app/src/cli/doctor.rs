//! `countersign doctor`.
//!
//! Invariant: every check says what it found, and what to do about it; none changes more than a start would.

mod checks;

use std::process::ExitCode;

use crate::cli::Context;
use crate::config::gather::Mode;
use crate::config::{self, Settings};
use crate::screen::Screen;

/// Look for what could keep the service from working, and say what to do.
///
/// Looks at settings, folder, disk, lock, database, clock and names, and at the server if one answers. A database of an
/// older schema is brought up to date, as a start would. Ends with 1 when something fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Look at what `countersign dev` uses.
    #[arg(long)]
    dev: bool,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// All is well.
    Fine(String),
    /// It works, but worth a look.
    Doubtful {
        /// What was found.
        what: String,
        /// What to do.
        to_do: String,
    },
    /// It does not work.
    Wrong {
        /// What was found.
        what: String,
        /// What to do.
        to_do: String,
    },
}

pub(crate) fn run(args: &Args, context: Context) -> anyhow::Result<ExitCode> {
    let mode = if args.dev { Mode::Development } else { Mode::Production };
    let gathered = context.look(mode)?;
    let mut screen = Screen::stdout();
    let settings = Settings::of(&gathered);
    let told = match &settings {
        Ok(_) => Finding::Fine("every setting can be used".to_owned()),
        Err(error) => {
            wrong(format!("{error:#}"), "run `countersign config`; it shows who set what")
        }
    };
    let mut failed = tell(&mut screen, "settings", &told)?;
    if let Ok(settings) = settings {
        for (name, check) in checks::ALL {
            failed |= tell(&mut screen, name, &check(&settings))?;
        }
    } else {
        let folder = config::data(&gathered)?;
        failed |= tell(&mut screen, "folder", &checks::folder_at(&folder))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Prints a finding, and tells whether it is a failure.
fn tell(screen: &mut Screen, name: &str, finding: &Finding) -> anyhow::Result<bool> {
    let (mark, what, to_do) = match finding {
        Finding::Fine(what) => (screen.judged(true, "OK  "), what, None),
        Finding::Doubtful { what, to_do } => (screen.bold("warn"), what, Some(to_do)),
        Finding::Wrong { what, to_do } => (screen.judged(false, "fail"), what, Some(to_do)),
    };
    screen.line(format!("{mark}  {name:9}  {what}"))?;
    if let Some(to_do) = to_do {
        screen.line(format!("                 to do: {to_do}"))?;
    }
    Ok(matches!(finding, Finding::Wrong { .. }))
}

/// Makes a doubtful finding.
pub(crate) fn doubtful(what: impl Into<String>, to_do: impl Into<String>) -> Finding {
    Finding::Doubtful { what: what.into(), to_do: to_do.into() }
}

/// Makes a finding that something does not work.
pub(crate) fn wrong(what: impl Into<String>, to_do: impl Into<String>) -> Finding {
    Finding::Wrong { what: what.into(), to_do: to_do.into() }
}
