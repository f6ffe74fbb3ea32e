//! The tool shed: chores that keep the house in order, run as `cargo xtask <chore>`.
//!
//! Invariant: a chore prints what it found as `path:line: what and how to fix`, and fails if it found anything.
//! Left to others: running the product (`make run`), measuring it (`make bench`).

mod ci;
mod finding;
mod postgres;
mod rooms;
mod rust;
mod tidy;
mod tree;

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::bail;

use crate::finding::Finding;
use crate::postgres::Disk;

const USAGE: &str = "\
usage: cargo xtask <chore>

  rooms   compare the arrows between rooms, and who uses which crate, with the table
  tidy    look through the files for what a review should not have to say
  ci      run what CI runs, in the same order
  with-postgres [--fast] -- <command>
          run a command with a PostgreSQL of its own, which is gone afterwards; --fast for tests, which need no disk
";

fn main() -> ExitCode {
    match run() {
        Ok(Verdict::InOrder) => ExitCode::SUCCESS,
        Ok(Verdict::Found) => ExitCode::FAILURE,
        Ok(Verdict::Ended(code)) => ExitCode::from(code),
        Err(error) => {
            // Nobody is left to tell if the terminal itself is gone.
            drop(writeln!(io::stderr().lock(), "error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// How a chore ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    InOrder,
    Found,
    /// As the command that it ran.
    Ended(u8),
}

fn run() -> anyhow::Result<Verdict> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["rooms"] => {
            let report = rooms::report(&tree::root()?)?;
            for note in &report.notes {
                writeln!(io::stdout().lock(), "note: {note}")?;
            }
            conclude("rooms", &report.findings)
        }
        ["tidy"] => conclude("tidy", &tidy::check(&tree::files(&tree::root()?)?)),
        ["with-postgres", "--fast", "--", command @ ..] => postgres::run(command, Disk::Spared),
        ["with-postgres", "--", command @ ..] => postgres::run(command, Disk::Forced),
        ["ci"] => ci::run(&tree::root()?),
        [] | ["help" | "--help" | "-h"] => {
            write!(io::stdout().lock(), "{USAGE}")?;
            Ok(Verdict::InOrder)
        }
        _ => bail!("no such chore: {}\n\n{USAGE}", words.join(" ")),
    }
}

fn conclude(chore: &str, findings: &[Finding]) -> anyhow::Result<Verdict> {
    let mut out = io::stdout().lock();
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    match findings.len() {
        0 => {
            writeln!(out, "{chore}: in order")?;
            Ok(Verdict::InOrder)
        }
        count => {
            writeln!(out, "{chore}: {count} to fix")?;
            Ok(Verdict::Found)
        }
    }
}
