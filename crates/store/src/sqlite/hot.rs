//! The short way of the hot verbs: into the journal, and into the database later.
//!
//! Hot are events that belong to no request and are told to endpoints without order, be it to subscribers or to one alone,
//! and attempts that reached the receiver of a healthy endpoint. They need nothing of the database but what is kept in
//! memory.
//!
//! Invariant: a job is noted as a whole or not at all.
//! Left to others: everything else (`apply`, `settle`).

use std::mem;
use std::sync::Arc;

use domain::delivery::{Cause, Delivery, State as DeliveryState};
use domain::endpoint::{Endpoint, Ordering, Scope, Status};
use domain::event::Event;
use domain::id::DeliveryId;
use domain::time::Timestamp;

use super::desk::{Behind, Desk, Papers};
use super::job::Job;
use super::journal::{encode_ended, encode_told};
use super::noted::{Outbox, Pen, Promise};
use super::rows;
use super::state::Living;
use super::unwritten::{Ended, Told};
use crate::commit::{Audience, Commit, Committed, Noted, Said, Settled, Settlement};
use crate::error::Error;
use crate::lanes::Lease;

/// What a record takes beside the texts of an event or an attempt.
const FRAME_BYTES: usize = 256;
/// What it takes for each delivery.
const DELIVERY_BYTES: usize = 32;
/// So many deliveries of an event have room from the beginning.
const FEW: usize = 4;

/// Tells whether a verb may be hot, as far as it shows by itself.
pub(super) fn may_be(job: &Job) -> bool {
    match job {
        Job::Commit(commit, _) => is_plain_commit(commit),
        Job::Settle(_, settlements, _) => settlements.iter().all(is_over),
        Job::Lease(..)
        | Job::Release(_)
        | Job::Forget(..)
        | Job::Probe(..)
        | Job::CatchUp(_)
        | Job::LogEnd(_)
        | Job::Behind
        | Job::FarBehind
        | Job::Full
        | Job::Free { .. }
        | Job::Close => false,
    }
}

/// Notes a verb, if it is hot, and promises its answer; gives it back otherwise.
pub(super) fn note(desk: &Desk, papers: &mut Papers, outbox: &Outbox, job: Job) -> Result<(), Job> {
    if papers.behind(outbox.room()) == Behind::TooFar {
        return Err(job);
    }
    let noting = Noting { papers, pen: outbox.pen() };
    // An error shows again on the long way, and is told there.
    let (promise, pen) = match job {
        Job::Commit(mut commit, answer) => {
            let Ok(Some((committed, pen))) = noting.commit(&mut commit) else {
                return Err(Job::Commit(commit, answer));
            };
            (Promise::Commit(answer, committed), pen)
        }
        Job::Settle(now, mut settlements, answer) => {
            let Ok(Some((settled, pen))) = noting.settle(&mut settlements) else {
                return Err(Job::Settle(now, settlements, answer));
            };
            (Promise::Settle(answer, settled), pen)
        }
        Job::Lease(..)
        | Job::Release(_)
        | Job::Forget(..)
        | Job::Probe(..)
        | Job::CatchUp(_)
        | Job::LogEnd(_)
        | Job::Behind
        | Job::FarBehind
        | Job::Full
        | Job::Free { .. }
        | Job::Close => return Err(job),
    };
    let leases = papers.state.happen().leases;
    // Before anything is answered, so that whoever was answered waits for the database.
    desk.show(papers);
    pen.promise(promise, leases);
    Ok(())
}

/// Somebody at the desk, about to note something.
struct Noting<'papers, 'pen> {
    papers: &'papers mut Papers,
    pen: Pen<'pen>,
}

/// Whoever is done at the desk: what lies there, and the pen.
type Done<'pen, T> = Result<Option<(T, Pen<'pen>)>, Error>;

impl<'pen> Noting<'_, 'pen> {
    /// Notes a commit that is hot, and takes its events; `None` leaves it untouched.
    fn commit(mut self, commit: &mut Commit) -> Done<'pen, Committed> {
        if !is_plain_commit(commit) {
            return Ok(None);
        }
        let Papers { state, unwritten, finder, .. } = &mut *self.papers;
        let living = state.living(finder.db(), commit.account)?;
        if !commit.events.iter().all(|said| is_heard_at_once(&living, said)) {
            return Ok(None);
        }
        let frame_bytes = FRAME_BYTES + living.len() * DELIVERY_BYTES;
        if !self.pen.has_room(commit.events.iter().map(|s| bytes(&s.event) + frame_bytes).sum()) {
            return Ok(None);
        }
        let mut known = Vec::with_capacity(commit.events.len());
        for said in &commit.events {
            known.push(unwritten.known(finder, &said.event)?);
        }
        let mut committed =
            Committed { events: Vec::with_capacity(known.len()), ..Committed::default() };
        for (said, known) in mem::take(&mut commit.events).into_iter().zip(known) {
            // One that stands twice in this commit was not known when the others were looked for.
            let known = known.or_else(|| self.papers.unwritten.known_here(&said.event));
            if let Some(id) = known {
                committed.events.push(Noted { id, known: true });
                continue;
            }
            let id = said.event.id;
            let made = self.tell(&living, said, commit.at);
            committed.deliveries.extend(made);
            committed.events.push(Noted { id, known: false });
        }
        Ok(Some((committed, self.pen)))
    }

    /// Notes attempts that are hot, all of them, and takes them; `None` leaves them untouched.
    fn settle(mut self, settlements: &mut Vec<Settlement>) -> Done<'pen, Settled> {
        let mut outcomes = Vec::with_capacity(settlements.len());
        let mut bytes = 0;
        for settlement in settlements.iter() {
            if !is_success(self.papers, settlement)? {
                return Ok(None);
            }
            let outcome = rows::written("attempts", &settlement.attempt.outcome)?;
            bytes += outcome.len() + settlement.attempt.url.len() + FRAME_BYTES;
            outcomes.push(outcome);
        }
        if !self.pen.has_room(bytes) {
            return Ok(None);
        }
        for (settlement, outcome) in mem::take(settlements).into_iter().zip(outcomes) {
            let Settlement { account, endpoint, request, attempt, state: next, .. } = settlement;
            let Papers { state, unwritten, .. } = &mut *self.papers;
            state.free(endpoint, attempt.delivery);
            let DeliveryState::Delivered { at } = next else { continue };
            let ended = Ended { account, request, attempt, at, number: self.pen.number() };
            encode_ended(self.pen.bytes(), &ended, &outcome);
            unwritten.end(ended);
        }
        Ok(Some((Settled::default(), self.pen)))
    }

    /// Notes an event that is new, and leases its deliveries as far as the lanes have room; tells which it is that was made for
    /// one alone.
    fn tell(&mut self, living: &Living, said: Said, now: Timestamp) -> Option<DeliveryId> {
        let Papers { state, unwritten, .. } = &mut *self.papers;
        let Said { event, audience } = said;
        let event = Arc::new(event);
        let is_for_all = matches!(audience, Audience::Subscribers);
        let mut deliveries = Vec::with_capacity(if is_for_all { living.len().min(FEW) } else { 1 });
        for endpoint in hearers(living, &event, audience) {
            let id = state.mint(now);
            deliveries.push((id, endpoint.id));
            if state.lanes.admit(endpoint, Lease::bytes(&event)) {
                let delivery = Delivery {
                    id,
                    account: event.account,
                    event: event.id,
                    endpoint: endpoint.id,
                    cause: Cause::Event,
                    state: DeliveryState::Pending { due_at: now },
                    attempts: 0,
                    created_at: now,
                };
                let (event, endpoint) = (Arc::clone(&event), Arc::clone(endpoint));
                state.plan(Lease { delivery, event, endpoint });
            }
        }
        if is_for_all && !deliveries.is_empty() {
            unwritten.press();
        }
        let made = deliveries.first().filter(|_| !is_for_all).map(|(delivery, _)| *delivery);
        let told = Told { event, at: now, deliveries, number: self.pen.number() };
        encode_told(self.pen.bytes(), &told);
        unwritten.tell(told);
        made
    }
}

/// Counts the bytes of an event's texts.
fn bytes(event: &Event) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    event.data.len() + event.name.len() + optional(&event.key) + optional(&event.order_key)
}

/// Tells whether a commit is of events alone that need nothing but to be written and told.
fn is_plain_commit(commit: &Commit) -> bool {
    commit.writes.is_empty()
        && commit.deliveries.is_empty()
        && commit.reply.is_none()
        && commit.events.iter().all(is_plain)
}

/// Tells whether an event needs nothing but to be written and told.
fn is_plain(said: &Said) -> bool {
    let Said { event, audience } = said;
    matches!(audience, Audience::Subscribers | Audience::Only(_, Cause::Event))
        && event.request.is_none()
        && event.link.is_none()
        && event.callbacks.is_empty()
}

/// Gives the endpoints that an event is told to.
fn hearers<'a>(
    living: &'a Living,
    event: &'a Event,
    audience: Audience,
) -> impl Iterator<Item = &'a Arc<Endpoint>> {
    let (one, all) = match audience {
        Audience::Only(id, _) => (living.get(&id), None),
        Audience::Subscribers => (None, Some(living.values())),
    };
    let subscribers = all.into_iter().flatten().filter(|kept| is_told(&kept.endpoint, event));
    one.into_iter().chain(subscribers).map(|kept| &kept.endpoint)
}

fn is_told(endpoint: &Endpoint, event: &Event) -> bool {
    endpoint.status == Status::Enabled
        && endpoint.scope == Scope::Registered
        && endpoint.wants.matches(event)
}

/// Tells whether whoever hears of an event is there, is on, and does not want it in its turn, which only the database
/// knows.
fn is_heard_at_once(living: &Living, said: &Said) -> bool {
    let Said { event, audience } = said;
    let is_there = match audience {
        Audience::Subscribers => true,
        Audience::Only(id, _) => living.contains_key(id),
    };
    is_there
        && hearers(living, event, *audience).all(|endpoint| {
            let is_in_turn = event.order_key.is_some() && endpoint.ordering == Ordering::Request;
            endpoint.status == Status::Enabled && !is_in_turn
        })
}

/// Tells whether a delivery has ended well, and says nothing more.
fn is_over(settlement: &Settlement) -> bool {
    matches!(settlement.state, DeliveryState::Delivered { .. }) && settlement.events.is_empty()
}

/// Tells whether nothing follows from an attempt but that its delivery has ended well.
fn is_success(papers: &mut Papers, settlement: &Settlement) -> Result<bool, Error> {
    if !is_over(settlement) {
        return Ok(false);
    }
    let Papers { state, finder, .. } = papers;
    let found = state.endpoint(finder.db(), settlement.account, settlement.endpoint)?;
    let Some(kept) = found else {
        return Ok(true);
    };
    let is_well = match settlement.health {
        None => true,
        Some(accepted) => accepted && kept.health.is_good(),
    };
    Ok(is_well && kept.endpoint.ordering == Ordering::None)
}
