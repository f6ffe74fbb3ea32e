//! Rows to the lines of an export.
//!
//! The first line says what the file is and names the columns of each table; then one row is one line, a list that begins
//! with its table; the last line has the counts and the SHA-256 of all lines before it, so that a file that was cut off is
//! known by that.
//!
//! Invariant: the same rows give the same lines.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use domain::time::Timestamp;
use ring::digest::{Context, SHA256};
use serde_json::{Map, Value, json};

use super::{Cell, Counts, Kind, Progress, ROWS_TOLD, Row, TABLES, Table, Watch};
use crate::error::Error;

/// The version of the form.
pub const VERSION: u32 = 1;
/// What the file says it is.
pub(super) const FORMAT: &str = "countersign export";
/// What the last line begins with.
pub(super) const END: &str = "end";

/// Writes an export.
pub struct Pen<'a> {
    out: &'a mut (dyn Write + Send),
    watch: Watch<'a>,
    digest: Context,
    counts: Counts,
    line: String,
}

impl fmt::Debug for Pen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pen").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl<'a> Pen<'a> {
    /// Writes the first line: when, and by which program.
    pub fn begin(
        out: &'a mut (dyn Write + Send),
        watch: Watch<'a>,
        at: Timestamp,
        program: &str,
    ) -> Result<Self, Error> {
        let (digest, counts) = (Context::new(&SHA256), Counts::default());
        let mut pen = Self { out, watch, digest, counts, line: String::new() };
        let columns = |table: &Table| {
            table.columns.iter().map(|(name, _)| Value::from(*name)).collect::<Vec<_>>()
        };
        let tables: Map<_, _> =
            TABLES.iter().map(|table| (table.name.to_owned(), columns(table).into())).collect();
        let first = json!({
            "format": FORMAT, "version": VERSION, "program": program, "at": at.to_string(), "tables": tables,
        });
        pen.line = first.to_string();
        pen.write()?;
        Ok(pen)
    }

    /// Writes a row.
    pub(crate) fn row(&mut self, table: usize, row: &Row) -> Result<(), Error> {
        let name = TABLES.get(table).map_or("", |table| table.name);
        self.line.clear();
        self.line.extend(["[\"", name, "\""]);
        for cell in row {
            self.line.push(',');
            spell(&mut self.line, cell);
        }
        self.line.push(']');
        self.write()?;
        self.counts.add(table, 1);
        let done = self.counts.total();
        if done.is_multiple_of(ROWS_TOLD) {
            (self.watch)(Progress::Exported(done));
        }
        Ok(())
    }

    /// Tells whoever watches how it goes.
    pub(crate) fn tell(&mut self, progress: Progress) {
        (self.watch)(progress);
    }

    /// Writes the last line.
    pub(crate) fn end(mut self) -> Result<Counts, Error> {
        let digest = hex(self.digest.clone().finish().as_ref());
        let counts: Map<_, _> =
            self.counts.iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
        self.line = json!([END, {"counts": counts, "sha256": digest}]).to_string();
        self.write()?;
        self.out.flush().map_err(unwritten)?;
        Ok(self.counts)
    }

    fn write(&mut self) -> Result<(), Error> {
        self.line.push('\n');
        self.digest.update(self.line.as_bytes());
        self.out.write_all(self.line.as_bytes()).map_err(unwritten)
    }
}

fn unwritten(error: io::Error) -> Error {
    let hint = if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        "the disk of the export is full; free some space there, or choose another one"
    } else {
        "the export cannot be written; look at where it goes"
    };
    Error::Unavailable { hint, source: Box::new(error) }
}

/// Writes a cell as JSON.
fn spell(line: &mut String, cell: &Cell) {
    match cell {
        Cell::Nothing => line.push_str("null"),
        Cell::Number(number) => line.push_str(&number.to_string()),
        Cell::Flag(flag) => line.push_str(if *flag { "true" } else { "false" }),
        Cell::Text(text) => line.push_str(&Value::from(text.as_str()).to_string()),
        Cell::Bytes(bytes) => {
            line.push('"');
            line.push_str(&hex(bytes));
            line.push('"');
        }
    }
}

/// Reads a cell from JSON; `None` when it is of another kind.
pub(super) fn read(value: Value, kind: Kind) -> Option<Cell> {
    Some(match (value, kind) {
        (Value::Null, _) => Cell::Nothing,
        (Value::Number(number), Kind::Number) => Cell::Number(number.as_i64()?),
        (Value::Bool(flag), Kind::Flag) => Cell::Flag(flag),
        (Value::String(text), Kind::Text | Kind::Word) => Cell::Text(text),
        (Value::String(text), Kind::Bytes) => Cell::Bytes(unhex(&text)?),
        (Value::String(text), Kind::Id) if text.len() == 32 => Cell::Bytes(unhex(&text)?),
        _ => return None,
    })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}
