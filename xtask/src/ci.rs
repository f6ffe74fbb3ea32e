//! What CI runs, in the same order: the cheapest first, and an end at the first failure.
//!
//! Left to others: installing what the steps need (`scripts/setup.sh`).

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::Verdict;

/// One command of CI.
struct Step {
    name: &'static str,
    command: &'static [&'static str],
    /// A variable that the command alone gets to see.
    variable: Option<(&'static str, &'static str)>,
}

const STEPS: [Step; 10] = [
    Step { name: "format", command: &["cargo", "fmt", "--all", "--check"], variable: None },
    Step {
        name: "clippy",
        command: &["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        variable: None,
    },
    Step { name: "rooms", command: &["cargo", "xtask", "rooms"], variable: None },
    Step { name: "tidy", command: &["cargo", "xtask", "tidy"], variable: None },
    Step {
        name: "deny",
        command: &["cargo", "deny", "--locked", "check", "bans", "licenses", "sources"],
        variable: None,
    },
    Step {
        name: "tests",
        command: &[
            "cargo",
            "xtask",
            "with-postgres",
            "--fast",
            "--",
            "cargo",
            "nextest",
            "run",
            "--workspace",
        ],
        // A snapshot that differs is a failure, never a file to be looked at later.
        variable: Some(("INSTA_UPDATE", "no")),
    },
    // A dozen faults against the binary that the tests have built; `make chaos` plays more.
    Step {
        name: "chaos",
        command: &[
            "cargo",
            "run",
            "--package",
            "bench",
            "--",
            "chaos",
            "--rounds",
            "12",
            "--seed",
            "13",
        ],
        variable: None,
    },
    // A few kills while webhooks come in; `make bench` has a hundred.
    Step {
        name: "intake",
        command: &["cargo", "run", "--package", "bench", "--", "run", "intake-kill", "--quick"],
        variable: None,
    },
    Step { name: "doctests", command: &["cargo", "test", "--workspace", "--doc"], variable: None },
    Step {
        name: "documents",
        command: &["cargo", "doc", "--workspace", "--no-deps"],
        variable: Some(("RUSTDOCFLAGS", "-D warnings")),
    },
];

/// Runs the steps until one fails, and says how long each took.
pub(crate) fn run(root: &Path) -> anyhow::Result<Verdict> {
    let mut took = Vec::new();
    let mut verdict = Verdict::InOrder;
    for step in &STEPS {
        if step.name == "deny" && !has_deny() {
            took.push(format!("{:<10} left out: cargo-deny is not installed", step.name));
            continue;
        }
        writeln!(io::stdout().lock(), "\n=== {}: {}", step.name, step.command.join(" "))?;
        let started = now();
        let succeeded = step.run(root)?;
        let word = if succeeded { "ok" } else { "FAILED" };
        took.push(format!("{:<10} {:>7} {word}", step.name, seconds(started.elapsed())));
        if !succeeded {
            verdict = Verdict::Found;
            break;
        }
    }
    writeln!(io::stdout().lock(), "\n{}", took.join("\n"))?;
    Ok(verdict)
}

impl Step {
    fn run(&self, root: &Path) -> anyhow::Result<bool> {
        let (program, arguments) =
            self.command.split_first().context("a step without a command")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root).envs(self.variable);
        // Cargo tells us about xtask in these; build scripts below would take it for news and build again.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        let status = command.status().with_context(|| format!("starting {program}"))?;
        Ok(status.success())
    }
}

fn has_deny() -> bool {
    let mut command = Command::new("cargo");
    command.args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[expect(clippy::disallowed_methods, reason = "a chore of this machine: nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_fast_comes_first() {
        let names = STEPS.map(|step| step.name);
        let expected = [
            "format",
            "clippy",
            "rooms",
            "tidy",
            "deny",
            "tests",
            "chaos",
            "intake",
            "doctests",
            "documents",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_duration_is_told_in_seconds() {
        assert_eq!(seconds(Duration::from_millis(12_345)), "12.3 s");
    }
}
