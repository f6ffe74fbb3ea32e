//! What must hold of vendors' webhooks and mirrors, at every step and at the end.
//!
//! | Always | At the end |
//! | --- | --- |
//! | what was taken is in the log, once, and read over one lane | every reading is done, but of what was garbled |
//! | the same thing, taken again, is what was taken first, where the vendor has ids | each request has one mirror, and nothing else has |
//! | what is forged is not taken, what is not is never refused | a mirror stands where its vendor does |
//! | | each thing was told once, and its end for certain if the vendor told of it |

use std::collections::{BTreeMap, BTreeSet};

use dialects::stand_in::{Ending, How, Sending, base_path};
use domain::delivery::{Cause, State, Why};
use domain::event::{Event, Kind};
use domain::facts::AboutRequest;
use domain::id::{AccountId, EndpointId, EventId, SourceId};
use domain::request::Request;
use domain::signer::Signer;
use domain::source::Vendor;
use engine::Engine;
use store::{DeliveryFilter, EventFilter, Page, RequestFilter};

use super::{OWN_HOST, Played};
use crate::crew::{Crew, Trouble};
use crate::invariants::Broken;

/// The inbox is looked at once in so many steps.
const LOOK_EVERY: u32 = 60;
/// Rows read at once.
const ROWS: u32 = 1_000;

/// What was taken.
#[derive(Debug)]
struct Taken {
    source: SourceId,
    /// The vendor's id for the request.
    of: String,
    how: How,
    word: &'static str,
}

/// What the run remembers beside the store.
#[derive(Debug)]
pub(super) struct Judge {
    account: AccountId,
    own: Option<EndpointId>,
    taken: BTreeMap<EventId, Taken>,
    /// What a vendor that has ids has said, and what it was taken as.
    said: BTreeMap<(SourceId, Vec<u8>, String), EventId>,
    steps: u32,
}

fn store_broke(error: store::Error) -> Broken {
    Broken::new(&Trouble::Store(error))
}

impl Judge {
    pub(super) const fn new(account: AccountId) -> Self {
        Self { account, own: None, taken: BTreeMap::new(), said: BTreeMap::new(), steps: 0 }
    }

    /// Knows who hears of everything.
    pub(super) const fn hears(&mut self, own: EndpointId) {
        self.own = Some(own);
    }

    pub(super) fn taken_count(&self) -> usize {
        self.taken.len()
    }

    /// Notes that a webhook was taken.
    pub(super) fn taken(
        &mut self,
        played: &Played,
        sending: &Sending,
        id: EventId,
    ) -> Result<(), Broken> {
        let Sending { word, call, how } = sending;
        let (source, vendor) = (played.gate.id, played.gate.vendor);
        if *how == How::Forged {
            return Err(Broken::said(format!("a forged {word} of {} was taken", vendor.as_str())));
        }
        let has_ids = matches!(vendor, Vendor::Clickwrap | Vendor::Ironclad | Vendor::Insertsign);
        if has_ids && *how != How::Garbled {
            let same = (source, call.body.clone(), format!("{:?}", call.headers));
            if *self.said.entry(same).or_insert(id) != id {
                return Err(Broken::said(format!(
                    "{word} was taken twice, as {id} the second time"
                )));
            }
        }
        let of = played.stand_in.foreign_id().to_owned();
        self.taken.entry(id).or_insert(Taken { source, of, how: *how, word });
        Ok(())
    }

    /// Notes that a webhook was refused.
    pub(super) fn refused(vendor: Vendor, sending: &Sending) -> Result<(), Broken> {
        let Sending { word, how, .. } = sending;
        // A signature covers what is garbled; nothing else does.
        let may_be = *how == How::Forged || (*how == How::Garbled && vendor == Vendor::Ironclad);
        if may_be {
            return Ok(());
        }
        Err(Broken::said(format!("{} {word} of {} was refused", how.as_str(), vendor.as_str())))
    }

    /// Looks at the inbox, now and then.
    pub(super) async fn always(&mut self, crew: &Crew) -> Result<(), Broken> {
        self.steps += 1;
        if !self.steps.is_multiple_of(LOOK_EVERY) {
            return Ok(());
        }
        let engine = crew.engine().map_err(|trouble| Broken::new(&trouble))?;
        self.inbox(&engine).await.map(|_| ())
    }

    /// Looks at what was taken: it is in the log once, with one reading; gives the states of the readings.
    async fn inbox(&self, engine: &Engine) -> Result<BTreeMap<EventId, State>, Broken> {
        let mut states = BTreeMap::new();
        let sources: BTreeSet<SourceId> = self.taken.values().map(|taken| taken.source).collect();
        for source in sources {
            let endpoint = Some(Engine::intake_lane(self.account, source));
            let filter = DeliveryFilter { endpoint, ..DeliveryFilter::default() };
            let page = Page { limit: ROWS, after: None };
            let rows = engine.views().deliveries(self.account, filter, page).await;
            for row in rows.map_err(store_broke)? {
                let delivery = row.delivery;
                if delivery.cause != Cause::Event {
                    continue;
                }
                if states.insert(delivery.event, delivery.state).is_some() {
                    return Err(Broken::said(format!("{} is read twice", delivery.event)));
                }
            }
        }
        for id in self.taken.keys() {
            let event = engine.views().event(self.account, *id).await.map_err(store_broke)?;
            if event.is_none_or(|event| event.kind != Kind::SourceReceived) {
                return Err(Broken::said(format!("{id} was taken and is not in the log")));
            }
            if !states.contains_key(id) {
                return Err(Broken::said(format!("{id} was taken and nobody reads it")));
            }
        }
        Ok(states)
    }

    /// Trouble has stopped and everything has come to rest.
    pub(super) async fn at_the_end(&self, crew: &Crew, cast: &[Played]) -> Result<(), Broken> {
        let engine = crew.engine().map_err(|trouble| Broken::new(&trouble))?;
        for (id, state) in self.inbox(&engine).await? {
            // What was kept though its answer was lost, and never came again, was some vendor's all the same.
            let how = self.taken.get(&id).map(|taken| taken.how);
            let is_right = match (state, how) {
                (State::Delivered { .. }, how) => how != Some(How::Garbled),
                (State::Exhausted { why: Why::Unreadable, .. }, how) => {
                    matches!(how, Some(How::Garbled) | None)
                }
                (State::Exhausted { .. } | State::Pending { .. } | State::Cancelled { .. }, _) => {
                    false
                }
            };
            if !is_right {
                return Err(Broken::said(format!("{id}, {how:?}, ended as {state:?}")));
            }
        }
        let page = Page { limit: ROWS, after: None };
        let mirrors = engine.views().requests(self.account, RequestFilter::default(), page).await;
        let mirrors = mirrors.map_err(store_broke)?;
        let mut seen = 0;
        for played in cast {
            let is_it = |mirror: &&Request| {
                let foreign = mirror.foreign.as_ref().map(|foreign| foreign.id.as_str());
                foreign == Some(played.stand_in.foreign_id())
            };
            let mut own = mirrors.iter().filter(is_it);
            if let Some(mirror) = own.next() {
                seen += 1;
                self.mirror_is_right(&engine, crew, played, mirror).await?;
            }
            if own.next().is_some() {
                return Err(Broken::said(format!("{played:?} has two mirrors")));
            }
        }
        if seen != mirrors.len() {
            return Err(Broken::said("there is a mirror of something that no vendor has"));
        }
        Ok(())
    }
}

/// The vendor's word for how a request ends, if it has one.
const fn last_word(vendor: Vendor, ending: Ending) -> Option<&'static str> {
    match (vendor, ending) {
        (Vendor::Clickwrap, Ending::Completed) => Some("request_complete"),
        (Vendor::Clickwrap, Ending::Expired) => Some("request_expired"),
        (Vendor::Ironclad, Ending::Completed) => Some("workflow_signature_packet_fully_signed"),
        (Vendor::Ironclad, Ending::Cancelled) => Some("workflow_signature_packet_cancelled"),
        (Vendor::Insertsign, Ending::Completed) => Some("request.completed"),
        (Vendor::Fintechos | Vendor::Esaw, Ending::Completed | Ending::Declined) => {
            Some("envelopeFinished")
        }
        (Vendor::Fintechos | Vendor::Esaw, Ending::Expired) => Some("envelopeExpired"),
        (Vendor::Clickwrap, Ending::Declined | Ending::Cancelled)
        | (Vendor::Ironclad, Ending::Declined | Ending::Expired)
        | (Vendor::Insertsign, Ending::Declined | Ending::Expired | Ending::Cancelled)
        | (Vendor::Fintechos | Vendor::Esaw, Ending::Cancelled) => None,
    }
}

const fn last_kind(ending: Ending) -> Kind {
    match ending {
        Ending::Completed => Kind::RequestCompleted,
        Ending::Declined => Kind::RequestDeclined,
        Ending::Expired => Kind::RequestExpired,
        Ending::Cancelled => Kind::RequestCancelled,
    }
}

/// What happens to a request, or to one of its signers, once.
const ONCE: [Kind; 7] = [
    Kind::RequestSent,
    Kind::SignerSigned,
    Kind::SignerDeclined,
    Kind::RequestCompleted,
    Kind::RequestDeclined,
    Kind::RequestExpired,
    Kind::RequestCancelled,
];

impl Judge {
    /// A mirror stands where its vendor does, as far as that was told or can be asked for, and told each thing once.
    async fn mirror_is_right(
        &self,
        engine: &Engine,
        crew: &Crew,
        played: &Played,
        mirror: &Request,
    ) -> Result<(), Broken> {
        let (vendor, ending) = (played.gate.vendor, played.ending);
        let broken = |what: &str| {
            let name = vendor.as_str();
            Broken::said(format!("{name}, {}: {what}: {mirror:?}", ending.as_str()))
        };
        let of = played.stand_in.foreign_id();
        let mine = self.taken.values().filter(|taken| taken.of == of && taken.how != How::Garbled);
        let words: BTreeSet<&str> = mine.map(|taken| taken.word).collect();
        let is_told = last_word(vendor, ending).is_some_and(|word| words.contains(word));
        let can_ask = base_path(vendor).is_some();
        let Some(truth) = played.stand_in.request(played.steps) else {
            return Err(broken("it mirrors what has not begun"));
        };
        if (can_ask || is_told) && mirror.state.as_str() != truth.state.as_str() {
            return Err(broken("it stands elsewhere than its vendor"));
        }
        // Of what was withdrawn nobody asks who signs.
        let are_known = (can_ask || is_told) && ending != Ending::Cancelled;
        let same = |one: &Signer, other: &Signer| one.person.email == other.person.email;
        for signer in truth.signers.iter().filter(|_| are_known) {
            let shown = mirror.signers.iter().find(|shown| same(shown, signer));
            if shown.is_none_or(|shown| shown.has_signed() != signer.has_signed()) {
                return Err(broken("a signer stands elsewhere"));
            }
        }
        let told = self.told(engine, crew, mirror).await?;
        let count = |kind: Kind| told.iter().filter(|(one, _)| **one == kind).map(|(_, n)| n).sum();
        let once: usize = count(last_kind(ending));
        if is_told && once != 1 {
            return Err(broken(&format!("its end was told {once} times, of {words:?}")));
        }
        let signed: usize = count(Kind::SignerSigned);
        if is_told && ending == Ending::Completed && signed != truth.signers.len() {
            return Err(broken(&format!("{signed} signatures were told, of {words:?}")));
        }
        if !played.loses && !is_told && last_word(vendor, ending).is_some() {
            return Err(broken("its end was sent, and not taken"));
        }
        Ok(())
    }

    /// Counts what was told of a mirror, and sees that it was told once, to whoever hears of everything too.
    async fn told(
        &self,
        engine: &Engine,
        crew: &Crew,
        mirror: &Request,
    ) -> Result<BTreeMap<Kind, usize>, Broken> {
        let page = Page { limit: ROWS, after: None };
        let filter = EventFilter { request: Some(mirror.id), ..EventFilter::default() };
        let events =
            engine.views().events(self.account, filter, page).await.map_err(store_broke)?;
        let mut counts = BTreeMap::new();
        let mut things = BTreeSet::new();
        let heard: BTreeSet<String> = crew
            .world
            .heard(OWN_HOST)
            .into_iter()
            .filter(|call| call.taken)
            .map(|call| call.event)
            .collect();
        for event in &events {
            *counts.entry(event.kind).or_default() += 1;
            let about: AboutRequest = serde_json::from_str(&event.data)
                .map_err(|error| Broken::said(format!("{}: {error}", event.id)))?;
            let signer = about.signer.map(|signer| signer.id);
            if ONCE.contains(&event.kind) && !things.insert((event.kind, signer)) {
                let what = format!("{} of {signer:?} happened twice: {mirror:?}", event.name);
                return Err(Broken::said(what));
            }
            self.is_heard(engine, event, &heard).await?;
        }
        Ok(counts)
    }

    /// Whoever hears of everything was told of an event, unless the endpoint was turned off or its waits ran out.
    async fn is_heard(
        &self,
        engine: &Engine,
        event: &Event,
        heard: &BTreeSet<String>,
    ) -> Result<(), Broken> {
        let Some(own) = self.own else { return Ok(()) };
        let row = engine.views().endpoint(self.account, own).await.map_err(store_broke)?;
        let is_on = row.is_some_and(|row| row.version == 1);
        let filter = DeliveryFilter {
            endpoint: Some(own),
            event: Some(event.id),
            ..DeliveryFilter::default()
        };
        let page = Page { limit: ROWS, after: None };
        let rows = engine.views().deliveries(self.account, filter, page).await;
        let rows = rows.map_err(store_broke)?;
        let is_delivered =
            rows.iter().any(|row| matches!(row.delivery.state, State::Delivered { .. }));
        if rows.len() > 1 || (is_on && rows.is_empty()) {
            return Err(Broken::said(format!("{} went out {} times", event.id, rows.len())));
        }
        if is_delivered && !heard.contains(&event.id.to_string()) {
            return Err(Broken::said(format!(
                "{} was not heard, though it was delivered",
                event.id
            )));
        }
        Ok(())
    }
}
