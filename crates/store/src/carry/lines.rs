//! The lines of an export to rows.
//!
//! Invariants: a line that makes no sense is an error that names its number; nothing of a file counts before its last line
//! has shown that the whole of it is there.

use std::fmt;
use std::io::{BufRead, Read as _};

use ring::digest::{Context, SHA256};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::pen::{END, FORMAT, VERSION, hex, read};
use super::{Cell, Counts, Progress, Row, TABLES, Table, Watch, unusable};
use crate::error::Error;

/// A line has so many bytes at most.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Rows are taken together, up to so many.
const BATCH_ROWS_MAX: usize = 1_000;
/// Or as many as the lines of so many bytes hold.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads an export.
pub struct Lines<'a> {
    from: &'a mut (dyn BufRead + Send),
    pub(crate) watch: Watch<'a>,
    digest: Context,
    counts: Counts,
    number: u64,
    line: Vec<u8>,
    /// For each table, where each column of ours stands in a row of the file.
    places: Vec<Vec<Option<usize>>>,
    /// The table of the last row.
    table: usize,
    /// A row that belongs to the next batch.
    ahead: Option<(usize, Row)>,
    has_ended: bool,
}

/// Rows of one table, one after the other.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) table: usize,
    pub(crate) rows: Vec<Row>,
    /// The line of the first row.
    pub(crate) line: u64,
    /// Rows of the table that came before.
    pub(crate) before: u64,
}

#[derive(Deserialize)]
struct First {
    format: String,
    version: u32,
    tables: Map<String, Value>,
}

#[derive(Deserialize)]
struct Last {
    counts: Map<String, Value>,
    sha256: String,
}

impl fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

impl<'a> Lines<'a> {
    /// Reads the first line.
    pub fn begin(from: &'a mut (dyn BufRead + Send), watch: Watch<'a>) -> Result<Self, Error> {
        let mut lines = Self {
            from,
            watch,
            digest: Context::new(&SHA256),
            counts: Counts::default(),
            number: 0,
            line: Vec::new(),
            places: Vec::new(),
            table: 0,
            ahead: None,
            has_ended: false,
        };
        lines.read()?;
        let first: First =
            serde_json::from_slice(&lines.line).map_err(|error| Error::Unusable {
                detail: "the file is no export; give one that `countersign export` has written"
                    .to_owned(),
                source: Some(Box::new(error)),
            })?;
        let First { format, version, tables } = first;
        if format != FORMAT || version != VERSION {
            return Err(unusable(format!(
                "the file is a `{format}` of version {version}, and this program reads `{FORMAT}` of version {VERSION}; \
                 use a newer countersign"
            )));
        }
        lines.places = places(&tables)?;
        lines.digest.update(&lines.line);
        Ok(lines)
    }

    /// Reads the next rows; `None` when all were read, and the last line says so.
    pub(crate) fn batch(&mut self) -> Result<Option<Batch>, Error> {
        let mut batch: Option<Batch> = None;
        let mut bytes = 0;
        loop {
            let Some((table, row)) = self.next()? else { return Ok(batch) };
            if batch.as_ref().is_some_and(|batch| batch.table != table) {
                self.ahead = Some((table, row));
                return Ok(batch);
            }
            let (line, before) = (self.number, self.counts.of(table).saturating_sub(1));
            let taken =
                batch.get_or_insert_with(|| Batch { table, rows: Vec::new(), line, before });
            bytes += self.line.len();
            taken.rows.push(row);
            if taken.rows.len() >= BATCH_ROWS_MAX || bytes >= BATCH_BYTES_MAX {
                (self.watch)(Progress::Imported(self.counts.total()));
                return Ok(batch);
            }
        }
    }

    /// Gives what was read.
    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    fn next(&mut self) -> Result<Option<(usize, Row)>, Error> {
        if let Some(row) = self.ahead.take() {
            return Ok(Some(row));
        }
        if self.has_ended {
            return Ok(None);
        }
        self.read()?;
        let values: Vec<Value> = serde_json::from_slice(&self.line)
            .map_err(|error| self.wrong(&format!("it is no list: {error}")))?;
        let mut values = values.into_iter();
        let name =
            values.next().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        if name == END {
            self.end(values.next().unwrap_or_default())?;
            return Ok(None);
        }
        let table = TABLES.iter().position(|table| table.name == name);
        let table = table.ok_or_else(|| self.wrong(&format!("nobody knows the table `{name}`")))?;
        if table < self.table {
            return Err(
                self.wrong(&format!("rows of `{name}` stand behind those of a later table"))
            );
        }
        let row = self.row(table, values.collect())?;
        self.digest.update(&self.line);
        self.table = table;
        self.counts.add(table, 1);
        Ok(Some((table, row)))
    }

    fn row(&self, table: usize, mut values: Vec<Value>) -> Result<Row, Error> {
        let places = self.places.get(table).map(Vec::as_slice).unwrap_or_default();
        let columns = TABLES.get(table).map(|table| table.columns).unwrap_or_default();
        let width = places.iter().flatten().count();
        if values.len() != width {
            return Err(self.wrong(&format!("it has {} columns instead of {width}", values.len())));
        }
        let mut row = Vec::with_capacity(columns.len());
        for ((name, kind), place) in columns.iter().zip(places) {
            let value = place.and_then(|place| values.get_mut(place)).map(Value::take);
            let cell = value.map_or(Some(Cell::Nothing), |value| read(value, *kind));
            row.push(cell.ok_or_else(|| self.wrong(&format!("`{name}` is of another kind")))?);
        }
        Ok(row)
    }

    /// Compares the last line with what was read.
    fn end(&mut self, value: Value) -> Result<(), Error> {
        let last: Last =
            serde_json::from_value(value).map_err(|error| self.wrong(&error.to_string()))?;
        let digest = self.digest.clone().finish();
        if hex(digest.as_ref()) != last.sha256 {
            return Err(unusable(
                "the file was changed or damaged: its SHA-256 is not the one that its last line says; take another copy",
            ));
        }
        let said = |name: &str| last.counts.get(name).and_then(Value::as_u64).unwrap_or(0);
        if let Some((name, count)) = self.counts.iter().find(|(name, count)| said(name) != *count) {
            let said = said(name);
            return Err(unusable(format!(
                "the file has {count} rows of `{name}`, and its last line says {said}"
            )));
        }
        self.has_ended = true;
        let mut more = [0];
        match self.from.read(&mut more) {
            Ok(0) => Ok(()),
            Ok(_) => Err(unusable(format!(
                "the file goes on behind its last line, line {}",
                self.number
            ))),
            Err(error) => Err(Error::Unusable {
                detail: "the file cannot be read".to_owned(),
                source: Some(Box::new(error)),
            }),
        }
    }

    /// Reads a line, its end included.
    fn read(&mut self) -> Result<(), Error> {
        self.line.clear();
        let mut line = (&mut *self.from).take(LINE_BYTES_MAX);
        line.read_until(b'\n', &mut self.line).map_err(|error| Error::Unusable {
            detail: "the file cannot be read".to_owned(),
            source: Some(Box::new(error)),
        })?;
        if self.line.last() == Some(&b'\n') {
            self.number += 1;
            return Ok(());
        }
        if self.line.len() as u64 == LINE_BYTES_MAX {
            return Err(unusable(format!(
                "line {} is longer than {LINE_BYTES_MAX} bytes",
                self.number + 1
            )));
        }
        Err(unusable(format!(
            "the file was cut off: it ends in line {}, without the line that says that all of it is there; take another copy",
            self.number + 1
        )))
    }

    fn wrong(&self, what: &str) -> Error {
        unusable(format!("line {} makes no sense: {what}", self.number))
    }
}

/// Finds where our columns stand in the file's rows. A column that is new since then is empty; one that only the file
/// knows would be lost, and is refused.
fn places(tables: &Map<String, Value>) -> Result<Vec<Vec<Option<usize>>>, Error> {
    let newer = |what: String| {
        unusable(format!("line 1 names {what}, which nobody here knows; use a newer countersign"))
    };
    let names = |columns: &Value| -> Vec<String> {
        let columns = columns.as_array().map(Vec::as_slice).unwrap_or_default();
        columns.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for (name, columns) in tables {
        let table = TABLES.iter().find(|table| table.name == name);
        let table = table.ok_or_else(|| newer(format!("the table `{name}`")))?;
        let is_known = |name: &String| table.columns.iter().any(|(known, _)| known == name);
        if let Some(column) = names(columns).into_iter().find(|name| !is_known(name)) {
            return Err(newer(format!("the column `{column}` of `{name}`")));
        }
    }
    let place = |table: &Table| {
        let names = tables.get(table.name).map(names).unwrap_or_default();
        table.columns.iter().map(|(name, _)| names.iter().position(|known| known == name)).collect()
    };
    Ok(TABLES.iter().map(place).collect())
}
