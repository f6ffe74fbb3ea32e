//! A rate: how many attempts of an endpoint, or lookups of a source, may begin in a second.
//!
//! Invariant: nodes that share one divide its rate, so that all of them together keep to it.

use domain::time::{SECOND_MS, Timestamp};

/// How far a rate is used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rate {
    /// The moment up to which the rate is used.
    used_until_us: i64,
}

impl Rate {
    /// Takes one of the rate, or says when there is one.
    pub(crate) fn take(
        &mut self,
        per_second: u32,
        sharers: u32,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let step_us = 1_000_000 * i64::from(sharers) / i64::from(per_second.max(1));
        let now_us = now.as_millis() * SECOND_MS;
        // A burst of a tenth of a second is let through; beyond that, they keep their distance.
        let earliest_us = self.used_until_us.max(now_us - 100_000);
        if earliest_us <= now_us {
            self.used_until_us = earliest_us + step_us;
            Ok(())
        } else {
            Err(Timestamp::from_millis(earliest_us / SECOND_MS + 1))
        }
    }
}
