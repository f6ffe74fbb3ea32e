//! `countersign serve`.

use std::process::ExitCode;

use engine::Shutdown;

use crate::cli::Context;
use crate::config::gather::Mode;
use crate::wire::Service;
use crate::{runtime, shutdown};

/// Run the service.
///
/// Keeps what it knows in the data folder, which one process holds at a time, or in a database that several share. SIGTERM or Ctrl-C stops it: no new calls,
/// attempts under way are finished or handed back. A second one stops at once, and loses nothing either.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(Args {}: Args, context: Context) -> anyhow::Result<ExitCode> {
    let settings = context.settings(Mode::Production)?;
    runtime::run(async {
        let shutdown = Shutdown::default();
        drop(shutdown::on_signals(shutdown.clone())?);
        let service = Service::build(&settings).await?;
        service.announce().await?;
        service.run(shutdown).await
    })??;
    Ok(ExitCode::SUCCESS)
}
