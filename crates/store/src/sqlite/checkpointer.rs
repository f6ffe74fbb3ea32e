//! The write-ahead log into the database, beside the writer.
//!
//! Invariants: the writer never waits for a checkpoint, but for the short rest of one when the log has grown to
//! [`PAGES_MAX`]; the log is bounded by that as long as no reader stays for ever.
//! Left to others: forcing the log onto the disk (`flusher`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::{open, sql};
use crate::error::Error;

/// The log is copied after so many changes: verbs, events and ends.
const CHANGES: usize = 2_048;
/// So many bytes of texts count as one more change, or the log would be as large as the texts are long.
pub(super) const CHANGE_BYTES: usize = 8 * 1024;
/// A log of so many pages makes the writer copy the rest of it itself, so that it can begin anew.
const PAGES_MAX: u32 = 16_000;

/// The writer's side of the thread that copies. Dropping it waits for the thread.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    pages: Arc<AtomicU32>,
    since: usize,
}

impl Checkpointer {
    /// Starts the thread, with a connection of its own.
    pub(super) fn start(folder: &Path) -> Result<Self, Error> {
        let db = open::copier(folder)?;
        let (wake, woken) = mpsc::sync_channel(1);
        let pages = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&pages);
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || copy_all(&db, &woken, &seen))
            .map_err(|error| Error::Unusable {
                detail: "cannot start the checkpointer's thread".to_owned(),
                source: Some(Box::new(error)),
            })?;
        Ok(Self { wake: Some(wake), thread: Some(thread), pages, since: 0 })
    }

    /// Notes that the writer has committed so much.
    pub(super) fn committed(&mut self, db: &Connection, changes: usize) {
        self.since += changes;
        if self.since < CHANGES {
            return;
        }
        self.since = 0;
        if self.pages.load(Ordering::Acquire) > PAGES_MAX {
            copy(db, &self.pages);
        } else if let Some(wake) = &self.wake {
            match wake.try_send(()) {
                // When it has been woken already, it will see these pages too.
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            drop(thread.join());
        }
    }
}

fn copy_all(db: &Connection, woken: &Receiver<()>, pages: &AtomicU32) {
    while woken.recv().is_ok() {
        copy(db, pages);
    }
}

/// Copies what can be copied. A failure leaves the log as it is: what is in it is safe, and the next turn tries again.
fn copy(db: &Connection, pages: &AtomicU32) {
    // The log, and then the database.
    #[cfg(feature = "conformance")]
    super::spent::flushed(2);
    let copied = db
        .prepare_cached(sql::checkpoint)
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(1)));
    if let Ok(in_log) = copied {
        pages.store(u32::try_from(in_log).unwrap_or(0), Ordering::Release);
    }
}
