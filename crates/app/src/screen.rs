//! What a command prints.
//!
//! Invariants: a reader who goes away in the middle (`| head`) ends the command quietly; colour is for terminals alone.

use std::env;
use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};

/// Where lines go.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    colour: bool,
}

/// The reader went away.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads any more")]
pub(crate) struct Unheard;

impl Screen {
    /// Prints to the standard output.
    pub(crate) fn stdout() -> Self {
        let colour = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
        Self { out: Box::new(BufWriter::new(io::stdout())), colour }
    }

    /// Prints one line, at once.
    pub(crate) fn line(&mut self, line: impl Display) -> anyhow::Result<()> {
        let written = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        written.map_err(|error| {
            if error.kind() == ErrorKind::BrokenPipe {
                anyhow::Error::new(Unheard)
            } else {
                anyhow::Error::new(error).context("printing")
            }
        })
    }

    /// Prints an empty line.
    pub(crate) fn gap(&mut self) -> anyhow::Result<()> {
        self.line("")
    }

    /// Writes a text so that it steps back.
    pub(crate) fn faint(&self, text: &str) -> String {
        self.painted("2", text)
    }

    /// Writes a text so that it stands out.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.painted("1", text)
    }

    /// Writes a text in the colour of success or of failure.
    pub(crate) fn judged(&self, good: bool, text: &str) -> String {
        self.painted(if good { "32" } else { "31" }, text)
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
