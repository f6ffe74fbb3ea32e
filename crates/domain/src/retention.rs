//! How long what has happened is kept.
//!
//! Invariant: nothing is kept for a shorter time than [`KEPT_MS_MIN`], which every built-in retry profile ends well
//! within; what is still pending is kept whatever its age.
//! Left to others: taking it away (`store`), and when (`engine`).

use std::fmt;

use crate::time::{DAY_MS, Timestamp, parse_duration};

/// How long a thing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Until somebody says otherwise.
    Forever,
    /// So many milliseconds, [`KEPT_MS_MIN`] or more.
    For(i64),
}

/// The shortest time that anything is kept: a week. The longest built-in profile takes three days and a half.
pub const KEPT_MS_MIN: i64 = 7 * DAY_MS;

/// Why a text does not say how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected P7D or a longer ISO 8601 duration, up to P3660D, or `forever`")]
pub struct NotKept;

impl Kept {
    /// Reads a duration such as `P90D`, or `forever`.
    pub fn parse(text: &str) -> Result<Self, NotKept> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let millis = parse_duration(text).filter(|millis| *millis >= KEPT_MS_MIN);
        millis.map(Self::For).ok_or(NotKept)
    }

    /// Gives the moment before which a thing has outlived its time; `None` where it never does.
    pub const fn before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Forever => None,
            Self::For(millis) => Some(now.plus_millis(-millis)),
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("for ever"),
            Self::For(millis) => write!(f, "for {} days", millis / DAY_MS),
        }
    }
}

/// How long payloads and deliveries are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The text of an event, unless a delivery of it is pending or its request is open.
    pub payloads: Kept,
    /// A delivery that has ended, with its attempts.
    pub deliveries: Kept,
}

impl Retention {
    /// Keeps everything.
    pub const FOREVER: Self = Self { payloads: Kept::Forever, deliveries: Kept::Forever };

    /// Gives the moment before which an event of no request may go altogether, once no delivery of it is left: the
    /// longer of both.
    pub fn events_before(self, now: Timestamp) -> Option<Timestamp> {
        self.payloads.before(now).zip(self.deliveries.before(now)).map(|(a, b)| a.min(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Profile;
    use crate::time::SECOND_MS;

    #[test]
    fn every_built_in_profile_ends_in_half_of_the_shortest_time() {
        for name in Profile::NAMES {
            let profile = Profile::named(name).unwrap();
            let waits_s: i64 = profile.waits_s.iter().map(|wait_s| i64::from(*wait_s)).sum();
            let longest_ms = waits_s * SECOND_MS * (100 + i64::from(profile.jitter_percent)) / 100;
            assert!(longest_ms <= KEPT_MS_MIN / 2, "{name}");
        }
    }

    #[test]
    fn a_time_is_a_week_or_longer_or_for_ever() {
        assert_eq!(Kept::parse("P90D"), Ok(Kept::For(90 * DAY_MS)));
        assert_eq!(Kept::parse("P1W"), Ok(Kept::For(KEPT_MS_MIN)));
        assert_eq!(Kept::parse("forever"), Ok(Kept::Forever));
        for bad in ["P6DT23H", "90", "0", "", "P3M", "P4000D"] {
            assert_eq!(Kept::parse(bad), Err(NotKept), "{bad}");
        }
    }

    #[test]
    fn an_event_goes_with_the_longer_of_both() {
        let now = Timestamp::from_millis(100 * DAY_MS);
        let kept = |payloads, deliveries| Retention { payloads, deliveries }.events_before(now);
        let (short, long) = (Kept::For(10 * DAY_MS), Kept::For(30 * DAY_MS));
        assert_eq!(kept(short, long), Some(Timestamp::from_millis(70 * DAY_MS)));
        assert_eq!(kept(long, short), Some(Timestamp::from_millis(70 * DAY_MS)));
        assert_eq!((kept(short, Kept::Forever), kept(Kept::Forever, long)), (None, None));
    }
}
