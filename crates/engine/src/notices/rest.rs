//! How a service outside fares, and until when it is left alone.
//!
//! Invariant: what failed is left alone for a while, longer each time, and tried again by one.
//! Left to others: what counts as its failure.

use domain::time::{SECOND_MS, Timestamp};

/// What failed is left alone for so long at first.
pub(super) const REST_MS: i64 = 10 * SECOND_MS;
/// And for so long at most.
const REST_MS_MAX: i64 = 5 * 60 * SECOND_MS;

/// The rest of one service, as far as this node knows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rest {
    /// Failures since the last success.
    failures: u32,
    until: Timestamp,
}

impl Rest {
    /// Gives when it may be asked: now, or when its rest is over.
    pub(super) fn over_at(self, now: Timestamp) -> Timestamp {
        self.until.max(now)
    }

    /// Tells whether it may be asked now.
    pub(super) fn is_over(self, now: Timestamp) -> bool {
        self.until <= now
    }

    /// Notes that it is asked. After a failure, whoever asks it does so for all: the others leave it alone a while
    /// longer.
    pub(super) fn asked(&mut self, now: Timestamp) {
        if self.failures > 0 || !self.is_over(now) {
            self.until = now.plus_millis(REST_MS);
        }
    }

    /// Notes how it fared.
    pub(super) fn judge(&mut self, works: bool, now: Timestamp) {
        if works {
            *self = Self::default();
        } else {
            let rest = REST_MS.saturating_mul(1 << self.failures.min(10)).min(REST_MS_MAX);
            self.failures = self.failures.saturating_add(1);
            self.until = now.plus_millis(rest);
        }
    }
}
