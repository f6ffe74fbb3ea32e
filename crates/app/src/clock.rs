//! The real clock, and one for development that can be moved on.
//!
//! Invariant: the clock of development never runs backwards over a restart: how far it was moved is written before it
//! counts.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use domain::time::{Clock, Timestamp};
use engine::MovableClock;
use tracing::error;

use crate::failure::Advise as _;
use crate::folder;

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RealClock;

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks for the time")]
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A machine that believes in a time before 1970 starts there.
        let millis = since_1970.map_or(0, |elapsed| elapsed.as_millis());
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    fn uptime(&self) -> Duration {
        BEGINNING.elapsed()
    }
}

/// When somebody first asked how long the clock has been going.
static BEGINNING: LazyLock<Instant> = LazyLock::new(|| Stopwatch::start().0);

/// The clock of development: the real one, and whatever it was moved on by.
#[derive(Debug)]
pub(crate) struct TestClock {
    offset_ms: AtomicI64,
    file: PathBuf,
    moving: Mutex<()>,
}

impl TestClock {
    /// Takes up where the last run stopped.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(folder::CLOCK);
        let offset_ms = offset(folder)?;
        Ok(Self { offset_ms: AtomicI64::new(offset_ms), file, moving: Mutex::new(()) })
    }
}

/// Reads how far the clock of a folder was moved on, in milliseconds.
pub(crate) fn offset(folder: &Path) -> anyhow::Result<i64> {
    let file = folder.join(folder::CLOCK);
    match fs::read_to_string(&file) {
        Ok(text) => {
            text.trim().parse().with_context(|| format!("reading {}", file.display())).advise(
                "start over with an empty data folder, or write the milliseconds into the file",
            )
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        RealClock.now().plus_millis(self.offset_ms.load(Ordering::Acquire))
    }

    fn uptime(&self) -> Duration {
        RealClock.uptime()
    }
}

impl MovableClock for TestClock {
    fn advance(&self, millis: i64) -> Timestamp {
        let moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let offset_ms = self.offset_ms.load(Ordering::Acquire).saturating_add(millis.max(0));
        if let Err(error) = folder::write(&self.file, offset_ms.to_string().as_bytes()) {
            error!(error = format!("{error:#}"), "how far the clock was moved could not be kept");
        }
        self.offset_ms.store(offset_ms, Ordering::Release);
        drop(moving);
        self.now()
    }
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[expect(clippy::disallowed_methods, reason = "commands measure; no step takes this")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Tells how long it has run.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Waits, in a command that runs by itself.
#[expect(clippy::disallowed_methods, reason = "a command that polls a server is no step")]
pub(crate) fn pause(length: Duration) {
    thread::sleep(length);
}

#[cfg(test)]
mod tests {
    use domain::time::DAY_MS;

    use super::*;
    use crate::folder::tests::Scratch;

    #[test]
    fn a_clock_that_was_moved_stays_moved_over_a_restart() {
        let scratch = Scratch::new("clock");
        let day_ms = DAY_MS;
        let clock = TestClock::open(scratch.path()).unwrap();
        let moved = clock.advance(3 * day_ms);
        let again = TestClock::open(scratch.path()).unwrap();
        assert!(again.now() >= moved);
        assert!(again.now().millis_since(RealClock.now()) >= 3 * day_ms - 1_000);
    }

    #[test]
    fn a_clock_is_not_moved_backwards() {
        let scratch = Scratch::new("clock-back");
        let clock = TestClock::open(scratch.path()).unwrap();
        let before = clock.now();
        assert!(clock.advance(-5_000) >= before);
    }
}
