//! Opening the database: whether it will do, the migrations.
//!
//! Invariants: a schema from the future is refused; a migration is whole or not there, and two nodes that start at once
//! run it once.
//! Left to others: where it is (`server`).

use std::error::Error as StdError;
use std::io;

use rustls::Error as TlsError;

use super::link::Link;
use super::rows::{self, SEAL_ACCOUNT, trouble};
use super::servers::Servers;
use super::{sql, tls};
use crate::error::Error;
use crate::seal::MasterKey;

/// The migrations, in order; the schema's version is how many have run.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/postgres/0001_foundation.sql"),
    include_str!("../../migrations/postgres/0002_notices.sql"),
    include_str!("../../migrations/postgres/0003_intake.sql"),
    include_str!("../../migrations/postgres/0004_packets.sql"),
    include_str!("../../migrations/postgres/0005_documents.sql"),
    include_str!("../../migrations/postgres/0006_plans.sql"),
];

/// The oldest server that will do.
const SERVER_VERSION_MIN: i32 = 140_000;
/// The figure that stands in `meta` as long as an import has not come to its end.
pub(super) const IMPORT: &str = "import";

/// Says what is wrong for good.
pub(super) fn unusable(detail: impl Into<String>) -> Error {
    Error::Unusable { detail: detail.into(), source: None }
}

/// Sorts what the first connection fails for: what is wrong is said so that somebody can set it right.
fn refused(error: tokio_postgres::Error) -> Error {
    let Some(code) = error.code() else { return unencrypted(error) };
    let detail = match code.code() {
        "28P01" | "28000" => {
            "PostgreSQL does not let us in: user or password of the database's URL are wrong, or pg_hba.conf forbids it, \
             perhaps without encryption (sslmode)"
        }
        "3D000" => {
            "there is no database of that name; make it with createdb, or correct the database's URL"
        }
        "42501" => {
            "the user of the database's URL may not do that; make it the owner of the database"
        }
        _ => return trouble(error),
    };
    Error::Unusable { detail: detail.to_owned(), source: Some(Box::new(error)) }
}

/// Sorts what went wrong before anything was said: the handshake, or the network.
fn unencrypted(error: tokio_postgres::Error) -> Error {
    let source = error.source();
    let failed = source
        .and_then(<dyn StdError>::downcast_ref::<io::Error>)
        .and_then(|error| error.get_ref()?.downcast_ref::<TlsError>());
    let detail = match failed {
        Some(failed) => tls::said(failed),
        None if source.is_some_and(|error| error.to_string() == NO_TLS) => {
            "PostgreSQL offers no encryption, and sslmode of the database's URL asks for it; turn ssl on in its settings"
                .to_owned()
        }
        None => return trouble(error),
    };
    Error::Unusable { detail, source: Some(Box::new(error)) }
}

/// What the driver says of a server without encryption.
const NO_TLS: &str = "server does not support TLS";

/// Connects for the first time.
pub(super) async fn connect(servers: &Servers) -> Result<Link, Error> {
    connect_with(servers, sql::settings_writer).await
}

/// Connects for the first time, with other settings.
pub(super) async fn connect_with(servers: &Servers, settings: &str) -> Result<Link, Error> {
    Link::open_with(servers, settings, refused).await
}

/// Makes sure that the server will do.
pub(super) async fn check(link: &Link) -> Result<(), Error> {
    let version = link.ask(sql::version_read, &[]).await?;
    let version: i32 = version.first().map_or(Ok(0), |row| rows::column(row, 0))?;
    if version < SERVER_VERSION_MIN {
        return Err(unusable(format!(
            "PostgreSQL {} is too old; 14 or newer is needed",
            version / 10_000
        )));
    }
    Ok(())
}

/// Runs the migrations that have not run, all or none.
pub(super) async fn migrate(link: &Link) -> Result<(), Error> {
    link.simply(sql::begin).await.map_err(trouble)?;
    let migrated = run(link).await;
    let ended = if migrated.is_ok() { sql::commit } else { sql::rollback };
    let ended = link.simply(ended).await.map_err(trouble);
    migrated.and(ended)
}

async fn run(link: &Link) -> Result<(), Error> {
    link.simply(sql::migrating).await.map_err(trouble)?;
    let version = schema(link).await? as usize;
    if version > MIGRATIONS.len() {
        return Err(unusable(format!(
            "the database has schema {version}, this program knows up to {}; use a newer countersign",
            MIGRATIONS.len()
        )));
    }
    for migration in MIGRATIONS.iter().skip(version) {
        link.simply(migration).await.map_err(refused)?;
    }
    if version < MIGRATIONS.len() {
        let ran = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        link.ask(sql::meta_upsert, &[&"schema", &ran]).await?;
    }
    Ok(())
}

/// Gives the schema's version; 0 where there is none.
pub(super) async fn schema(link: &Link) -> Result<u32, Error> {
    let exists = link.ask(sql::migrated, &[]).await?;
    let exists: bool = exists.first().map_or(Ok(false), |row| rows::column(row, 0))?;
    let version = if exists { figure(link, "schema").await? } else { 0 };
    Ok(u32::try_from(version).unwrap_or(0))
}

/// Gives the schema's version after every migration.
pub(super) fn schema_wanted() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Refuses a database into which an import was begun and not brought to its end.
pub(super) async fn refuse_half(link: &Link) -> Result<(), Error> {
    if figure(link, IMPORT).await? == 0 {
        return Ok(());
    }
    Err(unusable(
        "an import into the database was broken off, or is under way; run `countersign import` again, which begins anew",
    ))
}

/// Reads a single figure, 0 when it is not there.
async fn figure(link: &Link, name: &str) -> Result<i64, Error> {
    let found = link.ask(sql::meta_read, &[&name]).await?;
    found.first().map_or(Ok(0), |row| rows::column(row, 0))
}

/// Makes sure that secrets which are there open, before anything new is sealed with another key.
pub(super) async fn try_key(link: &Link, master: &MasterKey) -> Result<(), Error> {
    let accounts = link.ask(sql::account_list, &[]).await?;
    let Some(row) = accounts.first() else { return Ok(()) };
    if master.open(SEAL_ACCOUNT, rows::column(row, 2)?).is_some() {
        return Ok(());
    }
    Err(unusable(
        "the master key is not the one that the secrets in the database were sealed with; start with that key, or \
         with another database",
    ))
}

/// Gives the highest id of an event or delivery, 0 when there is none, and what places in the log are counted from.
///
/// A place is the id of the transaction that wrote it. In a database that was moved to another server these begin anew,
/// perhaps below those that are there; then the new ones are counted from the end of the log.
pub(super) async fn log_end(link: &Link) -> Result<(u128, i64), Error> {
    let (mut highest, mut end) = (0, 0);
    for row in link.ask(sql::highest, &[]).await? {
        let event = rows::bits_or_none(&row, 0)?.unwrap_or(0);
        let delivery = rows::bits_or_none(&row, 1)?.unwrap_or(0);
        highest = highest.max(event).max(delivery);
        end = end.max(rows::column::<Option<i64>>(&row, 2)?.unwrap_or(0));
    }
    let base = figure(link, "log_base").await?;
    let next = link.ask(sql::log_end, &[]).await?;
    let next: i64 = next.first().map_or(Ok(0), |row| rows::column(row, 0))?;
    if end < base.saturating_add(next) {
        return Ok((highest, base));
    }
    let base = end.saturating_add(1);
    link.ask(sql::meta_upsert, &[&"log_base", &base]).await?;
    Ok((highest, base))
}
