//! What has outlived its time is taken away, a bounded range of ids at a time.
//!
//! It has a connection of its own, so that nothing waits behind it.
//!
//! Invariants: what is pending, and what it needs, stays; doing it again, or on two nodes at once, takes nothing more.
//! Left to others: what has outlived its time (`domain::retention`), when to ask (`engine`).

use domain::id::{AccountId, lowest};
use tokio::sync::Mutex;

use super::link::{Arguments, Link};
use super::rows::{self, Id, Trouble};
use super::servers::Servers;
use super::sql;
use crate::error::Error;
use crate::forget::{Forgotten, Outlived};

/// Who forgets, with a connection that is opened at the first use.
#[derive(Debug, Default)]
pub(super) struct Forgetter {
    link: Mutex<Option<Link>>,
}

impl Forgetter {
    /// Forgets what is asked for, looking at `limit` rows at most, in one transaction.
    pub(super) async fn forget(
        &self,
        servers: &Servers,
        asked: Outlived,
        limit: u32,
    ) -> Result<Forgotten, Error> {
        let mut kept = self.link.lock().await;
        let link = match kept.take().filter(|link| !link.is_closed()) {
            Some(link) => link,
            None => Link::open(servers, sql::settings_writer).await.map_err(Trouble::into_error)?,
        };
        // A connection on which something failed is dropped, and its transaction with it.
        let forgotten = transact(&link, asked, limit).await.map_err(Trouble::into_error)?;
        *kept = Some(link);
        Ok(forgotten)
    }
}

async fn transact(link: &Link, asked: Outlived, limit: u32) -> Result<Forgotten, Trouble> {
    link.simply(sql::begin).await?;
    let forgotten = forget(link, asked, limit).await?;
    link.simply(sql::commit).await?;
    Ok(forgotten)
}

async fn forget(link: &Link, asked: Outlived, limit: u32) -> Result<Forgotten, Trouble> {
    let mut forgotten = Forgotten::default();
    match asked {
        Outlived::Replies { by } => {
            let arguments: Arguments<'_> = &[&by.as_millis(), &i64::from(limit)];
            forgotten.replies = count(link.run(sql::reply_forget, arguments).await?);
            forgotten.rest = (forgotten.replies == limit).then_some(asked);
        }
        Outlived::Deliveries { account, after, before } => {
            let (after, end) = (after.bits(), lowest(before));
            let reach = reach(link, sql::delivery_reach, (account, after, end, limit)).await?;
            let (of, upto) = (Id(account.bits()), Id(reach.unwrap_or(end)));
            let arguments: Arguments<'_> = &[&of, &Id(after), &upto, &before.as_millis()];
            if let Some(row) = link.first(sql::delivery_forget, arguments).await? {
                forgotten.deliveries = count(rows::column::<i64>(&row, 0)?.unsigned_abs());
                forgotten.attempts = count(rows::column::<i64>(&row, 1)?.unsigned_abs());
            }
            forgotten.rest = asked.rest(reach);
        }
        Outlived::Events { account, after, texts_before, rows_before } => {
            let (after, end) = (after.bits(), lowest(texts_before));
            let reach = reach(link, sql::event_reach, (account, after, end, limit)).await?;
            let (of, upto) = (Id(account.bits()), Id(reach.unwrap_or(end)));
            let mut ids = Vec::new();
            for row in link.rows(sql::event_old, &[&of, &Id(after), &upto]).await? {
                ids.push(Id(rows::bits(&row, 0)?));
            }
            if !ids.is_empty() {
                let arguments: Arguments<'_> = &[&of, &ids, &Id(lowest(rows_before))];
                forgotten.events = count(link.run(sql::event_forget, arguments).await?);
                forgotten.texts = count(link.run(sql::event_forget_text, &[&of, &ids]).await?);
            }
            forgotten.rest = asked.rest(reach);
        }
    }
    Ok(forgotten)
}

/// Finds the first one beyond so many, below an end.
async fn reach(
    link: &Link,
    text: &'static str,
    of: (AccountId, u128, u128, u32),
) -> Result<Option<u128>, Trouble> {
    let (account, after, end, limit) = of;
    let arguments: Arguments<'_> = &[&Id(account.bits()), &Id(after), &Id(end), &i64::from(limit)];
    let found = link.first(text, arguments).await?;
    Ok(found.map(|row| rows::bits(&row, 0)).transpose()?)
}

fn count(rows: u64) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
