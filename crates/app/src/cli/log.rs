//! Follows the log of events over the API.
//!
//! Invariants: an event is given once; none is passed over, although events become visible a little out of order: the
//! place moves on only when nothing older can come any more.
//! Left to others: what is done with an event (`events`, `listen`).

use std::collections::{BTreeMap, BTreeSet};
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
use crate::clock::{self, RealClock, Stopwatch};
use crate::screen::Screen;

/// Between two looks at a log that had nothing new.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest pause while the server is away.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// An event that is this much younger than another one cannot become visible before it.
const SETTLED_MS: i64 = 5 * SECOND_MS;
/// Events that are remembered for as long at most; only a log that grows faster gets near it.
const SEEN_MAX: usize = 100_000;
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
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Now {
    now: Timestamp,
}

/// How far a reader has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Everything up to here was given.
    after: Option<EventId>,
    /// What was given beyond.
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
    seen: BTreeMap<EventId, Stopwatch>,
    /// The page that comes next, while there are more.
    next: Option<String>,
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
        let (after, seen) = match (since, place) {
            (Some(since), _) => (just_before(since.moment(client)), BTreeSet::new()),
            (None, Some(Place { after: Some(after), seen })) => (after, seen),
            (None, _) => (newest(client)?, BTreeSet::new()),
        };
        let seen = seen.into_iter().map(|id| (id, Stopwatch::start())).collect();
        Ok(Self { client, types, after, seen, next: None, pause: Duration::ZERO })
    }

    /// Gives the place, to begin there another time.
    pub(crate) fn place(&self) -> Place {
        Place { after: Some(self.after), seen: self.seen.keys().copied().collect() }
    }

    /// Notes that an event was dealt with; until then it is given again by the next reader.
    pub(crate) fn done_with(&mut self, id: EventId) {
        self.seen.insert(id, Stopwatch::start());
    }

    /// Waits for events; a server that is away is asked again, more and more slowly. Each must be
    /// [done with](Self::done_with) before the next call.
    pub(crate) fn wait(&mut self, screen: &mut Screen) -> anyhow::Result<Vec<Logged>> {
        loop {
            match self.look() {
                Ok(found) => {
                    if self.pause > LOOK_EVERY {
                        screen.line(screen.faint(&format!("{} is back", self.client.url())))?;
                    }
                    self.pause = LOOK_EVERY;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                    if self.next.is_some() {
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

    /// Takes the next page, without what was given before.
    fn look(&mut self) -> Result<Vec<Logged>, Trouble> {
        let cursor = self.next.take().unwrap_or_else(|| cursor(self.after));
        let mut path = format!("/api/v1/events?order=asc&limit={PAGE}&cursor={cursor}");
        if !self.types.is_empty() {
            path.push_str("&type=");
            path.extend(byte_serialize(self.types.join(",").as_bytes()));
        }
        let page: Page = self.client.get(&path)?;
        self.next = page.next_cursor;
        if let Some(newest) = page.data.last() {
            self.settle(newest.id);
        }
        Ok(page.data.into_iter().filter(|event| self.is_new(event.id)).collect())
    }

    fn is_new(&self, id: EventId) -> bool {
        id > self.after && !self.seen.contains_key(&id)
    }

    /// Moves the place on, over everything that has nothing older to come.
    fn settle(&mut self, newest: EventId) {
        let settled_ms = u128::from(SETTLED_MS.unsigned_abs());
        let sure = newest.minted_at().plus_millis(-SETTLED_MS);
        while let Some((oldest, given)) = self.seen.first_key_value() {
            let is_settled = given.elapsed().as_millis() >= settled_ms || oldest.minted_at() < sure;
            if !is_settled && self.seen.len() <= SEEN_MAX {
                return;
            }
            if let Some((id, _)) = self.seen.pop_first() {
                self.after = self.after.max(id);
            }
        }
    }
}

/// The id that every event from a moment on is greater than.
fn just_before(at: Timestamp) -> EventId {
    let millis = u128::from(at.as_millis().unsigned_abs());
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

    fn follower(client: &Client) -> Follower<'_> {
        let place = Place { after: Some(EventId::new(0)), seen: BTreeSet::new() };
        Follower::new(client, Vec::new(), None, Some(place)).unwrap()
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
    fn an_event_that_becomes_visible_late_is_still_new() {
        let client = Client::new("http://127.0.0.1:9", None);
        let mut follower = follower(&client);
        follower.done_with(at(2_000));
        follower.settle(at(2_000));
        assert!(follower.is_new(at(1_000)) && !follower.is_new(at(2_000)));
    }

    #[test]
    fn the_place_moves_over_what_is_settled() {
        let client = Client::new("http://127.0.0.1:9", None);
        let mut follower = follower(&client);
        follower.done_with(at(2_000));
        follower.done_with(at(9_000));
        follower.settle(at(9_000));
        let place = follower.place();
        assert_eq!((place.after, place.seen.len()), (Some(at(2_000)), 1));
        assert!(!follower.is_new(at(1_000)) && !follower.is_new(at(9_000)));
    }
}
