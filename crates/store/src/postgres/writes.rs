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

use tokio_postgres::error::SqlState;

use super::link::{Arguments, Link};
use super::rows::{self, Id, Trouble};
use super::settle::Of;
use super::sql;
use super::state::Turn;
use super::states::{Expected, States};
use super::unit::Known;
use crate::error::Error;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) events: Vec<Arc<Event>>,
    pub(super) made: Vec<Made>,
    pub(super) attempts: Vec<(AccountId, Arc<Attempt>)>,
    /// Their outcomes as text, one for each.
    pub(super) outcomes: Vec<String>,
    pub(super) ended: BTreeMap<DeliveryId, Ended>,
    pub(super) counted: BTreeMap<DeliveryId, (AccountId, u32, u32)>,
    pub(super) timeline: Vec<Linked>,
    heads: Vec<((AccountId, RequestId), Place)>,
    heads_new: Vec<((AccountId, RequestId), Place)>,
    /// States of commits that are carried out together.
    pub(super) states: States,
    /// How many of those that are gone have an order key that is known.
    pub(super) ordered: i64,
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

/// A state, column by column.
#[derive(Debug, Clone, Copy)]
struct Columns {
    name: &'static str,
    due_at: Option<i64>,
    ended_at: Option<i64>,
    why: Option<&'static str>,
}

/// Takes a state apart.
const fn state_columns(state: State) -> Columns {
    let name = state.as_str();
    let plain = Columns { name, due_at: None, ended_at: None, why: None };
    match state {
        State::Pending { due_at } => Columns { due_at: Some(due_at.as_millis()), ..plain },
        State::Delivered { at } => Columns { ended_at: Some(at.as_millis()), ..plain },
        State::Exhausted { at, why } | State::Cancelled { at, why } => {
            Columns { ended_at: Some(at.as_millis()), why: Some(why.as_str()), ..plain }
        }
    }
}

/// The end of a transaction that is committed behind its writes, without waiting for their answers: had one of them
/// failed, the commit would undo the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) writer: i32,
    pub(super) batch: i64,
}

impl End {
    async fn run(self, turn: &Turn<'_>) -> Result<(), Trouble> {
        let (turned, committed) = tokio::join!(
            biased;
            take_turn(turn, self.writer, self.batch),
            turn.link.simply(sql::commit),
        );
        turned?;
        Ok(committed?)
    }
}

/// Writes which batch this writer's last one is, unless the node was declared dead or what was taken for granted of endpoints
/// is not so; and wipes what was counted against those that took what they were told.
pub(super) async fn take_turn(turn: &Turn<'_>, writer: i32, batch: i64) -> Result<(), Trouble> {
    let node = Id(turn.node.id);
    let (accounts, editions) = turn.trusted();
    let good = || turn.good.iter();
    let whose: Vec<Id> = good().map(|(account, _)| Id(account.bits())).collect();
    let which: Vec<Id> = good().map(|(_, endpoint)| Id(endpoint.bits())).collect();
    let arguments: Arguments<'_> =
        &[&node, &writer, &batch, &turn.said, &accounts, &editions, &whose, &which];
    let stale = SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION;
    match turn.link.run(sql::writer_turn, arguments).await {
        Ok(_rows) => Ok(()),
        Err(error) if is_division(&error) => Err(Trouble::Fenced(turn.node.id)),
        Err(error) if error.code() == Some(&stale) => Err(Trouble::Stale),
        Err(error) => Err(error.into()),
    }
}

fn is_division(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::DIVISION_BY_ZERO)
}

fn untrue(error: tokio_postgres::Error) -> Trouble {
    if is_division(&error) { Trouble::Careful } else { error.into() }
}

fn again(error: tokio_postgres::Error) -> Trouble {
    if is_division(&error) { Trouble::Again(in_the_way()) } else { error.into() }
}

pub(super) fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn bytes(text: Option<&String>) -> Option<&[u8]> {
    text.map(String::as_bytes)
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
        (self.heads_new, self.heads) = heads.partition(|(of, _)| known.heads_new.contains(of));
    }

    /// Writes everything, and is empty then; with an end, the transaction is committed behind it.
    pub(super) async fn flush(
        &mut self,
        turn: &mut Turn<'_>,
        end: Option<End>,
    ) -> Result<(), Trouble> {
        let mut writes = mem::take(self);
        let mut states = mem::take(&mut writes.states);
        let base = turn.shared.log_base + turn.place;
        let said = large(writes.events.len() as u64);
        turn.place += said;
        turn.said += said;
        let link = turn.link;
        let trouble = |error| if turn.is_careful() { again(error) } else { untrue(error) };
        let (stated, settled, counted, saying, timeline, heads_new, heads, ended) = tokio::join!(
            biased;
            states.write(link, Expected::All),
            writes.settle(turn),
            writes.count(link),
            writes.say(link, turn.node.id, base),
            writes.timeline(link),
            heads(link, sql::head_insert, &writes.heads_new),
            heads(link, sql::head_write, &writes.heads),
            async {
                match end {
                    None => Ok(()),
                    Some(end) => end.run(turn).await,
                }
            },
        );
        stated.map_err(untrue)?;
        settled.map_err(trouble)?;
        counted?;
        saying?;
        timeline?;
        heads_new?;
        heads?;
        ended
    }

    async fn settle(&self, turn: &Turn<'_>) -> Result<u64, tokio_postgres::Error> {
        let (rows, ended) = (&self.attempts, &self.ended);
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
        let outcomes: Vec<&str> = self.outcomes.iter().map(String::as_str).collect();

        let of: Vec<Id> = ended.values().map(|e| Id(e.of.0.bits())).collect();
        let which: Vec<Id> = ended.keys().map(|id| Id(id.bits())).collect();
        let endpoints: Vec<Id> = ended.values().map(|e| Id(e.of.1.bits())).collect();
        let columns = || ended.values().map(|ended| state_columns(ended.state));
        let states: Vec<&str> = columns().map(|columns| columns.name).collect();
        let ended_at: Vec<Option<i64>> = columns().map(|columns| columns.ended_at).collect();
        let why: Vec<Option<&str>> = columns().map(|columns| columns.why).collect();
        let attempts: Vec<i32> = ended.values().map(|e| small(e.attempts)).collect();
        let before: Vec<i32> = ended.values().map(|e| small(e.before)).collect();
        let due_at: Vec<Option<i64>> = columns().map(|columns| columns.due_at).collect();

        let settled = large(ended.len() as u64);
        let pending = large(ended.values().filter(|e| e.state.is_pending()).count() as u64);
        let gone = (!turn.is_careful()).then_some(settled - pending);
        let retried = (!turn.is_careful()).then_some(pending);
        turn.link
            .run(
                sql::settle,
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
                    &of,
                    &which,
                    &endpoints,
                    &states,
                    &ended_at,
                    &why,
                    &attempts,
                    &before,
                    &due_at,
                    &turn.node.ids(),
                    &settled,
                    &gone,
                    &retried,
                    &self.ordered,
                ],
            )
            .await
    }

    async fn count(&self, link: &Link) -> Result<u64, tokio_postgres::Error> {
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

    #[expect(clippy::too_many_lines, reason = "a line for each column")]
    async fn say(&self, link: &Link, us: u128, base: i64) -> Result<u64, tokio_postgres::Error> {
        let (rows, made) = (&self.events, &self.made);
        if rows.is_empty() && made.is_empty() {
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
            rows.iter().map(|e| bytes(e.order_key.as_ref())).collect();
        let keys: Vec<Option<&[u8]>> = rows.iter().map(|e| bytes(e.key.as_ref())).collect();
        let link_hashes: Vec<Option<&[u8]>> =
            rows.iter().map(|e| e.link.as_ref().map(|link| link.hash.0.as_slice())).collect();
        let data: Vec<&str> = rows.iter().map(|e| e.data.as_str()).collect();
        let places: Vec<i64> = (0..).take(rows.len()).collect();
        let deliveries = || made.iter().map(|made| &made.delivery);
        let of: Vec<Id> = deliveries().map(|d| Id(d.account.bits())).collect();
        let which: Vec<Id> = deliveries().map(|d| Id(d.id.bits())).collect();
        let events: Vec<Id> = deliveries().map(|d| Id(d.event.bits())).collect();
        let endpoints: Vec<Id> = deliveries().map(|d| Id(d.endpoint.bits())).collect();
        let cause_ids: Vec<Id> =
            deliveries().map(|d| rows::cause_id(d.cause, d.event, d.id)).collect();
        let created: Vec<i64> = deliveries().map(|d| d.created_at.as_millis()).collect();
        let causes: Vec<&str> = deliveries().map(|d| d.cause.as_str()).collect();
        let us = Id(us);
        let nodes: Vec<Option<Id>> = made.iter().map(|m| m.leased.then_some(us)).collect();
        let due: Vec<i64> = made.iter().map(|m| m.due_at.as_millis()).collect();
        let sizes: Vec<i32> =
            made.iter().map(|m| i32::try_from(m.event.data.len()).unwrap_or(i32::MAX)).collect();
        let held: Vec<bool> = made.iter().map(|m| m.order == Order::Held).collect();
        let in_order: Vec<Option<&[u8]>> = made
            .iter()
            .map(|m| bytes(m.event.order_key.as_ref()).filter(|_| m.order != Order::None))
            .collect();
        link.run(
            sql::say,
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
                &of,
                &which,
                &events,
                &endpoints,
                &cause_ids,
                &created,
                &causes,
                &nodes,
                &due,
                &sizes,
                &held,
                &in_order,
            ],
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
}

async fn heads(
    link: &Link,
    text: &'static str,
    rows: &[((AccountId, RequestId), Place)],
) -> Result<u64, tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(0);
    }
    let accounts: Vec<Id> = rows.iter().map(|(of, _)| Id(of.0.bits())).collect();
    let requests: Vec<Id> = rows.iter().map(|(of, _)| Id(of.1.bits())).collect();
    let seqs: Vec<i64> = rows.iter().map(|(_, place)| large(place.seq)).collect();
    let hashes: Vec<&[u8]> = rows.iter().map(|(_, place)| place.hash.0.as_slice()).collect();
    link.run(text, &[&accounts, &requests, &seqs, &hashes]).await
}

/// Says that something changed between a look and a write.
pub(super) fn in_the_way() -> Error {
    let hint = "other transactions were in the way again and again";
    Error::Unavailable { hint, source: "a delivery changed while it was settled".into() }
}
