//! Due deliveries to the lanes.
//!
//! Invariants: a delivery that is leased is not leased again; one that is held behind another of its order key is not
//! leased; an endpoint that is off gets only tests and probes.

use std::sync::Arc;

use domain::delivery::{Cause, Delivery, State as DeliveryState};
use domain::endpoint::{Endpoint, Status};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, EndpointId};
use domain::time::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::rows::{self, blob, trouble};
use super::sql;
use super::state::State;
use crate::error::Error;
use crate::lanes::{Lease, LeaseScope, Leased};

/// Deliveries of one endpoint leased at once, at most.
const LEASES_MAX: usize = 512;

/// Leases as much as the lanes admit.
pub(super) fn lease(
    db: &Connection,
    state: &mut State,
    now: Timestamp,
    scope: &LeaseScope,
) -> Result<Leased, Error> {
    let mut leased = Leased::default();
    match scope {
        LeaseScope::All => {
            let mut after = [0_u8; 16];
            while let Some((endpoint, account)) = next_endpoint(db, after)? {
                lease_endpoint(db, state, now, (account, endpoint), &mut leased)?;
                after = blob(endpoint.bits());
            }
        }
        LeaseScope::Endpoints(ids) => {
            for id in ids {
                if let Some(account) = account_of(db, *id)? {
                    lease_endpoint(db, state, now, (account, *id), &mut leased)?;
                }
            }
        }
    }
    Ok(leased)
}

/// Finds the next endpoint that has anything pending.
pub(super) fn next_endpoint(
    db: &Connection,
    after: [u8; 16],
) -> Result<Option<(EndpointId, AccountId)>, Error> {
    let mut statement = db.prepare_cached(sql::delivery_next_endpoint).map_err(trouble)?;
    let mut found = statement.query([after]).map_err(trouble)?;
    let Some(row) = found.next().map_err(trouble)? else { return Ok(None) };
    Ok(Some((EndpointId::new(rows::bits(row, 0)?), AccountId::new(rows::bits(row, 1)?))))
}

/// Finds whose an endpoint is that has anything pending.
fn account_of(db: &Connection, endpoint: EndpointId) -> Result<Option<AccountId>, Error> {
    let mut statement = db.prepare_cached(sql::delivery_account).map_err(trouble)?;
    let account: Option<[u8; 16]> = statement
        .query_row([blob(endpoint.bits())], |row| row.get(0))
        .optional()
        .map_err(trouble)?;
    Ok(account.map(|bits| AccountId::new(u128::from_be_bytes(bits))))
}

/// Goes through what is pending, the earliest first, up to one that is not due or has no room, or until it is enough.
fn lease_endpoint(
    db: &Connection,
    state: &mut State,
    now: Timestamp,
    of: (AccountId, EndpointId),
    leased: &mut Leased,
) -> Result<(), Error> {
    let (account, id) = of;
    let Some(kept) = state.endpoint(db, account, id)? else { return Ok(()) };
    if kept.endpoint.status != Status::Enabled && is_anything_left(db, state, id)? {
        leased.off.push(of);
    }
    let text = match kept.endpoint.status {
        Status::Enabled => sql::delivery_due,
        Status::Disabled | Status::DisabledBySystem | Status::Deleted => sql::delivery_due_asked,
    };
    let mut statement = db.prepare_cached(text).map_err(trouble)?;
    let mut found = statement.query([blob(id.bits())]).map_err(trouble)?;
    let mut reading = prepare_reading(db)?;
    let mut taken = 0;
    while let Some(row) = found.next().map_err(trouble)? {
        let (due_at, delivery) = (rows::moment(row, 0)?, DeliveryId::new(rows::bits(row, 1)?));
        if state.is_leased(id, delivery) {
            continue;
        }
        if due_at <= now && taken == LEASES_MAX {
            leased.unfinished.push(id);
            break;
        }
        let of = (account, delivery);
        if due_at > now || !take((db, &mut reading), state, of, &kept.endpoint)? {
            leased.next_due.push((id, due_at));
            break;
        }
        taken += 1;
    }
    leased.taken += taken;
    Ok(())
}

/// Tells whether anything is pending for an endpoint that is off, but for tests and probes, that nobody has leased.
fn is_anything_left(db: &Connection, state: &State, id: EndpointId) -> Result<bool, Error> {
    let mut statement = db.prepare_cached(sql::delivery_left).map_err(trouble)?;
    let mut found = statement.query([blob(id.bits())]).map_err(trouble)?;
    while let Some(row) = found.next().map_err(trouble)? {
        if !state.is_leased(id, DeliveryId::new(rows::bits(row, 0)?)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Offers a delivery to the lanes that has just become free to go. Nothing happens unless it is due, its endpoint is to
/// be told, and nobody has it.
pub(super) fn offer(
    db: &Connection,
    state: &mut State,
    now: Timestamp,
    of: (AccountId, EndpointId, DeliveryId),
) -> Result<(), Error> {
    let (account, endpoint, id) = of;
    let Some(kept) = state.endpoint(db, account, endpoint)? else { return Ok(()) };
    let mut reading = prepare_reading(db)?;
    let Some((delivery, event)) = read((db, &mut reading), state, (account, id))? else {
        return Ok(());
    };
    let is_due = matches!(delivery.state, DeliveryState::Pending { due_at } if due_at <= now);
    if is_due && is_owed(&kept.endpoint, delivery.cause) && !state.is_leased(endpoint, id) {
        plan(state, delivery, event, &kept.endpoint);
    }
    Ok(())
}

/// Tells whether a delivery may be attempted as its endpoint stands.
pub(super) fn is_owed(endpoint: &Endpoint, cause: Cause) -> bool {
    endpoint.status == Status::Enabled || matches!(cause, Cause::Test | Cause::Probe)
}

/// Leases a delivery, if the lanes have room.
fn take(
    by: (&Connection, &mut CachedStatement<'_>),
    state: &mut State,
    of: (AccountId, DeliveryId),
    endpoint: &Arc<Endpoint>,
) -> Result<bool, Error> {
    let Some((delivery, event)) = read(by, state, of)? else {
        return Err(Error::Corrupt {
            table: "deliveries",
            detail: format!("{} has no event", of.1),
        });
    };
    Ok(plan(state, delivery, event, endpoint))
}

fn plan(
    state: &mut State,
    delivery: Delivery,
    event: Arc<Event>,
    endpoint: &Arc<Endpoint>,
) -> bool {
    let room = state.lanes.admit(endpoint, Lease::bytes(&event));
    if room {
        state.plan(Lease { delivery, event, endpoint: Arc::clone(endpoint) });
    }
    room
}

/// Prepares what reads deliveries, once for many.
fn prepare_reading(db: &Connection) -> Result<CachedStatement<'_>, Error> {
    db.prepare_cached(sql::delivery_lease).map_err(trouble)
}

/// Reads a delivery that is free to go, with its event.
fn read(
    by: (&Connection, &mut CachedStatement<'_>),
    state: &mut State,
    of: (AccountId, DeliveryId),
) -> Result<Option<(Delivery, Arc<Event>)>, Error> {
    let ((db, reading), (account, id)) = (by, of);
    let arguments = params![blob(account.bits()), blob(id.bits())];
    let mut found = reading.query(arguments).map_err(trouble)?;
    let Some(row) = found.next().map_err(trouble)? else { return Ok(None) };
    let delivery = rows::delivery(row)?;
    Ok(state.event(db, account, delivery.event)?.map(|event| (delivery, event)))
}
