//! The moving parts: commands that decide and commit, and steps that carry deliveries and timers forward.
//!
//! A command loads, asks `domain` to decide, and commits; it starts over when somebody else was faster.
//! Work that a commit leases goes from the store straight to the [`lanes`]; [`run`] is the only loop.
//!
//! Invariants: a step takes the time and works from what it reads; a wake is only a hint, the timer is the truth;
//! nothing here writes but through the verbs of `store`.
//! Left to others: what is possible (`domain`), words (`dialects`), the wire (`channels`), rows (`store`).

pub mod branding;
pub mod catalogue;
mod check;
mod command;
pub mod contacts;
mod deliver;
pub mod deliveries;
pub mod documents;
mod doorway;
pub mod endpoints;
pub mod events;
pub mod feedback;
mod fields;
mod health;
pub mod intake;
pub mod keys;
mod lanes;
pub mod mailbox;
mod metrics;
mod nodes;
pub mod notice_rules;
mod notices;
pub mod own_templates;
pub mod previews;
pub mod problem;
pub mod providers;
mod replay_step;
pub mod replays;
mod replies;
pub mod requests;
mod retention;
mod run;
mod service_key;
mod settings;
mod settle;
mod share;
pub mod shortener;
pub mod sources;
pub mod suppressions;
mod timers;
pub mod tokens;
pub mod workflows;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use channels::mailbox::Mailbox;
use channels::smtp::Mailer;
use channels::{Channel, Guard, ReturnPaths};
use dialects::proof::{RsaKey, SigningKey};
use domain::endpoint::{Endpoint, Signing};
use domain::event::{Event, Kind};
use domain::id::{AccountId, Chance, EventId, Mint};
use domain::retention::Retention;
use domain::time::{Clock, Timestamp};
use serde::Serialize;
use store::{Commit, Committed, Fault, MasterKey, Store, Views, Write};
use tokio::sync::Semaphore;
use url::Url;

use metrics::Metrics;
use notices::{Desks, Shorteners, Switchboard};
use run::Loops;
use settle::Ends;
use timers::Alarm;

pub use channels::conversation::{Said, Side};
pub use deliver::Ended;
pub use dialects::face;
pub use health::Readiness;
pub use lanes::{Lanes, Work};
pub use retention::Pass;
pub use run::Shutdown;
pub use templates::Branding;

pub use command::{Flaw, Idempotency, Once, Patch, Refusal};

/// What the engine is built from.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What may be read of it.
    pub views: Arc<dyn Views>,
    /// The way out for calls.
    pub channel: Arc<dyn Channel>,
    /// The way out for mails to a mail server.
    pub mailer: Arc<dyn Mailer>,
    /// Which addresses may be called at all; asked when an endpoint is registered.
    pub guard: Arc<Guard>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The source of chance.
    pub chance: Box<dyn Chance>,
    /// The same clock, where it can be moved: in development alone.
    pub movable: Option<Arc<dyn MovableClock>>,
    /// Seals secrets, derives links.
    pub master: MasterKey,
    /// Where the store puts leased work: the same lanes that it was opened with.
    pub lanes: Arc<Lanes>,
    /// How long what has happened is kept.
    pub retention: Retention,
    /// How many requests of an account may be with their signers at once, if that is limited.
    pub open_requests_max: Option<u32>,
    /// Where people find the service.
    pub public_url: String,
    /// Where messages are kept for the developer: in development alone.
    pub mailbox: Option<Mailbox>,
}

/// A clock that can be moved on, so that days can be watched in seconds.
pub trait MovableClock: Clock {
    /// Moves time on by that many milliseconds; gives the moment it is now.
    fn advance(&self, millis: i64) -> Timestamp;
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
    mailer: Arc<dyn Mailer>,
    desks: Desks,
    switchboard: Switchboard,
    shorteners: Shorteners,
    guard: Arc<Guard>,
    clock: Arc<dyn Clock>,
    movable: Option<Arc<dyn MovableClock>>,
    dice: Mutex<Dice>,
    master: MasterKey,
    lanes: Arc<Lanes>,
    retention: Retention,
    open_requests_max: Option<u32>,
    public_url: String,
    mailbox: Option<Mailbox>,
    ends: Ends,
    metrics: Metrics,
    timers: Alarm,
    loops: Loops,
    heard: feedback::Memory,
    sources: intake::Doors,
    return_paths: ReturnPaths,
    tests: providers::Recent,
    piece_turns: Semaphore,
    signers: Mutex<BTreeMap<AccountId, Arc<SigningKey>>>,
    rsa: Mutex<Option<Arc<RsaKey>>>,
    /// Stands in for a URL where a dialect takes it from elsewhere.
    nowhere: Arc<Url>,
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
        let Parts {
            store,
            views,
            channel,
            mailer,
            guard,
            clock,
            movable,
            chance,
            master,
            lanes,
            retention,
            open_requests_max,
            mut public_url,
            mailbox,
        } = parts;
        public_url.truncate(public_url.trim_end_matches('/').len());
        let mint = Mint::after(store.highest_id());
        let inner = Inner {
            store,
            views,
            channel,
            mailer,
            desks: Desks::default(),
            switchboard: Switchboard::default(),
            shorteners: Shorteners::default(),
            guard,
            clock,
            movable,
            dice: Mutex::new(Dice { mint, chance }),
            return_paths: feedback::return_paths(&master),
            master,
            lanes,
            retention,
            open_requests_max,
            public_url,
            mailbox,
            ends: Ends::default(),
            metrics: Metrics::new(),
            timers: Alarm::default(),
            loops: Loops::default(),
            heard: feedback::Memory::default(),
            sources: intake::Doors::default(),
            tests: providers::Recent::default(),
            piece_turns: Semaphore::new(documents::PIECES_AT_ONCE_MAX),
            signers: Mutex::default(),
            rsa: Mutex::default(),
            nowhere: Arc::new(nowhere()),
        };
        Self { inner: Arc::new(inner) }
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

    /// Commits, and wakes the timers if the commit sets one.
    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        let earliest = commit.writes.iter().filter_map(Write::timer).min();
        let events = commit.events.len();
        let committed = self.inner.store.commit(commit).await?;
        self.inner.metrics.accepted(events);
        if let Some(at) = earliest {
            self.inner.timers.no_later_than(at);
        }
        Ok(committed)
    }

    /// Gives where people find the service, without a slash at the end.
    pub fn public_url(&self) -> &str {
        &self.inner.public_url
    }

    /// Gives the lanes.
    pub fn lanes(&self) -> &Lanes {
        &self.inner.lanes
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Builds an event about something else than a request.
    pub(crate) fn event<T: Serialize>(
        &self,
        kind: Kind,
        account: AccountId,
        about: &T,
        now: Timestamp,
    ) -> Event {
        // A struct of ours always has a JSON form; an empty one says nothing wrong.
        let data = serde_json::to_string(about).unwrap_or_else(|_error| "{}".to_owned());
        Event {
            id: EventId::new(self.mint(now)),
            account,
            kind,
            name: Cow::Borrowed(kind.as_str()),
            at: now,
            request: None,
            order_key: None,
            key: None,
            data,
            test: false,
            callbacks: Vec::new(),
            link: None,
        }
    }

    /// Gives the account's signing key, where the endpoint asks for it.
    pub(crate) async fn signer(&self, endpoint: &Endpoint) -> Option<Arc<SigningKey>> {
        if endpoint.signing != Signing::Ed25519 {
            return None;
        }
        self.signing_key(endpoint.account).await
    }

    /// Gives an account's signing key, read at the first use.
    pub(crate) async fn signing_key(&self, account: AccountId) -> Option<Arc<SigningKey>> {
        let known = || {
            let signers = self.inner.signers.lock().unwrap_or_else(PoisonError::into_inner);
            signers.get(&account).map(Arc::clone)
        };
        if let Some(key) = known() {
            return Some(key);
        }
        for account in self.views().accounts().await.ok()? {
            let seed = STANDARD.decode(account.signing_seed.expose()).ok()?;
            let key = Arc::new(SigningKey::from_seed(&seed.try_into().ok()?).ok()?);
            let mut signers = self.inner.signers.lock().unwrap_or_else(PoisonError::into_inner);
            signers.insert(account.id, key);
        }
        known()
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

    /// Draws 128 bits that nobody can foretell.
    pub fn draw(&self) -> u128 {
        self.with_chance(|chance| (u128::from(chance.draw()) << 64) | u128::from(chance.draw()))
    }

    /// Draws from the source of chance.
    pub(crate) fn with_chance<T>(&self, draw: impl FnOnce(&mut dyn Chance) -> T) -> T {
        let mut dice = self.inner.dice.lock().unwrap_or_else(PoisonError::into_inner);
        draw(dice.chance.as_mut())
    }
}

/// A URL that no endpoint can have.
#[expect(clippy::expect_used, reason = "a constant that a test parses")]
fn nowhere() -> Url {
    Url::parse("https://nowhere.invalid/").expect("a constant URL parses")
}
