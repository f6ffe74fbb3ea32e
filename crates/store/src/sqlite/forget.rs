//! What has outlived its time is taken away, a bounded range of ids at a time.
//!
//! Invariants: what is pending, and what it needs, stays; doing it again takes nothing more; what was told in a
//! transaction before is seen, since one thread does both.
//! Left to others: what has outlived its time (`domain::retention`), when to ask (`engine`).

use domain::id::{AccountId, lowest};
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::rows::{self, blob, trouble};
use super::sql;
use crate::error::Error;
use crate::forget::{Forgotten, Outlived};

/// Forgets what is asked for, looking at `limit` rows at most.
pub(super) fn forget(db: &Connection, asked: Outlived, limit: u32) -> Result<Forgotten, Error> {
    let mut forgotten = Forgotten::default();
    match asked {
        Outlived::Replies { by } => {
            forgotten.replies = run(db, sql::reply_forget, params![by.as_millis(), limit])?;
            forgotten.rest = (forgotten.replies == limit).then_some(asked);
        }
        Outlived::Deliveries { account, after, before } => {
            let (after, end) = (after.bits(), lowest(before));
            let reach = reach(db, sql::delivery_reach, (account, after, end, limit))?;
            let upto = blob(reach.unwrap_or(end));
            let arguments = params![blob(account.bits()), blob(after), upto, before.as_millis()];
            run(db, sql::notice_forget, arguments)?;
            forgotten.attempts = run(db, sql::attempt_forget, arguments)?;
            let mut statement = db.prepare_cached(sql::delivery_forget).map_err(trouble)?;
            let mut gone = statement.query(arguments).map_err(trouble)?;
            while let Some(row) = gone.next().map_err(trouble)? {
                let was_tried: bool = rows::column(row, 0)?;
                forgotten.deliveries += 1;
                forgotten.attempts += u32::from(was_tried);
            }
            forgotten.rest = asked.rest(reach);
        }
        Outlived::Events { account, after, texts_before, rows_before } => {
            let (after, end) = (after.bits(), lowest(texts_before));
            let reach = reach(db, sql::event_reach, (account, after, end, limit))?;
            let upto = reach.unwrap_or(end);
            let (account, after) = (blob(account.bits()), blob(after));
            let rows_upto = blob(upto.min(lowest(rows_before)));
            forgotten.events = run(db, sql::event_forget, params![account, after, rows_upto])?;
            forgotten.texts = run(db, sql::event_forget_text, params![account, after, blob(upto)])?;
            forgotten.rest = asked.rest(reach);
        }
    }
    Ok(forgotten)
}

/// Finds the first one beyond so many, below an end.
fn reach(
    db: &Connection,
    text: &str,
    of: (AccountId, u128, u128, u32),
) -> Result<Option<u128>, Error> {
    let (account, after, end, limit) = of;
    let arguments = params![blob(account.bits()), blob(after), blob(end), limit];
    let mut statement = db.prepare_cached(text).map_err(trouble)?;
    let found = statement.query_row(arguments, |row| row.get(0)).optional().map_err(trouble)?;
    Ok(found.map(u128::from_be_bytes))
}

fn run(db: &Connection, text: &str, arguments: &[&dyn ToSql]) -> Result<u32, Error> {
    let mut statement = db.prepare_cached(text).map_err(trouble)?;
    let changed = statement.execute(arguments).map_err(trouble)?;
    Ok(u32::try_from(changed).unwrap_or(u32::MAX))
}
