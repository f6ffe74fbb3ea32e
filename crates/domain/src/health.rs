//! How an endpoint fares: when the system warns, when it gives up on it, when it looks again.
//!
//! Invariants: only time without any success counts, and it is kept in the store; each warning is given once;
//! a single success wipes everything.

use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, Timestamp};

/// How an endpoint fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// The first failure since the last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Failures since the last success.
    #[serde(default)]
    pub failures: u32,
    /// Warnings given since the last success.
    #[serde(default)]
    pub warnings: u8,
}

/// What there is to say about an endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has failed every attempt for so many days.
    Failing {
        /// 1 or 3.
        days: u8,
    },
    /// It has failed for too long and is disabled.
    Disable,
}

/// Days of failure at which somebody is warned.
pub const WARNING_DAYS: [u8; 2] = [1, 3];
/// Failure for that long disables an endpoint.
pub const DISABLE_AFTER_MS: i64 = 5 * DAY_MS;
/// As many attempts at least must have failed.
pub const DISABLE_FAILURES_MIN: u32 = 10;
/// A disabled endpoint is tried once in that time.
pub const PROBE_EVERY_MS: i64 = DAY_MS;

impl Health {
    /// Tells whether there is nothing to remember.
    pub fn is_good(&self) -> bool {
        *self == Self::default()
    }

    /// Takes an attempt's ending into account.
    #[must_use]
    pub fn after(self, accepted: bool, now: Timestamp) -> (Self, Option<Change>) {
        if accepted {
            return (Self::default(), None);
        }
        let since = self.failing_since.unwrap_or(now);
        let mut next = Self {
            failing_since: Some(since),
            failures: self.failures.saturating_add(1),
            warnings: self.warnings,
        };
        let failing_ms = now.millis_since(since);
        if failing_ms >= DISABLE_AFTER_MS && next.failures >= DISABLE_FAILURES_MIN {
            return (next, Some(Change::Disable));
        }
        let due = WARNING_DAYS
            .into_iter()
            .enumerate()
            .rev()
            .find(|(_, days)| failing_ms >= i64::from(*days) * DAY_MS);
        match due.and_then(|(index, days)| Some((u8::try_from(index + 1).ok()?, days))) {
            Some((nth, days)) if nth > self.warnings => {
                next.warnings = nth;
                (next, Some(Change::Failing { days }))
            }
            Some(_) | None => (next, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail_hourly(hours: i64) -> Vec<(i64, Change)> {
        let mut health = Health::default();
        let mut seen = Vec::new();
        for hour in 0..=hours {
            let (next, change) = health.after(false, Timestamp::from_millis(hour * 3_600_000));
            health = next;
            seen.extend(change.map(|change| (hour, change)));
        }
        seen
    }

    #[test]
    fn warns_after_one_and_three_days_and_disables_after_five() {
        let expected = vec![
            (24, Change::Failing { days: 1 }),
            (72, Change::Failing { days: 3 }),
            (120, Change::Disable),
        ];
        assert_eq!(fail_hourly(120), expected);
    }

    #[test]
    fn few_failures_never_disable() {
        let mut health = Health::default();
        for day in 0..9 {
            let (next, change) = health.after(false, Timestamp::from_millis(day * DAY_MS));
            assert_ne!(change, Some(Change::Disable));
            health = next;
        }
        let (_, change) = health.after(false, Timestamp::from_millis(9 * DAY_MS));
        assert_eq!(change, Some(Change::Disable), "the tenth");
    }

    #[test]
    fn one_success_wipes_everything() {
        let (health, _) = Health::default().after(false, Timestamp::from_millis(0));
        let (health, change) = health.after(true, Timestamp::from_millis(30 * DAY_MS));
        assert!(health.is_good() && change.is_none());
    }
}
