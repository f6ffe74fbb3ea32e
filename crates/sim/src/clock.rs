//! Time that moves when told.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::time::{Clock, Timestamp};
use engine::MovableClock;

/// Time that moves when told. Begins at 2026-01-01T00:00:00Z.
#[derive(Debug)]
pub struct SimClock {
    millis: AtomicI64,
}

/// 2026-01-01T00:00:00Z.
const BEGINNING_MS: i64 = 1_767_225_600_000;

impl Default for SimClock {
    fn default() -> Self {
        Self { millis: AtomicI64::new(BEGINNING_MS) }
    }
}

impl SimClock {
    /// Moves time to a moment; never back.
    pub fn reach(&self, moment: Timestamp) {
        self.millis.fetch_max(moment.as_millis(), Ordering::AcqRel);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::Acquire))
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Acquire).unsigned_abs())
    }
}

impl MovableClock for SimClock {
    fn advance(&self, millis: i64) -> Timestamp {
        let before = self.millis.fetch_add(millis.max(0), Ordering::AcqRel);
        Timestamp::from_millis(before.saturating_add(millis.max(0)))
    }
}
