//! The write-ahead log into the database, beside the writer.
//!
//! Invariants: the writer never waits for a checkpoint, but for the short rest of one when the log has grown to
//! [`PAGES_MAX`]; the log is bounded by that as long as no reader stays for ever; a file of the journal is free only once
//! the log that holds what is in it is on the disk, and nobody waits for an answer meanwhile.
//! Left to others: forcing the log onto the disk for those who wait (`flusher`).

use std::fs::File;
use std::io;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::{open, sql};
use crate::error::Error;

/// The log is copied after so many changes: verbs, events and ends.
const CHANGES: usize = 2_048;
/// So many bytes of texts count as one more change, or the log would be as large as the texts are long.
pub(super) const CHANGE_BYTES: usize = 8 * 1024;
/// A log of so many pages makes the writer copy the rest of it itself, so that it can begin anew: 64 MB of them.
const PAGES_MAX: u32 = 8_000;

/// The writer's side of the thread that copies. Dropping it waits for the thread.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// Says that the disk has refused, after which nothing more is copied.
    refused: Arc<AtomicBool>,
    since: usize,
}

/// What the writer and the thread share.
#[derive(Debug, Default)]
struct Shared {
    /// The pages in the log when it was copied the last time.
    pages: AtomicU32,
    /// Say that files of the journal are free, once the log is on the disk.
    flags: Mutex<Vec<Arc<AtomicBool>>>,
}

/// The thread that copies.
struct Copier {
    db: Connection,
    log: File,
    shared: Arc<Shared>,
    /// Says that the disk has refused, after which nothing more is promised.
    refused: Arc<AtomicBool>,
}

impl Checkpointer {
    /// Starts the thread, with a connection of its own.
    pub(super) fn start(folder: &Path, refused: Arc<AtomicBool>) -> Result<Self, Error> {
        let db = open::copier(folder)?;
        let unusable = |error: io::Error| Error::Unusable {
            detail: "cannot start the checkpointer's thread".to_owned(),
            source: Some(Box::new(error)),
        };
        let log = File::options().write(true).open(folder.join(open::LOG)).map_err(unusable)?;
        let (wake, woken) = mpsc::sync_channel(1);
        let shared = Arc::new(Shared::default());
        let copier = Copier { db, log, shared: Arc::clone(&shared), refused: Arc::clone(&refused) };
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || copier.run(&woken))
            .map_err(unusable)?;
        Ok(Self { wake: Some(wake), thread: Some(thread), shared, refused, since: 0 })
    }

    /// Has a flag raised once all that was committed until now is on the disk.
    pub(super) fn raise(&self, flag: Arc<AtomicBool>) {
        self.shared.flags.lock().unwrap_or_else(PoisonError::into_inner).push(flag);
        self.wake();
    }

    /// Notes that the writer has committed so much.
    pub(super) fn committed(&mut self, db: &Connection, changes: usize) {
        self.since += changes;
        if self.since < CHANGES {
            return;
        }
        self.since = 0;
        let is_long = self.shared.pages.load(Ordering::Acquire) > PAGES_MAX;
        if is_long && !self.refused.load(Ordering::Acquire) {
            copy(db, &self.shared.pages);
        } else {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(wake) = &self.wake {
            match wake.try_send(()) {
                // When it has been woken already, it will see what there is now, too.
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

impl Copier {
    fn run(&self, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            self.raise();
            // The database shall not take from the log what the disk may not hold.
            if !self.refused.load(Ordering::Acquire) {
                copy(&self.db, &self.shared.pages);
            }
        }
    }

    fn raise(&self) {
        let flags = {
            let mut flags = self.shared.flags.lock().unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *flags)
        };
        if flags.is_empty() {
            return;
        }
        #[cfg(feature = "conformance")]
        super::spent::flushed(1);
        match self.log.sync_data() {
            Ok(()) => flags.iter().for_each(|flag| flag.store(true, Ordering::Release)),
            Err(_) => self.refused.store(true, Ordering::Release),
        }
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
