//! One reading of what came in: a leased delivery in, a settlement out.
//!
//! Invariants: what cannot be read is given up at once and waits in the inbox; where the vendor has to be asked and cannot
//! be, it is tried again, and after the last try what is known is taken as it is.
//! Left to others: whose turn it is (`lanes`), writing the settlement (`settle`), what is told of a request (`mirrors`).

use std::borrow::Cow;
use std::sync::Arc;

use dialects::vendor::{Received, vendor};
use domain::call::{Outcome, Reading};
use domain::chain::sha256;
use domain::contact::Contact;
use domain::delivery::{Attempt, Cause, Delivery, State, Why};
use domain::endpoint::Endpoint;
use domain::event::{Event, Kind};
use domain::facts::{AboutArrival, AboutContact, AboutForeign, AboutMail, Arrival};
use domain::id::{AttemptId, ContactId, EventId, RequestId};
use domain::retry::Verdict;
use domain::signer::Person;
use domain::source::Source;
use domain::told::{About, Told};
use serde::Serialize;
use store::{Audience, Commit, Guarded, Said, Settlement, Write};
use tracing::warn;

use super::body_of;
use crate::Engine;
use crate::command::{Once, Refusal};
use crate::deliver::Ended;
use crate::doorway::half;

/// What came of a reading.
pub(super) enum Read {
    /// All that follows is written down.
    Done(Option<String>),
    /// It is to be tried again, after so many seconds at the earliest if somebody said so.
    Later(String, Option<u32>),
    /// Nobody can read it.
    Unreadable(String),
}

impl Engine {
    /// Reads what came in. `None` when the store is away; its lease is given back, and it is tried again.
    pub(crate) async fn attempt_reading(
        &self,
        of: (&Delivery, &Arc<Event>),
        endpoint: &Arc<Endpoint>,
        bytes: usize,
    ) -> Option<Ended> {
        let (delivery, event) = of;
        self.give_way().await;
        let began = self.now();
        self.metrics().begun(delivery, event, began);
        let number = delivery.attempts.saturating_add(1);
        // A retry by hand stands alone, and waits for nobody.
        let is_last = matches!(delivery.cause, Cause::Replay { .. })
            || usize::try_from(number).is_ok_and(|n| n > endpoint.profile.waits_s.len());
        let (word, read) = match self.try_reading(delivery, event, (number, is_last)).await {
            Ok(read) => read,
            Err(Refusal::Store(error)) => {
                warn!(error = %error, "what came in waits for the store");
                return None;
            }
            Err(refusal) => (String::new(), Read::Later(refusal.to_string(), None)),
        };
        let now = self.now();
        let (done, retry_after_s, note, unreadable) = match read {
            Read::Done(note) => (true, None, note, false),
            Read::Later(why, after) => (false, after, Some(why), false),
            Read::Unreadable(why) => (false, None, Some(why), true),
        };
        let reason = note.clone().unwrap_or_default();
        let outcome = Outcome::Read(Reading { word, done, retry_after_s, note });
        let state = match endpoint.profile.verdict(number, &outcome, now, self.roll()) {
            _ if unreadable => State::Exhausted { at: now, why: Why::Unreadable },
            Verdict::Delivered => State::Delivered { at: now },
            Verdict::Again { at } => State::Pending { due_at: at },
            Verdict::Exhausted | Verdict::Stop(_) => {
                State::Exhausted { at: now, why: Why::WaitsRanOut }
            }
        };
        self.metrics().ended(&outcome, now.millis_since(began), false);
        let attempt = Arc::new(Attempt {
            id: AttemptId::new(self.mint(began)),
            delivery: delivery.id,
            number,
            at: began,
            took_ms: u32::try_from(now.millis_since(began)).unwrap_or(0),
            url: endpoint.url.clone(),
            body_digest: sha256(event.data.as_bytes()),
            remote: None,
            outcome,
        });
        let mut events = Vec::new();
        if let State::Exhausted { .. } = state
            && let Ok(arrival) = serde_json::from_str::<Arrival<'_>>(&event.data)
        {
            let about = AboutArrival { source_id: arrival.source_id, arrival_id: event.id, reason };
            events.push(self.event(Kind::SourceQuarantined, delivery.account, &about, now));
        }
        // One thing that cannot be read says nothing of the next.
        self.lanes().ended(endpoint.id, true);
        let settlement = Settlement {
            account: delivery.account,
            endpoint: endpoint.id,
            request: None,
            attempt,
            state,
            health: None,
            events,
        };
        Some(Ended { settlement, stop: None, revived: false, bytes })
    }

    async fn try_reading(
        &self,
        delivery: &Delivery,
        event: &Event,
        turn: (u32, bool),
    ) -> Result<(String, Read), Refusal> {
        let unreadable = |why: &str| Ok((String::new(), Read::Unreadable(why.to_owned())));
        let Ok(arrival) = serde_json::from_str::<Arrival<'_>>(&event.data) else {
            return unreadable("the text of what came in was forgotten");
        };
        let Some(door) = self.door(delivery.account, arrival.source_id).await? else {
            return unreadable("the source was deleted");
        };
        let source = &door.source;
        let body = body_of(&arrival);
        let received = Received {
            method: arrival.method,
            query: &arrival.query,
            headers: &arrival.headers,
            body: &body,
            key: None,
        };
        let told = match vendor(source.vendor).read(source, &received) {
            Ok(told) => told,
            Err(why) => return unreadable(&why.to_string()),
        };
        let word = told.word.clone();
        Ok((word, self.work_on(source, told, (event.id, arrival), turn).await?))
    }

    /// Writes down what follows from what a vendor told.
    async fn work_on(
        &self,
        source: &Source,
        told: Told,
        (arrival_id, arrival): (EventId, Arrival<'_>),
        turn: (u32, bool),
    ) -> Result<Read, Refusal> {
        let account = source.account;
        // Whoever reads the same thing again, after a crash in the middle, finds that it was said.
        let key = Some(format!("told:{arrival_id}"));
        match told.about.clone() {
            About::Test => Ok(Read::Done(Some("a test of the vendor's".to_owned()))),
            About::Request { .. } => self.hear_told(source, &told, arrival_id, turn).await,
            About::Contact { foreign_id, name, email, label, company } => {
                let now = self.now();
                let person = Person { name, email, label, company, ..Person::default() };
                let id = contact_id(source, &foreign_id);
                if self.views().contact(account, id).await?.is_some() {
                    return Ok(Read::Done(Some("the contact is known".to_owned())));
                }
                let contact = Contact {
                    id,
                    account,
                    person,
                    metadata: [("foreign_id".to_owned(), foreign_id.into())].into(),
                    created_at: now,
                    updated_at: now,
                };
                let about = AboutContact { contact: contact.clone() };
                let write = Write::Contact(Guarded { version: 0, value: contact });
                self.say(source, Kind::ContactCreated, &about, (key, None, vec![write])).await
            }
            About::Mail { kind, to, subject, request } => {
                let about = AboutMail { to, subject, reason: None };
                let request = self.mirror_of(source, request.as_deref()).await?;
                self.say(source, kind, &about, (key, request, Vec::new())).await
            }
            About::Foreign { request } => {
                let about = AboutForeign {
                    source_id: source.id,
                    arrival_id,
                    word: told.word.clone(),
                    query: arrival.query.into_owned(),
                    body: arrival.body.map(Cow::into_owned),
                };
                let request = self.mirror_of(source, request.as_deref()).await?;
                let name = format!("{}.{}", source.vendor.as_str(), plain(&told.word));
                let now = self.now();
                let event = self.event(Kind::Foreign, account, &about, now);
                let order_key = request.map(|id| id.to_string());
                let event = Event { name: Cow::Owned(name), key, request, order_key, ..event };
                self.say_event(event, Vec::new()).await
            }
        }
    }

    async fn say<T: Serialize + Sync>(
        &self,
        source: &Source,
        kind: Kind,
        about: &T,
        (key, request, writes): (Option<String>, Option<RequestId>, Vec<Write>),
    ) -> Result<Read, Refusal> {
        let event = self.event(kind, source.account, about, self.now());
        let order_key = request.map(|id| id.to_string());
        self.say_event(Event { key, request, order_key, ..event }, writes).await
    }

    async fn say_event(&self, event: Event, writes: Vec<Write>) -> Result<Read, Refusal> {
        let account = event.account;
        let said = Said { event, audience: Audience::Subscribers };
        let commit = Commit { writes, events: vec![said], ..Commit::new(account, self.now()) };
        let once = Once::<EventId>::unkept();
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        Ok(Read::Done(None))
    }
}

/// Gives a vendor's contact the same id each time.
fn contact_id(source: &Source, foreign_id: &str) -> ContactId {
    ContactId::new(half(sha256(format!("contact {} {foreign_id}", source.id).as_bytes())))
}

/// Makes a vendor's word one that can be part of a name.
fn plain(word: &str) -> String {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
    let word: String = word.chars().map(|char| if fits(char) { char } else { '_' }).collect();
    if word.is_empty() { "unknown".to_owned() } else { word }
}
