//! Rows to words and back.
//!
//! Invariant: a row that makes no sense is an error that names its table; nothing is guessed.

use std::borrow::Cow;

use domain::chain::{Hash, Link};
use domain::delivery::{Attempt, Cause, Delivery, State, Why};
use domain::endpoint::{Endpoint, Secrets};
use domain::event::{Event, Kind};
use domain::health::Health;
use domain::id::{
    AccountId, AttemptId, DeliveryId, EndpointId, EventId, NoticeId, ReplayId, RequestId,
};
use domain::time::Timestamp;
use rusqlite::types::FromSql;
use rusqlite::{ErrorCode, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::commit::{Reply, Setting, SettingKind};
use crate::error::Error;
use crate::seal::MasterKey;
pub(super) use crate::seal::{SEAL_ACCOUNT, SEAL_SETTING};
use crate::views::{EndpointRow, SettingRow};

/// What secrets of endpoints are sealed for.
pub(super) const SEAL_ENDPOINT: &str = "endpoint";
/// What answers kept for idempotency are sealed for: some of them show a secret once.
pub(super) const SEAL_REPLY: &str = "reply";

/// Turns the driver's error into ours.
pub(super) fn trouble(error: rusqlite::Error) -> Error {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; free some space in the data folder",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the data folder is read-only; make it writable for this user"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "the disk answers with errors; look at the system's log"
        }
        Some(ErrorCode::CannotOpen) => "the data folder cannot be opened; look at its permissions",
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => "another program holds the database; close it",
        Some(ErrorCode::OutOfMemory) => "there is no memory left",
        Some(_) | None => {
            return Error::Corrupt { table: "database", detail: error.to_string() };
        }
    };
    Error::Unavailable { hint, source: Box::new(error) }
}

/// Gives an id its 16 bytes.
pub(super) const fn blob(bits: u128) -> [u8; 16] {
    bits.to_be_bytes()
}

/// Reads 16 bytes.
pub(super) fn bits(row: &Row<'_>, at: usize) -> Result<u128, Error> {
    let bytes: [u8; 16] = row.get(at).map_err(trouble)?;
    Ok(u128::from_be_bytes(bytes))
}

/// Reads 16 bytes or nothing.
pub(super) fn bits_or_none(row: &Row<'_>, at: usize) -> Result<Option<u128>, Error> {
    let bytes: Option<[u8; 16]> = row.get(at).map_err(trouble)?;
    Ok(bytes.map(u128::from_be_bytes))
}

/// Reads a column.
pub(super) fn column<T: FromSql>(row: &Row<'_>, at: usize) -> Result<T, Error> {
    row.get(at).map_err(trouble)
}

/// Reads a moment.
pub(super) fn moment(row: &Row<'_>, at: usize) -> Result<Timestamp, Error> {
    Ok(Timestamp::from_millis(column(row, at)?))
}

/// Reads a JSON text.
pub(super) fn parsed<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt { table, detail: error.to_string() })
}

/// Writes a JSON text.
pub(super) fn written<T: Serialize>(table: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::Corrupt { table, detail: error.to_string() })
}

/// Reads an event whose ten columns begin at `from`.
pub(super) fn event(row: &Row<'_>, from: usize, account: AccountId) -> Result<Event, Error> {
    let name: String = column(row, from + 1)?;
    let kind = Kind::of(&name).ok_or_else(|| Error::Corrupt {
        table: "events",
        detail: format!("unknown name {name}"),
    })?;
    let name = if kind.has_own_names() { Cow::Owned(name) } else { Cow::Borrowed(kind.as_str()) };
    let link_seq: Option<i64> = column(row, from + 8)?;
    let link_hash: Option<[u8; 32]> = column(row, from + 9)?;
    let link = link_seq.and_then(|seq| u64::try_from(seq).ok()).zip(link_hash);
    Ok(Event {
        id: EventId::new(bits(row, from)?),
        account,
        kind,
        name,
        at: moment(row, from + 2)?,
        request: bits_or_none(row, from + 3)?.map(RequestId::new),
        order_key: column(row, from + 4)?,
        key: column(row, from + 5)?,
        test: column(row, from + 6)?,
        data: column(row, from + 7)?,
        link: link.map(|(seq, hash)| Link { seq, hash: Hash(hash) }),
        callbacks: Vec::new(),
    })
}

/// Reads a delivery from the first twelve columns.
pub(super) fn delivery(row: &Row<'_>) -> Result<Delivery, Error> {
    let corrupt = |detail: String| Error::Corrupt { table: "deliveries", detail };
    let id = DeliveryId::new(bits(row, 1)?);
    let cause: String = column(row, 4)?;
    let cause = match cause.as_str() {
        "event" => Cause::Event,
        "replay" => Cause::Replay { id: ReplayId::new(bits(row, 5)?) },
        "notice" => Cause::Notice { id: NoticeId::new(bits(row, 5)?) },
        "test" => Cause::Test,
        "probe" => Cause::Probe,
        other => return Err(corrupt(format!("{id} has the cause {other}"))),
    };
    let state: String = column(row, 6)?;
    let (due_at, ended_at): (Option<i64>, Option<i64>) = (column(row, 7)?, column(row, 8)?);
    let why: Option<String> = column(row, 9)?;
    let why = why.as_deref().and_then(Why::named);
    let at = ended_at.map(Timestamp::from_millis);
    let state = match (state.as_str(), due_at, at, why) {
        ("pending", Some(due_at), None, None) => {
            State::Pending { due_at: Timestamp::from_millis(due_at) }
        }
        ("delivered", None, Some(at), None) => State::Delivered { at },
        ("exhausted", None, Some(at), Some(why)) => State::Exhausted { at, why },
        ("cancelled", None, Some(at), Some(why)) => State::Cancelled { at, why },
        (other, ..) => return Err(corrupt(format!("{id} is {other} with other columns amiss"))),
    };
    Ok(Delivery {
        id,
        account: AccountId::new(bits(row, 0)?),
        event: EventId::new(bits(row, 2)?),
        endpoint: EndpointId::new(bits(row, 3)?),
        cause,
        state,
        attempts: column(row, 10)?,
        created_at: moment(row, 11)?,
    })
}

/// Takes a state apart: name, due, ended, why.
pub(super) const fn state_columns(
    state: State,
) -> (&'static str, Option<i64>, Option<i64>, Option<&'static str>) {
    let name = state.as_str();
    match state {
        State::Pending { due_at } => (name, Some(due_at.as_millis()), None, None),
        State::Delivered { at } => (name, None, Some(at.as_millis()), None),
        State::Exhausted { at, why } | State::Cancelled { at, why } => {
            (name, None, Some(at.as_millis()), Some(why.as_str()))
        }
    }
}

/// Takes a cause apart: name and id, zero where there is none.
pub(super) const fn cause_columns(
    cause: Cause,
    event: EventId,
    delivery: DeliveryId,
) -> (&'static str, [u8; 16]) {
    let name = cause.as_str();
    match cause {
        Cause::Event => (name, [0; 16]),
        Cause::Replay { id } => (name, blob(id.bits())),
        Cause::Notice { id } => (name, blob(id.bits())),
        // A test belongs to its own event; probes repeat, so each is its own cause.
        Cause::Test => (name, blob(event.bits())),
        Cause::Probe => (name, blob(delivery.bits())),
    }
}

/// Reads an attempt.
pub(super) fn attempt(row: &Row<'_>, delivery: DeliveryId) -> Result<Attempt, Error> {
    let outcome: String = column(row, 7)?;
    Ok(Attempt {
        id: AttemptId::new(bits(row, 0)?),
        delivery,
        number: column(row, 1)?,
        at: moment(row, 2)?,
        took_ms: column(row, 3)?,
        url: column(row, 4)?,
        body_digest: column(row, 5)?,
        remote: column(row, 6)?,
        outcome: parsed("attempts", &outcome)?,
    })
}

/// Reads a kept answer from its three columns and opens it.
pub(super) fn reply(row: &Row<'_>, key: &str, master: &MasterKey) -> Result<Reply, Error> {
    let sealed: Vec<u8> = column(row, 2)?;
    let body = master.open(SEAL_REPLY, &sealed).ok_or_else(|| Error::Unusable {
        detail: "a kept answer does not open: the master key is not the one it was sealed with"
            .to_owned(),
        source: None,
    })?;
    Ok(Reply { key: key.to_owned(), fingerprint: column(row, 0)?, status: column(row, 1)?, body })
}

/// Reads a setting from its five columns and opens its secrets.
pub(super) fn setting(
    row: &Row<'_>,
    kind: SettingKind,
    master: &MasterKey,
) -> Result<SettingRow, Error> {
    let (name, sealed): (String, Option<Vec<u8>>) = (column(row, 1)?, column(row, 4)?);
    let secrets = sealed.map(|sealed| master.open_setting(&name, &sealed)).transpose()?;
    let setting = Setting { kind, name, body: column(row, 3)?, secrets };
    Ok(SettingRow { setting, version: column::<i64>(row, 2)?.unsigned_abs() })
}

/// Reads an endpoint from its six columns and opens its secrets.
pub(super) fn endpoint(row: &Row<'_>, master: &MasterKey) -> Result<EndpointRow, Error> {
    let (body, sealed): (String, Vec<u8>) = (column(row, 0)?, column(row, 1)?);
    let mut endpoint: Endpoint = parsed("endpoints", &body)?;
    let secrets = master
        .open(SEAL_ENDPOINT, &sealed)
        .and_then(|text| serde_json::from_str(&text).ok())
        .and_then(|value| Secrets::reveal(&value));
    endpoint.secrets = secrets.ok_or_else(|| Error::Unusable {
        detail: format!(
            "the secrets of endpoint {} do not open: the master key is not the one they were sealed with",
            endpoint.id
        ),
        source: None,
    })?;
    let failing_since: Option<i64> = column(row, 3)?;
    let health = Health {
        failing_since: failing_since.map(Timestamp::from_millis),
        failures: column(row, 4)?,
        warnings: column(row, 5)?,
    };
    Ok(EndpointRow { endpoint, version: column::<i64>(row, 2)?.unsigned_abs(), health })
}
