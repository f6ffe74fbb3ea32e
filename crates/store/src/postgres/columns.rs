//! Rows of a unit, column by column, in the order in which its statement takes them.

use domain::delivery::State;
use domain::event::Event;

use super::link::Argument;
use super::rows::{self, Id};
use super::state::Turn;
use super::writes::{End, Made, Order, Writes};

/// Gives the number as the database's `int`.
pub(super) fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Gives the number as the database's `bigint`.
pub(super) fn large(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn bytes(text: Option<&String>) -> Option<&[u8]> {
    text.map(String::as_bytes)
}

/// Attempts, and what follows from them.
#[derive(Debug)]
pub(super) struct Ends<'a> {
    accounts: Vec<Id>,
    deliveries: Vec<Id>,
    ids: Vec<Id>,
    at: Vec<i64>,
    numbers: Vec<i32>,
    took: Vec<i64>,
    digests: Vec<&'a [u8]>,
    urls: Vec<&'a str>,
    remotes: Vec<Option<&'a str>>,
    outcomes: Vec<&'a str>,
    of: Vec<Id>,
    which: Vec<Id>,
    endpoints: Vec<Id>,
    states: Vec<&'static str>,
    ended_at: Vec<Option<i64>>,
    why: Vec<Option<&'static str>>,
    attempts: Vec<i32>,
    before: Vec<i32>,
    due_at: Vec<Option<i64>>,
    nodes: Vec<Id>,
    settled: i64,
    gone: Option<i64>,
    retried: Option<i64>,
    ordered: i64,
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

impl<'a> Ends<'a> {
    /// Takes apart what a unit writes of ends.
    pub(super) fn of(writes: &'a Writes, turn: &Turn<'_>) -> Self {
        let (rows, ended) = (&writes.attempts, &writes.ended);
        let columns = || ended.values().map(|ended| state_columns(ended.state));
        let settled = large(ended.len() as u64);
        let pending = large(ended.values().filter(|e| e.state.is_pending()).count() as u64);
        Self {
            accounts: rows.iter().map(|(account, _)| Id(account.bits())).collect(),
            deliveries: rows.iter().map(|(_, a)| Id(a.delivery.bits())).collect(),
            ids: rows.iter().map(|(_, a)| Id(a.id.bits())).collect(),
            at: rows.iter().map(|(_, a)| a.at.as_millis()).collect(),
            numbers: rows.iter().map(|(_, a)| small(a.number)).collect(),
            took: rows.iter().map(|(_, a)| i64::from(a.took_ms)).collect(),
            digests: rows.iter().map(|(_, a)| a.body_digest.as_slice()).collect(),
            urls: rows.iter().map(|(_, a)| a.url.as_str()).collect(),
            remotes: rows.iter().map(|(_, a)| a.remote.as_deref()).collect(),
            outcomes: writes.outcomes.iter().map(String::as_str).collect(),
            of: ended.values().map(|e| Id(e.of.0.bits())).collect(),
            which: ended.keys().map(|id| Id(id.bits())).collect(),
            endpoints: ended.values().map(|e| Id(e.of.1.bits())).collect(),
            states: columns().map(|columns| columns.name).collect(),
            ended_at: columns().map(|columns| columns.ended_at).collect(),
            why: columns().map(|columns| columns.why).collect(),
            attempts: ended.values().map(|e| small(e.attempts)).collect(),
            before: ended.values().map(|e| small(e.before)).collect(),
            due_at: columns().map(|columns| columns.due_at).collect(),
            nodes: turn.node.ids(),
            settled,
            gone: (!turn.is_careful()).then_some(settled - pending),
            retried: (!turn.is_careful()).then_some(pending),
            ordered: writes.ordered,
        }
    }

    /// Gives the arguments, the first of which is the statement's first.
    pub(super) fn arguments(&self) -> [Argument<'_>; 24] {
        [
            &self.accounts,
            &self.deliveries,
            &self.ids,
            &self.at,
            &self.numbers,
            &self.took,
            &self.digests,
            &self.urls,
            &self.remotes,
            &self.outcomes,
            &self.of,
            &self.which,
            &self.endpoints,
            &self.states,
            &self.ended_at,
            &self.why,
            &self.attempts,
            &self.before,
            &self.due_at,
            &self.nodes,
            &self.settled,
            &self.gone,
            &self.retried,
            &self.ordered,
        ]
    }
}

/// Events, and the deliveries of them.
#[derive(Debug)]
pub(super) struct Says<'a> {
    accounts: Vec<Id>,
    ids: Vec<Id>,
    requests: Vec<Option<Id>>,
    at: Vec<i64>,
    link_seqs: Vec<Option<i64>>,
    tests: Vec<bool>,
    names: Vec<&'a str>,
    order_keys: Vec<Option<&'a [u8]>>,
    keys: Vec<Option<&'a [u8]>>,
    link_hashes: Vec<Option<&'a [u8]>>,
    data: Vec<&'a str>,
    base: i64,
    places: Vec<i64>,
    of: Vec<Id>,
    which: Vec<Id>,
    events: Vec<Id>,
    endpoints: Vec<Id>,
    cause_ids: Vec<Id>,
    created: Vec<i64>,
    causes: Vec<&'static str>,
    nodes: Vec<Option<Id>>,
    due: Vec<i64>,
    sizes: Vec<i32>,
    held: Vec<bool>,
    in_order: Vec<Option<&'a [u8]>>,
}

impl<'a> Says<'a> {
    /// Takes apart what a unit writes of events. The first one's place in the log is counted from `base`; what is leased
    /// is leased by `us`.
    pub(super) fn of(writes: &'a Writes, us: u128, base: i64) -> Self {
        let (rows, made) = (&writes.events, &writes.made);
        let deliveries = || made.iter().map(|made| &made.delivery);
        let order_key = |event: &'a Event| bytes(event.order_key.as_ref());
        let in_order = |m: &'a Made| order_key(&m.event).filter(|_| m.order != Order::None);
        let size = |m: &Made| i32::try_from(m.event.data.len()).unwrap_or(i32::MAX);
        Self {
            accounts: rows.iter().map(|e| Id(e.account.bits())).collect(),
            ids: rows.iter().map(|e| Id(e.id.bits())).collect(),
            requests: rows.iter().map(|e| e.request.map(|id| Id(id.bits()))).collect(),
            at: rows.iter().map(|e| e.at.as_millis()).collect(),
            link_seqs: rows.iter().map(|e| e.link.map(|link| large(link.seq))).collect(),
            tests: rows.iter().map(|e| e.test).collect(),
            names: rows.iter().map(|e| e.name.as_ref()).collect(),
            order_keys: rows.iter().map(|e| order_key(e)).collect(),
            keys: rows.iter().map(|e| bytes(e.key.as_ref())).collect(),
            link_hashes: rows
                .iter()
                .map(|e| e.link.as_ref().map(|link| link.hash.0.as_slice()))
                .collect(),
            data: rows.iter().map(|e| e.data.as_str()).collect(),
            base,
            places: (0..).take(rows.len()).collect(),
            of: deliveries().map(|d| Id(d.account.bits())).collect(),
            which: deliveries().map(|d| Id(d.id.bits())).collect(),
            events: deliveries().map(|d| Id(d.event.bits())).collect(),
            endpoints: deliveries().map(|d| Id(d.endpoint.bits())).collect(),
            cause_ids: deliveries().map(|d| rows::cause_id(d.cause, d.event, d.id)).collect(),
            created: deliveries().map(|d| d.created_at.as_millis()).collect(),
            causes: deliveries().map(|d| d.cause.as_str()).collect(),
            nodes: made.iter().map(|m| m.leased.then_some(Id(us))).collect(),
            due: made.iter().map(|m| m.due_at.as_millis()).collect(),
            sizes: made.iter().map(size).collect(),
            held: made.iter().map(|m| m.order == Order::Held).collect(),
            in_order: made.iter().map(in_order).collect(),
        }
    }

    /// Gives the arguments, which stand behind those of ends.
    pub(super) fn arguments(&self) -> [Argument<'_>; 25] {
        [
            &self.accounts,
            &self.ids,
            &self.requests,
            &self.at,
            &self.link_seqs,
            &self.tests,
            &self.names,
            &self.order_keys,
            &self.keys,
            &self.link_hashes,
            &self.data,
            &self.base,
            &self.places,
            &self.of,
            &self.which,
            &self.events,
            &self.endpoints,
            &self.cause_ids,
            &self.created,
            &self.causes,
            &self.nodes,
            &self.due,
            &self.sizes,
            &self.held,
            &self.in_order,
        ]
    }
}

/// What a writer's transaction ends with; nothing of it, where it does not end yet.
#[derive(Debug)]
pub(super) struct Last {
    node: Id,
    writer: Option<i32>,
    batch: Option<i64>,
    said: i64,
    accounts: Vec<Id>,
    editions: Vec<i64>,
    good_of: Vec<Id>,
    good: Vec<Id>,
}

impl Last {
    /// Takes apart what a transaction has taken for granted and noted.
    pub(super) fn of(turn: &Turn<'_>, end: Option<End>) -> Self {
        let last = Self {
            node: Id(turn.node.id),
            writer: None,
            batch: None,
            said: turn.said,
            accounts: Vec::new(),
            editions: Vec::new(),
            good_of: Vec::new(),
            good: Vec::new(),
        };
        let Some(end) = end else { return last };
        let (accounts, editions) = turn.trusted();
        Self {
            writer: Some(end.writer),
            batch: Some(end.batch),
            accounts,
            editions,
            good_of: turn.good.iter().map(|(account, _)| Id(account.bits())).collect(),
            good: turn.good.iter().map(|(_, endpoint)| Id(endpoint.bits())).collect(),
            ..last
        }
    }

    /// Gives the arguments, which stand behind those of events.
    pub(super) fn arguments(&self) -> [Argument<'_>; 8] {
        [
            &self.node,
            &self.writer,
            &self.batch,
            &self.said,
            &self.accounts,
            &self.editions,
            &self.good_of,
            &self.good,
        ]
    }
}
