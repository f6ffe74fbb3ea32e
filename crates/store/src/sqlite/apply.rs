//! One commit, into the transaction under way.
//!
//! Invariant: a commit that is refused leaves nothing behind: its part of the transaction is undone alone.

use std::sync::Arc;

use domain::delivery::{State as DeliveryState, Why};
use domain::endpoint::{Endpoint, Scope, Status};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, EndpointId, EventId};
use domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::fanout::{self, Telling};
use super::rows::{self, SEAL_ACCOUNT, SEAL_ENDPOINT, blob, trouble, written};
use super::state::State;
use super::{settle, sql};
use crate::commit::{
    Account, Audience, Commit, Committed, Fault, Guarded, NewDelivery, Noted, REPLY_KEPT, Reply,
    Said, TimerKind, Write,
};
use crate::error::Error;

/// Carries a commit out. The outer error is the transaction's, the inner one the commit's own.
pub(super) fn commit(
    db: &Connection,
    state: &mut State,
    commit: &Commit,
) -> Result<Result<Committed, Fault>, Error> {
    // Events alone are checked before anything is written; they are the hot path.
    let events_only =
        commit.writes.is_empty() && commit.deliveries.is_empty() && commit.reply.is_none();
    if events_only {
        return sort(whole(db, state, commit));
    }
    let mark = state.mark();
    db.prepare_cached(sql::savepoint).map_err(trouble)?.execute([]).map_err(trouble)?;
    let result = sort(whole(db, state, commit))?;
    if result.is_ok() {
        db.prepare_cached(sql::savepoint_keep).map_err(trouble)?.execute([]).map_err(trouble)?;
    } else {
        db.execute_batch(sql::savepoint_drop).map_err(trouble)?;
        state.undo_to(mark);
    }
    Ok(result)
}

/// Sorts what ends the transaction from what ends the commit alone.
fn sort(result: Result<Committed, Fault>) -> Result<Result<Committed, Fault>, Error> {
    match result {
        Err(Fault::Store(error)) => Err(error),
        other => Ok(other),
    }
}

fn whole(db: &Connection, state: &mut State, commit: &Commit) -> Result<Committed, Fault> {
    let mut committed = Committed::default();
    if let Some(reply) = &commit.reply {
        keep_reply(db, commit, reply)?;
    }
    for said in &commit.events {
        if let Audience::Only(id, _) = said.audience
            && state.endpoint(db, commit.account, id)?.is_none()
        {
            return Err(Fault::Missing { what: "endpoint" });
        }
    }
    for write in &commit.writes {
        committed.changed += put(db, state, commit, write)?;
    }
    for said in &commit.events {
        committed.events.push(say(db, state, commit, said, &mut committed.deliveries)?);
    }
    for new in &commit.deliveries {
        committed.deliveries.extend(tell_again(db, state, commit, *new)?);
    }
    Ok(committed)
}

/// Writes an event that is new, and tells its audience.
fn say(
    db: &Connection,
    state: &mut State,
    commit: &Commit,
    said: &Said,
    deliveries: &mut Vec<DeliveryId>,
) -> Result<Noted, Fault> {
    if let Some(id) = known(db, &said.event)? {
        return Ok(Noted { id, known: true });
    }
    let mut event = said.event.clone();
    fanout::log(db, &mut event)?;
    let (id, account) = (event.id, event.account);
    let event = Arc::new(event);
    match said.audience {
        Audience::Subscribers => fanout::tell_subscribers(db, state, &event, commit.at)?,
        Audience::Only(endpoint, cause) => {
            if let Some(kept) = state.endpoint(db, account, endpoint)? {
                let endpoint = &kept.endpoint;
                let telling = Telling { event: &event, endpoint, cause, due_at: commit.at };
                deliveries.extend(fanout::tell(db, state, &telling, commit.at)?);
            }
        }
    }
    Ok(Noted { id, known: false })
}

/// Finds the event that is there already, by its id or the account's own key.
fn known(db: &Connection, event: &Event) -> Result<Option<EventId>, Error> {
    let account = blob(event.account.bits());
    let found: Option<[u8; 16]> = match &event.key {
        Some(key) => {
            let mut statement = db.prepare_cached(sql::event_by_key).map_err(trouble)?;
            statement.query_row(params![account, key], |row| row.get(0)).optional()
        }
        None => {
            let mut statement = db.prepare_cached(sql::event_known).map_err(trouble)?;
            let id = blob(event.id.bits());
            statement.query_row(params![account, id], |row| row.get(0)).optional()
        }
    }
    .map_err(trouble)?;
    Ok(found.map(|id| EventId::new(u128::from_be_bytes(id))))
}

/// Tells an event of the past again.
fn tell_again(
    db: &Connection,
    state: &mut State,
    commit: &Commit,
    new: NewDelivery,
) -> Result<Option<DeliveryId>, Fault> {
    let account = commit.account;
    let Some(kept) = state.endpoint(db, account, new.endpoint)? else {
        return Err(Fault::Missing { what: "endpoint" });
    };
    let event = {
        let mut statement = db.prepare_cached(sql::event_read).map_err(trouble)?;
        let arguments = params![blob(account.bits()), blob(new.event.bits())];
        let mut found = statement.query(arguments).map_err(trouble)?;
        match found.next().map_err(trouble)? {
            Some(row) => Arc::new(rows::event(row, 0, account)?),
            None => return Err(Fault::Missing { what: "event" }),
        }
    };
    let endpoint = &kept.endpoint;
    let telling = Telling { event: &event, endpoint, cause: new.cause, due_at: new.due_at };
    Ok(fanout::tell(db, state, &telling, commit.at)?)
}

/// Keeps an answer for its idempotency key, unless there is one.
fn keep_reply(db: &Connection, commit: &Commit, reply: &Reply) -> Result<(), Fault> {
    let account = blob(commit.account.bits());
    let mut statement = db.prepare_cached(sql::reply_read).map_err(trouble)?;
    let first = statement
        .query_row(params![account, reply.key, commit.at.as_millis()], |row| {
            let (fingerprint, status, body) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Reply { key: reply.key.clone(), fingerprint, status, body })
        })
        .optional()
        .map_err(trouble)?;
    if let Some(first) = first {
        return Err(Fault::Repeated(first));
    }
    let expires_ms = i64::try_from(REPLY_KEPT.as_millis()).unwrap_or(i64::MAX);
    let expires_at = commit.at.plus_millis(expires_ms);
    db.prepare_cached(sql::reply_insert)
        .map_err(trouble)?
        .execute(params![
            account,
            reply.key,
            reply.fingerprint,
            reply.status,
            reply.body,
            expires_at.as_millis()
        ])
        .map_err(trouble)?;
    Ok(())
}

/// Writes one state; tells how many deliveries it changed.
fn put(db: &Connection, state: &mut State, commit: &Commit, write: &Write) -> Result<u64, Fault> {
    let account = blob(commit.account.bits());
    match write {
        Write::Account(new) => put_account(db, state, new)?,
        Write::Key(key) => {
            let body = written("keys", key)?;
            run(db, sql::key_upsert, params![account, blob(key.id.bits()), key.hash.0, body])?;
        }
        Write::Request(request, links) => {
            put_request(db, account, request)?;
            for link in links {
                let (request, signer) = (blob(link.request.bits()), blob(link.signer.bits()));
                run(db, sql::link_insert, params![link.hash, account, request, signer])?;
            }
        }
        Write::RequestGone(id, version) => {
            let at = commit.at.as_millis();
            let arguments = params![account, blob(id.bits()), version.cast_signed(), at];
            guard("request", run(db, sql::request_delete, arguments)?)?;
        }
        Write::Contact(contact) => {
            let (id, body) = (blob(contact.value.id.bits()), written("contacts", &contact.value)?);
            let changed = match contact.version {
                0 => run(db, sql::contact_insert, params![account, id, body])?,
                version => {
                    run(db, sql::contact_update, params![account, id, body, version.cast_signed()])?
                }
            };
            guard("contact", changed)?;
        }
        Write::ContactGone(id, version) => {
            let arguments = params![account, blob(id.bits()), version.cast_signed()];
            guard("contact", run(db, sql::contact_delete, arguments)?)?;
        }
        Write::Endpoint(endpoint) => put_endpoint(db, state, endpoint)?,
        Write::Health(id, health) => {
            settle::write_health(db, commit.account, *id, *health)?;
            state.note_health(commit.account, *id, *health);
        }
        Write::Timer(kind, subject, due) => put_timer(db, account, (*kind, *subject), *due)?,
        Write::Replay(replay) => {
            let (id, endpoint) = (blob(replay.id.bits()), blob(replay.endpoint.bits()));
            let body = written("replays", replay)?;
            run(db, sql::replay_upsert, params![account, id, endpoint, body])?;
        }
        Write::Delivery(id, next) => {
            return change_delivery(db, state, commit.account, (*id, *next));
        }
        Write::CancelPending { endpoint, why, limit } => {
            return cancel_pending(db, state, commit, (*endpoint, *why, *limit));
        }
    }
    Ok(0)
}

fn run(db: &Connection, text: &str, arguments: &[&dyn rusqlite::ToSql]) -> Result<usize, Error> {
    db.prepare_cached(text).map_err(trouble)?.execute(arguments).map_err(trouble)
}

const fn guard(what: &'static str, changed: usize) -> Result<(), Fault> {
    if changed == 1 { Ok(()) } else { Err(Fault::Conflict { what }) }
}

fn put_account(db: &Connection, state: &mut State, new: &Account) -> Result<(), Error> {
    let seed = new.signing_seed.expose();
    let sealed = state.master.seal(SEAL_ACCOUNT, seed, state.chance.as_mut())?;
    let (id, at) = (blob(new.id.bits()), new.created_at.as_millis());
    run(db, sql::account_insert, params![id, new.name, sealed, at])?;
    Ok(())
}

fn put_request(
    db: &Connection,
    account: [u8; 16],
    request: &Guarded<domain::request::Request>,
) -> Result<(), Fault> {
    let value = &request.value;
    let (id, status) = (blob(value.id.bits()), value.state.as_str());
    let (archived, body) = (value.archived_at.is_some(), written("requests", value)?);
    let changed = match request.version {
        0 => run(db, sql::request_insert, params![account, id, status, archived, body])?,
        version => {
            let version = version.cast_signed();
            run(db, sql::request_update, params![account, id, status, archived, body, version])?
        }
    };
    guard("request", changed)
}

fn put_endpoint(db: &Connection, state: &mut State, new: &Guarded<Endpoint>) -> Result<(), Fault> {
    let value = &new.value;
    let (account, id) = (blob(value.account.bits()), blob(value.id.bits()));
    let scope = match value.scope {
        Scope::Registered => "registered",
        Scope::Callback => "callback",
    };
    if value.scope == Scope::Registered && value.status != Status::Deleted {
        let mut statement = db.prepare_cached(sql::endpoint_taken).map_err(trouble)?;
        let first: Option<[u8; 16]> = statement
            .query_row(params![account, value.url, id], |row| row.get(0))
            .optional()
            .map_err(trouble)?;
        if let Some(first) = first {
            return Err(Fault::UrlTaken { id: EndpointId::new(u128::from_be_bytes(first)) });
        }
    }
    let secrets = value.secrets.expose().to_string();
    let sealed = state.master.seal(SEAL_ENDPOINT, &secrets, state.chance.as_mut())?;
    let (url, dialect, status) = (&value.url, value.dialect.as_str(), value.status.as_str());
    let body = written("endpoints", value)?;
    let changed = match new.version {
        0 => {
            let arguments = params![account, id, url, dialect, scope, status, body, sealed];
            run(db, sql::endpoint_insert, arguments)?
        }
        version => {
            let version = version.cast_signed();
            let arguments =
                params![account, id, url, dialect, scope, status, body, sealed, version];
            run(db, sql::endpoint_update, arguments)?
        }
    };
    guard("endpoint", changed)?;
    state.forget_account(value.account);
    state.effects.changed.push(Arc::new(value.clone()));
    Ok(())
}

fn put_timer(
    db: &Connection,
    account: [u8; 16],
    which: (TimerKind, u128),
    due: Option<Timestamp>,
) -> Result<(), Error> {
    let (kind, subject) = (which.0.as_str(), blob(which.1));
    match due {
        Some(due) => run(db, sql::timer_upsert, params![account, kind, subject, due.as_millis()])?,
        None => run(db, sql::timer_delete, params![account, kind, subject])?,
    };
    Ok(())
}

/// Changes a pending delivery that nobody has leased.
fn change_delivery(
    db: &Connection,
    state: &State,
    account: AccountId,
    change: (DeliveryId, DeliveryState),
) -> Result<u64, Fault> {
    let (id, next) = change;
    let (account, key) = (blob(account.bits()), blob(id.bits()));
    let mut statement = db.prepare_cached(sql::delivery_endpoint).map_err(trouble)?;
    let endpoint: Option<[u8; 16]> =
        statement.query_row(params![account, key], |row| row.get(0)).optional().map_err(trouble)?;
    let Some(endpoint) = endpoint else { return Err(Fault::Missing { what: "delivery" }) };
    if state.is_leased(EndpointId::new(u128::from_be_bytes(endpoint)), id) {
        return Ok(0);
    }
    let (name, due_at, ended_at, why) = rows::state_columns(next);
    let arguments = params![account, key, name, due_at, ended_at, why];
    Ok(run(db, sql::delivery_change, arguments)? as u64)
}

/// Cancels pending deliveries of an endpoint that nobody has leased; tests and probes too.
fn cancel_pending(
    db: &Connection,
    state: &State,
    commit: &Commit,
    of: (EndpointId, Why, u32),
) -> Result<u64, Fault> {
    let (endpoint, why, limit) = of;
    let account = blob(commit.account.bits());
    let ids: Vec<[u8; 16]> = {
        let mut statement = db.prepare_cached(sql::delivery_pending_of).map_err(trouble)?;
        let leased = u32::try_from(state.leased_count(endpoint)).unwrap_or(u32::MAX);
        let looked_at = limit.saturating_add(leased);
        let arguments = params![blob(endpoint.bits()), account, looked_at];
        let found = statement.query_map(arguments, |row| row.get(0)).map_err(trouble)?;
        found.collect::<Result<_, _>>().map_err(trouble)?
    };
    let next = DeliveryState::Cancelled { at: commit.at, why };
    let (name, due_at, ended_at, why) = rows::state_columns(next);
    let mut changed = 0;
    for id in ids {
        if !state.is_leased(endpoint, DeliveryId::new(u128::from_be_bytes(id))) {
            let arguments = params![account, id, name, due_at, ended_at, why];
            changed += run(db, sql::delivery_change, arguments)? as u64;
        }
    }
    Ok(changed)
}
