//! A copy of the embedded store while it runs, and a look at all of a copy.
//!
//! The journal's files are copied before the database. What a file of the journal lost by being written over meanwhile
//! stands in the database by then, since the mark is on the disk before that; so a copy that is opened as a start would
//! open it holds everything that was answered before the copying began.
//!
//! Invariants: the store that runs is not held up, and nothing in its folder is changed; a copy is looked at as a whole
//! before anybody relies on it.
//! Left to others: where the copy lies, and that it gets its name only when it is whole (`app`).

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::carry::{STATEMENTS, for_each};
use super::rows::trouble;
use super::{journal, open};
use crate::carry::{CHAINS, Chains, Findings, Progress, ROWS_TOLD, TABLES, Watch, unusable};
use crate::error::Error;
use crate::seal::MasterKey;

/// Pages copied at once; between two steps the watcher may hold the copying up.
const STEP_PAGES: i32 = 256;

/// Copies the store of a folder, which may be in use, into an empty folder, and looks at all of the copy.
///
/// The copy is one database's file, on the disk when this returns, beside empty files of the journal and the log: laid over
/// an old folder, they take the place of what belongs to another database.
pub fn backup(from: &Path, to: &Path, watch: Watch<'_>) -> Result<Findings, Error> {
    if !from.join(open::FILE).exists() {
        return Err(unusable(format!(
            "there is no store in {}; name its folder with --data",
            from.display()
        )));
    }
    journal::copy(from, to).map_err(copying)?;
    copy(&open::reader(from)?, &to.join(open::FILE), watch)?;
    let db = open::writer(to).map_err(on_the_copy)?;
    drop(open::catch_up(to, &db).map_err(on_the_copy)?);
    finish(db, to)?;
    check(to, watch)
}

/// Copies the database as it is at one moment.
fn copy(from: &Connection, to: &Path, watch: Watch<'_>) -> Result<(), Error> {
    let mut to = Connection::open(to).map_err(copied)?;
    let page_bytes: u32 =
        from.query_row(STATEMENTS.page_size, [], |row| row.get(0)).map_err(trouble)?;
    // One moment for all steps: without it, each change of the store would have the copying begin anew.
    from.execute_batch(STATEMENTS.begin).map_err(trouble)?;
    open::mark(from)?;
    let backup = Backup::new(from, &mut to).map_err(copied)?;
    loop {
        let step = backup.step(STEP_PAGES).map_err(copied)?;
        let progress = backup.progress();
        let bytes = |pages: i32| u64::from(pages.unsigned_abs()) * u64::from(page_bytes);
        let (of, left) = (bytes(progress.pagecount), bytes(progress.remaining));
        watch(Progress::Copied { bytes: of.saturating_sub(left), of });
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            StepResult::Busy | StepResult::Locked | _ => {
                return Err(Error::Unavailable {
                    hint: "another program holds the database; close it, and try again",
                    source: "the database is locked".into(),
                });
            }
        }
    }
}

/// Closes a database that was written, and forces all of it onto the disk, in one file.
pub(super) fn finish(db: Connection, folder: &Path) -> Result<(), Error> {
    db.query_row(STATEMENTS.checkpoint, [], |_| Ok(())).map_err(copied)?;
    db.close().map_err(|(_, error)| copied(error))?;
    let sync = |name: &str| File::open(folder.join(name))?.sync_all();
    journal::empty(folder)
        .and_then(|()| File::create(folder.join(open::LOG))?.sync_all())
        .and_then(|()| sync(open::FILE))
        .and_then(|()| sync(""))
        .map_err(copying)
}

/// Looks at all of a store that nobody uses and whose journal is empty: the database's own figures, every hash of every
/// chain, and how many rows there are. Changes nothing, and needs no right to.
pub fn check(folder: &Path, watch: Watch<'_>) -> Result<Findings, Error> {
    let db = open_unchanged(&folder.join(open::FILE))?;
    let schema = open::schema(&db)?;
    if schema != open::schema_wanted() {
        let wanted = open::schema_wanted();
        return Err(unusable(format!(
            "the copy has schema {schema}, and this program looks at schema {wanted}; use the countersign that made it"
        )));
    }
    let damaged = |detail: String| Error::Corrupt { table: "database", detail };
    let said: String = db.query_row(STATEMENTS.integrity, [], |row| row.get(0)).map_err(trouble)?;
    if said != "ok" {
        return Err(damaged(said));
    }
    let mut foreign = db.prepare(STATEMENTS.foreign_keys).map_err(trouble)?;
    if foreign.exists([]).map_err(trouble)? {
        return Err(damaged("a row refers to one that is not there".to_owned()));
    }
    drop(foreign);
    let mut findings = Findings { schema, ..Findings::default() };
    let linked = db
        .query_row(STATEMENTS.counts, [], |row| {
            for table in 0..TABLES.len() {
                findings.counts.add(table, row.get::<_, i64>(table)?.unsigned_abs());
            }
            row.get::<_, i64>(TABLES.len()).map(i64::unsigned_abs)
        })
        .map_err(trouble)?;
    let (mut chains, mut entries) = (Chains::default(), 0_u64);
    for_each(&db, STATEMENTS.chains, &CHAINS, &mut |row| {
        entries += 1;
        if entries.is_multiple_of(ROWS_TOLD) {
            watch(Progress::Checked(entries));
        }
        chains.take(row)
    })?;
    chains.end(linked, &mut findings)?;
    Ok(findings)
}

/// Makes sure that the secrets of a copy open with a master key.
pub fn try_key(folder: &Path, master: &MasterKey) -> Result<(), Error> {
    open::try_key(&open_unchanged(&folder.join(open::FILE))?, master)
}

/// Opens a file that nobody changes meanwhile, without so much as a lock.
fn open_unchanged(file: &Path) -> Result<Connection, Error> {
    let mut url = "file:".to_owned();
    for byte in fs::canonicalize(file).map_err(open::disk_trouble)?.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                url.push(char::from(*byte));
            }
            _ => url.extend([format!("%{byte:02X}")]),
        }
    }
    url.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(url, flags).map_err(trouble)
}

const FULL: &str = "the disk of the copy is full; free some space there, or choose another one";

/// Sorts what the system says about a file of the copy.
fn copying(error: io::Error) -> Error {
    on_the_copy(open::disk_trouble(error))
}

/// Sorts what the database says about the copy.
fn copied(error: rusqlite::Error) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        return Error::Unavailable { hint: FULL, source: Box::new(error) };
    }
    on_the_copy(trouble(error))
}

/// Says of which folder a full disk is.
fn on_the_copy(error: Error) -> Error {
    match error {
        Error::Unavailable { hint, source } if hint.contains("disk is full") => {
            Error::Unavailable { hint: FULL, source }
        }
        Error::Unavailable { .. }
        | Error::Corrupt { .. }
        | Error::Unusable { .. }
        | Error::Closed => error,
    }
}
