//! Rows of the embedded store out of it, and into a new one.
//!
//! Invariants: what is exported stood in the database at one moment, and nothing that was answered before is missing; an
//! import has the database's name only when it is whole and was looked at.
//! Left to others: how a row looks outside (`carry`), looking at a store (`backup`).

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use rusqlite::types::{Type, Value, ValueRef};
use rusqlite::{Connection, Row as Found, Statement, params_from_iter};

use super::rows::trouble;
use super::{backup, journal, open};
use crate::carry::{
    Batch, Cell, Column, Counts, Findings, Kind, Lines, Pen, Progress, Row, TABLES,
    statement_of_each, try_key, unusable,
};
use crate::error::Error;
use crate::seal::MasterKey;

/// The service that runs is looked at so often for having caught up.
const LOOKS_MAX: u32 = 1_000;

/// The statements of a list, by the names of their files.
pub(super) struct Statements {
    pub(super) begin: &'static str,
    pub(super) chains: &'static str,
    pub(super) checkpoint: &'static str,
    pub(super) counts: &'static str,
    pub(super) foreign_keys: &'static str,
    pub(super) integrity: &'static str,
    pub(super) page_size: &'static str,
}

pub(super) const STATEMENTS: Statements = Statements {
    begin: include_str!("../../sql/sqlite/export/begin.sql"),
    chains: include_str!("../../sql/sqlite/export/chains.sql"),
    checkpoint: include_str!("../../sql/sqlite/import/checkpoint.sql"),
    counts: include_str!("../../sql/sqlite/export/counts.sql"),
    foreign_keys: include_str!("../../sql/sqlite/export/foreign_keys.sql"),
    integrity: include_str!("../../sql/sqlite/export/integrity.sql"),
    page_size: include_str!("../../sql/sqlite/export/page_size.sql"),
};
/// What moves first attempts to where they stand here.
const FIRSTS: [&str; 2] = [
    include_str!("../../sql/sqlite/import/firsts.sql"),
    include_str!("../../sql/sqlite/import/firsts_gone.sql"),
];
const SETUP: &str = include_str!("../../sql/sqlite/import/setup.sql");
const EXPORTS: [&str; TABLES.len()] = statement_of_each!("sqlite/export");
const IMPORTS: [&str; TABLES.len()] = statement_of_each!("sqlite/import");

/// Writes all rows of the store of a folder, which may be in use.
pub fn export(folder: &Path, mut pen: Pen<'_>) -> Result<Counts, Error> {
    let db = caught_up(folder, &mut pen)?;
    for ((table, statement), columns) in EXPORTS.iter().enumerate().zip(TABLES) {
        for_each(&db, statement, columns.columns, &mut |row| pen.row(table, &row))?;
    }
    pen.end()
}

/// Opens the database at one moment, at which it holds all that stood in the journal when this was asked.
fn caught_up(folder: &Path, pen: &mut Pen<'_>) -> Result<Connection, Error> {
    if !folder.join(open::FILE).exists() {
        return Err(unusable(format!(
            "there is no store in {}; name its folder with --data",
            folder.display()
        )));
    }
    open::refuse_half(folder)?;
    // Nobody else would have the database catch up then.
    if let Ok(_lock) = open::lock(folder) {
        let db = open::writer(folder)?;
        open::catch_up(folder, &db)?;
    }
    let db = open::reader(folder)?;
    let (schema, wanted) = (open::schema(&db)?, open::schema_wanted());
    if schema != wanted {
        return Err(unusable(format!(
            "the store has schema {schema}, and this program knows schema {wanted}; use the countersign that runs on it"
        )));
    }
    // Before the mark is read: what a file lost by being written over meanwhile is below the mark then.
    let records = journal::look(folder).map_err(open::disk_trouble)?;
    let mark = open::mark(&db)?;
    // The last ones may say nothing, such as that an event was known.
    let records = journal::beyond(records, mark);
    let last = records.iter().rfind(|record| !record.payload.is_empty());
    let wanted = last.map_or(mark, |record| record.number);
    for _ in 0..LOOKS_MAX {
        db.execute_batch(STATEMENTS.begin).map_err(trouble)?;
        if open::mark(&db)? >= wanted {
            return Ok(db);
        }
        db.execute_batch(super::sql::rollback).map_err(trouble)?;
        pen.tell(Progress::Waiting);
    }
    Err(Error::Unavailable {
        hint: "the service that runs does not write what stands in its journal into its database; look at its log, or stop it",
        source: "the database does not catch up".into(),
    })
}

/// Reads all rows of a statement.
pub(super) fn for_each(
    db: &Connection,
    statement: &str,
    columns: &[Column],
    take: &mut dyn FnMut(Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = db.prepare(statement).map_err(trouble)?;
    let mut found = statement.query([]).map_err(trouble)?;
    while let Some(row) = found.next().map_err(trouble)? {
        let cells = columns.iter().enumerate().map(|(at, column)| cell(row, at, *column));
        take(cells.collect::<Result<_, _>>()?)?;
    }
    Ok(())
}

fn cell(row: &Found<'_>, at: usize, (name, kind): Column) -> Result<Cell, Error> {
    let wrong =
        |what: &str| Error::Corrupt { table: "database", detail: format!("`{name}` holds {what}") };
    Ok(match (row.get_ref(at).map_err(trouble)?, kind) {
        (ValueRef::Null, _) => Cell::Nothing,
        (ValueRef::Integer(number), Kind::Number) => Cell::Number(number),
        (ValueRef::Integer(number @ (0 | 1)), Kind::Flag) => Cell::Flag(number == 1),
        (ValueRef::Blob(bytes), Kind::Id | Kind::Bytes) => Cell::Bytes(bytes.to_vec()),
        (ValueRef::Text(text), Kind::Text | Kind::Word) => {
            let text = str::from_utf8(text).map_err(|error| wrong(&error.to_string()))?;
            Cell::Text(text.to_owned())
        }
        (other, _) => return Err(wrong(kind_of(other.data_type()))),
    })
}

const fn kind_of(kind: Type) -> &'static str {
    match kind {
        Type::Null => "nothing",
        Type::Integer => "a number",
        Type::Real => "a fraction",
        Type::Text => "a text",
        Type::Blob => "bytes",
    }
}

/// Makes the store of a folder, in which there must be none yet, from an export.
pub fn import(folder: &Path, master: &MasterKey, lines: &mut Lines<'_>) -> Result<Findings, Error> {
    let lock = open::lock(folder)?;
    if let Some(name) = left(folder)? {
        return Err(unusable(format!(
            "{} holds a store already ({name} is there); an import needs a folder without one: name another with --data",
            folder.display()
        )));
    }
    let making = folder.join(open::IMPORTING);
    clear(&making)?;
    fs::create_dir_all(&making).map_err(open::disk_trouble)?;
    let made = make(&making, master, lines);
    let findings = match made {
        Ok(findings) => findings,
        Err(error) => {
            // What is wrong was found; what is left of it says nothing more.
            drop(clear(&making));
            return Err(error);
        }
    };
    let named = fs::rename(making.join(open::FILE), folder.join(open::FILE));
    named.and_then(|()| fs::File::open(folder)?.sync_all()).map_err(open::disk_trouble)?;
    clear(&making)?;
    drop(lock);
    Ok(findings)
}

/// Names a file of a store, if there is one.
fn left(folder: &Path) -> Result<Option<&'static str>, Error> {
    let mut names = [open::FILE, open::LOG].into_iter().chain(journal::FILES);
    let left = names.find_map(|name| match folder.join(name).try_exists() {
        Ok(false) => None,
        Ok(true) => Some(Ok(name)),
        Err(error) => Some(Err(open::disk_trouble(error))),
    });
    left.transpose()
}

fn clear(folder: &Path) -> Result<(), Error> {
    let absent = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    fs::remove_dir_all(folder)
        .or_else(|error| if absent(&error) { Ok(()) } else { Err(error) })
        .map_err(open::disk_trouble)
}

fn make(folder: &Path, master: &MasterKey, lines: &mut Lines<'_>) -> Result<Findings, Error> {
    let db = open::writer(folder)?;
    db.query_row(SETUP, [], |_| Ok(())).map_err(trouble)?;
    while let Some(batch) = lines.batch()? {
        write(&db, master, batch)?;
    }
    for statement in FIRSTS {
        db.execute(statement, []).map_err(trouble)?;
    }
    backup::finish(db, folder)?;
    let findings = backup::check(folder, lines.watch)?;
    findings.counts.compare(lines.counts())?;
    Ok(findings)
}

fn write(db: &Connection, master: &MasterKey, batch: Batch) -> Result<(), Error> {
    let Batch { table, rows, line, before: _ } = batch;
    let transaction = db.unchecked_transaction().map_err(trouble)?;
    let statement = IMPORTS.get(table).copied().unwrap_or_default();
    let mut statement = transaction.prepare_cached(statement).map_err(trouble)?;
    for (row, line) in rows.into_iter().zip(line..) {
        try_key(master, table, &row)?;
        insert(&mut statement, row).map_err(|error| refused(line, error))?;
    }
    drop(statement);
    transaction.commit().map_err(trouble)
}

fn insert(statement: &mut Statement<'_>, row: Row) -> rusqlite::Result<()> {
    let values = row.into_iter().map(|cell| match cell {
        Cell::Nothing => Value::Null,
        Cell::Bytes(bytes) => Value::Blob(bytes),
        Cell::Text(text) => Value::Text(text),
        Cell::Number(number) => Value::Integer(number),
        Cell::Flag(flag) => Value::Integer(flag.into()),
    });
    statement.execute(params_from_iter(values)).map(drop)
}

fn refused(line: u64, error: rusqlite::Error) -> Error {
    match trouble(error) {
        Error::Corrupt { detail, .. } => {
            unusable(format!("the row of line {line} cannot be kept: {detail}"))
        }
        other @ (Error::Unavailable { .. } | Error::Unusable { .. } | Error::Closed) => other,
    }
}
