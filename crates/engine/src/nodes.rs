//! Several nodes on one store: saying that this one lives, and keeping to its share.
//!
//! Invariants: a node that has not been heard for [`HEARD_MAX`] starts nothing and takes nothing, well before others
//! may declare it dead and take over what it had leased; it says that it keeps to its share once it does.
//! Left to others: who lives (`store`), what a share is (`share`), how often to beat (`run`).

use std::time::Duration;

use tracing::warn;

use crate::Engine;

/// A node whose last beat began longer ago than this starts nothing. Others declare it dead after ten seconds.
pub(crate) const HEARD_MAX: Duration = Duration::from_secs(8);

impl Engine {
    /// Says that this node lives; tells whether the crew agrees on who does.
    pub async fn beat(&self) -> Result<bool, store::Error> {
        let began = self.inner.clock.uptime();
        let crew = self.store().beat(self.now()).await?;
        self.met(began, crew);
        Ok(crew.agreed)
    }

    /// Says that this node keeps to its share, if it does already; tells whether the crew agrees.
    pub async fn agree(&self) -> Result<bool, store::Error> {
        if !self.lanes().keep_to_share() {
            return Ok(false);
        }
        let began = self.inner.clock.uptime();
        let crew = self.store().agree(self.now()).await?;
        self.met(began, crew);
        Ok(crew.agreed)
    }

    fn met(&self, began: Duration, crew: store::Crew) {
        if crew.renewed {
            warn!("others had taken this node for dead; it goes on under another id");
        }
        let (looks, mut back) = self.lanes().meet(began, crew);
        back.extend(self.lanes().surplus());
        if !back.is_empty() {
            self.store().release(back);
        }
        if looks {
            // Timers of a node that died are ours as much as anybody's.
            self.inner.timers.no_later_than(self.now());
        }
    }

    /// Ends the store's part, once nothing runs any more.
    pub async fn close(&self) -> Result<(), store::Error> {
        self.store().close().await
    }

    /// Looks for work that no hint told of, and for timers that others have set.
    pub fn look_around(&self) {
        self.lanes().ask_for_everything();
        self.inner.timers.no_later_than(self.now());
    }
}
