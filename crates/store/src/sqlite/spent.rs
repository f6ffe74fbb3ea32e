//! What the embedded stores of this process have asked of their databases and disks, for the test that bounds it.
//!
//! Invariants: it is counted where it is asked, and nothing depends on it.

use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

static STATEMENTS: AtomicU64 = AtomicU64::new(0);
static FLUSHES: AtomicU64 = AtomicU64::new(0);

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Statements that were run, transactions' beginnings and ends among them.
    pub statements: u64,
    /// How often a file was forced onto the disk.
    pub flushes: u64,
}

/// Gives what was asked since the process began.
pub fn spent() -> Spent {
    Spent {
        statements: STATEMENTS.load(Ordering::Relaxed),
        flushes: FLUSHES.load(Ordering::Relaxed),
    }
}

/// Counts the statements of a connection from now on.
pub(super) fn watch(db: &mut Connection) -> rusqlite::Result<()> {
    db.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(count))
}

/// Counts so many files that are forced onto the disk.
pub(super) fn flushed(files: u64) {
    FLUSHES.fetch_add(files, Ordering::Relaxed);
}

fn count(_: TraceEvent<'_>) {
    STATEMENTS.fetch_add(1, Ordering::Relaxed);
}
