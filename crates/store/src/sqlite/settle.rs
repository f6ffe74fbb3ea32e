//! Ended attempts with what follows from them.
//!
//! Invariants: attempt and next state are one commit; the same settlement twice is once; a delivery that ended
//! meanwhile keeps its state, and still gets its attempt into the history.

use std::sync::Arc;

use domain::chain::Entry;
use domain::delivery::{Attempt, State as DeliveryState};
use domain::endpoint::Ordering;
use domain::health::Health;
use domain::id::{AccountId, DeliveryId, EndpointId, RequestId};
use domain::time::Timestamp;
use rusqlite::{CachedStatement, Connection, params};

use super::fanout::{self, Pointer};
use super::rows::{self, blob, trouble};
use super::sql;
use super::state::State;
use super::unwritten::Ended;
use crate::commit::{Settled, Settlement};
use crate::error::Error;

/// The number of the attempt that stands in its delivery's row.
pub(super) const FIRST: u32 = 1;

/// Records ended attempts.
pub(super) fn settle(
    db: &Connection,
    state: &mut State,
    now: Timestamp,
    settlements: &[Settlement],
) -> Result<Settled, Error> {
    let mut settled = Settled::default();
    let mut first = prepare_first(db)?;
    for settlement in settlements {
        state.free(settlement.endpoint, settlement.attempt.delivery);
        let Settlement { account, request, attempt, .. } = settlement;
        if !record(db, &mut first, (*account, *request), attempt, settlement.state)? {
            continue;
        }
        if !settlement.state.is_pending() {
            let ended = (settlement.account, settlement.endpoint, settlement.attempt.delivery);
            follow(db, state, ended)?;
        }
        for event in &settlement.events {
            let mut event = event.clone();
            if fanout::log(db, &mut event)?.is_none() {
                fanout::tell_subscribers(db, state, &Arc::new(event), now)?;
            }
        }
        if let Some(accepted) = settlement.health {
            fare(db, state, settlement, accepted, &mut settled)?;
        }
    }
    Ok(settled)
}

/// Writes the attempt and the next state; `false` when that was done before.
fn record(
    db: &Connection,
    first: &mut CachedStatement<'_>,
    of: (AccountId, Option<RequestId>),
    attempt: &Attempt,
    state: DeliveryState,
) -> Result<bool, Error> {
    let (account, request) = of;
    let is_new = if attempt.number == FIRST {
        record_first(first, account, attempt, state)?
    } else {
        record_further(db, account, attempt, state)?
    };
    if let Some(request) = request.filter(|_| is_new) {
        let pointer = Pointer { delivery: attempt.delivery, number: attempt.number };
        let entry = Entry::of_attempt(attempt);
        fanout::chain(db, account, request, &entry, Some(&pointer))?;
    }
    Ok(is_new)
}

/// Prepares what writes first attempts, once for many.
pub(super) fn prepare_first(db: &Connection) -> Result<CachedStatement<'_>, Error> {
    db.prepare_cached(sql::delivery_settle_first).map_err(trouble)
}

/// Writes a first attempt, which stands in the delivery's own row.
fn record_first(
    first: &mut CachedStatement<'_>,
    account: AccountId,
    attempt: &Attempt,
    state: DeliveryState,
) -> Result<bool, Error> {
    let (of, delivery) = (blob(account.bits()), blob(attempt.delivery.bits()));
    let (name, due_at, ended_at, why) = rows::state_columns(state);
    let recorded = first
        .execute(params![
            of,
            delivery,
            name,
            due_at,
            ended_at,
            why,
            blob(attempt.id.bits()),
            attempt.at.as_millis(),
            attempt.took_ms,
            attempt.url,
            attempt.body_digest,
            attempt.remote,
            rows::written("deliveries", &attempt.outcome)?,
        ])
        .map_err(trouble)?;
    Ok(recorded > 0)
}

/// Writes an attempt that is not the first.
fn record_further(
    db: &Connection,
    account: AccountId,
    attempt: &Attempt,
    state: DeliveryState,
) -> Result<bool, Error> {
    let (of, delivery) = (blob(account.bits()), blob(attempt.delivery.bits()));
    let recorded = db
        .prepare_cached(sql::attempt_insert)
        .map_err(trouble)?
        .execute(params![
            of,
            delivery,
            attempt.number,
            blob(attempt.id.bits()),
            attempt.at.as_millis(),
            attempt.took_ms,
            attempt.url,
            attempt.body_digest,
            attempt.remote,
            rows::written("attempts", &attempt.outcome)?,
        ])
        .map_err(trouble)?;
    if recorded == 0 {
        return Ok(false);
    }
    let (name, due_at, ended_at, why) = rows::state_columns(state);
    let changed = db
        .prepare_cached(sql::delivery_settle)
        .map_err(trouble)?
        .execute(params![of, delivery, name, due_at, ended_at, why, attempt.number])
        .map_err(trouble)?;
    if changed == 0 {
        db.prepare_cached(sql::delivery_count_attempt)
            .map_err(trouble)?
            .execute(params![of, delivery, attempt.number])
            .map_err(trouble)?;
    }
    Ok(true)
}

/// Writes an attempt that ended its delivery, and that end; nothing when that was done before.
pub(super) fn record_ended(
    db: &Connection,
    first: &mut CachedStatement<'_>,
    ended: &Ended,
) -> Result<(), Error> {
    record(db, first, (ended.account, ended.request), &ended.attempt, ended.state())?;
    Ok(())
}

/// Lets the next one of the order key go, where the endpoint asks for order.
fn follow(
    db: &Connection,
    state: &mut State,
    ended: (AccountId, EndpointId, DeliveryId),
) -> Result<(), Error> {
    let (account, endpoint, delivery) = ended;
    let Some(kept) = state.endpoint(db, account, endpoint)? else { return Ok(()) };
    if kept.endpoint.ordering == Ordering::None {
        return Ok(());
    }
    let place = fanout::place(db, account, delivery)?;
    match place.and_then(|place| place.order_key) {
        Some(key) => fanout::next_in_order(db, state, (account, endpoint, &key)),
        None => Ok(()),
    }
}

/// Notes how the endpoint fares, and whether there is something to say about it.
fn fare(
    db: &Connection,
    state: &mut State,
    settlement: &Settlement,
    accepted: bool,
    settled: &mut Settled,
) -> Result<(), Error> {
    let (account, id) = (settlement.account, settlement.endpoint);
    let Some(kept) = state.endpoint(db, account, id)? else { return Ok(()) };
    if accepted && kept.health.is_good() {
        return Ok(());
    }
    let (mut health, change) = kept.health.after(accepted, settlement.attempt.at);
    if let Some(change) = change {
        settled.changes.push((account, id, health, change));
        // A warning counts as given once a commit has said it.
        health.warnings = kept.health.warnings;
    }
    write_health(db, account, id, health)?;
    state.note_health(account, id, health);
    Ok(())
}

/// Writes how an endpoint fares.
fn write_health(
    db: &Connection,
    account: AccountId,
    id: EndpointId,
    health: Health,
) -> Result<(), Error> {
    db.prepare_cached(sql::endpoint_health)
        .map_err(trouble)?
        .execute(params![
            blob(account.bits()),
            blob(id.bits()),
            health.failing_since.map(Timestamp::as_millis),
            health.failures,
            health.warnings,
        ])
        .map_err(trouble)?;
    Ok(())
}
