//! Rows to words and back, and the driver's errors to ours.
//!
//! Invariant: a row that makes no sense is an error that names its table; nothing is guessed.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;

use bytes::BytesMut;
use domain::chain::{Hash, Link};
use domain::delivery::{Attempt, Cause, Delivery, State, Why};
use domain::endpoint::{Endpoint, Secrets};
use domain::event::{Event, Kind};
use domain::health::Health;
use domain::id::{
    AccountId, AttemptId, DeliveryId, EndpointId, EventId, NoticeId, ReplayId, RequestId,
};
use domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::commit::{Reply, Setting, SettingKind};
use crate::error::Error;
use crate::seal::MasterKey;
pub(super) use crate::seal::{SEAL_ACCOUNT, SEAL_SETTING};
use crate::views::{EndpointRow, SettingRow};

/// What secrets of endpoints are sealed for.
pub(super) const SEAL_ENDPOINT: &str = "endpoint";
/// What answers kept for idempotency are sealed for: some of them show a secret once.
pub(super) const SEAL_REPLY: &str = "reply";

/// The 128 bits of an id, as the database's `uuid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub(super) u128);

impl ToSql for Id {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Id {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(u128::from_be_bytes(raw.try_into()?)))
    }

    accepts!(UUID);
}

/// What a failure means for a transaction.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The store cannot do it; not now, or not at all.
    Store(Error),
    /// Another transaction was in the way: the same again may succeed.
    Again(Error),
    /// Endpoints were written meanwhile: the same again, reading which there are.
    Stale,
    /// Something was not as it is most of the time: the same again, looking first.
    Careful,
    /// The connection is gone, and with it the transaction, unless it was being committed.
    Lost(Error),
    /// Other nodes have declared this one dead, which had that id.
    Fenced(u128),
}

impl Trouble {
    /// Says it to a caller.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Store(error) | Self::Again(error) | Self::Lost(error) => error,
            Self::Stale | Self::Careful | Self::Fenced(_) => Error::Unavailable {
                hint: "other nodes were in the way again and again",
                source: "the work was changed or taken away meanwhile".into(),
            },
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let again = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::UNIQUE_VIOLATION,
            SqlState::LOCK_NOT_AVAILABLE,
        ];
        let is_again = error.code().is_some_and(|code| again.contains(code));
        let is_lost = is_away(&error);
        let error = trouble(error);
        if is_again {
            Self::Again(error)
        } else if is_lost {
            Self::Lost(error)
        } else {
            Self::Store(error)
        }
    }
}

/// Tells whether a connection ended: it broke, or the server is going away or coming up.
pub(super) fn is_away(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        None => {
            let source = error.source().is_some_and(<dyn StdError>::is::<io::Error>);
            error.is_closed() || source
        }
        Some(code) => {
            let gone = [
                SqlState::ADMIN_SHUTDOWN,
                SqlState::CRASH_SHUTDOWN,
                SqlState::CANNOT_CONNECT_NOW,
                SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                // The server became a standby: the primary is elsewhere.
                SqlState::READ_ONLY_SQL_TRANSACTION,
            ];
            gone.contains(code) || code.code().starts_with("08")
        }
    }
}

/// Turns the driver's error into ours.
pub(super) fn trouble(error: tokio_postgres::Error) -> Error {
    if let Some(hint) = hint(&error) {
        return Error::Unavailable { hint, source: Box::new(error) };
    }
    let detail = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
    Error::Corrupt { table: "database", detail }
}

/// Says what an operator should look at, where the same verb may succeed later.
fn hint(error: &tokio_postgres::Error) -> Option<&'static str> {
    const STANDBY: &str = "PostgreSQL takes no writes: it is a standby; connect to the primary";
    const AWAY: &str =
        "PostgreSQL cannot be reached; look whether it runs, and at the network between";
    let Some(code) = error.code() else {
        let is_standby = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        if is_standby.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            return Some(STANDBY);
        }
        return is_away(error).then_some(AWAY);
    };
    Some(match code.code() {
        "53100" => "the disk of PostgreSQL is full; free some space there",
        "53200" => "PostgreSQL has no memory left",
        "53300" => {
            "PostgreSQL has no connection left; raise max_connections, or stop other clients"
        }
        "57014" => "PostgreSQL took too long, or somebody cancelled it; look what else it does",
        "57P01" | "57P02" | "57P03" | "57P04" => {
            "PostgreSQL is being stopped or started; wait for it"
        }
        "25P03" | "25P04" => {
            "PostgreSQL closed a connection that was slow; look how busy this machine is"
        }
        "25006" => STANDBY,
        "40001" | "40P01" | "55P03" | "23505" => {
            "other transactions were in the way again and again"
        }
        code if code.starts_with("08") => AWAY,
        code if code.starts_with("53") => "PostgreSQL has run out of something; look at its log",
        code if code.starts_with("58") => {
            "the disk of PostgreSQL answers with errors; look at its log"
        }
        _ => return None,
    })
}

/// Reads a column.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Error> {
    row.try_get(at).map_err(trouble)
}

/// Reads 128 bits.
pub(super) fn bits(row: &Row, at: usize) -> Result<u128, Error> {
    Ok(column::<Id>(row, at)?.0)
}

/// Reads 128 bits or nothing.
pub(super) fn bits_or_none(row: &Row, at: usize) -> Result<Option<u128>, Error> {
    Ok(column::<Option<Id>>(row, at)?.map(|id| id.0))
}

/// Reads a moment.
pub(super) fn moment(row: &Row, at: usize) -> Result<Timestamp, Error> {
    Ok(Timestamp::from_millis(column(row, at)?))
}

/// Reads a count.
pub(super) fn count(row: &Row, at: usize) -> Result<u32, Error> {
    Ok(u32::try_from(column::<i32>(row, at)?).unwrap_or(0))
}

/// Reads 32 bytes.
pub(super) fn hash(row: &Row, at: usize) -> Result<Hash, Error> {
    let bytes: &[u8] = column(row, at)?;
    let bytes = bytes.try_into().map_err(|error| Error::Corrupt {
        table: "database",
        detail: format!("a hash is too short or too long: {error}"),
    })?;
    Ok(Hash(bytes))
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

/// Reads a client's own key.
fn key(row: &Row, at: usize) -> Result<Option<String>, Error> {
    let bytes: Option<Vec<u8>> = column(row, at)?;
    bytes.map(String::from_utf8).transpose().map_err(|error| Error::Corrupt {
        table: "events",
        detail: format!("a key is no text: {error}"),
    })
}

/// Reads an event whose ten columns begin at `from`.
pub(super) fn event(row: &Row, from: usize, account: AccountId) -> Result<Event, Error> {
    let name: &str = column(row, from + 1)?;
    let kind = Kind::of(name).ok_or_else(|| Error::Corrupt {
        table: "events",
        detail: format!("unknown name {name}"),
    })?;
    let name = if kind.has_own_names() {
        Cow::Owned(name.to_owned())
    } else {
        Cow::Borrowed(kind.as_str())
    };
    let link_seq: Option<i64> = column(row, from + 8)?;
    let link = match link_seq {
        Some(seq) => Some(Link { seq: seq.unsigned_abs(), hash: hash(row, from + 9)? }),
        None => None,
    };
    Ok(Event {
        id: EventId::new(bits(row, from)?),
        account,
        kind,
        name,
        at: moment(row, from + 2)?,
        request: bits_or_none(row, from + 3)?.map(RequestId::new),
        order_key: key(row, from + 4)?,
        key: key(row, from + 5)?,
        test: column(row, from + 6)?,
        data: column(row, from + 7)?,
        link,
        callbacks: Vec::new(),
    })
}

/// Reads a delivery from the first twelve columns.
pub(super) fn delivery(row: &Row) -> Result<Delivery, Error> {
    let corrupt = |detail: String| Error::Corrupt { table: "deliveries", detail };
    let id = DeliveryId::new(bits(row, 1)?);
    let cause = match column(row, 4)? {
        "event" => Cause::Event,
        "replay" => Cause::Replay { id: ReplayId::new(bits(row, 5)?) },
        "notice" => Cause::Notice { id: NoticeId::new(bits(row, 5)?) },
        "test" => Cause::Test,
        "probe" => Cause::Probe,
        other => return Err(corrupt(format!("{id} has the cause {other}"))),
    };
    let ended_at = || {
        let at: Option<i64> = column(row, 8)?;
        at.map(Timestamp::from_millis).ok_or_else(|| corrupt(format!("{id} has no end")))
    };
    let why = || {
        let why: Option<&str> = column(row, 9)?;
        why.and_then(Why::named).ok_or_else(|| corrupt(format!("{id} has ended for no reason")))
    };
    let state = match column(row, 6)? {
        "pending" => {
            let due_at: Option<i64> = column(row, 7)?;
            let due_at = due_at.ok_or_else(|| corrupt(format!("{id} is not in the queue")))?;
            State::Pending { due_at: Timestamp::from_millis(due_at) }
        }
        "delivered" => State::Delivered { at: ended_at()? },
        "exhausted" => State::Exhausted { at: ended_at()?, why: why()? },
        "cancelled" => State::Cancelled { at: ended_at()?, why: why()? },
        other => return Err(corrupt(format!("{id} has the state {other}"))),
    };
    Ok(Delivery {
        id,
        account: AccountId::new(bits(row, 0)?),
        event: EventId::new(bits(row, 2)?),
        endpoint: EndpointId::new(bits(row, 3)?),
        cause,
        state,
        attempts: count(row, 10)?,
        created_at: moment(row, 11)?,
    })
}

/// Gives the id of a cause, zero where there is none.
pub(super) const fn cause_id(cause: Cause, event: EventId, delivery: DeliveryId) -> Id {
    match cause {
        Cause::Event => Id(0),
        Cause::Replay { id } => Id(id.bits()),
        Cause::Notice { id } => Id(id.bits()),
        // A test belongs to its own event; probes repeat, so each is its own cause.
        Cause::Test => Id(event.bits()),
        Cause::Probe => Id(delivery.bits()),
    }
}

/// Reads an attempt.
pub(super) fn attempt(row: &Row, delivery: DeliveryId) -> Result<Attempt, Error> {
    Ok(Attempt {
        id: AttemptId::new(bits(row, 0)?),
        delivery,
        number: count(row, 1)?,
        at: moment(row, 2)?,
        took_ms: u32::try_from(column::<i64>(row, 3)?).unwrap_or(u32::MAX),
        url: column(row, 4)?,
        body_digest: hash(row, 5)?.0,
        remote: column(row, 6)?,
        outcome: parsed("attempts", column(row, 7)?)?,
    })
}

/// Reads a kept answer from its three columns and opens it.
pub(super) fn reply(row: &Row, from: usize, key: &str, master: &MasterKey) -> Result<Reply, Error> {
    let body = master.open(SEAL_REPLY, column(row, from + 2)?).ok_or_else(|| Error::Unusable {
        detail: "a kept answer does not open: the master key is not the one it was sealed with"
            .to_owned(),
        source: None,
    })?;
    let status: i32 = column(row, from + 1)?;
    Ok(Reply {
        key: key.to_owned(),
        fingerprint: hash(row, from)?.0,
        status: u16::try_from(status).unwrap_or(u16::MAX),
        body,
    })
}

/// Reads how an endpoint fares from three columns.
pub(super) fn health(row: &Row, from: usize) -> Result<Health, Error> {
    let failing_since: Option<i64> = column(row, from)?;
    Ok(Health {
        failing_since: failing_since.map(Timestamp::from_millis),
        failures: u32::try_from(column::<i64>(row, from + 1)?).unwrap_or(u32::MAX),
        warnings: u8::try_from(column::<i32>(row, from + 2)?).unwrap_or(u8::MAX),
    })
}

/// Reads a setting from its five columns and opens its secrets.
pub(super) fn setting(
    row: &Row,
    kind: SettingKind,
    master: &MasterKey,
) -> Result<SettingRow, Error> {
    let (name, sealed): (String, Option<Vec<u8>>) = (column(row, 1)?, column(row, 4)?);
    let secrets = sealed.map(|sealed| master.open_setting(&name, &sealed)).transpose()?;
    let setting = Setting { kind, name, body: column(row, 3)?, secrets };
    Ok(SettingRow { setting, version: column::<i64>(row, 2)?.unsigned_abs() })
}

/// Reads an endpoint from its six columns and opens its secrets.
pub(super) fn endpoint(row: &Row, master: &MasterKey) -> Result<EndpointRow, Error> {
    let mut endpoint: Endpoint = parsed("endpoints", column(row, 0)?)?;
    let secrets = master
        .open(SEAL_ENDPOINT, column(row, 1)?)
        .and_then(|text| serde_json::from_str(&text).ok())
        .and_then(|value| Secrets::reveal(&value));
    endpoint.secrets = secrets.ok_or_else(|| Error::Unusable {
        detail: format!(
            "the secrets of endpoint {} do not open: the master key is not the one they were sealed with",
            endpoint.id
        ),
        source: None,
    })?;
    let version = column::<i64>(row, 2)?.unsigned_abs();
    Ok(EndpointRow { endpoint, version, health: health(row, 3)? })
}
