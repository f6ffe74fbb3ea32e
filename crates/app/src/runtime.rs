//! The runtimes: whose threads answer calls, and whose carry deliveries.
//!
//! Invariant: each has half of the cores. An attempt that waited behind a crowd of callers would hold its place in flight
//! for nothing.
//! Left to others: what runs on them (`wire`).

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::time::interval;

/// When the work is done, threads that are still about something get so long to end it.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// Sooner than the time that most attempts, and all heads, may take.
const LOOKOUT_EVERY: Duration = Duration::from_secs(5);

/// Runs something to its end on the runtime of the server. What a thread still looks up then is nobody's any more, and
/// is not waited for.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = half_of_the_cores("serve")?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_PATIENCE);
    Ok(done)
}

/// Makes the runtime of the engine.
pub(crate) fn delivering() -> anyhow::Result<Runtime> {
    half_of_the_cores("deliver")
}

fn half_of_the_cores(name: &str) -> anyhow::Result<Runtime> {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(2))
        .thread_name(name)
        .enable_all()
        .build()
        .context("starting the threads")?;
    runtime.spawn(look_out());
    Ok(runtime)
}

/// Keeps a timer that is nearly always the next one: each that comes before all others calls the thread that waits for
/// them, even if that is the one at work, and in between all calls under way may have ended.
async fn look_out() -> ! {
    let mut rounds = interval(LOOKOUT_EVERY);
    loop {
        rounds.tick().await;
    }
}
