//! Rows of the database out of it, and into an empty one.
//!
//! Invariants: what is exported stood there at one moment; a node opens a database only when no import into it was broken
//! off; what another node has leased is due.
//! Left to others: how a row looks outside (`carry`).

use std::time::Duration;

use domain::secret::Secret;
use tokio::time;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Row as Found, Transaction};

use super::link::Link;
use super::rows::{self, Id, trouble};
use super::servers::Servers;
use super::{open, sql};
use crate::carry::{
    Batch, CHAINS, Cell, Chains, Column, Counts, Findings, Kind, Lines, Pen, Progress, ROWS_TOLD,
    Row, TABLES, Watch, statement_of_each, try_key, unusable,
};
use crate::error::Error;
use crate::seal::MasterKey;

/// A claim is tried so often.
const CLAIMS_MAX: u32 = 20;
/// And after such pauses.
const CLAIM_PAUSE: Duration = Duration::from_millis(100);
/// Rows that are fetched at once.
const FETCHED: i32 = 512;

const SETUP: &str = include_str!("../../sql/postgres/export/setup.sql");
const COUNTS: &str = include_str!("../../sql/postgres/export/counts.sql");
const EVERY_CHAIN: &str = include_str!("../../sql/postgres/export/chains.sql");
const CLAIM: &str = include_str!("../../sql/postgres/import/claim.sql");
const STANDING: &str = include_str!("../../sql/postgres/import/standing.sql");
const WIPE: &str = include_str!("../../sql/postgres/import/wipe.sql");
const END: &str = include_str!("../../sql/postgres/import/end.sql");
const ANALYZE: &str = include_str!("../../sql/postgres/import/analyze.sql");
const EXPORTS: [&str; TABLES.len()] = statement_of_each!("postgres/export");
const IMPORTS: [&str; TABLES.len()] = statement_of_each!("postgres/import");

/// Writes all rows of a database, which may be in use.
pub async fn export(url: &Secret, mut pen: Pen<'_>) -> Result<Counts, Error> {
    let link = open::connect_with(&Servers::read(url)?, SETUP).await?;
    open::check(&link).await?;
    let (schema, wanted) = (open::schema(&link).await?, open::schema_wanted());
    if schema == 0 {
        return Err(unusable("there is no store in the database; check database_url"));
    }
    if schema != wanted {
        return Err(unusable(format!(
            "the database has schema {schema}, and this program knows schema {wanted}; use the countersign that runs on it"
        )));
    }
    open::refuse_half(&link).await?;
    let mut client = link.into_client();
    let moment = one_moment(&mut client).await?;
    for ((table, statement), columns) in EXPORTS.iter().enumerate().zip(TABLES) {
        for_each(&moment, statement, columns.columns, &mut |row| pen.row(table, &row)).await?;
    }
    pen.end()
}

/// Begins to look at the database as it is at this moment.
async fn one_moment(client: &mut Client) -> Result<Transaction<'_>, Error> {
    let moment =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    moment.start().await.map_err(trouble)
}

/// Reads all rows of a statement, a bounded number at once.
async fn for_each(
    moment: &Transaction<'_>,
    statement: &str,
    columns: &[Column],
    take: &mut (dyn FnMut(Row) -> Result<(), Error> + Send),
) -> Result<(), Error> {
    let portal = moment.bind(statement, &[]).await.map_err(trouble)?;
    loop {
        let found = moment.query_portal(&portal, FETCHED).await.map_err(trouble)?;
        if found.is_empty() {
            return Ok(());
        }
        for row in &found {
            let cells = columns.iter().enumerate().map(|(at, (_, kind))| cell(row, at, *kind));
            take(cells.collect::<Result<_, _>>()?)?;
        }
    }
}

fn cell(row: &Found, at: usize, kind: Kind) -> Result<Cell, Error> {
    let cell = match kind {
        Kind::Id => {
            rows::column::<Option<Id>>(row, at)?.map(|id| Cell::Bytes(id.0.to_be_bytes().to_vec()))
        }
        Kind::Bytes => rows::column::<Option<Vec<u8>>>(row, at)?.map(Cell::Bytes),
        Kind::Text => rows::column::<Option<String>>(row, at)?.map(Cell::Text),
        Kind::Word => {
            let word = rows::column::<Option<Vec<u8>>>(row, at)?.map(String::from_utf8);
            let word = word.transpose().map_err(|error| Error::Corrupt {
                table: "database",
                detail: format!("a client's key is no text: {error}"),
            })?;
            word.map(Cell::Text)
        }
        Kind::Number => rows::column::<Option<i64>>(row, at)?.map(Cell::Number),
        Kind::Flag => rows::column::<Option<bool>>(row, at)?.map(Cell::Flag),
    };
    Ok(cell.unwrap_or(Cell::Nothing))
}

/// Makes this the only import. The claim of one that has just ended lasts until the server has noticed.
async fn claim(link: &Link) -> Result<(), Error> {
    let mut pause = time::interval(CLAIM_PAUSE);
    for _ in 0..CLAIMS_MAX {
        pause.tick().await;
        let claimed = link.ask(CLAIM, &[]).await?;
        if claimed.first().map_or(Ok(false), |row| rows::column(row, 0))? {
            return Ok(());
        }
    }
    Err(unusable("another import into the database is under way; wait for its end, or stop it"))
}

/// Fills a database, which must be empty, from an export.
///
/// As long as that has not come to its end, no node opens the database; the next import into it begins anew.
pub async fn import(
    url: &Secret,
    master: &MasterKey,
    lines: &mut Lines<'_>,
) -> Result<Findings, Error> {
    let link = open::connect_with(&Servers::read(url)?, SETUP).await?;
    open::check(&link).await?;
    open::migrate(&link).await?;
    claim(&link).await?;
    let [is_full, lives, was_begun] = standing(&link.ask(STANDING, &[]).await?)?;
    if lives {
        return Err(unusable(
            "a node is at work on the database; stop it, or import into another database",
        ));
    }
    if is_full && !was_begun {
        return Err(unusable(
            "the database is not empty; an import needs one of its own, as createdb makes it",
        ));
    }
    link.ask(sql::meta_upsert, &[&open::IMPORT, &1_i64]).await?;
    link.simply(WIPE).await.map_err(trouble)?;
    let mut client = link.into_client();
    while let Some(batch) = lines.batch()? {
        write(&mut client, master, batch).await?;
    }
    client.batch_execute(ANALYZE).await.map_err(trouble)?;
    let findings = check(&mut client, lines.watch).await?;
    findings.counts.compare(lines.counts())?;
    finish(&mut client, findings.counts).await?;
    Ok(findings)
}

fn standing(found: &[Found]) -> Result<[bool; 3], Error> {
    let Some(row) = found.first() else { return Ok([false; 3]) };
    Ok([rows::column(row, 0)?, rows::column(row, 1)?, rows::column(row, 2)?])
}

/// Counts what is in the log, and lets nodes in.
async fn finish(client: &mut Client, counts: Counts) -> Result<(), Error> {
    let events =
        TABLES.iter().position(|table| table.name == "events").map_or(0, |table| counts.of(table));
    let transaction = client.transaction().await.map_err(trouble)?;
    let events = i64::try_from(events).unwrap_or(i64::MAX);
    transaction.execute(sql::meta_upsert, &[&"events", &events]).await.map_err(trouble)?;
    transaction.execute(END, &[]).await.map_err(trouble)?;
    transaction.commit().await.map_err(trouble)
}

async fn write(client: &mut Client, master: &MasterKey, batch: Batch) -> Result<(), Error> {
    for row in &batch.rows {
        try_key(master, batch.table, row)?;
    }
    let transaction = client.transaction().await.map_err(trouble)?;
    let Err(error) = insert(&transaction, batch.table, &batch.rows, batch.before).await else {
        return transaction.commit().await.map_err(trouble);
    };
    transaction.rollback().await.map_err(trouble)?;
    if error.code().is_none() {
        return Err(trouble(error));
    }
    // Which row it was is found by trying one after the other.
    let transaction = client.transaction().await.map_err(trouble)?;
    for (at, row) in batch.rows.chunks(1).enumerate() {
        if let Err(error) = insert(&transaction, batch.table, row, batch.before + at as u64).await {
            let line = batch.line + at as u64;
            return Err(match trouble(error) {
                Error::Corrupt { detail, .. } => {
                    unusable(format!("the row of line {line} cannot be kept: {detail}"))
                }
                other @ (Error::Unavailable { .. } | Error::Unusable { .. } | Error::Closed) => {
                    other
                }
            });
        }
    }
    Err(trouble(error))
}

/// Inserts rows of a table, behind as many as came before.
async fn insert(
    transaction: &Transaction<'_>,
    table: usize,
    rows: &[Row],
    before: u64,
) -> Result<(), tokio_postgres::Error> {
    let statement = transaction.prepare(IMPORTS.get(table).copied().unwrap_or_default()).await?;
    let kinds = TABLES.get(table).map(|table| table.columns).unwrap_or_default();
    let columns: Vec<_> =
        kinds.iter().enumerate().map(|(at, (_, kind))| column(rows, at, *kind)).collect();
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    let mut arguments: Vec<&(dyn ToSql + Sync)> = Vec::with_capacity(columns.len() + 1);
    for column in &columns {
        arguments.push(column.as_ref());
    }
    // The log alone asks how many have gone before.
    if statement.params().len() > arguments.len() {
        arguments.push(&before);
    }
    transaction.execute(&statement, &arguments).await.map(drop)
}

/// Gives a column of some rows as the database takes it.
fn column(rows: &[Row], at: usize, kind: Kind) -> Box<dyn ToSql + Sync + Send> {
    let cells = rows.iter().map(|row| row.get(at).cloned().unwrap_or(Cell::Nothing));
    match kind {
        Kind::Id => Box::new(cells.map(id).collect::<Vec<_>>()),
        Kind::Bytes | Kind::Word => Box::new(cells.map(bytes).collect::<Vec<_>>()),
        Kind::Text => Box::new(cells.map(text).collect::<Vec<_>>()),
        Kind::Number => {
            let number = |cell| if let Cell::Number(number) = cell { Some(number) } else { None };
            Box::new(cells.map(number).collect::<Vec<_>>())
        }
        Kind::Flag => {
            let flag = |cell| if let Cell::Flag(flag) = cell { Some(flag) } else { None };
            Box::new(cells.map(flag).collect::<Vec<_>>())
        }
    }
}

fn id(cell: Cell) -> Option<Id> {
    let bytes = bytes(cell)?;
    bytes.try_into().ok().map(|bytes| Id(u128::from_be_bytes(bytes)))
}

fn bytes(cell: Cell) -> Option<Vec<u8>> {
    match cell {
        Cell::Bytes(bytes) => Some(bytes),
        Cell::Text(text) => Some(text.into_bytes()),
        Cell::Nothing | Cell::Number(_) | Cell::Flag(_) => None,
    }
}

fn text(cell: Cell) -> Option<String> {
    if let Cell::Text(text) = cell { Some(text) } else { None }
}

/// Computes every chain anew, and counts.
async fn check(client: &mut Client, watch: Watch<'_>) -> Result<Findings, Error> {
    let moment = one_moment(client).await?;
    let mut findings = Findings { schema: open::schema_wanted(), ..Findings::default() };
    let counted = moment.query_one(COUNTS, &[]).await.map_err(trouble)?;
    for table in 0..TABLES.len() {
        findings.counts.add(table, rows::column::<i64>(&counted, table)?.unsigned_abs());
    }
    let linked = rows::column::<i64>(&counted, TABLES.len())?.unsigned_abs();
    let (mut chains, mut entries) = (Chains::default(), 0_u64);
    for_each(&moment, EVERY_CHAIN, &CHAINS, &mut |row| {
        entries += 1;
        if entries.is_multiple_of(ROWS_TOLD) {
            watch(Progress::Checked(entries));
        }
        chains.take(row)
    })
    .await?;
    chains.end(linked, &mut findings)?;
    Ok(findings)
}
