//! Events into the log, and one delivery for each endpoint that wants one, in the same transaction.
//!
//! Invariant: one event and one endpoint make one delivery; the unique key says so, not a check.

use std::sync::Arc;

use domain::chain::{Entry, Hash, Link};
use domain::delivery::{Cause, Delivery, State as DeliveryState};
use domain::endpoint::{Endpoint, Ordering, Scope, Status};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, RequestId};
use domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{self, blob, trouble};
use super::sql;
use super::state::State;
use crate::error::Error;
use crate::lanes::Lease;

/// What an entry of a timeline points to beside its own id.
pub(super) struct Pointer {
    pub(super) delivery: DeliveryId,
    pub(super) number: u32,
}

/// Writes an event into the log and, if it belongs to a request, into the request's timeline.
pub(super) fn log(db: &Connection, event: &mut Event) -> Result<(), Error> {
    if let Some(request) = event.request {
        event.link = Some(chain(db, event.account, request, &Entry::of_event(event), None)?);
    }
    let mut statement = db.prepare_cached(sql::event_insert).map_err(trouble)?;
    statement
        .execute(params![
            blob(event.account.bits()),
            blob(event.id.bits()),
            event.name,
            event.at.as_millis(),
            event.request.map(|id| blob(id.bits())),
            event.order_key,
            event.key,
            event.test,
            event.data,
            event.link.and_then(|link| i64::try_from(link.seq).ok()),
            event.link.map(|link| link.hash.0),
        ])
        .map_err(trouble)?;
    Ok(())
}

/// Adds an entry to a request's timeline.
pub(super) fn chain(
    db: &Connection,
    account: AccountId,
    request: RequestId,
    entry: &Entry,
    pointer: Option<&Pointer>,
) -> Result<Link, Error> {
    let (account, key) = (blob(account.bits()), blob(request.bits()));
    let mut statement = db.prepare_cached(sql::timeline_head).map_err(trouble)?;
    let head = statement
        .query_row(params![account, key], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
        .optional()
        .map_err(trouble)?;
    let head = head.map(|(seq, hash)| Link { seq: seq.unsigned_abs(), hash: Hash(hash) });
    let link = entry.link(request, head);
    let mut statement = db.prepare_cached(sql::timeline_insert).map_err(trouble)?;
    statement
        .execute(params![
            account,
            key,
            i64::try_from(link.seq).unwrap_or(i64::MAX),
            entry.what.as_str(),
            blob(entry.id),
            pointer.map(|pointer| blob(pointer.delivery.bits())),
            pointer.map(|pointer| pointer.number),
            entry.at.as_millis(),
            entry.digest.0,
            link.hash.0,
        ])
        .map_err(trouble)?;
    Ok(link)
}

/// Makes a delivery for each endpoint that wants the event, and leases those the lanes have room for.
pub(super) fn tell_subscribers(
    db: &Connection,
    state: &mut State,
    event: &Arc<Event>,
    now: Timestamp,
) -> Result<(), Error> {
    let living = state.living(db, event.account)?;
    for kept in living.values() {
        let endpoint = &kept.endpoint;
        let wants = match endpoint.scope {
            Scope::Registered => endpoint.wants.matches(event),
            Scope::Callback => event.callbacks.contains(&endpoint.id),
        };
        if wants && endpoint.status == Status::Enabled {
            tell(db, state, &Telling { event, endpoint, cause: Cause::Event, due_at: now }, now)?;
        }
    }
    Ok(())
}

/// Whom to tell what, why and when.
#[derive(Debug)]
pub(super) struct Telling<'a> {
    pub(super) event: &'a Arc<Event>,
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) cause: Cause,
    pub(super) due_at: Timestamp,
}

/// Makes one delivery, and leases it if it is due and the lanes have room. `None` when it exists already.
pub(super) fn tell(
    db: &Connection,
    state: &mut State,
    telling: &Telling<'_>,
    now: Timestamp,
) -> Result<Option<DeliveryId>, Error> {
    let Telling { event, endpoint, cause, due_at } = *telling;
    let id = state.mint(now);
    let order_key = match endpoint.ordering {
        Ordering::None => None,
        Ordering::Request => event.order_key.as_deref(),
    };
    let (cause_name, cause_id) = rows::cause_columns(cause, event.id, id);
    let made = db
        .prepare_cached(sql::delivery_insert)
        .map_err(trouble)?
        .execute(params![
            blob(event.account.bits()),
            blob(id.bits()),
            blob(event.id.bits()),
            blob(endpoint.id.bits()),
            cause_name,
            cause_id,
            due_at.as_millis(),
            now.as_millis(),
            order_key,
        ])
        .map_err(trouble)?;
    if made == 0 {
        return Ok(None);
    }
    let behind = match order_key {
        None => false,
        Some(key) => is_behind(db, endpoint, key, id)?,
    };
    if due_at <= now && !behind && state.lanes.admit(endpoint, Lease::bytes(event)) {
        let delivery = Delivery {
            id,
            account: event.account,
            event: event.id,
            endpoint: endpoint.id,
            cause,
            state: DeliveryState::Pending { due_at },
            attempts: 0,
            created_at: now,
        };
        state.plan(Lease { delivery, event: Arc::clone(event), endpoint: Arc::clone(endpoint) });
    }
    Ok(Some(id))
}

/// Tells whether an earlier delivery of the same order key is still pending.
fn is_behind(
    db: &Connection,
    endpoint: &Endpoint,
    key: &str,
    id: DeliveryId,
) -> Result<bool, Error> {
    let mut statement = db.prepare_cached(sql::delivery_behind).map_err(trouble)?;
    statement.exists(params![blob(endpoint.id.bits()), key, blob(id.bits())]).map_err(trouble)
}
