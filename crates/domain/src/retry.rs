//! When to try again, and when to stop.
//!
//! Invariant: a verdict follows from its arguments; no clock, no chance, no store.
//! Left to others: what an attempt's ending was (`channels`), carrying the verdict out (`engine`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::call::{Handed, Outcome, Reason};
use crate::message::{Receipt, Reception};
use crate::time::{HOUR_MS, SECOND_MS, Timestamp};

/// A retry rule as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// One of [`Profile::NAMES`], or `custom`.
    pub name: Cow<'static, str>,
    /// Seconds between attempts; as many retries as there are waits, at most [`WAITS_MAX`].
    pub waits_s: Cow<'static, [u32]>,
    /// Each wait is stretched or shortened by up to this many percent.
    pub jitter_percent: u8,
    /// What counts as success.
    pub success: Success,
    /// What a 410 means.
    pub gone: Gone,
}

/// The most waits a profile may have.
pub const WAITS_MAX: usize = 100;
/// The longest single wait, in seconds: 7 days.
pub const WAIT_S_MAX: u32 = 7 * 24 * 3_600;
/// The longest wait that `Retry-After` is granted.
pub const RETRY_AFTER_MS_MAX: i64 = 24 * HOUR_MS;

/// What counts as success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Success {
    /// Any status from 200 to 299.
    Any2xx,
    /// Only 200.
    Only200,
}

/// What a 410 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// A failure like any other.
    Retry,
    /// The endpoint is disabled.
    Disable,
    /// The endpoint is deleted.
    Delete,
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn doubling<const N: usize>(first: u32) -> [u32; N] {
    let mut waits = [first; N];
    let mut index = 1;
    while index < N {
        waits[index] = waits[index - 1] * 2;
        index += 1;
    }
    waits
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn stepping<const N: usize>(step: u32) -> [u32; N] {
    let mut waits = [step; N];
    let mut index = 1;
    while index < N {
        waits[index] = waits[index - 1] + step;
        index += 1;
    }
    waits
}

/// 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: 75 h 35 m 5 s in all.
static STANDARD: [u32; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Every 30 minutes for 24 hours. Source: the vendor's e-mail and SMS guide ("regular cadence for up to 24 hours"); the spacing is ours.
static CLICKWRAP: [u32; 48] = [1_800; 48];
/// 60 s doubling, 12 retries. Source: developer.ironcladapp.com/reference/webhooks, the copies before August 2026.
static IRONCLAD: [u32; 12] = doubling(60);
/// 48 s doubling, 10 retries in 13.6 hours. Source: the same page, updated 2026-08-26.
static IRONCLAD_2026: [u32; 10] = doubling(48);
/// 5 minutes longer each time, 30 attempts in about 36 hours. Source: eSignAnyWhere's guide to callback handlers.
static ESAW: [u32; 29] = stepping(300);

impl Profile {
    /// The names of the built-in profiles.
    pub const NAMES: [&'static str; 6] =
        ["standard", "clickwrap", "ironclad", "ironclad-2026", "insertsign", "esaw"];

    /// Finds a built-in profile.
    pub fn named(name: &str) -> Option<Self> {
        let (name, waits_s, jitter_percent, success, gone): (_, &'static [u32], _, _, _) =
            match name {
                "standard" => ("standard", &STANDARD, 10, Success::Any2xx, Gone::Disable),
                "clickwrap" => ("clickwrap", &CLICKWRAP, 0, Success::Any2xx, Gone::Retry),
                "ironclad" => ("ironclad", &IRONCLAD, 0, Success::Any2xx, Gone::Delete),
                "ironclad-2026" => {
                    ("ironclad-2026", &IRONCLAD_2026, 0, Success::Any2xx, Gone::Disable)
                }
                "insertsign" => ("insertsign", &[], 0, Success::Only200, Gone::Retry),
                "esaw" => ("esaw", &ESAW, 0, Success::Only200, Gone::Retry),
                _ => return None,
            };
        Some(Self {
            name: Cow::Borrowed(name),
            waits_s: Cow::Borrowed(waits_s),
            jitter_percent,
            success,
            gone,
        })
    }

    /// Makes the same profile with other waits.
    #[must_use]
    pub fn with_waits(self, waits_s: Vec<u32>) -> Self {
        Self {
            name: Cow::Borrowed("custom"),
            waits_s: Cow::Owned(waits_s),
            jitter_percent: 0,
            ..self
        }
    }

    /// Says what follows from an attempt's ending.
    ///
    /// `attempts` counts the ended ones, this one included. `roll` is 32 bits of chance, for the jitter.
    pub fn verdict(&self, attempts: u32, outcome: &Outcome, now: Timestamp, roll: u32) -> Verdict {
        match outcome {
            Outcome::Answered(answer) if self.is_success(answer.status) => Verdict::Delivered,
            Outcome::Answered(answer) if answer.status == 410 && self.gone != Gone::Retry => {
                match self.gone {
                    Gone::Delete => Verdict::Stop(Stop::DeleteEndpoint),
                    Gone::Disable | Gone::Retry => Verdict::Stop(Stop::DisableEndpoint),
                }
            }
            Outcome::Handed(handed) if handed.receipt.reception == Reception::Accepted => {
                Verdict::Delivered
            }
            Outcome::Read(reading) if reading.done => Verdict::Delivered,
            Outcome::Answered(_) | Outcome::Failed(_) | Outcome::Handed(_) | Outcome::Read(_) => {
                let retry = attempts.checked_sub(1).and_then(|n| usize::try_from(n).ok());
                match retry.and_then(|n| self.waits_s.get(n)) {
                    Some(wait_s) => Verdict::Again { at: self.next(*wait_s, outcome, now, roll) },
                    None => Verdict::Exhausted,
                }
            }
        }
    }

    /// Tells whether a status is a success.
    pub const fn is_success(&self, status: u16) -> bool {
        match self.success {
            Success::Any2xx => status >= 200 && status <= 299,
            Success::Only200 => status == 200,
        }
    }

    fn next(&self, wait_s: u32, outcome: &Outcome, now: Timestamp, roll: u32) -> Timestamp {
        let wait_ms = i64::from(wait_s) * SECOND_MS;
        let spread_ms = wait_ms * i64::from(self.jitter_percent) / 100;
        // A roll of 0 is the shortest wait, of u32::MAX the longest.
        let offset_ms = spread_ms * 2 * i64::from(roll) / i64::from(u32::MAX) - spread_ms;
        let asked_ms = match outcome {
            Outcome::Answered(answer) if matches!(answer.status, 429 | 503) => {
                i64::from(answer.retry_after_s.unwrap_or(0)) * SECOND_MS
            }
            Outcome::Handed(Handed {
                receipt: Receipt { reception: Reception::Later { after_s: Some(after_s), .. }, .. },
                ..
            }) => i64::from(*after_s) * SECOND_MS,
            Outcome::Read(reading) => i64::from(reading.retry_after_s.unwrap_or(0)) * SECOND_MS,
            Outcome::Answered(_) | Outcome::Failed(_) | Outcome::Handed(_) => 0,
        };
        now.plus_millis((wait_ms + offset_ms).max(asked_ms.min(RETRY_AFTER_MS_MAX)))
    }
}

/// What follows from an attempt's ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Delivered,
    /// It is tried again.
    Again {
        /// When.
        at: Timestamp,
    },
    /// No wait is left.
    Exhausted,
    /// The receiver wants no more, and the endpoint changes.
    Stop(Stop),
}

/// What a 410 does to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is disabled by the system.
    DisableEndpoint,
    /// It is deleted.
    DeleteEndpoint,
}

/// Tells whether a failure is our own stop, which is no attempt of the receiver's making.
pub const fn is_interruption(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(failure) if matches!(failure.reason, Reason::Interrupted))
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::call::Answer;

    fn answered(status: u16, retry_after_s: Option<u32>) -> Outcome {
        Outcome::Answered(Answer { status, retry_after_s, ..Answer::default() })
    }

    fn waits(name: &str) -> (usize, u64) {
        let profile = Profile::named(name).unwrap();
        (profile.waits_s.len(), profile.waits_s.iter().map(|s| u64::from(*s)).sum())
    }

    #[test]
    fn profiles_last_as_long_as_their_vendors_say() {
        let minutes = |h: u64, m: u64| (h * 60 + m) * 60;
        assert_eq!(waits("standard"), (9, minutes(75, 35) + 5));
        assert_eq!(waits("clickwrap"), (48, minutes(24, 0)));
        assert_eq!(waits("ironclad"), (12, minutes(2 * 24 + 20, 15)));
        assert_eq!(waits("ironclad-2026"), (10, 49_104));
        assert_eq!(waits("insertsign"), (0, 0));
        assert_eq!(waits("esaw"), (29, minutes(36, 15)));
    }

    #[test]
    fn insertsign_takes_200_alone_and_asks_once() {
        let profile = Profile::named("insertsign").unwrap();
        let now = Timestamp::from_millis(0);
        assert_eq!(profile.verdict(1, &answered(200, None), now, 0), Verdict::Delivered);
        assert_eq!(profile.verdict(1, &answered(204, None), now, 0), Verdict::Exhausted);
    }

    #[test]
    fn a_410_does_what_the_profile_says() {
        let now = Timestamp::from_millis(0);
        let verdict = |name| Profile::named(name).unwrap().verdict(1, &answered(410, None), now, 0);
        assert_eq!(verdict("ironclad"), Verdict::Stop(Stop::DeleteEndpoint));
        assert_eq!(verdict("ironclad-2026"), Verdict::Stop(Stop::DisableEndpoint));
        assert_eq!(verdict("standard"), Verdict::Stop(Stop::DisableEndpoint));
        assert_eq!(verdict("clickwrap"), Verdict::Again { at: now.plus_seconds(1_800) });
        assert_eq!(verdict("insertsign"), Verdict::Exhausted);
    }

    #[test]
    fn retry_after_lengthens_and_never_shortens() {
        let profile = Profile::named("ironclad").unwrap();
        let now = Timestamp::from_millis(0);
        let again = |status, s| profile.verdict(1, &answered(status, Some(s)), now, 0);
        assert_eq!(again(503, 600), Verdict::Again { at: now.plus_seconds(600) });
        assert_eq!(again(429, 5), Verdict::Again { at: now.plus_seconds(60) });
        assert_eq!(again(500, 600), Verdict::Again { at: now.plus_seconds(60) });
        assert_eq!(again(503, u32::MAX), Verdict::Again { at: now.plus_seconds(24 * 3_600) });
    }

    proptest! {
        #[test]
        fn no_profile_goes_on_for_ever_or_turns_back(
            index in 0_usize..6, attempts in 0_u32..200, status in 100_u16..600, roll: u32,
            retry_after in option::of(any::<u32>()),
        ) {
            let profile = Profile::named(Profile::NAMES[index]).unwrap();
            let now = Timestamp::from_millis(1_000_000);
            let verdict = profile.verdict(attempts, &answered(status, retry_after), now, roll);
            if let Verdict::Again { at } = verdict {
                prop_assert!(at > now);
                prop_assert!((attempts as usize) <= profile.waits_s.len());
            }
        }

        #[test]
        fn jitter_stays_within_its_percentage(roll: u32) {
            let profile = Profile::named("standard").unwrap();
            let now = Timestamp::from_millis(0);
            let Verdict::Again { at } = profile.verdict(2, &answered(500, None), now, roll) else {
                panic!("a second attempt of ten is not the last");
            };
            prop_assert!((270_000..=330_000).contains(&at.as_millis()), "{at}");
        }
    }
}
