//! The log: to the standard error, for people.
//!
//! Left to others: what is said, and what never (`docs/logging.md`).

use std::io::{self, IsTerminal as _};

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;

use crate::failure::Advise as _;

/// Starts the log with a filter such as `info` or `warn,engine=debug`.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)
        .advise("set `log` to a level such as info, or to a list such as warn,engine=debug")?;
    tracing_subscriber::fmt()
        .compact()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .map_err(|error| anyhow!("starting the log: {error}"))
}
