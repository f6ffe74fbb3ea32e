//! Events into the log, and one delivery for each endpoint that wants one, in the same transaction.
//!
//! Invariant: one event and one endpoint make one delivery; the unique key says so, not a check.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::chain::Entry;
use domain::delivery::{Cause, Delivery, State};
use domain::endpoint::{Endpoint, Scope, Status};
use domain::event::Event;
use domain::id::{DeliveryId, EventId};
use domain::time::Timestamp;

use super::lease::is_owed;
use super::link::Arguments;
use super::order::{self, Pair};
use super::rows::{self, Id, Trouble};
use super::settle::Recorded;
use super::sql;
use super::state::Turn;
use super::unit::{Known, Unit};
use super::writes::{Made, Order, Writes};
use crate::commit::{Audience, Commit, Committed, Fault, NewDelivery, Noted};
use crate::lanes::Lease;

/// Decides what is written of each event, and who hears of it. Gives what each commit answers.
pub(super) async fn plan(
    unit: &Unit<'_>,
    turn: &mut Turn<'_>,
    known: &mut Known,
    settled: (&Recorded<'_>, BTreeSet<Pair>),
    writes: &mut Writes,
) -> Result<Vec<Result<Committed, Fault>>, Trouble> {
    let (recorded, busy) = settled;
    let mut saying = Saying { turn, writes, busy, again: BTreeSet::new() };
    for (_, now, settlement) in &recorded.new {
        for event in &settlement.events {
            if let Ok(event) = saying.log(known, event)? {
                saying.tell_subscribers(&event, *now);
            }
        }
    }
    let mut answers = Vec::with_capacity(unit.commits.len());
    for commit in &unit.commits {
        answers.push(match Unit::refusal(saying.turn, commit) {
            Some(fault) => Err(fault),
            None => saying.commit(known, commit).await?,
        });
    }
    Ok(answers)
}

struct Saying<'a, 'b> {
    turn: &'a mut Turn<'b>,
    writes: &'a mut Writes,
    /// Order keys of which a delivery is free already.
    busy: BTreeSet<Pair>,
    /// Deliveries that are told again in this unit.
    again: BTreeSet<(EventId, u128, &'static str, u128)>,
}

impl Saying<'_, '_> {
    async fn commit(
        &mut self,
        known: &mut Known,
        commit: &Commit,
    ) -> Result<Result<Committed, Fault>, Trouble> {
        let mut committed = Committed::default();
        for said in &commit.events {
            committed.events.push(match self.log(known, &said.event)? {
                Err(id) => Noted { id, known: true },
                Ok(event) => {
                    match said.audience {
                        Audience::Subscribers => self.tell_subscribers(&event, commit.at),
                        Audience::Only(id, cause) => {
                            if let Some(endpoint) = self.turn.endpoint(commit.account, id) {
                                let whom = (&endpoint, cause, commit.at);
                                committed.deliveries.push(self.tell(&event, whom, commit.at));
                            }
                        }
                    }
                    Noted { id: event.id, known: false }
                }
            });
        }
        for new in &commit.deliveries {
            match self.tell_again(commit, *new).await? {
                Ok(made) => committed.deliveries.extend(made),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(committed))
    }

    /// Writes an event into the log and, if it belongs to a request, into the request's timeline. `Err` when it is
    /// there already, by its id or the account's own key, with the id of the first one.
    fn log(
        &mut self,
        known: &mut Known,
        event: &Event,
    ) -> Result<Result<Arc<Event>, EventId>, Trouble> {
        let key = event.key.as_ref().map(|key| (event.account, key.as_bytes().to_vec()));
        if let Some(first) = key.as_ref().and_then(|key| known.keys.get(key)) {
            return Ok(Err(*first));
        }
        if known.ids.contains(&event.id) {
            return Ok(Err(event.id));
        }
        let mut event = event.clone();
        if let Some(request) = event.request {
            let entry = Entry::of_event(&event);
            event.link = Some(known.chain((event.account, request), entry, None, self.writes)?);
        }
        known.ids.insert(event.id);
        known.keys.extend(key.map(|key| (key, event.id)));
        let event = Arc::new(event);
        self.writes.events.push(Arc::clone(&event));
        Ok(Ok(event))
    }

    /// Makes a delivery for each endpoint that wants the event, and leases those the lanes have room for.
    fn tell_subscribers(&mut self, event: &Arc<Event>, now: Timestamp) {
        let living = self.turn.living(event.account);
        for endpoint in living.values() {
            let wants = match endpoint.scope {
                Scope::Registered => endpoint.wants.matches(event),
                Scope::Callback => event.callbacks.contains(&endpoint.id),
                Scope::Notices | Scope::Intake => false,
            };
            if wants && endpoint.status == Status::Enabled {
                self.tell(event, (endpoint, Cause::Event, now), now);
            }
        }
    }

    /// Makes one delivery, and leases it if it is due and the lanes have room.
    fn tell(
        &mut self,
        event: &Arc<Event>,
        whom: (&Arc<Endpoint>, Cause, Timestamp),
        now: Timestamp,
    ) -> DeliveryId {
        let (endpoint, cause, due_at) = whom;
        let id = self.turn.shared.mint(now);
        // Somebody waits for the answer to a test, and a probe tells how the endpoint fares: neither waits its turn.
        let key = match cause {
            Cause::Test | Cause::Probe | Cause::Notice { .. } => None,
            Cause::Event | Cause::Replay { .. } => event.order_key.as_ref(),
        };
        let order = match key.filter(|_| order::asked_for(endpoint)) {
            None => Order::None,
            Some(key) if self.busy.insert((endpoint.id, key.as_bytes().to_vec())) => Order::Free,
            Some(_) => Order::Held,
        };
        let delivery = Delivery {
            id,
            account: event.account,
            event: event.id,
            endpoint: endpoint.id,
            cause,
            state: State::Pending { due_at },
            attempts: 0,
            created_at: now,
        };
        let is_free = due_at <= now && order != Order::Held && is_owed(endpoint, cause);
        let leased = is_free && self.turn.admit(endpoint, Lease::bytes(event));
        if leased {
            let (event, endpoint) = (Arc::clone(event), Arc::clone(endpoint));
            let delivery = delivery.clone();
            self.turn.effects.leases.push(Lease { delivery, event, endpoint });
        }
        self.writes.made.push(Made { delivery, event: Arc::clone(event), due_at, order, leased });
        id
    }

    /// Tells an event of the past again; nothing when that was done before.
    async fn tell_again(
        &mut self,
        commit: &Commit,
        new: NewDelivery,
    ) -> Result<Result<Option<DeliveryId>, Fault>, Trouble> {
        let account = commit.account;
        let (of, event) = (Id(account.bits()), Id(new.event.bits()));
        let link = self.turn.link;
        let said = self.writes.events.iter().find(|event| event.id == new.event).map(Arc::clone);
        let found = match said {
            Some(event) => event,
            None => match link.first(sql::event_hold, &[&of, &event]).await? {
                Some(row) => Arc::new(rows::event(&row, 0, account)?),
                None => return Ok(Err(Fault::Missing { what: "event" })),
            },
        };
        let Some(endpoint) = self.turn.endpoint(account, new.endpoint) else {
            return Ok(Err(Fault::Missing { what: "endpoint" }));
        };
        if found.is_forgotten() {
            return Ok(Err(Fault::Forgotten));
        }
        // A probe is its own cause, by an id that is still to be drawn.
        if new.cause != Cause::Probe {
            let name = new.cause.as_str();
            let cause = rows::cause_id(new.cause, new.event, DeliveryId::new(0));
            let whom = Id(new.endpoint.bits());
            let arguments: Arguments<'_> = &[&of, &event, &whom, &name, &cause];
            let is_new = self.again.insert((new.event, whom.0, name, cause.0));
            if !is_new || link.first(sql::delivery_known, arguments).await?.is_some() {
                return Ok(Ok(None));
            }
        }
        if let Some(key) = &found.order_key
            && order::asked_for(&endpoint)
        {
            let pair = (endpoint.id, key.as_bytes().to_vec());
            if !self.busy.contains(&pair) {
                let pair = BTreeSet::from([pair]);
                order::lock(self.turn, &pair).await?;
                let busy = order::follow(self.turn, &pair).await?;
                self.busy.extend(busy);
            }
        }
        let whom = (&endpoint, new.cause, new.due_at);
        Ok(Ok(Some(self.tell(&found, whom, commit.at))))
    }
}
