//! What a unit writes, and the statements that write it all.
//!
//! Invariant: one statement writes all rows of a table, and a single one all there is of ends and events; they do not wait
//! for each other's answers, and are sent together.
//! Left to others: ends and events, column by column (`columns`).

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use domain::chain::{Entry, Link as Place};
use domain::delivery::{Attempt, Delivery, State};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, RequestId};
use domain::time::Timestamp;

use tokio_postgres::error::SqlState;

use super::columns::{Ends, Last, Says, large, small};
use super::link::Link;
use super::rows::{Id, Trouble};
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

/// How a writer's transaction ends: with a note of which batch it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) writer: i32,
    pub(super) batch: i64,
}

fn is_division(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::DIVISION_BY_ZERO)
}

fn untrue(error: tokio_postgres::Error) -> Trouble {
    if is_division(&error) { Trouble::Careful } else { error.into() }
}

/// Reads why the statement of a unit failed.
fn not_so(turn: &Turn<'_>, error: tokio_postgres::Error) -> Trouble {
    let code = error.code();
    if code == Some(&SqlState::INVALID_ARGUMENT_FOR_LOG) {
        Trouble::Fenced(turn.node.id)
    } else if code == Some(&SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION) {
        Trouble::Stale
    } else if turn.is_careful() && is_division(&error) {
        Trouble::Again(in_the_way())
    } else {
        untrue(error)
    }
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

    /// Writes everything, and is empty then. With an end, the transaction is committed behind it without waiting for
    /// answers: had a statement failed, the commit would undo the others.
    pub(super) async fn flush(
        &mut self,
        turn: &mut Turn<'_>,
        end: Option<End>,
    ) -> Result<(), Trouble> {
        let mut writes = mem::take(self);
        let mut states = mem::take(&mut writes.states);
        let link = turn.link;
        // One statement alone is a transaction.
        let is_unit_alone = end.is_some() && states.is_empty() && writes.is_unit_alone();
        let is_transaction = is_unit_alone && link.spare_beginning();
        let is_committed = end.is_some() && !is_transaction;
        link.begun().await?;
        let (stated, counted, timeline, heads_new, heads, united, committed) = tokio::join!(
            biased;
            states.write(link, Expected::All),
            writes.count(link),
            writes.timeline(link),
            heads(link, sql::head_insert, &writes.heads_new),
            heads(link, sql::head_write, &writes.heads),
            writes.unite(turn, end),
            async { if is_committed { link.commit().await } else { Ok(()) } },
        );
        stated.map_err(untrue)?;
        counted?;
        timeline?;
        heads_new?;
        heads?;
        united?;
        Ok(committed?)
    }

    /// Tells whether ends and events are all there is, which one statement writes.
    fn is_unit_alone(&self) -> bool {
        self.counted.is_empty()
            && self.timeline.is_empty()
            && self.heads.is_empty()
            && self.heads_new.is_empty()
    }

    /// Writes ends and events and, with an end, which batch this was.
    pub(super) async fn unite(&self, turn: &mut Turn<'_>, end: Option<End>) -> Result<(), Trouble> {
        let is_empty = self.attempts.is_empty() && self.events.is_empty() && self.made.is_empty();
        if is_empty && end.is_none() {
            return Ok(());
        }
        let base = turn.shared.log_base + turn.place;
        let said = large(self.events.len() as u64);
        turn.place += said;
        turn.said += said;
        let ends = Ends::of(self, turn);
        let says = Says::of(self, turn.node.id, base);
        let last = Last::of(turn, end);
        let arguments =
            [ends.arguments().as_slice(), &says.arguments(), &last.arguments()].concat();
        let united = turn.link.run(sql::unit, &arguments).await;
        united.map(|_rows| ()).map_err(|error| not_so(turn, error))
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
