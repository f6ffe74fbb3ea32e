//! One commit's states, into the transaction under way.
//!
//! Invariant: a commit that is refused leaves nothing behind: its part of the transaction is undone alone.

use std::collections::BTreeSet;

use domain::delivery::{State as DeliveryState, Why};
use domain::endpoint::{Endpoint, Ordering, Scope, Status};
use domain::id::{DeliveryId, EndpointId};
use domain::notice::Notice;
use domain::secret::Secret;
use domain::time::Timestamp;

use super::link::Arguments;
use super::order::{self, Pair};
use super::rows::{self, Id, SEAL_ACCOUNT, SEAL_ENDPOINT, SEAL_SETTING, Trouble, written};
use super::settle::Of;
use super::state::Turn;
use super::states::{Expected, States};
use super::unit::Unit;
use super::writes::{Writes, in_the_way};
use super::{health, lease, sql, timers};
use crate::commit::{Account, Commit, Committed, Fault, Guarded, Reply, Setting, Write};
use crate::error::Error;

/// What ends a commit: its own refusal, or the transaction's trouble.
#[derive(Debug)]
enum Stop {
    Fault(Fault),
    Trouble(Trouble),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Trouble(Trouble::Store(error))
    }
}

impl From<tokio_postgres::Error> for Stop {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Trouble(error.into())
    }
}

/// Carries a commit out, states first, within a part of the transaction of its own.
pub(super) async fn commit(
    turn: &mut Turn<'_>,
    commit: &Commit,
) -> Result<Result<Committed, Fault>, Trouble> {
    let mark = turn.mark();
    turn.link.simply(sql::savepoint).await?;
    match whole(turn, commit).await {
        Ok(committed) => {
            turn.link.simply(sql::savepoint_keep).await?;
            Ok(Ok(committed))
        }
        Err(Stop::Fault(fault)) => {
            turn.link.simply(sql::savepoint_drop).await?;
            turn.undo_to(mark);
            Ok(Err(fault))
        }
        Err(Stop::Trouble(trouble)) => Err(trouble),
    }
}

async fn whole(turn: &mut Turn<'_>, commit: &Commit) -> Result<Committed, Stop> {
    turn.know(&BTreeSet::from([commit.account])).await?;
    if let Some(reply) = &commit.reply {
        keep_reply(turn, commit, reply).await?;
    }
    let mut changed = 0;
    for write in &commit.writes {
        changed += put(turn, commit, write).await?;
    }
    if let Some(fault) = Unit::refusal(turn, commit) {
        return Err(fault.into());
    }
    let unit = Unit { commits: vec![commit], settles: Vec::new() };
    let known = unit.look(turn.link, turn.shared, turn.is_careful()).await?;
    let outcome = Box::pin(unit.carry_out(turn, known, Writes::default(), None)).await?;
    let mut committed =
        outcome.commits.into_iter().next().unwrap_or_else(|| Ok(Committed::default()))?;
    committed.changed += changed;
    Ok(committed)
}

/// Keeps an answer for its idempotency key, unless there is one.
async fn keep_reply(turn: &Turn<'_>, commit: &Commit, reply: &Reply) -> Result<(), Stop> {
    let mut states = States::default();
    states.add_reply(turn.shared, commit, reply)?;
    if states.write(turn.link, Expected::Unknown).await? {
        return Ok(());
    }
    let (account, now) = (Id(commit.account.bits()), commit.at.as_millis());
    match turn.link.first(sql::reply_read, &[&account, &reply.key.as_bytes(), &now]).await? {
        Some(row) => {
            Err(Fault::Repeated(rows::reply(&row, 0, &reply.key, &turn.shared.master)?).into())
        }
        None => Err(Trouble::Again(in_the_way()).into()),
    }
}

/// Writes one state; tells how many deliveries it changed.
async fn put(turn: &mut Turn<'_>, commit: &Commit, write: &Write) -> Result<u64, Stop> {
    let account = Id(commit.account.bits());
    let link = turn.link;
    match write {
        Write::Account(new) => put_account(turn, new).await?,
        Write::Key(key) => {
            let body = written("keys", key)?;
            let (id, hash) = (Id(key.id.bits()), key.hash.0.as_slice());
            let mut changed = link.run(sql::key_update, &[&account, &id, &body]).await?;
            if changed == 0 {
                changed = link.run(sql::key_insert, &[&account, &id, &hash, &body]).await?;
            }
            guard("key", changed)?;
        }
        Write::Request(..) => put_alone(turn, commit, (write, "request")).await?,
        Write::Contact(_) => put_alone(turn, commit, (write, "contact")).await?,
        Write::Timer(..) => put_alone(turn, commit, (write, "timer")).await?,
        Write::TimerDone(timer, due) => {
            guard("timer", timers::done(turn, timer, *due).await?)?;
        }
        Write::RequestGone(id, version) => {
            let (id, at) = (Id(id.bits()), commit.at.as_millis());
            let version = version.cast_signed();
            let changed = link.run(sql::request_delete, &[&account, &id, &version, &at]).await?;
            guard("request", changed)?;
        }
        Write::ContactGone(id, version) => {
            let (id, version) = (Id(id.bits()), version.cast_signed());
            let changed = link.run(sql::contact_delete, &[&account, &id, &version]).await?;
            guard("contact", changed)?;
        }
        Write::Endpoint(endpoint) => put_endpoint(turn, endpoint).await?,
        Write::Setting(setting) => put_setting(turn, account, setting).await?,
        Write::SettingGone(kind, name, version) => {
            let (kind, version) = (kind.as_str(), version.cast_signed());
            let changed = link.run(sql::setting_delete, &[&account, &kind, name, &version]).await?;
            guard("setting", changed)?;
        }
        Write::Notice(notice) => put_notice(turn, account, notice).await?,
        Write::Warned(id, of) => {
            guard("endpoint", health::warned(turn, (commit.account, *id), *of).await?)?;
        }
        Write::Replay(replay) => {
            let (id, endpoint) = (Id(replay.id.bits()), Id(replay.endpoint.bits()));
            let body = written("replays", replay)?;
            link.run(sql::replay_upsert, &[&account, &id, &endpoint, &body]).await?;
        }
        Write::Delivery(id, next) => return change_delivery(turn, commit, (*id, *next)).await,
        Write::CancelPending { endpoint, why, limit } => {
            return cancel_pending(turn, commit, (*endpoint, *why, *limit)).await;
        }
    }
    Ok(0)
}

const fn guard(what: &'static str, changed: u64) -> Result<(), Fault> {
    if changed == 1 { Ok(()) } else { Err(Fault::Conflict { what }) }
}

async fn put_account(turn: &Turn<'_>, new: &Account) -> Result<(), Stop> {
    let sealed = turn.shared.seal(SEAL_ACCOUNT, new.signing_seed.expose())?;
    let (id, at) = (Id(new.id.bits()), new.created_at.as_millis());
    let made = turn.link.run(sql::account_insert, &[&id, &new.name, &sealed, &at]).await?;
    if made == 0 {
        let known = turn.link.first(sql::account_known, &[&id]).await?;
        // Another one has the name.
        guard("account", u64::from(known.is_some()))?;
    }
    Ok(())
}

/// Writes a state that others write by the thousand.
async fn put_alone(
    turn: &Turn<'_>,
    commit: &Commit,
    what: (&Write, &'static str),
) -> Result<(), Stop> {
    let Some(mut states) = States::of(commit.account, what.0)? else { return Ok(()) };
    let stood = states.write(turn.link, Expected::Unknown).await?;
    Ok(guard(what.1, u64::from(stood))?)
}

async fn put_endpoint(turn: &mut Turn<'_>, new: &Guarded<Endpoint>) -> Result<(), Stop> {
    let value = &new.value;
    let link = turn.link;
    let (account, id) = (Id(value.account.bits()), Id(value.id.bits()));
    let edition = link.first(sql::edition_raise, &[&account]).await?;
    let edition: i64 = edition.map_or(Ok(0), |row| rows::column(&row, 0))?;
    let scope = match value.scope {
        Scope::Registered => "registered",
        Scope::Callback => "callback",
        Scope::Notices => "notices",
        Scope::Intake => "intake",
    };
    if value.scope == Scope::Registered && value.status != Status::Deleted {
        let first = link.first(sql::endpoint_taken, &[&account, &value.url, &id]).await?;
        if let Some(first) = first {
            return Err(Fault::UrlTaken { id: EndpointId::new(rows::bits(&first, 0)?) }.into());
        }
    }
    let secrets = value.secrets.expose().to_string();
    let sealed = turn.shared.seal(SEAL_ENDPOINT, &secrets)?;
    let (url, dialect, status) = (&value.url, value.dialect.as_str(), value.status.as_str());
    let body = written("endpoints", value)?;
    let changed = match new.version {
        0 => {
            link.run(
                sql::endpoint_insert,
                &[&account, &id, url, &dialect, &scope, &status, &body, &sealed],
            )
            .await?
        }
        version => {
            let version = version.cast_signed();
            link.run(
                sql::endpoint_update,
                &[&account, &id, url, &dialect, &scope, &status, &body, &sealed, &version],
            )
            .await?
        }
    };
    guard("endpoint", changed)?;
    if value.ordering == Ordering::None {
        link.run(sql::queue_free_all, &[&id]).await?;
    }
    Ok(turn.wrote(edition, value).await?)
}

async fn put_setting(turn: &Turn<'_>, account: Id, new: &Guarded<Setting>) -> Result<(), Stop> {
    let Setting { kind, name, body, secrets } = &new.value;
    let seal = |secret: &Secret| turn.shared.seal(SEAL_SETTING, secret.expose());
    let (kind, sealed) = (kind.as_str(), secrets.as_ref().map(seal).transpose()?);
    let changed = match new.version {
        0 => turn.link.run(sql::setting_insert, &[&account, &kind, name, body, &sealed]).await?,
        version => {
            let version = version.cast_signed();
            let arguments: Arguments<'_> = &[&account, &kind, name, body, &sealed, &version];
            turn.link.run(sql::setting_update, arguments).await?
        }
    };
    Ok(guard("setting", changed)?)
}

async fn put_notice(turn: &Turn<'_>, account: Id, new: &Guarded<Notice>) -> Result<(), Stop> {
    let (id, request) = (Id(new.value.id.bits()), Id(new.value.request.bits()));
    let (message, body) = (new.value.message_id(), written("notices", &new.value)?);
    let changed = match new.version {
        0 => turn.link.run(sql::notice_insert, &[&account, &id, &request, &message, &body]).await?,
        version => {
            let version = version.cast_signed();
            let arguments: Arguments<'_> = &[&account, &id, &message, &body, &version];
            turn.link.run(sql::notice_update, arguments).await?
        }
    };
    Ok(guard("notice", changed)?)
}

/// Changes a pending delivery that nobody has leased. What may go now is offered to the lanes: itself, or the next one
/// of its order key.
async fn change_delivery(
    turn: &mut Turn<'_>,
    commit: &Commit,
    change: (DeliveryId, DeliveryState),
) -> Result<u64, Stop> {
    let (id, next) = change;
    let account = Id(commit.account.bits());
    let place = turn.link.first(sql::delivery_place, &[&account, &Id(id.bits())]).await?;
    let Some(place) = place else { return Err(Fault::Missing { what: "delivery" }.into()) };
    let endpoint = EndpointId::new(rows::bits(&place, 0)?);
    match next {
        DeliveryState::Pending { due_at } => {
            let due_at = due_at.as_millis();
            let arguments: Arguments<'_> = &[&account, &Id(id.bits()), &due_at];
            let changed = turn.link.run(sql::queue_hurry, arguments).await?;
            if changed == 1 {
                lease::offer(turn, commit.at, &[(commit.account, id)]).await?;
            }
            Ok(changed)
        }
        DeliveryState::Cancelled { at, why } => {
            let dropped = turn.link.first(sql::queue_drop, &[&account, &Id(id.bits())]).await?;
            let Some(row) = dropped else { return Ok(0) };
            let of = (commit.account, endpoint);
            cancel(turn, of, &[id], (at, why)).await?;
            let (key, held): (Option<Vec<u8>>, bool) =
                (rows::column(&row, 0)?, rows::column(&row, 1)?);
            if let Some(key) = key.filter(|_| !held) {
                follow(turn, BTreeSet::from([(endpoint, key)])).await?;
            }
            Ok(1)
        }
        // Only an attempt makes a delivery arrive, or gives it up.
        DeliveryState::Delivered { .. } | DeliveryState::Exhausted { .. } => Ok(0),
    }
}

/// Writes that deliveries are cancelled which are out of the queue.
async fn cancel(
    turn: &Turn<'_>,
    of: Of,
    ids: &[DeliveryId],
    end: (Timestamp, Why),
) -> Result<(), Trouble> {
    let account = Id(of.0.bits());
    let which: Vec<Id> = ids.iter().map(|id| Id(id.bits())).collect();
    let (at, why) = (end.0.as_millis(), end.1.as_str());
    turn.link.run(sql::delivery_cancel, &[&account, &which, &at, &why]).await?;
    let accounts = vec![account; ids.len()];
    let endpoints = vec![Id(of.1.bits()); ids.len()];
    let states = vec!["cancelled"; ids.len()];
    turn.link.run(sql::failure_insert, &[&accounts, &endpoints, &which, &states]).await?;
    Ok(())
}

/// Lets the next ones go in order keys of which one has ended.
async fn follow(turn: &mut Turn<'_>, pairs: BTreeSet<Pair>) -> Result<(), Trouble> {
    if !pairs.is_empty() {
        order::lock(turn, &pairs).await?;
        order::follow(turn, &pairs).await?;
    }
    Ok(())
}

/// Cancels pending deliveries of an endpoint that nobody has leased, unless it is enabled; tests and probes too.
///
/// Held ones go first, so that none is let go by the end of another.
async fn cancel_pending(
    turn: &mut Turn<'_>,
    commit: &Commit,
    of: (EndpointId, Why, u32),
) -> Result<u64, Stop> {
    let (endpoint, why, limit) = of;
    let (account, id) = (Id(commit.account.bits()), Id(endpoint.bits()));
    let mut left = i64::from(limit);
    let mut pairs = BTreeSet::new();
    let mut ids = Vec::new();
    for (text, frees) in [(sql::queue_cancel_held, false), (sql::queue_cancel_free, true)] {
        for row in turn.link.rows(text, &[&account, &id, &left]).await? {
            left -= 1;
            ids.push(DeliveryId::new(rows::bits(&row, 0)?));
            let key: Option<Vec<u8>> = rows::column(&row, 1)?;
            pairs.extend(key.filter(|_| frees).map(|key| (endpoint, key)));
        }
    }
    if !ids.is_empty() {
        cancel(turn, (commit.account, endpoint), &ids, (commit.at, why)).await?;
        follow(turn, pairs).await?;
    }
    Ok(ids.len() as u64)
}
