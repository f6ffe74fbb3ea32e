//! `countersign config`.

use std::process::ExitCode;

use crate::cli::Context;
use crate::config::gather::Mode;
use crate::config::{self, Settings};
use crate::screen::Screen;

/// Print every setting, its value and where it comes from.
///
/// A flag counts more than a variable, a variable more than the file, the file more than the default. Secrets are masked.
/// Ends with 1 when a setting cannot be used, and says which.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the settings of `countersign dev`.
    #[arg(long)]
    dev: bool,
}

pub(crate) fn run(args: &Args, context: Context) -> anyhow::Result<ExitCode> {
    let mode = if args.dev { Mode::Development } else { Mode::Production };
    let gathered = context.look(mode)?;
    let rows = config::shown(&gathered);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let (first, second) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
    let mut screen = Screen::stdout();
    for [name, value, origin] in &rows {
        let origin = screen.faint(origin);
        screen.line(format!("{name:first$}  {value:second$}  {origin}"))?;
    }
    Settings::of(&gathered)?;
    Ok(ExitCode::SUCCESS)
}
