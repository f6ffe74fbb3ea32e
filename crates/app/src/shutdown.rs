//! When to stop: the first signal asks for it, the second does not wait.

use std::io;
use std::process;

use anyhow::Context as _;
use engine::Shutdown;
use tokio::runtime::Handle;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// The exit code of a process that was interrupted, as shells count.
const INTERRUPTED: i32 = 130;

/// Begins the shutdown at the first SIGINT or SIGTERM and ends the process at the second.
pub(crate) fn on_signals(shutdown: Shutdown) -> anyhow::Result<JoinHandle<()>> {
    let mut signals = Signals::new().context("listening for signals")?;
    // It ends with the process, and has nothing to finish.
    Ok(Handle::current().spawn(async move {
        signals.next().await;
        info!("stopping; once more stops at once");
        shutdown.begin();
        signals.next().await;
        warn!("stopping at once; what was under way is attempted again");
        quit();
    }))
}

#[expect(clippy::exit, reason = "somebody asked twice")]
fn quit() -> ! {
    process::exit(INTERRUPTED)
}

#[cfg(unix)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Without signals there is nothing to hear; waiting for ever is right.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
