//! Moments as a language writes them.

use domain::time::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use minijinja::context;

use crate::fill::{Form, fill};
use crate::flaw::Flaw;
use crate::words::Words;

/// Writes a moment in a zone, with the zone's short name; without a zone, or with one that is not known, in UTC.
pub(crate) fn write(
    moment: Timestamp,
    time_zone: Option<&str>,
    words: &Words,
) -> Result<String, Flaw> {
    // The database is part of the program, so that a moment reads the same on every machine.
    let zone = time_zone.and_then(|name| TimeZoneDatabase::bundled().get(name).ok());
    let moment = jiff::Timestamp::from_millisecond(moment.as_millis())
        .map_err(|error| Flaw::whole(error.to_string()))?
        .to_zoned(zone.unwrap_or(TimeZone::UTC));
    let month = usize::try_from(moment.month()).unwrap_or(1);
    let zone = moment.strftime("%Z").to_string();
    let zone = if zone.starts_with(['+', '-']) { format!("UTC{zone}") } else { zone };
    let parts = context! {
        day => moment.day(),
        month => words.months.get(month.saturating_sub(1)),
        year => moment.year(),
        time => moment.strftime("%H:%M").to_string(),
        zone => zone,
    };
    fill(&words.date, Form::Plain, &parts)
}
