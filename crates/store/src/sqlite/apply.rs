//! One commit, into the transaction under way.
//!
//! Invariant: a commit that is refused leaves nothing behind: its part of the transaction is undone alone.

use std::sync::Arc;

use domain::delivery::{State as DeliveryState, Why};
use domain::endpoint::{Endpoint, Ordering, Scope, Status};
use domain::health::Health;
use domain::id::{AccountId, DeliveryId, EndpointId};
use domain::notice::Notice;
use domain::request::Request;
use domain::secret::Secret;
use domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::fanout::{self, Place, Telling};
use super::rows::{
    self, SEAL_ACCOUNT, SEAL_ENDPOINT, SEAL_REPLY, SEAL_SETTING, blob, trouble, written,
};
use super::state::State;
use super::{lease, sql};
use crate::commit::{
    Account, Audience, Commit, Committed, Fault, Guarded, NewDelivery, Noted, REPLY_KEPT, Reply,
    Said, Setting, Timer, TimerKind, Write,
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
        keep_reply(db, state, commit, reply)?;
    }
    for write in &commit.writes {
        committed.changed += put(db, state, commit, write)?;
    }
    for said in &commit.events {
        if let Audience::Only(id, _) = said.audience
            && state.endpoint(db, commit.account, id)?.is_none()
        {
            return Err(Fault::Missing { what: "endpoint" });
        }
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
    let mut event = said.event.clone();
    if let Some(id) = fanout::log(db, &mut event)? {
        return Ok(Noted { id, known: true });
    }
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
    if event.is_forgotten() {
        return Err(Fault::Forgotten);
    }
    let endpoint = &kept.endpoint;
    let telling = Telling { event: &event, endpoint, cause: new.cause, due_at: new.due_at };
    Ok(fanout::tell(db, state, &telling, commit.at)?)
}

/// Keeps an answer for its idempotency key, unless there is one.
fn keep_reply(
    db: &Connection,
    state: &mut State,
    commit: &Commit,
    reply: &Reply,
) -> Result<(), Fault> {
    let account = blob(commit.account.bits());
    let mut statement = db.prepare_cached(sql::reply_read).map_err(trouble)?;
    let arguments = params![account, reply.key, commit.at.as_millis()];
    let mut found = statement.query(arguments).map_err(trouble)?;
    if let Some(row) = found.next().map_err(trouble)? {
        return Err(Fault::Repeated(rows::reply(row, &reply.key, &state.master)?));
    }
    let expires_ms = i64::try_from(REPLY_KEPT.as_millis()).unwrap_or(i64::MAX);
    let expires_at = commit.at.plus_millis(expires_ms).as_millis();
    let sealed = state.master.seal(SEAL_REPLY, &reply.body, state.chance.as_mut())?;
    let arguments =
        params![account, reply.key, reply.fingerprint, reply.status, sealed, expires_at];
    run(db, sql::reply_insert, arguments)?;
    Ok(())
}

/// Writes one state; tells how many deliveries it changed.
fn put(db: &Connection, state: &mut State, commit: &Commit, write: &Write) -> Result<u64, Fault> {
    let account = blob(commit.account.bits());
    match write {
        Write::Account(new) => put_account(db, state, new)?,
        Write::Key(key) => {
            let body = written("keys", key)?;
            let arguments = params![account, blob(key.id.bits()), key.hash.0, body];
            guard("key", run(db, sql::key_upsert, arguments)?)?;
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
        Write::Warned(id, health) => put_warned(db, state, (commit.account, *id), *health)?,
        Write::Setting(setting) => put_setting(db, state, account, setting)?,
        Write::SettingGone(kind, name, version) => {
            let arguments = params![account, kind.as_str(), name, version.cast_signed()];
            guard("setting", run(db, sql::setting_delete, arguments)?)?;
        }
        Write::Notice(notice) => put_notice(db, account, notice)?,
        Write::Timer(kind, subject, due) => put_timer(db, account, (*kind, *subject), *due)?,
        Write::TimerDone(timer, due) => guard("timer", put_timer_done(db, timer, *due)?)?,
        Write::Replay(replay) => {
            let (id, endpoint) = (blob(replay.id.bits()), blob(replay.endpoint.bits()));
            let body = written("replays", replay)?;
            run(db, sql::replay_upsert, params![account, id, endpoint, body])?;
        }
        Write::Delivery(id, next) => {
            return change_delivery(db, state, commit, (*id, *next));
        }
        Write::CancelPending { endpoint, why, limit } => {
            return cancel_pending(db, state, commit, (*endpoint, *why, *limit));
        }
    }
    Ok(0)
}

fn run(db: &Connection, text: &str, arguments: &[&dyn ToSql]) -> Result<usize, Error> {
    db.prepare_cached(text).map_err(trouble)?.execute(arguments).map_err(trouble)
}

const fn guard(what: &'static str, changed: usize) -> Result<(), Fault> {
    if changed == 1 { Ok(()) } else { Err(Fault::Conflict { what }) }
}

fn put_account(db: &Connection, state: &mut State, new: &Account) -> Result<(), Fault> {
    let seed = new.signing_seed.expose();
    let sealed = state.master.seal(SEAL_ACCOUNT, seed, state.chance.as_mut())?;
    let (id, at) = (blob(new.id.bits()), new.created_at.as_millis());
    if run(db, sql::account_insert, params![id, new.name, sealed, at])? == 0 {
        let mut statement = db.prepare_cached(sql::account_known).map_err(trouble)?;
        let known = statement.exists([id]).map_err(trouble)?;
        // Another one has the name.
        guard("account", usize::from(known))?;
    }
    Ok(())
}

fn put_request(
    db: &Connection,
    account: [u8; 16],
    request: &Guarded<Request>,
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
        Scope::Notices => "notices",
        Scope::Intake => "intake",
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
    if value.ordering == Ordering::None {
        run(db, sql::delivery_free_all, params![id])?;
    }
    state.reread(db, value.account, value.id)?;
    state.effects.changed.push(Arc::new(value.clone()));
    Ok(())
}

fn put_warned(
    db: &Connection,
    state: &mut State,
    of: (AccountId, EndpointId),
    health: Health,
) -> Result<(), Fault> {
    let (since, warnings) = (health.failing_since.map(Timestamp::as_millis), health.warnings);
    let arguments = params![blob(of.0.bits()), blob(of.1.bits()), since, warnings];
    guard("endpoint", run(db, sql::endpoint_warned, arguments)?)?;
    state.reread(db, of.0, of.1)?;
    Ok(())
}

fn put_setting(
    db: &Connection,
    state: &mut State,
    account: [u8; 16],
    new: &Guarded<Setting>,
) -> Result<(), Fault> {
    let Setting { kind, name, body, secrets } = &new.value;
    let seal =
        |secret: &Secret| state.master.seal(SEAL_SETTING, secret.expose(), state.chance.as_mut());
    let sealed = secrets.as_ref().map(seal).transpose()?;
    let kind = kind.as_str();
    let changed = match new.version {
        0 => run(db, sql::setting_insert, params![account, kind, name, body, sealed])?,
        version => {
            let version = version.cast_signed();
            run(db, sql::setting_update, params![account, kind, name, body, sealed, version])?
        }
    };
    guard("setting", changed)
}

fn put_notice(db: &Connection, account: [u8; 16], new: &Guarded<Notice>) -> Result<(), Fault> {
    let (id, request) = (blob(new.value.id.bits()), blob(new.value.request.bits()));
    let (message, body) = (new.value.message_id(), written("notices", &new.value)?);
    let changed = match new.version {
        0 => run(db, sql::notice_insert, params![account, id, request, message, body])?,
        version => {
            let version = version.cast_signed();
            run(db, sql::notice_update, params![account, id, message, body, version])?
        }
    };
    guard("notice", changed)
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

fn put_timer_done(db: &Connection, timer: &Timer, due: Option<Timestamp>) -> Result<usize, Error> {
    let (account, subject) = (blob(timer.account.bits()), blob(timer.subject));
    let (kind, was_due) = (timer.kind.as_str(), timer.due_at.as_millis());
    match due.map(Timestamp::as_millis) {
        Some(due) => run(db, sql::timer_move, params![account, kind, subject, was_due, due]),
        None => run(db, sql::timer_drop, params![account, kind, subject, was_due]),
    }
}

/// Changes a pending delivery that nobody has leased. What may go now is offered to the lanes: itself, or the next one
/// of its order key.
fn change_delivery(
    db: &Connection,
    state: &mut State,
    commit: &Commit,
    change: (DeliveryId, DeliveryState),
) -> Result<u64, Fault> {
    let (account, (id, next)) = (commit.account, change);
    let Some(Place { endpoint, order_key, held }) = fanout::place(db, account, id)? else {
        return Err(Fault::Missing { what: "delivery" });
    };
    if state.is_leased(endpoint, id) || !set_state(db, account, id, next)? {
        return Ok(0);
    }
    if next.is_pending() {
        lease::offer(db, state, commit.at, (account, endpoint, id))?;
    } else if let Some(key) = order_key.filter(|_| !held) {
        fanout::next_in_order(db, state, (account, endpoint, &key))?;
    }
    Ok(1)
}

/// Writes the state of a pending delivery; `false` when it has ended.
fn set_state(
    db: &Connection,
    account: AccountId,
    id: DeliveryId,
    next: DeliveryState,
) -> Result<bool, Error> {
    let (name, due_at, ended_at, why) = rows::state_columns(next);
    let (account, id) = (blob(account.bits()), blob(id.bits()));
    let arguments = params![account, id, name, due_at, ended_at, why];
    Ok(run(db, sql::delivery_change, arguments)? == 1)
}

/// Cancels pending deliveries of an endpoint that nobody has leased, unless it is enabled; tests and probes too.
///
/// Held ones go first, so that none is let go by the end of another.
fn cancel_pending(
    db: &Connection,
    state: &mut State,
    commit: &Commit,
    of: (EndpointId, Why, u32),
) -> Result<u64, Fault> {
    let (endpoint, why, limit) = of;
    let kept = state.endpoint(db, commit.account, endpoint)?;
    if kept.is_some_and(|kept| kept.endpoint.status == Status::Enabled) {
        return Ok(0);
    }
    let next = DeliveryState::Cancelled { at: commit.at, why };
    let leases = u32::try_from(state.leased_count(endpoint)).unwrap_or(u32::MAX);
    let mut changed = 0;
    for (text, looked_at) in
        [(sql::delivery_held_of, limit), (sql::delivery_pending_of, limit.saturating_add(leases))]
    {
        for id in ids(db, text, params![blob(endpoint.bits()), looked_at])? {
            if changed < u64::from(limit)
                && !state.is_leased(endpoint, id)
                && set_state(db, commit.account, id, next)?
            {
                changed += 1;
            }
        }
    }
    Ok(changed)
}

fn ids(db: &Connection, text: &str, arguments: &[&dyn ToSql]) -> Result<Vec<DeliveryId>, Error> {
    let mut statement = db.prepare_cached(text).map_err(trouble)?;
    let mut found = statement.query(arguments).map_err(trouble)?;
    let mut ids = Vec::new();
    while let Some(row) = found.next().map_err(trouble)? {
        ids.push(DeliveryId::new(rows::bits(row, 0)?));
    }
    Ok(ids)
}
