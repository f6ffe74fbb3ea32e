//! The moving parts: commands that decide and commit, and steps that carry deliveries and timers forward.
//!
//! A command loads, asks `domain` to decide, and commits; it starts over when somebody else was faster.
//! Work that a commit leases goes from the store straight to the [`lanes`]; [`run`] is the only loop.
//!
//! Invariants: a step takes the time and works from what it reads; a wake is only a hint, the timer is the truth;
//! nothing here writes but through the verbs of `store`.
//! Left to others: what is possible (`domain`), words (`dialects`), the wire (`channels`), rows (`store`).

mod command;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use channels::{Channel, Guard};
use domain::id::{Chance, Mint};
use domain::time::{Clock, Timestamp};
use store::{MasterKey, Store, Views};

pub use command::{Flaw, Idempotency, Once, Refusal};

/// What the engine is built from.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What may be read of it.
    pub views: Arc<dyn Views>,
    /// The way out for calls.
    pub channel: Arc<dyn Channel>,
    /// Which addresses may be called at all; asked when an endpoint is registered.
    pub guard: Arc<Guard>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The source of chance.
    pub chance: Box<dyn Chance>,
    /// Seals secrets, derives links.
    pub master: MasterKey,
}

/// The engine. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    views: Arc<dyn Views>,
    channel: Arc<dyn Channel>,
    guard: Arc<Guard>,
    clock: Arc<dyn Clock>,
    dice: Mutex<Dice>,
    master: MasterKey,
}

/// Ids and chance, drawn one at a time.
struct Dice {
    mint: Mint,
    chance: Box<dyn Chance>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Builds the engine. Nothing moves before [`Engine::run`].
    pub fn new(parts: Parts) -> Self {
        let Parts { store, views, channel, guard, clock, chance, master } = parts;
        let dice = Mutex::new(Dice { mint: Mint::default(), chance });
        Self { inner: Arc::new(Inner { store, views, channel, guard, clock, dice, master }) }
    }

    /// Gives the present moment.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Gives what may be read.
    pub fn views(&self) -> &Arc<dyn Views> {
        &self.inner.views
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.inner.guard
    }

    pub(crate) fn channel(&self) -> &Arc<dyn Channel> {
        &self.inner.channel
    }

    pub(crate) fn master(&self) -> &MasterKey {
        &self.inner.master
    }

    /// Mints the 128 bits of an id: `RequestId::new(engine.mint(now))`.
    pub(crate) fn mint(&self, now: Timestamp) -> u128 {
        let mut dice = self.inner.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let Dice { mint, chance } = &mut *dice;
        mint.next(now, chance.as_mut())
    }

    /// Draws from the source of chance.
    pub(crate) fn with_chance<T>(&self, draw: impl FnOnce(&mut dyn Chance) -> T) -> T {
        let mut dice = self.inner.dice.lock().unwrap_or_else(PoisonError::into_inner);
        draw(dice.chance.as_mut())
    }
}
