//! Opening the data folder: the lock, the settings, the migrations.
//!
//! Invariants: one process holds a folder; a schema from the future is refused; a migration is whole or not there.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::journal::{Journal, Record, decode};
use super::rows::{self, SEAL_ACCOUNT, trouble};
use super::sql;
use super::unwritten::{Extent, Unwritten};
use super::writer::{MARK, write_mark};
use crate::error::Error;
use crate::seal::MasterKey;

/// The migrations, in order; the schema's version is how many have run.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_foundation.sql"),
    include_str!("../../migrations/sqlite/0002_first_attempts.sql"),
    include_str!("../../migrations/sqlite/0003_log_order.sql"),
    include_str!("../../migrations/sqlite/0004_notices.sql"),
    include_str!("../../migrations/sqlite/0005_intake.sql"),
    include_str!("../../migrations/sqlite/0006_packets.sql"),
    include_str!("../../migrations/sqlite/0007_documents.sql"),
];

/// The database's file in the folder.
pub(super) const FILE: &str = "countersign.db";
/// The write-ahead log beside it.
pub(super) const LOG: &str = "countersign.db-wal";
/// The file whose lock says that the folder is in use.
const LOCK: &str = "countersign.lock";
/// The folder in the folder in which an import is made.
pub(super) const IMPORTING: &str = "importing";
/// Statements kept prepared per connection.
const PREPARED_MAX: usize = 128;

/// Takes the folder for this process; it is free again when the file is dropped, or the process dies.
pub(super) fn lock(folder: &Path) -> Result<File, Error> {
    let unusable = |what: &str, source: io::Error| Error::Unusable {
        detail: format!("{what} {}", folder.display()),
        source: Some(Box::new(source)),
    };
    fs::create_dir_all(folder).map_err(|error| unusable("cannot create the data folder", error))?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(LOCK))
        .map_err(|error| unusable("cannot write in the data folder", error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Unusable {
            detail: format!(
                "another countersign runs on the data folder {}; stop it, or choose another folder",
                folder.display()
            ),
            source: None,
        }),
        Err(TryLockError::Error(error)) => Err(unusable("cannot lock the data folder", error)),
    }
}

/// Refuses a folder in which an import was begun and not brought to its end.
pub(super) fn refuse_half(folder: &Path) -> Result<(), Error> {
    if !folder.join(IMPORTING).join(FILE).exists() {
        return Ok(());
    }
    Err(Error::Unusable {
        detail: format!(
            "an import into {} was broken off; run `countersign import` again, which begins anew, or remove {}",
            folder.display(),
            folder.join(IMPORTING).display()
        ),
        source: None,
    })
}

/// Opens the one connection that writes, and brings the schema up to date.
pub(super) fn writer(folder: &Path) -> Result<Connection, Error> {
    let mut db = Connection::open(folder.join(FILE)).map_err(trouble)?;
    prepare_once(&mut db)?;
    db.execute_batch(sql::settings_writer).map_err(trouble)?;
    migrate(&mut db)?;
    Ok(db)
}

/// Makes sure that secrets which are there open, before anything new is sealed with another key.
pub(super) fn try_key(db: &Connection, master: &MasterKey) -> Result<(), Error> {
    let mut statement = db.prepare_cached(sql::account_list).map_err(trouble)?;
    let mut found = statement.query([]).map_err(trouble)?;
    let Some(row) = found.next().map_err(trouble)? else { return Ok(()) };
    let sealed: Vec<u8> = rows::column(row, 2)?;
    if master.open(SEAL_ACCOUNT, &sealed).is_some() {
        return Ok(());
    }
    Err(Error::Unusable {
        detail:
            "the master key is not the one that the secrets in the data folder were sealed with; \
                 start with that key, or with another folder"
                .to_owned(),
        source: None,
    })
}

/// Opens a connection that only reads.
pub(super) fn reader(folder: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(folder.join(FILE), flags).map_err(trouble)?;
    prepare_once(&mut db)?;
    db.execute_batch(sql::settings_reader).map_err(trouble)?;
    Ok(db)
}

/// Opens a connection that copies the log into the database.
pub(super) fn copier(folder: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(folder.join(FILE), flags).map_err(trouble)?;
    prepare_once(&mut db)?;
    db.execute_batch(sql::settings_writer).map_err(trouble)?;
    Ok(db)
}

/// Keeps statements prepared. Without the guarantee of stable plans, the database engine would plan those anew whose
/// parameters stand beside the condition of a partial index, at each call: half of the time of a settlement, measured.
fn prepare_once(db: &mut Connection) -> Result<(), Error> {
    #[cfg(feature = "conformance")]
    super::spent::watch(db).map_err(trouble)?;
    db.set_prepared_statement_cache_capacity(PREPARED_MAX);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(trouble)?;
    Ok(())
}

/// Gives the highest id of an event or delivery, 0 when there is none.
pub(super) fn highest_id(db: &Connection) -> Result<u128, Error> {
    let highest: Option<[u8; 16]> =
        db.query_row(sql::highest_id, [], |row| row.get(0)).map_err(trouble)?;
    Ok(highest.map_or(0, u128::from_be_bytes))
}

/// Gives the place of the last event in the log, 0 when there is none.
pub(super) fn log_end(db: &Connection) -> Result<i64, Error> {
    let mut statement = db.prepare_cached(sql::log_end).map_err(trouble)?;
    statement.query_row([], |row| row.get(0)).map_err(trouble)
}

/// Opens the journal for writing, and has the database catch up with what it holds.
pub(super) fn journal(folder: &Path, db: &Connection) -> Result<Journal, Error> {
    let mut journal = catch_up(folder, db)?;
    journal.allocate();
    Ok(journal)
}

/// Gives the number up to which all records of the journal stand in the database.
pub(super) fn mark(db: &Connection) -> Result<u64, Error> {
    let mark = db.query_row(sql::meta_read, [MARK], |row| row.get::<_, i64>(0));
    Ok(mark.optional().map_err(trouble)?.unwrap_or(0).unsigned_abs())
}

/// Gives the schema's version.
pub(super) fn schema(db: &Connection) -> Result<u32, Error> {
    db.query_row(sql::version_read, [], |row| row.get(0)).map_err(trouble)
}

/// Gives the schema's version after every migration.
pub(super) fn schema_wanted() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Has the database catch up with what the journal holds; that is on the disk then.
pub(super) fn catch_up(folder: &Path, db: &Connection) -> Result<Journal, Error> {
    let mark = mark(db)?;
    let (journal, records) = Journal::open(folder, mark)?;
    if !records.is_empty() {
        let mut unwritten = Unwritten::above(u128::MAX, mark);
        for Record { number, payload } in records {
            let items = decode(number, &payload).ok_or_else(|| Error::Corrupt {
                table: "journal",
                detail: format!("record {number} cannot be read"),
            })?;
            for item in items {
                unwritten.take(item);
            }
        }
        // Also where the last ones say nothing, such as that an event was known: the next one is the first behind the mark.
        let number = journal.number();
        if let Some(chunk) = unwritten.hand_out(Extent::All, (number, number), |_, _| false) {
            let transaction = db.unchecked_transaction().map_err(trouble)?;
            chunk.write(&transaction)?;
            write_mark(&transaction, chunk.mark())?;
            transaction.commit().map_err(trouble)?;
        }
    }
    // The journal is written over from now on. What the mark says must be on the disk before that, also where a process
    // that was killed had committed it and left it to the system to write.
    let log = File::options().write(true).open(folder.join(LOG));
    log.and_then(|log| log.sync_data()).map_err(disk_trouble)?;
    Ok(journal)
}

/// Turns the system's error about a file of ours into the store's.
pub(super) fn disk_trouble(error: io::Error) -> Error {
    let hint = if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        "the disk is full; free some space in the data folder"
    } else if matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) {
        "the data folder is read-only; make it writable for this user"
    } else {
        "the disk answers with errors; look at the system's log"
    };
    Error::Unavailable { hint, source: Box::new(error) }
}

/// Runs the migrations that have not run.
fn migrate(db: &mut Connection) -> Result<(), Error> {
    let version = schema(db)? as usize;
    if version > MIGRATIONS.len() {
        return Err(Error::Unusable {
            detail: format!(
                "the database has schema {version}, this program knows up to {}; use a newer countersign",
                MIGRATIONS.len()
            ),
            source: None,
        });
    }
    for (done, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = db.transaction().map_err(trouble)?;
        transaction.execute_batch(migration).map_err(trouble)?;
        let ran = u32::try_from(done + 1).unwrap_or(u32::MAX);
        transaction.pragma_update(None, "user_version", ran).map_err(trouble)?;
        transaction.commit().map_err(trouble)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_prepares() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        for (name, text) in sql::ALL {
            if name.starts_with("settings") || *name == "savepoint_drop" {
                db.execute_batch(if *name == "savepoint_drop" { "" } else { text }).unwrap();
            } else if let Err(error) = db.prepare(text) {
                panic!("{name}: {error}");
            }
        }
    }

    #[test]
    fn a_schema_from_the_future_is_refused() {
        let mut db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut db).unwrap_err();
        assert!(error.to_string().contains("schema 99"), "{error}");
    }
}
