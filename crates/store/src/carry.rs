//! The whole store as rows that every database can give and take: what is exported, imported and counted.
//!
//! A table that is new here needs a line in [`TABLES`] and a statement in each `sql/*/{export,import}/`; a column one in
//! the list of its table and in these statements. A test compares the list with the schema of each database.
//!
//! Invariants: a row says the same whichever database it comes from; secrets stay sealed; leases and nodes are left out.
//! Left to others: asking the databases (`sqlite/carry.rs`, `postgres/carry.rs`), where a file lies (`app`).

mod chains;
mod lines;
mod pen;

use crate::error::Error;
use crate::seal::{MasterKey, SEAL_ACCOUNT};

pub(crate) use chains::{CHAINS, Chains};
pub(crate) use lines::Batch;
pub use lines::Lines;
pub use pen::{Pen, VERSION};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 16 bytes, written as 32 hexadecimal digits.
    Id,
    /// Any bytes, written as hexadecimal digits.
    Bytes,
    /// A text.
    Text,
    /// A text of a client's own, which may hold what no text of a database may.
    Word,
    /// A whole number; a moment is milliseconds since 1970.
    Number,
    /// Yes or no.
    Flag,
}

/// What stands in a column of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Nothing,
    Bytes(Vec<u8>),
    Text(String),
    Number(i64),
    Flag(bool),
}

/// One row, its cells in the order of the columns.
pub(crate) type Row = Vec<Cell>;

/// A column's name, and what it holds.
pub(crate) type Column = (&'static str, Kind);

/// A table that is remembered.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
}

macro_rules! tables {
    ($($table:ident: $($column:ident $kind:ident),+;)*) => {
        /// Every table that is remembered, in the order in which rows come; those that others refer to come first.
        pub(crate) const TABLES: &[Table] = &[$(Table {
            name: stringify!($table),
            columns: &[$((stringify!($column), Kind::$kind)),+],
        },)*];

        /// Makes a list of one statement for each table, in the order of [`TABLES`], from a folder of files.
        macro_rules! statement_of_each {
            ($folder:literal) => {
                [$(include_str!(concat!("../../sql/", $folder, "/", stringify!($table), ".sql")),)*]
            };
        }
        pub(crate) use statement_of_each;
    };
}

tables! {
    accounts: account_id Id, name Text, sealed Bytes, created_at Number;
    keys: account_id Id, id Id, hash Bytes, body Text;
    requests: account_id Id, id Id, version Number, status Text, archived Flag, deleted_at Number, body Text;
    links: hash Bytes, account_id Id, request_id Id, signer_id Id;
    contacts: account_id Id, id Id, version Number, body Text;
    endpoints: account_id Id, id Id, version Number, url Text, dialect Text, scope Text, status Text, body Text,
        sealed Bytes, failing_since Number, failures Number, warnings Number;
    events: account_id Id, id Id, name Text, at Number, request_id Id, order_key Word, key Word, test Flag, data Text,
        link_seq Number, link_hash Bytes;
    deliveries: account_id Id, id Id, event_id Id, endpoint_id Id, cause Text, cause_id Id, state Text, due_at Number,
        ended_at Number, why Text, attempts Number, created_at Number, order_key Word, held Flag;
    attempts: account_id Id, delivery_id Id, number Number, id Id, at Number, took_ms Number, url Text,
        body_digest Bytes, remote Text, outcome Text;
    timeline: account_id Id, request_id Id, seq Number, what Text, id Id, delivery_id Id, number Number, at Number,
        digest Bytes, hash Bytes;
    timers: account_id Id, kind Text, subject Id, due_at Number;
    replays: account_id Id, id Id, endpoint_id Id, body Text;
    settings: account_id Id, kind Text, name Text, version Number, body Text, sealed Bytes;
    notices: account_id Id, id Id, version Number, request_id Id, message_id Text, body Text;
    replies: account_id Id, key Word, fingerprint Bytes, status Number, sealed Bytes, expires_at Number;
}

/// Gives every column that is carried, after the name of its table.
pub fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().flat_map(|table| table.columns.iter().map(|(column, _)| (table.name, *column)))
}

/// How many rows there are of each table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; TABLES.len()]);

impl Counts {
    /// Gives each table's name and its rows.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        TABLES.iter().map(|table| table.name).zip(self.0)
    }

    /// Gives the rows of all tables.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Makes sure that as many rows are there as should be.
    pub(crate) fn compare(&self, expected: Self) -> Result<(), Error> {
        let different =
            self.iter().zip(expected.iter()).find(|(found, expected)| found != expected);
        let Some(((table, found), (_, expected))) = different else { return Ok(()) };
        Err(Error::Corrupt {
            table,
            detail: format!("{found} rows are there instead of {expected}"),
        })
    }

    pub(crate) fn of(&self, table: usize) -> u64 {
        self.0.get(table).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, table: usize, rows: u64) {
        if let Some(count) = self.0.get_mut(table) {
            *count += rows;
        }
    }
}

/// What was found in a store, or a copy of one, when all of it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Findings {
    /// The schema's version.
    pub schema: u32,
    /// The rows of each table.
    pub counts: Counts,
    /// Requests whose chain was computed anew, and holds.
    pub chains: u64,
    /// Entries of these chains.
    pub entries: u64,
    /// Entries whose text is gone; their digests hold the chain.
    pub erased: u64,
}

/// How far a long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of the database were copied.
    Copied {
        /// How many.
        bytes: u64,
        /// How many there are.
        of: u64,
    },
    /// The service that runs has not yet written into its database what stands in the journal alone. It is looked at
    /// again as soon as the watcher returns, who should wait a moment.
    Waiting,
    /// Rows were written into an export.
    Exported(u64),
    /// Rows of an export were read.
    Imported(u64),
    /// Entries of chains were computed anew.
    Checked(u64),
}

/// Hears how far a long work has come, and may hold it up for a moment.
pub type Watch<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Rows between two words to whoever watches.
pub(crate) const ROWS_TOLD: u64 = 4_096;

/// Says that something cannot be used, and what to do.
pub(crate) fn unusable(detail: impl Into<String>) -> Error {
    Error::Unusable { detail: detail.into(), source: None }
}

/// Tells whether what was sealed with the master key opens with this one: the seed of an account stands for all.
pub(crate) fn try_key(master: &MasterKey, table: usize, row: &Row) -> Result<(), Error> {
    let is_account = TABLES.get(table).is_some_and(|table| table.name == "accounts");
    let Some(Cell::Bytes(sealed)) = row.get(2).filter(|_| is_account) else { return Ok(()) };
    if master.open(SEAL_ACCOUNT, sealed).is_some() {
        return Ok(());
    }
    Err(unusable(
        "the master key is not the one that the secrets in the export were sealed with; give the one of the store that \
         it came from: its file master.key, or its setting master_key",
    ))
}
