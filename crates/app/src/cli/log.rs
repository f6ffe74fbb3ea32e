//! Follows the log of events over the API.
//!
//! Invariants: events are given in the order of the log, each once, and none is passed over; the place is the last one that
//! was dealt with.
//! Left to others: what is done with an event (`events`, `listen`).

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::chain::Link;
use domain::event::{Event, Kind};
use domain::id::{EventId, RequestId};
use domain::time::{Clock as _, SECOND_MS, Timestamp, parse_duration};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing::warn;
use url::form_urlencoded::byte_serialize;

use crate::cli::target::NOBODY;
use crate::client::{Client, Trouble};
use crate::clock::{self, RealClock};
use crate::screen::Screen;

/// Between two looks at a log that had nothing new.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest pause while the server is away.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// An event may come into the log so much later than others of its moment. Who begins at a moment begins to read so much
/// earlier.
const LATE_MS: i64 = 10 * SECOND_MS;
/// Events of a page.
const PAGE: usize = 100;

/// An event as the API shows it.
#[derive(Debug, Deserialize)]
pub(crate) struct Logged {
    pub(crate) id: EventId,
    #[serde(rename = "type")]
    pub(crate) name: String,
    pub(crate) at: Timestamp,
    #[serde(default)]
    pub(crate) request_id: Option<RequestId>,
    #[serde(default)]
    order_key: Option<String>,
    #[serde(default)]
    test: bool,
    #[serde(default)]
    chain: Option<Link>,
    /// What it says, byte for byte; `null` once it was forgotten.
    pub(crate) data: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Logged>,
}

#[derive(Debug, Deserialize)]
struct Now {
    now: Timestamp,
}

/// How far a reader has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Everything in the log up to this one was given.
    after: Option<EventId>,
    /// What is older than this is not given.
    #[serde(default)]
    from: Option<EventId>,
    /// What was given beyond. Earlier versions of this program, which went by ids, left something here.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    seen: BTreeSet<EventId>,
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Since {
    /// With the first event.
    Start,
    /// At a moment.
    At(Timestamp),
    /// So many milliseconds ago.
    Ago(i64),
}

/// Reads where to begin.
pub(crate) fn since(text: &str) -> Result<Since, String> {
    if text == "start" {
        return Ok(Since::Start);
    }
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    parse_duration(text).map(Since::Ago).ok_or_else(|| {
        "expected a time such as 2026-01-31T12:00:00Z, a duration such as PT1H or P3D, or start"
            .to_owned()
    })
}

impl Since {
    /// Gives the moment; the server's clock counts, which development may have moved.
    pub(crate) fn moment(&self, client: &Client) -> Timestamp {
        match self {
            Self::Start => Timestamp::from_millis(0),
            Self::At(at) => *at,
            Self::Ago(millis) => now(client).plus_millis(-millis),
        }
    }
}

/// Asks for the server's time. Only a server in development tells it; others have the real one.
fn now(client: &Client) -> Timestamp {
    client.get::<Now>("/api/v1/clock").map_or_else(|_trouble| RealClock.now(), |now| now.now)
}

/// A reader of the log.
#[derive(Debug)]
pub(crate) struct Follower<'a> {
    client: &'a Client,
    types: Vec<String>,
    after: EventId,
    from: Option<EventId>,
    seen: BTreeSet<EventId>,
    pause: Duration,
}

impl<'a> Follower<'a> {
    /// Begins at a moment, else where a place was left, else with whatever happens from now on.
    pub(crate) fn new(
        client: &'a Client,
        types: Vec<String>,
        since: Option<&Since>,
        place: Option<Place>,
    ) -> Result<Self, Trouble> {
        let (after, from, seen) = match (since, place) {
            (Some(since), _) => {
                let moment = since.moment(client);
                let early = just_before(moment.plus_millis(-LATE_MS));
                (early, Some(just_before(moment)), BTreeSet::new())
            }
            (None, Some(Place { after: Some(after), from, seen })) => (after, from, seen),
            (None, _) => (newest(client)?, None, BTreeSet::new()),
        };
        Ok(Self { client, types, after, from, seen, pause: Duration::ZERO })
    }

    /// Gives the place, to begin there another time.
    pub(crate) fn place(&self) -> Place {
        Place { after: Some(self.after), from: self.from, seen: self.seen.clone() }
    }

    /// Notes that an event was dealt with; until then it is given again by the next reader.
    pub(crate) const fn done_with(&mut self, id: EventId) {
        self.after = id;
    }

    /// Waits for events; a server that is away is asked again, more and more slowly. Each must be
    /// [done with](Self::done_with) before the next call.
    pub(crate) fn wait(&mut self, screen: &mut Screen) -> anyhow::Result<Vec<Logged>> {
        loop {
            match self.look() {
                Ok((found, is_whole)) => {
                    if self.pause > LOOK_EVERY {
                        screen.line(screen.faint(&format!("{} is back", self.client.url())))?;
                    }
                    self.pause = LOOK_EVERY;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                    if !is_whole {
                        continue;
                    }
                }
                Err(trouble) if trouble.is_transient() => {
                    if self.pause <= LOOK_EVERY {
                        let said = format!("{trouble}; trying again until it is back");
                        screen.line(screen.faint(&said))?;
                    }
                    self.pause = (self.pause * 2).clamp(LOOK_EVERY * 2, PAUSE_MAX);
                }
                Err(trouble) => return Err(trouble.advised()),
            }
            clock::pause(self.pause);
        }
    }

    /// Takes the next page; tells whether the log ends with it.
    fn look(&mut self) -> Result<(Vec<Logged>, bool), Trouble> {
        let cursor = cursor(self.after);
        let mut path = format!("/api/v1/events?order=asc&limit={PAGE}&cursor={cursor}");
        if !self.types.is_empty() {
            path.push_str("&type=");
            path.extend(byte_serialize(self.types.join(",").as_bytes()));
        }
        let page: Page = self.client.get(&path)?;
        let is_whole = page.data.len() < PAGE;
        Ok((self.take(page.data), is_whole))
    }

    /// Leaves out what is not to be given. When that is all of it, the place moves over it.
    fn take(&mut self, events: Vec<Logged>) -> Vec<Logged> {
        let Some(last) = events.last().map(|event| event.id) else {
            self.seen.clear();
            return events;
        };
        let is_new = |id| self.from.is_none_or(|from| id > from) && !self.seen.contains(&id);
        let found: Vec<Logged> = events.into_iter().filter(|event| is_new(event.id)).collect();
        if found.is_empty() {
            self.after = last;
        }
        found
    }
}

/// The id that every event from a moment on is greater than.
fn just_before(at: Timestamp) -> EventId {
    let millis = u128::try_from(at.as_millis()).unwrap_or(0);
    EventId::new((millis << 80).saturating_sub(1))
}

fn newest(client: &Client) -> Result<EventId, Trouble> {
    let page: Page = client.get("/api/v1/events?limit=1")?;
    Ok(page.data.first().map_or(EventId::new(0), |event| event.id))
}

/// Writes the cursor that means the place right behind an event, as `web::page` does.
fn cursor(after: EventId) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(after.bits().to_be_bytes())
}

impl Logged {
    /// Tells whether its text was forgotten.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.data.get() == "null"
    }

    /// Gives the event as it stands in the log; `None` when this program has never heard of its kind.
    pub(crate) fn event(&self) -> Option<Event> {
        let Some(kind) = Kind::of(&self.name) else {
            warn!(event.id = %self.id, "an event is of a kind that a newer countersign knows");
            return None;
        };
        Some(Event {
            id: self.id,
            account: NOBODY,
            kind,
            name: self.name.clone().into(),
            at: self.at,
            request: self.request_id,
            order_key: self.order_key.clone(),
            key: None,
            data: self.data.get().to_owned(),
            test: self.test,
            callbacks: Vec::new(),
            link: self.chain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> EventId {
        EventId::new(just_before(Timestamp::from_millis(millis)).bits() + 2)
    }

    fn follower(client: &Client, place: Place) -> Follower<'_> {
        Follower::new(client, Vec::new(), None, Some(place)).unwrap()
    }

    fn logged(ids: &[EventId]) -> Vec<Logged> {
        let logged = |id: &EventId| {
            let text =
                format!(r#"{{"id":"{id}","type":"custom.a","at":"{}","data":1}}"#, id.minted_at());
            serde_json::from_str(&text).unwrap()
        };
        ids.iter().map(logged).collect()
    }

    fn taken(follower: &mut Follower<'_>, ids: &[EventId]) -> Vec<EventId> {
        follower.take(logged(ids)).iter().map(|event| event.id).collect()
    }

    #[test]
    fn a_start_is_a_time_a_duration_or_the_start() {
        assert_eq!(since("start"), Ok(Since::Start));
        assert_eq!(since("PT1H"), Ok(Since::Ago(3_600_000)));
        assert_eq!(since("1970-01-01T00:00:01Z"), Ok(Since::At(Timestamp::from_millis(1_000))));
        assert!(since("yesterday").is_err());
    }

    #[test]
    fn every_event_of_a_moment_comes_after_its_beginning() {
        let moment = Timestamp::from_millis(1_700_000_000_000);
        let before = just_before(moment);
        assert!(before.minted_at() < moment);
        assert_eq!(EventId::new(before.bits() + 1).minted_at(), moment);
    }

    #[test]
    fn an_event_that_comes_late_into_the_log_is_given() {
        let client = Client::new("http://127.0.0.1:9", None);
        let place = Place { after: Some(at(2_000)), ..Place::default() };
        let mut follower = follower(&client, place);
        assert_eq!(taken(&mut follower, &[at(1_000), at(3_000)]), [at(1_000), at(3_000)]);
        follower.done_with(at(1_000));
        assert_eq!(follower.place().after, Some(at(1_000)));
    }

    #[test]
    fn what_is_older_than_the_beginning_is_passed_over() {
        let client = Client::new("http://127.0.0.1:9", None);
        let since = Since::At(Timestamp::from_millis(60_000));
        let mut follower = Follower::new(&client, Vec::new(), Some(&since), None).unwrap();
        assert!(follower.after < at(60_000 - LATE_MS));
        assert_eq!(taken(&mut follower, &[at(59_000)]), []);
        assert_eq!(follower.place().after, Some(at(59_000)));
        assert_eq!(taken(&mut follower, &[at(60_000), at(58_000)]), [at(60_000)]);
    }

    #[test]
    fn a_place_of_an_earlier_version_is_understood() {
        let client = Client::new("http://127.0.0.1:9", None);
        let text = format!(r#"{{"after":"{}","seen":["{}"]}}"#, at(1_000), at(2_000));
        let mut follower = follower(&client, serde_json::from_str(&text).unwrap());
        assert_eq!(taken(&mut follower, &[at(2_000), at(3_000)]), [at(3_000)]);
        follower.done_with(at(3_000));
        assert_eq!(taken(&mut follower, &[]), []);
        assert_eq!(follower.place().seen.len(), 0);
    }
}
