//! Connections that only read, lent to one question at a time.
//!
//! Invariant: there are a few, and who waits for one waits a bounded time.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::time::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time;

use super::link::Link;
use super::rows::{Id, Trouble, moment};
use super::sql;
use super::state::Shared;
use crate::error::Error;

/// Connections that only read.
const READERS: usize = 4;
/// A question waits so long for a connection.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// The reading side of the store.
pub(super) struct Readers {
    pub(super) shared: Arc<Shared>,
    idle: Mutex<Vec<Arc<Link>>>,
    turns: Semaphore,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

/// A connection that is lent; it comes back when this is dropped.
pub(super) struct Lent<'a> {
    readers: &'a Readers,
    link: Arc<Link>,
    _turn: SemaphorePermit<'a>,
}

impl Readers {
    /// Starts without any connection.
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, idle: Mutex::new(Vec::new()), turns: Semaphore::const_new(READERS) }
    }

    /// Lends a connection.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, Error> {
        let waited = time::timeout(TURN_WAIT, self.turns.acquire()).await;
        let turn = waited.map_err(|error| Error::Unavailable {
            hint: "too many questions wait for PostgreSQL; look how busy it is",
            source: Box::new(error),
        })?;
        let turn = turn.map_err(|_closed| Error::Closed)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let link = if let Some(link) = idle.filter(|link| !link.is_closed()) {
            link
        } else {
            let opened = Link::open(&self.shared.servers, sql::settings_reader).await;
            Arc::new(opened.map_err(Trouble::into_error)?)
        };
        Ok(Lent { readers: self, link, _turn: turn })
    }

    pub(super) async fn next_timer(&self) -> Result<Option<Timestamp>, Error> {
        let link = self.lend().await?;
        let found = link.ask(sql::timer_next, &[&Id(self.shared.node().id)]).await?;
        found.first().map(|row| moment(row, 0)).transpose()
    }
}

impl Deref for Lent<'_> {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Arc::clone(&self.link));
    }
}
