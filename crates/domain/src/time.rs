//! Moments and clocks.
//!
//! Invariant: a clock reading is an argument; only `app` and `sim` own clocks.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment: milliseconds since 1970, UTC. Written as RFC 3339 with milliseconds and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Gives the present moment.
    fn now(&self) -> Timestamp;

    /// Tells how long it has been going. Nobody sets that: it never steps, and tells nothing but lengths.
    fn uptime(&self) -> Duration;
}

/// One second, in milliseconds.
pub const SECOND_MS: i64 = 1_000;
/// One hour, in milliseconds.
pub const HOUR_MS: i64 = 3_600 * SECOND_MS;
/// One day, in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// The last moment that has a text form: the end of the year 9999.
const MILLIS_MAX: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The end of time: later than anything that falls due.
    pub const MAX: Self = Self(MILLIS_MAX);

    /// Takes milliseconds since 1970, clamped to the years 1970 to 9999.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < 0 {
            Self(0)
        } else if millis > MILLIS_MAX {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Gives milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Gives whole seconds since 1970.
    pub const fn as_seconds(self) -> i64 {
        self.0 / SECOND_MS
    }

    /// Gives the moment that many milliseconds later (or earlier), clamped.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Gives the moment that many seconds later (or earlier), clamped.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(SECOND_MS))
    }

    /// Gives that hour of the same day in a time zone; `None` when there is no such zone.
    pub fn at_hour_in(self, zone: &str, hour: i8) -> Option<Self> {
        let moment = jiff::Timestamp::from_millisecond(self.0).ok()?.in_tz(zone).ok()?;
        let date = moment.date().at(hour, 0, 0, 0).in_tz(zone).ok()?;
        Some(Self::from_millis(date.timestamp().as_millisecond()))
    }

    /// Gives the milliseconds from `earlier` to here; negative when it is later.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Gives the time from here to `later`, zero when it has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0 - self.0).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(error) => write!(f, "out of range: {error}"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time such as 2026-01-31T12:00:00.000Z")]
pub struct NotATime;

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let moment: jiff::Timestamp = text.parse().ok().ok_or(NotATime)?;
        let millis = moment.as_millisecond();
        if (0..=MILLIS_MAX).contains(&millis) { Ok(Self(millis)) } else { Err(NotATime) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Reads an ISO 8601 duration such as `P3D`, `PT90S` or `P1DT12H` (weeks and days of 24 hours; no months or years),
/// 0 to 3,660 days, as milliseconds.
pub fn parse_duration(text: &str) -> Option<i64> {
    const LONGEST_MS: i64 = 3_660 * DAY_MS;
    let span: jiff::Span = text.parse().ok()?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return None;
    }
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let millis = days
        .checked_mul(DAY_MS)?
        .checked_add(i64::from(span.get_hours()).checked_mul(HOUR_MS)?)?
        .checked_add(span.get_minutes().checked_mul(60 * SECOND_MS)?)?
        .checked_add(span.get_seconds().checked_mul(SECOND_MS)?)?
        .checked_add(span.get_milliseconds())?;
    (0..=LONGEST_MS).contains(&millis).then_some(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_milliseconds_and_z() {
        assert_eq!(
            Timestamp::from_millis(1_603_288_877_395).to_string(),
            "2020-10-21T14:01:17.395Z"
        );
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn an_offset_is_read_as_utc() {
        assert_eq!(
            "2020-10-21T16:01:17.395+02:00".parse(),
            Ok(Timestamp::from_millis(1_603_288_877_395))
        );
    }

    #[test]
    fn durations_are_days_of_24_hours() {
        assert_eq!(parse_duration("P3D"), Some(3 * DAY_MS));
        assert_eq!(parse_duration("PT1H30M"), Some(HOUR_MS * 3 / 2));
        assert_eq!(parse_duration("P1W"), Some(7 * DAY_MS));
        for bad in ["P1M", "P1Y", "-P1D", "3 fortnights", "", "P999999999D"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
