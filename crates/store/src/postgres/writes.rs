//! What a unit writes, column by column, and the statements that write it all.
//!
//! Invariant: one statement writes all rows of a table; those that do not wait for each other's answers are sent
//! together.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use domain::chain::{Entry, Link as Place};
use domain::delivery::{Attempt, Delivery, State};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, RequestId};
use domain::time::Timestamp;

use super::link::Link;
use super::rows::{self, Id, Trouble};
use super::settle::Of;
use super::sql;
use super::state::Turn;
use super::unit::Known;
use crate::error::Error;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) events: Vec<Arc<Event>>,
    pub(super) made: Vec<Made>,
    pub(super) attempts: Vec<(AccountId, Attempt)>,
    pub(super) ended: BTreeMap<DeliveryId, Ended>,
    pub(super) counted: BTreeMap<DeliveryId, (AccountId, u32, u32)>,
    pub(super) retried: BTreeMap<DeliveryId, (AccountId, Timestamp)>,
    pub(super) gone: Vec<(AccountId, DeliveryId)>,
    pub(super) failed: Vec<(Of, DeliveryId, State)>,
    pub(super) timeline: Vec<Linked>,
    heads: Vec<((AccountId, RequestId), Place)>,
    /// How many of those that are gone have an order key that is known.
    pub(super) ordered: i64,
    /// Whether something was taken for granted, and shows in how many rows change.
    pub(super) trusted: bool,
}

/// A delivery that is new.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) delivery: Delivery,
    pub(super) event: Arc<Event>,
    pub(super) due_at: Timestamp,
    pub(super) order: Order,
    pub(super) leased: bool,
}

/// Where a new delivery stands in its endpoint's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    None,
    Free,
    Held,
}

/// A delivery's next state.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) of: Of,
    pub(super) state: State,
    pub(super) attempts: u32,
    pub(super) before: u32,
}

/// An entry of a timeline.
#[derive(Debug)]
pub(super) struct Linked {
    of: (AccountId, RequestId),
    entry: Entry,
    place: Place,
    pointer: Option<(DeliveryId, u32)>,
}

impl Known {
    /// Adds an entry to a request's timeline.
    pub(super) fn chain(
        &mut self,
        of: (AccountId, RequestId),
        entry: Entry,
        pointer: Option<(DeliveryId, u32)>,
        writes: &mut Writes,
    ) -> Result<Place, Error> {
        let head = self.heads.get_mut(&of).ok_or_else(|| Error::Corrupt {
            table: "heads",
            detail: format!("the head of {} was not locked", of.1),
        })?;
        let place = entry.link(of.1, *head);
        *head = Some(place);
        writes.timeline.push(Linked { of, entry, place, pointer });
        Ok(place)
    }
}

/// Takes a state apart: name, end, why.
pub(super) const fn state_columns(
    state: State,
) -> (&'static str, Option<i64>, Option<&'static str>) {
    let name = state.as_str();
    match state {
        State::Pending { .. } => (name, None, None),
        State::Delivered { at } => (name, Some(at.as_millis()), None),
        State::Exhausted { at, why } | State::Cancelled { at, why } => {
            (name, Some(at.as_millis()), Some(why.as_str()))
        }
    }
}

pub(super) fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn large(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Writes {
    /// Notes how far chains have come.
    pub(super) fn write_heads(&mut self, known: &Known) {
        let mut of: Vec<_> = self.timeline.iter().map(|linked| linked.of).collect();
        of.sort_unstable();
        of.dedup();
        let heads = of.into_iter().filter_map(|of| Some((of, (*known.heads.get(&of)?)?)));
        self.heads = heads.collect();
    }

    /// Writes everything, and is empty then.
    pub(super) async fn flush(&mut self, turn: &mut Turn<'_>) -> Result<(), Trouble> {
        let writes = mem::take(self);
        let first_place = turn.place;
        turn.place += large(writes.events.len() as u64);
        turn.said += large(writes.events.len() as u64);
        let link = turn.link;
        let base = turn.shared.log_base + first_place;
        let us = turn.node.ids();
        let (
            attempts,
            settled,
            counted,
            gone,
            retried,
            failed,
            events,
            made,
            queued,
            timeline,
            heads,
        ) = tokio::join!(
            biased;
            writes.attempts(link),
            writes.settled(link),
            writes.counted(link),
            writes.gone(link),
            writes.retried(link, &us),
            writes.failed(link),
            writes.events(link, base),
            writes.made(link),
            writes.queued(link, turn.node.id),
            writes.timeline(link),
            writes.heads(link),
        );
        attempts?;
        let settled = settled?;
        counted?;
        let (gone, ordered) = gone?;
        let retried = retried?;
        failed?;
        events?;
        made?;
        queued?;
        timeline?;
        heads?;
        let is_whole = settled == writes.ended.len() as u64
            && (turn.careful
                || gone == large(writes.gone.len() as u64)
                    && retried == writes.retried.len() as u64);
        if is_whole && ordered <= writes.ordered {
            return Ok(());
        }
        if turn.careful { Err(Trouble::Again(in_the_way())) } else { Err(Trouble::Careful) }
    }

    async fn attempts(&self, link: &Link) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.attempts;
        if rows.is_empty() {
            return Ok(0);
        }
        let accounts: Vec<Id> = rows.iter().map(|(account, _)| Id(account.bits())).collect();
        let deliveries: Vec<Id> = rows.iter().map(|(_, a)| Id(a.delivery.bits())).collect();
        let ids: Vec<Id> = rows.iter().map(|(_, a)| Id(a.id.bits())).collect();
        let at: Vec<i64> = rows.iter().map(|(_, a)| a.at.as_millis()).collect();
        let numbers: Vec<i32> = rows.iter().map(|(_, a)| small(a.number)).collect();
        let took: Vec<i64> = rows.iter().map(|(_, a)| i64::from(a.took_ms)).collect();
        let digests: Vec<&[u8]> = rows.iter().map(|(_, a)| a.body_digest.as_slice()).collect();
        let urls: Vec<&str> = rows.iter().map(|(_, a)| a.url.as_str()).collect();
        let remotes: Vec<Option<&str>> = rows.iter().map(|(_, a)| a.remote.as_deref()).collect();
        let outcomes: Vec<String> = rows
            .iter()
            .map(|(_, a)| serde_json::to_string(&a.outcome).unwrap_or_default())
            .collect();
        link.run(
            sql::attempt_insert,
            &[
                &accounts,
                &deliveries,
                &ids,
                &at,
                &numbers,
                &took,
                &digests,
                &urls,
                &remotes,
                &outcomes,
            ],
        )
        .await
    }

    async fn settled(&self, link: &Link) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.ended;
        if rows.is_empty() {
            return Ok(0);
        }
        let accounts: Vec<Id> = rows.values().map(|e| Id(e.of.0.bits())).collect();
        let ids: Vec<Id> = rows.keys().map(|id| Id(id.bits())).collect();
        let columns = || rows.values().map(|ended| state_columns(ended.state));
        let states: Vec<&str> = columns().map(|(name, ..)| name).collect();
        let at: Vec<Option<i64>> = columns().map(|(_, at, _)| at).collect();
        let why: Vec<Option<&str>> = columns().map(|(.., why)| why).collect();
        let attempts: Vec<i32> = rows.values().map(|e| small(e.attempts)).collect();
        let before: Vec<i32> = rows.values().map(|e| small(e.before)).collect();
        link.run(sql::delivery_settle, &[&accounts, &ids, &states, &at, &why, &attempts, &before])
            .await
    }

    async fn counted(&self, link: &Link) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.counted;
        if rows.is_empty() {
            return Ok(0);
        }
        let accounts: Vec<Id> = rows.values().map(|(account, ..)| Id(account.bits())).collect();
        let ids: Vec<Id> = rows.keys().map(|id| Id(id.bits())).collect();
        let attempts: Vec<i32> = rows.values().map(|(_, attempts, _)| small(*attempts)).collect();
        let before: Vec<i32> = rows.values().map(|(.., before)| small(*before)).collect();
        link.run(sql::delivery_count_attempt, &[&accounts, &ids, &attempts, &before]).await
    }

    async fn gone(&self, link: &Link) -> Result<(i64, i64), Trouble> {
        if self.gone.is_empty() {
            return Ok((0, 0));
        }
        let mut rows = self.gone.clone();
        rows.sort_unstable();
        let accounts: Vec<Id> = rows.iter().map(|(account, _)| Id(account.bits())).collect();
        let ids: Vec<Id> = rows.iter().map(|(_, id)| Id(id.bits())).collect();
        match link.first(sql::queue_end, &[&accounts, &ids]).await? {
            Some(row) => Ok((rows::column(&row, 0)?, rows::column(&row, 1)?)),
            None => Ok((0, 0)),
        }
    }

    async fn retried(&self, link: &Link, us: &Vec<Id>) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.retried;
        if rows.is_empty() {
            return Ok(0);
        }
        let accounts: Vec<Id> = rows.values().map(|(account, _)| Id(account.bits())).collect();
        let ids: Vec<Id> = rows.keys().map(|id| Id(id.bits())).collect();
        let due: Vec<i64> = rows.values().map(|(_, due_at)| due_at.as_millis()).collect();
        link.run(sql::queue_retry, &[&accounts, &ids, &due, us]).await
    }

    async fn failed(&self, link: &Link) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.failed;
        if rows.is_empty() {
            return Ok(0);
        }
        let accounts: Vec<Id> = rows.iter().map(|(of, ..)| Id(of.0.bits())).collect();
        let endpoints: Vec<Id> = rows.iter().map(|(of, ..)| Id(of.1.bits())).collect();
        let ids: Vec<Id> = rows.iter().map(|(_, id, _)| Id(id.bits())).collect();
        let states: Vec<&str> = rows.iter().map(|(.., state)| state.as_str()).collect();
        link.run(sql::failure_insert, &[&accounts, &endpoints, &ids, &states]).await
    }

    async fn events(&self, link: &Link, base: i64) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.events;
        if rows.is_empty() {
            return Ok(0);
        }
        let accounts: Vec<Id> = rows.iter().map(|e| Id(e.account.bits())).collect();
        let ids: Vec<Id> = rows.iter().map(|e| Id(e.id.bits())).collect();
        let requests: Vec<Option<Id>> =
            rows.iter().map(|e| e.request.map(|id| Id(id.bits()))).collect();
        let at: Vec<i64> = rows.iter().map(|e| e.at.as_millis()).collect();
        let link_seqs: Vec<Option<i64>> =
            rows.iter().map(|e| e.link.map(|link| large(link.seq))).collect();
        let tests: Vec<bool> = rows.iter().map(|e| e.test).collect();
        let names: Vec<&str> = rows.iter().map(|e| e.name.as_ref()).collect();
        let order_keys: Vec<Option<&[u8]>> =
            rows.iter().map(|e| e.order_key.as_deref().map(str::as_bytes)).collect();
        let keys: Vec<Option<&[u8]>> =
            rows.iter().map(|e| e.key.as_deref().map(str::as_bytes)).collect();
        let link_hashes: Vec<Option<&[u8]>> =
            rows.iter().map(|e| e.link.as_ref().map(|link| link.hash.0.as_slice())).collect();
        let data: Vec<&str> = rows.iter().map(|e| e.data.as_str()).collect();
        let places: Vec<i64> = (0..).take(rows.len()).collect();
        link.run(
            sql::event_insert,
            &[
                &accounts,
                &ids,
                &requests,
                &at,
                &link_seqs,
                &tests,
                &names,
                &order_keys,
                &keys,
                &link_hashes,
                &data,
                &base,
                &places,
            ],
        )
        .await
    }

    async fn made(&self, link: &Link) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.made;
        if rows.is_empty() {
            return Ok(0);
        }
        let deliveries = || rows.iter().map(|made| &made.delivery);
        let accounts: Vec<Id> = deliveries().map(|d| Id(d.account.bits())).collect();
        let ids: Vec<Id> = deliveries().map(|d| Id(d.id.bits())).collect();
        let events: Vec<Id> = deliveries().map(|d| Id(d.event.bits())).collect();
        let endpoints: Vec<Id> = deliveries().map(|d| Id(d.endpoint.bits())).collect();
        let causes: Vec<Id> =
            deliveries().map(|d| rows::cause_id(d.cause, d.event, d.id)).collect();
        let at: Vec<i64> = deliveries().map(|d| d.created_at.as_millis()).collect();
        let names: Vec<&str> = deliveries().map(|d| d.cause.as_str()).collect();
        link.run(
            sql::delivery_insert,
            &[&accounts, &ids, &events, &endpoints, &causes, &at, &names],
        )
        .await
    }

    async fn queued(&self, link: &Link, us: u128) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.made;
        if rows.is_empty() {
            return Ok(0);
        }
        let deliveries = || rows.iter().map(|made| &made.delivery);
        let accounts: Vec<Id> = deliveries().map(|d| Id(d.account.bits())).collect();
        let ids: Vec<Id> = deliveries().map(|d| Id(d.id.bits())).collect();
        let endpoints: Vec<Id> = deliveries().map(|d| Id(d.endpoint.bits())).collect();
        let nodes: Vec<Option<Id>> = rows.iter().map(|m| m.leased.then_some(Id(us))).collect();
        let due: Vec<i64> = rows.iter().map(|m| m.due_at.as_millis()).collect();
        let bytes: Vec<i32> =
            rows.iter().map(|m| i32::try_from(m.event.data.len()).unwrap_or(i32::MAX)).collect();
        let held: Vec<bool> = rows.iter().map(|m| m.order == Order::Held).collect();
        let causes: Vec<&str> = deliveries().map(|d| d.cause.as_str()).collect();
        let keys: Vec<Option<&[u8]>> = rows
            .iter()
            .map(|m| m.event.order_key.as_deref().filter(|_| m.order != Order::None))
            .map(|key| key.map(str::as_bytes))
            .collect();
        link.run(
            sql::queue_insert,
            &[&accounts, &ids, &endpoints, &nodes, &due, &bytes, &held, &causes, &keys],
        )
        .await
    }

    async fn timeline(&self, link: &Link) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.timeline;
        if rows.is_empty() {
            return Ok(0);
        }
        let accounts: Vec<Id> = rows.iter().map(|l| Id(l.of.0.bits())).collect();
        let requests: Vec<Id> = rows.iter().map(|l| Id(l.of.1.bits())).collect();
        let ids: Vec<Id> = rows.iter().map(|l| Id(l.entry.id)).collect();
        let deliveries: Vec<Option<Id>> =
            rows.iter().map(|l| l.pointer.map(|(id, _)| Id(id.bits()))).collect();
        let seqs: Vec<i64> = rows.iter().map(|l| large(l.place.seq)).collect();
        let at: Vec<i64> = rows.iter().map(|l| l.entry.at.as_millis()).collect();
        let numbers: Vec<Option<i32>> =
            rows.iter().map(|l| l.pointer.map(|(_, number)| small(number))).collect();
        let what: Vec<&str> = rows.iter().map(|l| l.entry.what.as_str()).collect();
        let digests: Vec<&[u8]> = rows.iter().map(|l| l.entry.digest.0.as_slice()).collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|l| l.place.hash.0.as_slice()).collect();
        link.run(
            sql::timeline_insert,
            &[
                &accounts,
                &requests,
                &ids,
                &deliveries,
                &seqs,
                &at,
                &numbers,
                &what,
                &digests,
                &hashes,
            ],
        )
        .await
    }

    async fn heads(&self, link: &Link) -> Result<u64, tokio_postgres::Error> {
        let rows = &self.heads;
        if rows.is_empty() {
            return Ok(0);
        }
        let accounts: Vec<Id> = rows.iter().map(|(of, _)| Id(of.0.bits())).collect();
        let requests: Vec<Id> = rows.iter().map(|(of, _)| Id(of.1.bits())).collect();
        let seqs: Vec<i64> = rows.iter().map(|(_, place)| large(place.seq)).collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|(_, place)| place.hash.0.as_slice()).collect();
        link.run(sql::head_write, &[&accounts, &requests, &seqs, &hashes]).await
    }
}

/// Says that something changed between a look and a write.
pub(super) fn in_the_way() -> Error {
    let hint = "other transactions were in the way again and again";
    Error::Unavailable { hint, source: "a delivery changed while it was settled".into() }
}
