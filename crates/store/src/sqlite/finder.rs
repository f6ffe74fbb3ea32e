//! Finds what only the database knows, for the hot path.
//!
//! Each look at the database of its own takes and gives back a lock, which costs more than what is looked for. So a look
//! stays open from one question to the next, for as long as the database does not change.
//!
//! Invariants: a look that stays sees all that was committed before it was opened, so whoever changes the database has it
//! closed before and after ([`Finder::leave`]); none stays while the database is written, or the log could never begin anew.
//! Left to others: what is asked (`fanout`, `state`).

use rusqlite::Connection;

use super::rows::trouble;
use super::sql;
use crate::error::Error;

/// A connection that only looks.
#[derive(Debug)]
pub(super) struct Finder {
    db: Connection,
    stays: bool,
}

impl Finder {
    pub(super) const fn new(db: Connection) -> Self {
        Self { db, stays: false }
    }

    /// Gives the connection, to look once.
    pub(super) const fn db(&self) -> &Connection {
        &self.db
    }

    /// Opens a look that stays until [`Finder::leave`].
    pub(super) fn stay(&mut self) -> Result<(), Error> {
        if !self.stays {
            self.db
                .prepare_cached(sql::look)
                .and_then(|mut look| look.execute([]))
                .map_err(trouble)?;
            self.stays = true;
        }
        Ok(())
    }

    /// Closes the look that stays, if there is one.
    pub(super) fn leave(&mut self) {
        if self.stays {
            // It has changed nothing, so there is nothing to lose. Should it stay open, the next one says so.
            let closed = self.db.prepare_cached(sql::commit).and_then(|mut end| end.execute([]));
            self.stays = closed.is_err() && !self.db.is_autocommit();
        }
    }
}
