//! Due deliveries to the lanes.
//!
//! Invariant: a delivery that is leased is not leased again; an endpoint that is off gets only tests and probes.

use std::sync::Arc;

use domain::delivery::{Cause, Delivery};
use domain::endpoint::{Endpoint, Ordering, Status};
use domain::event::Event;
use domain::id::{AccountId, EndpointId};
use domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{self, blob, trouble};
use super::sql;
use super::state::State;
use crate::error::Error;
use crate::lanes::{Lease, LeaseScope, Leased};

/// Rows looked at for one endpoint at once, those it has leased apart.
const ROWS_MAX: u32 = 512;

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
                let before = blob(id.bits().wrapping_sub(1));
                if let Some((endpoint, account)) = next_endpoint(db, before)?
                    && endpoint == *id
                {
                    lease_endpoint(db, state, now, (account, endpoint), &mut leased)?;
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

fn lease_endpoint(
    db: &Connection,
    state: &mut State,
    now: Timestamp,
    of: (AccountId, EndpointId),
    leased: &mut Leased,
) -> Result<(), Error> {
    let (account, id) = of;
    let Some(kept) = state.endpoint(db, account, id)? else { return Ok(()) };
    let endpoint = kept.endpoint;
    let leases = u32::try_from(state.leased_count(id)).unwrap_or(u32::MAX);
    let looked_at = ROWS_MAX.saturating_add(leases);
    let (rows, more) = due(db, &endpoint, now, looked_at)?;
    let mut room = true;
    for (delivery, event) in rows {
        let owed = endpoint.status == Status::Enabled
            || matches!(delivery.cause, Cause::Test | Cause::Probe);
        if !owed || state.is_leased(id, delivery.id) {
            continue;
        }
        room = state.lanes.admit(&endpoint, Lease::bytes(&event));
        if !room {
            break;
        }
        leased.taken += 1;
        state.plan(Lease { delivery, event: Arc::new(event), endpoint: Arc::clone(&endpoint) });
    }
    if !room || more {
        leased.next_due.push((id, now));
    } else if endpoint.status == Status::Enabled
        && let Some(due_at) = next_due(db, id, now)?
    {
        leased.next_due.push((id, due_at));
    }
    Ok(())
}

/// Reads the due deliveries of an endpoint with their events; tells whether there may be more.
fn due(
    db: &Connection,
    endpoint: &Endpoint,
    now: Timestamp,
    limit: u32,
) -> Result<(Vec<(Delivery, Event)>, bool), Error> {
    let text = match endpoint.ordering {
        Ordering::None => sql::delivery_due,
        Ordering::Request => sql::delivery_due_in_order,
    };
    let mut statement = db.prepare_cached(text).map_err(trouble)?;
    let arguments = params![blob(endpoint.id.bits()), now.as_millis(), limit];
    let mut found = statement.query(arguments).map_err(trouble)?;
    let mut due = Vec::new();
    while let Some(row) = found.next().map_err(trouble)? {
        let delivery = rows::delivery(row)?;
        let event = rows::event(row, 12, delivery.account)?;
        due.push((delivery, event));
    }
    let more = due.len() == limit as usize;
    Ok((due, more))
}

fn next_due(db: &Connection, id: EndpointId, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let mut statement = db.prepare_cached(sql::delivery_next_due).map_err(trouble)?;
    let due: Option<Option<i64>> = statement
        .query_row(params![blob(id.bits()), now.as_millis()], |row| row.get(0))
        .optional()
        .map_err(trouble)?;
    Ok(due.flatten().map(Timestamp::from_millis))
}
