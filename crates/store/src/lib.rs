//! Everything that is remembered.
//!
//! Three write verbs carry the product, each one commit: [`Store::commit`], [`Store::lease`], [`Store::settle`].
//! Work that the store leases to this node goes to its [`Lanes`] straight from the commit, so that a caller
//! who goes away in the middle (a closed connection, say) takes nothing along.
//!
//! Invariants: an answer means that the disk has it; a verb repeated changes nothing; no statement asks the database
//! for the time; SQL stands in `sql/` alone.
//! Left to others: deciding (`domain`), retrying and waiting (`engine`).

#![warn(missing_docs)]

pub mod carry;
mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod crew;
mod error;
mod forget;
mod lanes;
pub mod postgres;
mod seal;
pub mod sqlite;
mod views;

use std::fmt::Debug;

use async_trait::async_trait;
use domain::id::{DeliveryId, EndpointId};
use domain::time::Timestamp;

pub use commit::{
    Account, Audience, Commit, Committed, Fault, Guarded, NewDelivery, Noted, Reply, Said, Setting,
    SettingKind, Settled, Settlement, SignerLink, Timer, TimerKind, Version, Write,
};
pub use crew::Crew;
pub use error::Error;
pub use forget::{Forgotten, Outlived};
pub use lanes::{Lanes, Lease, LeaseScope, Leased};
pub use seal::MasterKey;
pub use views::{
    DeliveryFilter, DeliveryRow, EndpointRow, EventFilter, Lag, Page, ReplayRow, RequestFilter,
    SettingRow, Stats, TimelineEntry, Views,
};

/// What the engine needs remembered. One method, one commit. Time comes in as an argument.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// Writes new states, their events, and one delivery for each endpoint that wants an event; all or nothing.
    ///
    /// Deliveries for which the lanes have room are leased and handed to them once the commit is durable.
    /// Repeating a commit whose answer was lost is safe: events of a known id are noted as known, a stale version is
    /// [`Fault::Conflict`], a known idempotency key is [`Fault::Repeated`].
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault>;

    /// Leases due deliveries to this node and hands them to its lanes, as many as these admit.
    async fn lease(&self, now: Timestamp, scope: LeaseScope) -> Result<Leased, Error>;

    /// Records ended attempts with what follows from them, and frees their leases. The same settlement twice is once.
    ///
    /// New deliveries of the events, and those whose turn has come in an ordered endpoint, go to the lanes as in a commit.
    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Settled, Error>;

    /// Hands leases back untried.
    fn release(&self, leases: Vec<(EndpointId, DeliveryId)>);

    /// Says that this node lives, and tells who else does. A node that has not said so for some time is declared dead by
    /// the others, and what it had leased goes to them.
    ///
    /// Call it every two seconds. A store with one node by its nature answers [`Crew::ALONE`] without any work.
    async fn beat(&self, now: Timestamp) -> Result<Crew, Error>;

    /// Says that this node keeps to its share of the crew that it was told of last, and tells how the crew stands. Not a
    /// beat: however often it is called, nobody is declared dead the sooner.
    async fn agree(&self, now: Timestamp) -> Result<Crew, Error>;

    /// Takes due timers, at most `limit`, earliest first; they stay until a commit clears them, and are given
    /// to no other node meanwhile.
    async fn due_timers(&self, now: Timestamp, limit: u32) -> Result<Vec<Timer>, Error>;

    /// Gives the moment of the earliest timer.
    async fn next_timer(&self) -> Result<Option<Timestamp>, Error>;

    /// Takes away what has outlived its time, looking at `limit` rows at most (1 or more); tells how much went, and where
    /// to go on. What is pending stays, with all that it needs. Repeating it takes nothing more.
    ///
    /// Nothing waits behind it but for its own short transaction.
    async fn forget(&self, outlived: Outlived, limit: u32) -> Result<Forgotten, Error>;

    /// Gives the highest id of an event or delivery at the opening (0 when there is none), so that ids go on rising even
    /// when the clock has stepped back meanwhile.
    fn highest_id(&self) -> u128;

    /// Proves that the store can write, by writing.
    async fn probe(&self, now: Timestamp) -> Result<(), Error>;

    /// Finishes what waits and hands back what is leased; nothing may be asked afterwards. Waits as long as the database
    /// takes. A store that ends when it is dropped has nothing to do here.
    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
