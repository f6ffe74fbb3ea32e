//! Events into the log, and one delivery for each endpoint that wants one, in the same transaction.
//!
//! Invariant: one event and one endpoint make one delivery; the unique key says so, not a check.

use std::sync::Arc;

use domain::chain::{Entry, Hash, Link};
use domain::delivery::{Cause, Delivery, State as DeliveryState};
use domain::endpoint::{Endpoint, Ordering, Scope, Status};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, EndpointId, EventId, RequestId};
use domain::time::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, params};

use super::rows::{self, blob, trouble};
use super::state::State;
use super::{lease, sql};
use crate::error::Error;
use crate::lanes::Lease;

/// What an entry of a timeline points to beside its own id.
pub(super) struct Pointer {
    pub(super) delivery: DeliveryId,
    pub(super) number: u32,
}

/// Writes an event into the log and, if it belongs to a request, into the request's timeline. `Some` when it is there
/// already, by its id or the account's own key, with the id of the first one.
pub(super) fn log(db: &Connection, event: &mut Event) -> Result<Option<EventId>, Error> {
    if let Some(request) = event.request {
        // The timeline must not get it twice, so this one is looked for before it is written.
        if let Some(id) = known(db, event)? {
            return Ok(Some(id));
        }
        event.link = Some(chain(db, event.account, request, &Entry::of_event(event), None)?);
    }
    let mut statement = db.prepare_cached(sql::event_insert).map_err(trouble)?;
    if insert(&mut statement, event)? { Ok(None) } else { known(db, event) }
}

/// Writes an event into the log; `false` when it is there already.
pub(super) fn insert(statement: &mut CachedStatement<'_>, event: &Event) -> Result<bool, Error> {
    let mut column = 0;
    event_columns(event, |value| {
        column += 1;
        statement.raw_bind_parameter(column, value).map_err(trouble)
    })?;
    Ok(statement.raw_execute().map_err(trouble)? == 1)
}

/// Puts the columns of an event's row, one after the other.
pub(super) fn event_columns(
    event: &Event,
    mut put: impl FnMut(&dyn ToSql) -> Result<(), Error>,
) -> Result<(), Error> {
    put(&blob(event.account.bits()))?;
    put(&blob(event.id.bits()))?;
    put(&event.name)?;
    put(&event.at.as_millis())?;
    put(&event.request.map(|id| blob(id.bits())))?;
    put(&event.order_key)?;
    put(&event.key)?;
    put(&event.test)?;
    put(&event.data)?;
    put(&event.link.and_then(|link| i64::try_from(link.seq).ok()))?;
    put(&event.link.map(|link| link.hash.0))
}

/// Finds the event that is there already.
pub(super) fn known(db: &Connection, event: &Event) -> Result<Option<EventId>, Error> {
    match known_by_key(db, event)? {
        Some(id) => Ok(Some(id)),
        None => known_by_id(db, event),
    }
}

/// Finds the event that is there already by the account's own key.
pub(super) fn known_by_key(db: &Connection, event: &Event) -> Result<Option<EventId>, Error> {
    let Some(key) = &event.key else { return Ok(None) };
    let mut statement = db.prepare_cached(sql::event_by_key).map_err(trouble)?;
    let found = statement.query_row(params![blob(event.account.bits()), key], |row| row.get(0));
    Ok(found.optional().map_err(trouble)?.map(event_id))
}

/// Finds the event that is there already by its id.
pub(super) fn known_by_id(db: &Connection, event: &Event) -> Result<Option<EventId>, Error> {
    let mut statement = db.prepare_cached(sql::event_known).map_err(trouble)?;
    let of = [blob(event.account.bits()), blob(event.id.bits())];
    let found = statement.query_row(of, |row| row.get(0));
    Ok(found.optional().map_err(trouble)?.map(event_id))
}

const fn event_id(bytes: [u8; 16]) -> EventId {
    EventId::new(u128::from_be_bytes(bytes))
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
            Scope::Notices | Scope::Intake => false,
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
    // Somebody waits for the answer to a test, and a probe tells how the endpoint fares: neither waits its turn.
    let order_key = match (endpoint.ordering, cause) {
        (Ordering::None, _) | (_, Cause::Test | Cause::Probe | Cause::Notice { .. }) => None,
        (Ordering::Request, Cause::Event | Cause::Replay { .. }) => event.order_key.as_deref(),
    };
    let held = match order_key {
        None => false,
        Some(key) => is_behind(db, endpoint.id, key)?,
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
            held,
        ])
        .map_err(trouble)?;
    if made == 0 {
        return Ok(None);
    }
    let is_free = due_at <= now && !held && lease::is_owed(endpoint, cause);
    if is_free && state.lanes.admit(endpoint, Lease::bytes(event)) {
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

/// Tells whether a pending delivery of that order key is free to go, so that further ones stand behind it.
fn is_behind(db: &Connection, endpoint: EndpointId, key: &str) -> Result<bool, Error> {
    let mut statement = db.prepare_cached(sql::delivery_ahead).map_err(trouble)?;
    statement.exists(params![blob(endpoint.bits()), key]).map_err(trouble)
}

/// Frees and offers the delivery whose turn has come, since one of its order key has ended: it was due when it was made,
/// whatever the clock says of whoever ends the one before it.
pub(super) fn next_in_order(
    db: &Connection,
    state: &mut State,
    of: (AccountId, EndpointId, &str),
) -> Result<(), Error> {
    let (account, endpoint, key) = of;
    if is_behind(db, endpoint, key)? {
        return Ok(());
    }
    let next: Option<[u8; 16]> = {
        let mut statement = db.prepare_cached(sql::delivery_next_held).map_err(trouble)?;
        let next = statement.query_row(params![blob(endpoint.bits()), key], |row| row.get(0));
        next.optional().map_err(trouble)?
    };
    let Some(next) = next else { return Ok(()) };
    let id = DeliveryId::new(u128::from_be_bytes(next));
    db.prepare_cached(sql::delivery_free)
        .map_err(trouble)?
        .execute([blob(account.bits()), blob(id.bits())])
        .map_err(trouble)?;
    lease::offer(db, state, Timestamp::MAX, (account, endpoint, id))
}

/// Where a delivery stands in its endpoint's order.
pub(super) struct Place {
    pub(super) endpoint: EndpointId,
    pub(super) order_key: Option<String>,
    pub(super) held: bool,
}

/// Finds where a delivery stands in its endpoint's order.
pub(super) fn place(
    db: &Connection,
    account: AccountId,
    delivery: DeliveryId,
) -> Result<Option<Place>, Error> {
    let mut statement = db.prepare_cached(sql::delivery_place).map_err(trouble)?;
    let arguments = [blob(account.bits()), blob(delivery.bits())];
    let mut found = statement.query(arguments).map_err(trouble)?;
    let Some(row) = found.next().map_err(trouble)? else { return Ok(None) };
    let endpoint = EndpointId::new(rows::bits(row, 0)?);
    Ok(Some(Place { endpoint, order_key: rows::column(row, 1)?, held: rows::column(row, 2)? }))
}
