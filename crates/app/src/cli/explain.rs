//! `countersign explain`.

use std::process::ExitCode;

use anyhow::anyhow;
use engine::problem::Problem;

use crate::failure::Advise as _;
use crate::screen::Screen;

/// Explain a problem by its number or its code.
///
/// The pages are those behind `type` in the API's answers; they are part of the binary.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign explain P0201\n  countersign explain target_refused\n  countersign explain              list them all"
)]
pub(crate) struct Args {
    /// A number such as P0201, or a code such as `target_refused`; without one, all are listed.
    problem: Option<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut screen = Screen::stdout();
    let Some(name) = &args.problem else {
        for problem in Problem::ALL {
            let (number, code) = (screen.bold(problem.number()), problem.code());
            screen.line(format!("{number}  {code:24}  {}", problem.title()))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let found = Problem::named(name).ok_or_else(|| anyhow!("there is no problem `{name}`"));
    let problem = found.advise("list them all with `countersign explain`")?;
    // A code may name the ending of a delivery and that of an attempt.
    let same = Problem::ALL
        .iter()
        .filter(|other| **other == problem || other.code().eq_ignore_ascii_case(name));
    for (index, problem) in same.enumerate() {
        if index > 0 {
            screen.gap()?;
        }
        screen.line(problem.page().trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
