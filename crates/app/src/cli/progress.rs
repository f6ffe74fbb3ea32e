//! What a long command says while it works, on the standard error.

use std::io::{self, Write as _};
use std::time::Duration;

use store::carry::Progress;

use crate::clock::{self, Stopwatch};

/// Between two words.
const SAY_EVERY: Duration = Duration::from_secs(2);
/// Between two looks at a service that has not caught up.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The longest pause at once.
const PAUSE_MAX: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;

/// Hears how far a work has come, says so now and then, and keeps it to a rate.
#[derive(Debug)]
pub(crate) struct Ticker {
    stopwatch: Stopwatch,
    said: Duration,
    /// MiB a second, at most.
    rate: Option<u32>,
}

impl Ticker {
    /// Starts, with a rate in MiB a second.
    pub(crate) fn new(rate: Option<u32>) -> Self {
        Self { stopwatch: Stopwatch::start(), said: Duration::ZERO, rate }
    }

    /// Hears how far it is.
    pub(crate) fn hear(&mut self, progress: Progress) {
        let elapsed = self.stopwatch.elapsed();
        let text = match progress {
            Progress::Copied { bytes, of } => {
                clock::pause(self.pause(bytes, elapsed));
                format!("copied {} of {} MiB", bytes / MIB, of / MIB)
            }
            Progress::Waiting => {
                clock::pause(LOOK_AGAIN);
                "waiting until the service has written its journal into its database".to_owned()
            }
            Progress::Exported(rows) => format!("exported {rows} rows"),
            Progress::Imported(rows) => format!("imported {rows} rows"),
            Progress::Checked(entries) => format!("looked at {entries} entries of chains"),
        };
        if elapsed >= self.said + SAY_EVERY {
            self.said = elapsed;
            // Whoever does not hear it misses nothing.
            drop(writeln!(io::stderr(), "{text}"));
        }
    }

    /// Tells how long to wait after so many bytes in so much time.
    fn pause(&self, bytes: u64, elapsed: Duration) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        let due = Duration::from_millis(bytes.saturating_mul(1_000) / (u64::from(rate) * MIB));
        due.saturating_sub(elapsed).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_ahead_of_its_rate_waits() {
        let ticker = Ticker::new(Some(2));
        let pause = |mib: u64, ms| ticker.pause(mib * MIB, Duration::from_millis(ms));
        assert_eq!(pause(1, 100), Duration::from_millis(400));
        assert_eq!(pause(1, 600), Duration::ZERO);
        assert_eq!(pause(1_000, 0), PAUSE_MAX);
        assert_eq!(Ticker::new(None).pause(1_000 * MIB, Duration::ZERO), Duration::ZERO);
    }
}
