//! A part of what stands in the journal, on its way into the database.
//!
//! Rows of a kind go in blocks, by one statement each: to begin and to end a statement, and to find the end of each tree anew,
//! takes as long as a third of the writing.
//!
//! Invariants: writing twice is writing once, so that a crash between database and journal does no harm; a block of which
//! some rows are there already is written as far as it is new.
//! Left to others: what goes together (`unwritten`), the transaction around it (`writer`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::thread;

use domain::delivery::Cause;
use domain::id::{AccountId, DeliveryId, EndpointId, EventId};
use rusqlite::{CachedStatement, Connection, ToSql};

use super::rows::{self, blob, trouble};
use super::unwritten::{Ended, Told};
use super::{fanout, settle, sql};
use crate::error::Error;

/// So many rows are a block. Of more the statement would be no faster. After so many events, what is written evenly leaves
/// the processor to others: it would keep it for some milliseconds otherwise, and whoever flushes for callers would wait
/// for it.
const BLOCK: usize = 16;

/// A block has texts of so many bytes at most: the database keeps a copy until it is written.
const TEXTS_BYTES_MAX: usize = 512 * 1024;

/// A part of what stands in the journal that goes into the database together.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) told: Vec<Told>,
    pub(super) ends: BTreeMap<DeliveryId, Ended>,
    pub(super) loose: Vec<Ended>,
    pub(super) mark: u64,
    pub(super) gives_way: bool,
}

/// A delivery of an event that is new.
#[derive(Clone, Copy)]
struct Made<'a> {
    told: &'a Told,
    delivery: DeliveryId,
    endpoint: EndpointId,
}

/// Deliveries that wait for their block.
#[derive(Default)]
struct Waiting<'a> {
    pending: Vec<Made<'a>>,
    /// Those that ended by their first attempt.
    ended: Vec<(Made<'a>, &'a Ended)>,
}

impl Chunk {
    /// Gives the number up to which all records stand in the database once this is committed.
    pub(super) const fn mark(&self) -> u64 {
        self.mark
    }

    /// Counts the events and ends in it.
    pub(super) fn len(&self) -> usize {
        self.told.len() + self.ends.len() + self.loose.len()
    }

    /// Counts the bytes of the events' texts in it.
    pub(super) fn bytes(&self) -> usize {
        texts(&self.told)
    }

    /// Writes it into the transaction under way.
    pub(super) fn write(&self, db: &Connection) -> Result<(), Error> {
        let mut statements = Statements::prepare(db)?;
        let mut waiting = Waiting::default();
        // Ends of deliveries that stand in the database by the time all the others are there.
        let mut later = Vec::new();
        // Long texts are not copied sixteen at a time.
        let most = |some: &[Told]| if texts(some) > TEXTS_BYTES_MAX { 1 } else { BLOCK };
        for some in self.told.chunks(BLOCK).flat_map(|some| some.chunks(most(some))) {
            let new = statements.insert_events(db, some)?;
            for told in some {
                let is_new = new.has(told);
                for (delivery, endpoint) in &told.deliveries {
                    let made = Made { told, delivery: *delivery, endpoint: *endpoint };
                    match self.ends.get(delivery) {
                        Some(end) if is_new && end.attempt.number == settle::FIRST => {
                            waiting.ended.push((made, end));
                        }
                        end => {
                            waiting.pending.extend(is_new.then_some(made));
                            later.extend(end);
                        }
                    }
                }
            }
            statements.insert_deliveries(&mut waiting, BLOCK)?;
            if self.gives_way {
                thread::yield_now();
            }
        }
        statements.insert_deliveries(&mut waiting, 1)?;
        for ended in later.into_iter().chain(&self.loose) {
            settle::record_ended(db, &mut statements.first, ended)?;
        }
        Ok(())
    }
}

/// Counts the bytes of some events' texts.
fn texts(told: &[Told]) -> usize {
    told.iter().map(|told| told.event.data.len()).sum()
}

/// Gives the first of them, a multiple of so many.
fn whole<T>(all: &[T], of: usize) -> &[T] {
    all.get(..all.len() - all.len() % of).unwrap_or_default()
}

/// Which events of a block are new.
enum New {
    All,
    These(BTreeSet<(AccountId, EventId)>),
}

impl New {
    fn has(&self, told: &Told) -> bool {
        match self {
            Self::All => true,
            Self::These(ids) => ids.contains(&(told.event.account, told.event.id)),
        }
    }
}

/// What writes events, their deliveries and first attempts, prepared once for many.
struct Statements<'a> {
    event: Insert<'a>,
    pending: Insert<'a>,
    ended: Insert<'a>,
    first: CachedStatement<'a>,
}

static EVENTS: LazyLock<String> = LazyLock::new(|| many(sql::event_insert));
static PENDING: LazyLock<String> = LazyLock::new(|| many(sql::delivery_insert));
static ENDED: LazyLock<String> = LazyLock::new(|| many(sql::delivery_insert_ended));

impl<'a> Statements<'a> {
    fn prepare(db: &'a Connection) -> Result<Self, Error> {
        Ok(Self {
            event: Insert::prepare(db, sql::event_insert, &EVENTS)?,
            pending: Insert::prepare(db, sql::delivery_insert, &PENDING)?,
            ended: Insert::prepare(db, sql::delivery_insert_ended, &ENDED)?,
            first: settle::prepare_first(db)?,
        })
    }

    /// Writes events, and tells which of them are new.
    fn insert_events(&mut self, db: &Connection, some: &[Told]) -> Result<New, Error> {
        let written = self.event.insert(some, |columns, told| {
            fanout::event_columns(&told.event, |value| columns.put(value))
        })?;
        if written == some.len() {
            return Ok(New::All);
        }
        // Some are there since before a crash. The log numbers what it gets one by one.
        let mut statement = db.prepare_cached(sql::event_after).map_err(trouble)?;
        let last = db.last_insert_rowid();
        let before = last.saturating_sub(i64::try_from(written).unwrap_or(i64::MAX));
        let ids = statement
            .query_map([before], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(trouble)?
            .take(written)
            .map(|row| {
                let (account, id): ([u8; 16], [u8; 16]) = row.map_err(trouble)?;
                let [account, id] = [account, id].map(u128::from_be_bytes);
                Ok((AccountId::new(account), EventId::new(id)))
            });
        Ok(New::These(ids.collect::<Result<_, Error>>()?))
    }

    /// Writes deliveries, as many times so many as there are.
    fn insert_deliveries(&mut self, waiting: &mut Waiting<'_>, of: usize) -> Result<(), Error> {
        let Waiting { pending, ended } = waiting;
        self.pending.insert(whole(pending, of), pending_columns)?;
        pending.drain(..whole(pending, of).len());
        self.ended.insert(whole(ended, of), ended_columns)?;
        ended.drain(..whole(ended, of).len());
        Ok(())
    }
}

fn pending_columns(columns: &mut Columns<'_, '_>, made: &Made<'_>) -> Result<(), Error> {
    let Made { told, delivery, endpoint } = *made;
    let (cause, cause_id) = rows::cause_columns(Cause::Event, told.event.id, delivery);
    columns.put(&blob(told.event.account.bits()))?;
    columns.put(&blob(delivery.bits()))?;
    columns.put(&blob(told.event.id.bits()))?;
    columns.put(&blob(endpoint.bits()))?;
    columns.put(&cause)?;
    columns.put(&cause_id)?;
    columns.put(&told.at.as_millis())?;
    columns.put(&told.at.as_millis())?;
    columns.put(&None::<&str>)?;
    columns.put(&false)
}

fn ended_columns(
    columns: &mut Columns<'_, '_>,
    (made, end): &(Made<'_>, &Ended),
) -> Result<(), Error> {
    let Made { told, delivery, endpoint } = *made;
    let (_, cause_id) = rows::cause_columns(Cause::Event, told.event.id, delivery);
    let attempt = &end.attempt;
    columns.put(&blob(told.event.account.bits()))?;
    columns.put(&blob(delivery.bits()))?;
    columns.put(&blob(told.event.id.bits()))?;
    columns.put(&blob(endpoint.bits()))?;
    columns.put(&cause_id)?;
    columns.put(&end.at.as_millis())?;
    columns.put(&told.at.as_millis())?;
    columns.put(&blob(attempt.id.bits()))?;
    columns.put(&attempt.at.as_millis())?;
    columns.put(&attempt.took_ms)?;
    columns.put(&attempt.url)?;
    columns.put(&attempt.body_digest)?;
    columns.put(&attempt.remote)?;
    columns.put(&rows::written("deliveries", &attempt.outcome)?)
}

/// A statement that inserts a row, and the same for a block of them.
struct Insert<'a> {
    one: CachedStatement<'a>,
    block: CachedStatement<'a>,
}

/// Columns, put one after the other.
struct Columns<'s, 'a> {
    statement: &'s mut CachedStatement<'a>,
    next: usize,
}

impl<'a> Insert<'a> {
    fn prepare(db: &'a Connection, one: &str, block: &str) -> Result<Self, Error> {
        let prepare = |text| db.prepare_cached(text).map_err(trouble);
        Ok(Self { one: prepare(one)?, block: prepare(block)? })
    }

    /// Inserts rows as far as they are not there, and counts those that were not.
    fn insert<T>(
        &mut self,
        rows: &[T],
        put: impl Fn(&mut Columns<'_, 'a>, &T) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let mut written = 0;
        let (blocks, rest) = rows.as_chunks::<BLOCK>();
        let blocks = blocks.iter().map(|block| (true, block.as_slice()));
        for (is_block, some) in blocks.chain(rest.chunks(1).map(|one| (false, one))) {
            let statement = if is_block { &mut self.block } else { &mut self.one };
            let mut columns = Columns { statement, next: 1 };
            for row in some {
                put(&mut columns, row)?;
            }
            written += statement.raw_execute().map_err(trouble)?;
        }
        Ok(written)
    }
}

impl Columns<'_, '_> {
    fn put(&mut self, value: &dyn ToSql) -> Result<(), Error> {
        self.statement.raw_bind_parameter(self.next, value).map_err(trouble)?;
        self.next += 1;
        Ok(())
    }
}

/// Makes of a statement that inserts a row one that inserts a block of them.
fn many(one: &str) -> String {
    let row = one.split_once("VALUES ").and_then(|(_, rest)| rest.split_once('\n'));
    match row {
        Some((row, _)) => one.replacen(row, &[row; BLOCK].join(", "), 1),
        None => one.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use domain::call::{Answer, Outcome};
    use domain::delivery::Attempt;
    use domain::event::{Event, Kind};
    use domain::id::AttemptId;
    use domain::time::Timestamp;

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(0);

    /// Makes an event with one delivery, said by the record of a number.
    pub(in crate::sqlite) fn told(number: u64, delivery: u128) -> Told {
        let event = Event {
            id: EventId::new(number.into()),
            account: AccountId::new(1),
            kind: Kind::Custom,
            name: Cow::Borrowed("custom.a"),
            at: AT,
            request: None,
            order_key: None,
            key: None,
            data: format!("{{\"number\":{number}}}"),
            test: false,
            callbacks: Vec::new(),
            link: None,
        };
        let deliveries = vec![(DeliveryId::new(delivery), EndpointId::new(1))];
        Told { event: Arc::new(event), at: AT, deliveries, number }
    }

    /// Makes the end of a delivery by its first attempt.
    pub(in crate::sqlite) fn ended(delivery: u128) -> Ended {
        let attempt = Arc::new(Attempt {
            id: AttemptId::new(delivery),
            delivery: DeliveryId::new(delivery),
            number: settle::FIRST,
            at: AT,
            took_ms: 1,
            url: "https://example.com".to_owned(),
            body_digest: [7; 32],
            remote: None,
            outcome: Outcome::Answered(Answer { status: 200, ..Answer::default() }),
        });
        Ended { account: AccountId::new(1), request: None, attempt, at: AT, number: 0 }
    }

    /// Gives the numbers of all events in the log, and the ids and states of their deliveries.
    fn found(db: &Connection) -> Vec<(u8, u8, String)> {
        let mut rows =
            db.prepare(include_str!("../../sql/conformance/log_with_deliveries.sql")).unwrap();
        let last = |bytes: [u8; 16]| bytes[15];
        let rows = rows
            .query_map([], |row| Ok((last(row.get(0)?), last(row.get(1)?), row.get(2)?)))
            .unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn a_block_of_which_some_events_are_there_already_is_written_as_far_as_it_is_new() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../schema/sqlite.sql")).unwrap();
        let is_known = |number: u64| number.is_multiple_of(3);
        let known = (1..=40).filter(|number| is_known(*number));
        let before = Chunk { told: known.map(|n| told(n, n.into())).collect(), ..Chunk::default() };
        before.write(&db).unwrap();
        assert_eq!(found(&db).len(), 13);

        // As a journal is read again, with what ended since.
        let mut chunk =
            Chunk { told: (1..=40).map(|n| told(n, n.into())).collect(), ..Chunk::default() };
        chunk.ends = (1..=40).step_by(2).map(|n| (DeliveryId::new(n), ended(n))).collect();
        for _ in 0..2 {
            chunk.write(&db).unwrap();
            let state = |n: u8| if n % 2 == 1 { "delivered" } else { "pending" };
            let whole: Vec<_> = (1..=40).map(|n| (n, n, state(n).to_owned())).collect();
            assert_eq!(found(&db), whole);
        }
    }

    #[test]
    fn no_delivery_is_left_behind_by_a_block_that_is_not_full() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../schema/sqlite.sql")).unwrap();
        let mut chunk = Chunk::default();
        for number in 1..=33 {
            let mut told = told(number, u128::from(number) * 3);
            let further = [1, 2].map(|n| (u128::from(number) * 3 + n, 1 + n));
            told.deliveries.extend(further.map(|(d, e)| (DeliveryId::new(d), EndpointId::new(e))));
            chunk.told.push(told);
        }
        chunk.ends = (3..102).step_by(4).map(|n| (DeliveryId::new(n), ended(n))).collect();
        chunk.write(&db).unwrap();
        let state = |n: u8| if n % 4 == 3 { "delivered" } else { "pending" };
        let whole: Vec<_> = (3..102).map(|n| (n / 3, n, state(n).to_owned())).collect();
        assert_eq!(found(&db), whole);
    }

    #[test]
    fn many_rows_are_as_many_of_the_same_values() {
        for (one, block) in [
            (sql::event_insert, &EVENTS),
            (sql::delivery_insert, &PENDING),
            (sql::delivery_insert_ended, &ENDED),
        ] {
            let values = one.lines().find_map(|line| line.strip_prefix("VALUES ")).unwrap();
            assert_eq!(block.matches(values).count(), BLOCK, "{}", **block);
            assert_eq!(block.len(), one.len() + (BLOCK - 1) * (values.len() + 2));
        }
    }
}
