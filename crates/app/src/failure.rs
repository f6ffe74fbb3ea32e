//! Failures as a person reads them: what was being done, why it could not be, and what to do next.
//!
//! Invariant: a failure is printed once, here.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::screen::Unheard;

/// A failure that knows what to do next.
#[derive(Debug)]
struct Advised {
    cause: anyhow::Error,
    advice: String,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, f)
    }
}

impl StdError for Advised {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.chain().nth(1)
    }
}

/// Says what to do next when something fails.
pub(crate) trait Advise<T> {
    /// Adds one sentence, which begins with a verb.
    fn advise(self, advice: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advise<T> for Result<T, E> {
    fn advise(self, advice: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| advised(error, advice))
    }
}

/// Adds what to do next to a failure.
pub(crate) fn advised(error: impl Into<anyhow::Error>, advice: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Advised { cause: error.into(), advice: advice.into() })
}

/// Prints a failure and gives the exit code; a reader who went away in the middle is no failure.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(<dyn StdError>::is::<Unheard>) {
        return ExitCode::SUCCESS;
    }
    // If nobody hears that something failed, the exit code still says so.
    drop(io::stderr().lock().write_all(text(error).as_bytes()));
    ExitCode::FAILURE
}

fn text(error: &anyhow::Error) -> String {
    let mut lines = vec![format!("countersign: {error}")];
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Some causes repeat what they caused.
        if !last.ends_with(&cause) {
            lines.push(format!("  because: {cause}"));
        }
        last = cause;
    }
    // The advice nearest to the cause knows most.
    let advised = error.chain().filter_map(|cause| cause.downcast_ref::<Advised>()).last();
    lines.extend(advised.map(|advised| format!("  to do: {}", advised.advice)));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_failure_tells_its_chain_once_and_what_to_do() {
        let failed: Result<(), _> = Err(io::Error::other("address in use"));
        let error = failed
            .context("listening on 127.0.0.1:8080")
            .advise("choose another address with --listen")
            .context("the service cannot start")
            .unwrap_err();
        let expected = "countersign: the service cannot start\n  because: listening on 127.0.0.1:8080\n  \
                        because: address in use\n  to do: choose another address with --listen\n";
        assert_eq!(text(&error), expected);
    }

    #[test]
    fn a_cause_that_repeats_itself_is_told_once() {
        let error = anyhow!("no such file").context("reading x: no such file");
        assert_eq!(text(&error), "countersign: reading x: no such file\n");
    }
}
