//! Connections that only read, lent to one question at a time.
//!
//! Invariants: a question about what goes through the journal sees all that was answered before it was asked: the
//! database catches up first; who follows the log is shown nothing of it that a loss of power could put elsewhere.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::AccountId;
use domain::time::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::{Semaphore, oneshot};
use tokio::task;

use super::desk::Desk;
use super::job::Job;
use super::queue::Queue;
use super::rows::{self, trouble};
use super::{open, sql};
use crate::commit::{Timer, TimerKind};
use crate::error::Error;
use crate::seal::MasterKey;

/// Connections that only read.
const READERS: usize = 3;

/// The reading side of the embedded store.
pub(super) struct Readers {
    pool: Arc<Pool>,
    ahead: Ahead,
    /// The log is on the disk up to here, as far as anybody has asked.
    log_end: AtomicI64,
}

/// What the journal is ahead of the database.
pub(super) struct Ahead {
    pub(super) queue: Queue,
    /// Shows what stands in the journal alone.
    pub(super) desk: Arc<Desk>,
}

impl Ahead {
    /// Has the database catch up. When it cannot, since the disk is full or the store is closed, there is still
    /// something to read.
    async fn catch_up(&self) {
        if self.desk.is_behind() {
            self.ask(Job::CatchUp).await;
        }
    }

    /// Asks the writer; `None` when it cannot answer.
    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.queue.line_up(job(answer));
        answered.await.ok()?.ok()
    }
}

type Answer<T> = oneshot::Sender<Result<T, Error>>;

struct Pool {
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
    master: MasterKey,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

impl Readers {
    pub(super) fn open(folder: &Path, master: MasterKey, ahead: Ahead) -> Result<Self, Error> {
        let log_end = open::log_end(&open::reader(folder)?)?;
        let idle = (0..READERS).map(|_| open::reader(folder)).collect::<Result<Vec<_>, _>>()?;
        let pool =
            Pool { idle: Mutex::new(idle), turns: Arc::new(Semaphore::new(READERS)), master };
        Ok(Self { pool: Arc::new(pool), ahead, log_end: AtomicI64::new(log_end) })
    }

    /// Asks about events, deliveries or attempts, which go through the journal: the database catches up first.
    pub(super) async fn ask_latest<T, F>(&self, question: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &MasterKey) -> Result<T, Error> + Send + 'static,
    {
        self.ahead.catch_up().await;
        self.ask(question).await
    }

    /// Asks about the log in the order it was written, up to where it is on the disk. When the writer cannot say that, since
    /// the disk is full or the store is closed, it is as far as it was the last time.
    pub(super) async fn ask_log<T, F>(&self, question: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, i64) -> Result<T, Error> + Send + 'static,
    {
        let end = match self.ahead.ask(Job::LogEnd).await {
            Some(end) => {
                self.log_end.store(end, Ordering::Release);
                end
            }
            None => self.log_end.load(Ordering::Acquire),
        };
        self.ask(move |db, _| question(db, end)).await
    }

    /// Asks a question on a connection of its own, beside the runtime's threads.
    pub(super) async fn ask<T, F>(&self, question: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &MasterKey) -> Result<T, Error> + Send + 'static,
    {
        let pool = Arc::clone(&self.pool);
        // The turn travels with the question, so that an asker who goes away does not free it early.
        let turn =
            Arc::clone(&pool.turns).acquire_owned().await.map_err(|_closed| Error::Closed)?;
        let asked = task::spawn_blocking(move || {
            let _turn = turn;
            let Some(db) = pool.borrow() else { return Err(Error::Closed) };
            // A question that panics must not take the connection along.
            let answer = catch_unwind(AssertUnwindSafe(|| question(&db, &pool.master)));
            pool.give_back(db);
            answer.unwrap_or_else(|panic| resume_unwind(panic))
        });
        asked.await.map_err(|error| Error::Unusable {
            detail: "a question to the store was not finished".to_owned(),
            source: Some(Box::new(error)),
        })?
    }

    pub(super) async fn due_timers(&self, now: Timestamp, limit: u32) -> Result<Vec<Timer>, Error> {
        self.ask(move |db, _| {
            let mut statement = db.prepare_cached(sql::timer_due).map_err(trouble)?;
            let mut found = statement.query(params![now.as_millis(), limit]).map_err(trouble)?;
            let mut timers = Vec::new();
            while let Some(row) = found.next().map_err(trouble)? {
                let name: String = rows::column(row, 1)?;
                let kind = TimerKind::ALL.into_iter().find(|kind| kind.as_str() == name);
                timers.push(Timer {
                    account: AccountId::new(rows::bits(row, 0)?),
                    kind: kind.ok_or(Error::Corrupt { table: "timers", detail: name })?,
                    subject: rows::bits(row, 2)?,
                    due_at: rows::moment(row, 3)?,
                });
            }
            Ok(timers)
        })
        .await
    }

    pub(super) async fn next_timer(&self) -> Result<Option<Timestamp>, Error> {
        self.ask(|db, _| {
            let mut statement = db.prepare_cached(sql::timer_next).map_err(trouble)?;
            let next: Option<i64> = statement.query_row([], |row| row.get(0)).map_err(trouble)?;
            Ok(next.map(Timestamp::from_millis))
        })
        .await
    }
}

impl Pool {
    fn borrow(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, db: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
    }
}
