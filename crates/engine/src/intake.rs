//! Intake: vendors' webhooks taken at the door, then read and worked on.
//!
//! What comes in is proven, and kept byte for byte as an event that only the source's own lane hears of; with that on the
//! disk it is answered. Reading it is a delivery over that lane: leased, tried again, given up and replayed as any other.
//!
//! Invariants: an answer of 200 says that the bytes are on the disk; nothing is kept that is not proven; the same thing
//! said twice by a vendor that has ids is kept once; of headers those that are secret are kept masked.
//! Left to others: how a vendor proves and speaks (`dialects::vendor`), what a thing told changes (`domain::mirror`).

mod asking;
mod doors;
mod mirrors;
mod reading;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use channels::Lane;
use dialects::vendor::{Received, Untrusted, vendor};
use domain::call::{ANSWER_BYTES_MAX, Call, Method, Outcome};
use domain::chain::sha256;
use domain::delivery::Cause;
use domain::event::{Event, Kind};
use domain::facts::Arrival;
use domain::id::{AccountId, EndpointId, EventId, SourceId};
use domain::source::Source;
use domain::time::Timestamp;
use store::{Audience, Commit, Fault, Said};
use url::Url;

use crate::Engine;
use crate::command::{Flaw, Once, Refusal};
use crate::doorway::half;
use crate::feedback::Untaken;

use doors::Door;
pub(crate) use doors::{Doors, LOOKUPS_PER_S};

/// The most bytes of what comes in.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The most bytes of all headers that are kept.
const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// What tokens of sources are for.
const DOOR: &str = "intake";
/// How long fetching a vendor's key may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// What came in at a source's URL.
#[derive(Debug, Clone)]
pub struct Came<'a> {
    /// By which verb.
    pub method: Method,
    /// The query, without its question mark.
    pub query: &'a str,
    /// Header names in lower case, and their values.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

impl Engine {
    /// Gives the URL that a source's vendor is to call: the same each time, and known to nobody without the master key.
    pub fn intake_url(&self, account: AccountId, source: SourceId) -> String {
        format!("{}/in/{}", self.public_url(), self.intake_token(account, source))
    }

    fn intake_token(&self, account: AccountId, source: SourceId) -> String {
        self.door_token(DOOR, account, source.bits())
    }

    /// Gives the id of the lane that reads what comes in at a source, the same on each node.
    pub fn intake_lane(account: AccountId, source: SourceId) -> EndpointId {
        EndpointId::new(half(sha256(format!("intake {account} {source}").as_bytes())))
    }

    /// Refuses a token of no source's URL; whether the source is still there shows only later.
    pub fn may_knock(&self, token: &str) -> Result<(), Refusal> {
        let found = self.read_door_token(DOOR, token);
        found.map(|_source| ()).ok_or(Refusal::NotFound { what: "source" })
    }

    /// Takes what came in at a source's URL: proves it, and keeps it. Tells its id.
    pub async fn take_arrival(&self, token: &str, came: Came<'_>) -> Result<EventId, Untaken> {
        let door = self.door_of_token(token).await?.filter(|door| door.source.enabled);
        // Nobody is told whether a source is there.
        let door = door.ok_or(Refusal::NotFound { what: "source" })?;
        let source = &door.source;
        let catch = vendor(source.vendor);
        if !catch.methods().contains(&came.method) {
            let message =
                format!("expected {}", catch.methods().first().map_or("", |m| m.as_str()));
            return Err(Refusal::Invalid(vec![Flaw::new("", message)]).into());
        }
        let received = Received {
            method: came.method,
            query: came.query,
            headers: &came.headers,
            body: came.body,
            key: None,
        };
        if let Err(untaken) = self.prove_arrival(source, received).await {
            if matches!(untaken, Untaken::Unproven(_)) {
                self.inner.sources.refused(source.id);
                self.metrics().arrival("refused");
            }
            return Err(untaken);
        }
        let key = catch.key(source, &received).map(|key| format!("{}:{key}", source.id));
        self.keep_arrival(&door, came, key).await
    }

    async fn prove_arrival(&self, source: &Source, received: Received<'_>) -> Result<(), Untaken> {
        let catch = vendor(source.vendor);
        let url = match catch.prove(source, &received) {
            Ok(()) => return Ok(()),
            Err(Untrusted::Forged(why)) => return Err(Untaken::Unproven(why)),
            Err(Untrusted::KeyNeeded { url }) => url,
        };
        let now = self.now();
        let known = self.inner.sources.vendor_key(&url);
        if let Some((key, _)) = &known {
            let received = Received { key: Some(key), ..received };
            if catch.prove(source, &received).is_ok() {
                return Ok(());
            }
        }
        // A vendor may have a new key; it is looked at now and then, however often somebody knocks with a wrong proof.
        if known.is_some_and(|(_, at)| now.millis_since(at) < doors::KEY_KEPT_MS) {
            return Err(Untaken::Unproven("the signature does not fit what came in"));
        }
        let key: Arc<str> = self.fetch_key(source, &url).await?.into();
        let received = Received { key: Some(&key), ..received };
        let proven = match catch.prove(source, &received) {
            Ok(()) => Ok(()),
            Err(Untrusted::Forged(why)) => Err(Untaken::Unproven(why)),
            // Whatever stands there today, it is no key, and nothing is refused for want of one.
            Err(Untrusted::KeyNeeded { .. }) => {
                return Err(Untaken::Later("the vendor's key: it makes no sense".to_owned()));
            }
        };
        self.inner.sources.keep_vendor_key(url, key, now);
        proven
    }

    async fn fetch_key(&self, source: &Source, url: &str) -> Result<String, Untaken> {
        let later = |why: String| Untaken::Later(format!("the vendor's key: {why}"));
        let url = Url::parse(url).map_err(|error| later(error.to_string()))?;
        let call =
            Call { method: Method::Get, url: Arc::new(url), headers: Vec::new(), body: Vec::new() };
        let lane = Lane {
            key: source.id.bits(),
            connections_max: 0,
            timeout: FETCH_TIMEOUT,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        match self.channel().attempt(call, lane).await.outcome {
            Outcome::Answered(answer) if answer.status == 200 => Ok(answer.body),
            Outcome::Answered(answer) => Err(later(format!("it answers {}", answer.status))),
            Outcome::Failed(failure) => Err(later(failure.detail)),
            Outcome::Handed(_) | Outcome::Read(_) => Err(later("it is none".to_owned())),
        }
    }

    /// Keeps what came in, and has the source's lane read it; the same thing again is what was kept first.
    async fn keep_arrival(
        &self,
        door: &Door,
        came: Came<'_>,
        key: Option<String>,
    ) -> Result<EventId, Untaken> {
        // Only who has proven anything counts as one of a crowd.
        let now = self.now();
        let _guest = self.inner.sources.let_in(now);
        let account = door.source.account;
        let data = written(&arrival(door.source.id, came)).map_err(Refusal::Store)?;
        let event = Event {
            id: EventId::new(self.mint(now)),
            account,
            kind: Kind::SourceReceived,
            name: Cow::Borrowed(Kind::SourceReceived.as_str()),
            at: now,
            request: None,
            order_key: None,
            key,
            data,
            test: false,
            callbacks: Vec::new(),
            link: None,
        };
        let audience = Audience::Only(door.lane, Cause::Event);
        let commit = Commit { events: vec![Said { event, audience }], ..Commit::new(account, now) };
        let committed = match self.commit(commit).await {
            Ok(committed) => committed,
            // The source went away between the two.
            Err(Fault::Missing { .. }) => return Err(Refusal::NotFound { what: "source" }.into()),
            Err(fault) => return Err(Once::<EventId>::unkept().refusal(fault).into()),
        };
        let noted = committed.events.into_iter().next();
        let noted = noted.ok_or(Refusal::NotFound { what: "source" })?;
        self.metrics().arrival(if noted.known { "repeated" } else { "kept" });
        Ok(noted.id)
    }
}

/// Writes down what came in, without what is secret.
fn arrival(source: SourceId, came: Came<'_>) -> Arrival<'_> {
    let mut room = HEADERS_BYTES_MAX;
    let mut headers = came.headers;
    headers.retain_mut(|(name, value)| {
        if is_secret(name) {
            "…".clone_into(value);
        }
        let bytes = name.len() + value.len();
        let is_kept = bytes <= room;
        if is_kept {
            room -= bytes;
        }
        is_kept
    });
    let text = str::from_utf8(came.body).ok();
    // What would grow by being written as JSON is written in Base64, which grows by a third.
    let is_plain = |text: &&str| {
        let escaped = text.bytes().filter(|byte| *byte < b' ').count();
        escaped <= text.len() / 16
    };
    let (body, body_base64) = match text.filter(is_plain) {
        Some(text) => (Some(text).filter(|text| !text.is_empty()).map(Cow::Borrowed), None),
        None => (None, Some(BASE64_STANDARD.encode(came.body))),
    };
    Arrival {
        source_id: source,
        method: came.method,
        query: Cow::Borrowed(came.query),
        headers,
        body,
        body_base64,
    }
}

/// Writes it as JSON, into room that is large enough from the beginning: it is kept for a while, and by the thousand.
fn written(arrival: &Arrival<'_>) -> Result<String, store::Error> {
    const FRAME_BYTES: usize = 192;
    let corrupt = |detail: String| store::Error::Corrupt { table: "events", detail };
    let headers = arrival.headers.iter().map(|(name, value)| name.len() + value.len() + 8);
    // Of a JSON body each quote is escaped.
    let body = arrival.body.as_ref().map_or(0, |body| body.len() + body.len() / 4);
    let encoded = arrival.body_base64.as_ref().map_or(0, String::len);
    let room = FRAME_BYTES + headers.sum::<usize>() + arrival.query.len() + body.max(encoded);
    let mut data = Vec::with_capacity(room);
    serde_json::to_writer(&mut data, arrival)
        .map_err(|error| corrupt(format!("what came in cannot be written as JSON: {error}")))?;
    String::from_utf8(data).map_err(|error| corrupt(error.to_string()))
}

/// Gives the body as it came.
pub(crate) fn body_of(arrival: &Arrival<'_>) -> Vec<u8> {
    match (&arrival.body, &arrival.body_base64) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).unwrap_or_default(),
        (None, None) => Vec::new(),
    }
}

/// Tells whether a header holds a secret, as far as vendors and proxies are known to send any.
fn is_secret(name: &str) -> bool {
    const SECRET: [&str; 6] = [
        "authorization",
        "proxy-authorization",
        "cookie",
        "pactsafe-webhook-token",
        "x-api-key",
        "apitoken",
    ];
    SECRET.contains(&name)
}

/// When a thing that waits is read again: soon at first, then every hour, three days in all.
pub(crate) fn waits_s() -> Vec<u32> {
    let mut waits = vec![2, 5, 15, 60, 300, 900, 1_800];
    waits.extend([3_600; 71]);
    waits
}

/// Gives what is kept of a moment that a vendor named: not of the future, and not before there were webhooks.
pub(crate) fn plausible(at: Option<Timestamp>, now: Timestamp) -> Timestamp {
    const DAWN: Timestamp = Timestamp::from_millis(946_684_800_000);
    at.filter(|at| (DAWN..=now).contains(at)).unwrap_or(now)
}
