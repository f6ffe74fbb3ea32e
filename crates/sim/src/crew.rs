//! The real engine over the real store, stepped by hand, crashed and started again; one node, or several in turn.
//!
//! Invariant: nothing here waits: a step takes the time that it is, works, and returns.
//! Left to others: what only several nodes do (`nodes`).

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use channels::smtp::Smtp;
use channels::{Guard, Schemes};
use domain::id::{AccountId, DeliveryId};
use domain::retention::Retention;
use domain::secret::Secret;
use domain::time::{Clock, DAY_MS, Timestamp};
use engine::feedback::return_paths;
use engine::{Ended, Engine, Lanes, Parts, Refusal, Work};
use store::postgres::{self, Postgres};
use store::sqlite::{Options, Sqlite};
use store::{Error, LeaseScope, MasterKey, Store, Views};
use tokio::runtime::{Builder, Runtime};

use crate::clock::SimClock;
use crate::dice::Dice;
use crate::store::Faulty;
use crate::world::World;

/// The real engine over the real store, stepped by hand.
pub struct Crew {
    /// The time.
    pub clock: Arc<SimClock>,
    /// Whoever is told.
    pub world: Arc<World>,
    /// The account that everything belongs to.
    pub account: AccountId,
    pub(crate) place: Place,
    pub(crate) dice: Dice,
    pub(crate) nodes: Vec<Node>,
    /// Whose turn it is.
    pub(crate) at: usize,
    /// Deliveries that a node was about when others may have taken them over.
    pub(crate) disturbed: BTreeSet<DeliveryId>,
}

/// Where the store keeps what it knows.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a folder: one node.
    Folder(PathBuf),
    /// In a database: several nodes.
    Database(Secret),
}

/// One node.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) running: Option<Running>,
    /// It neither beats nor works, and knows nothing of it.
    pub(crate) paused: bool,
}

/// What a crash takes away.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    store: Arc<Faulty>,
    pub(crate) lanes: Arc<Lanes>,
    /// Attempts that have begun.
    pub(crate) begun: Vec<Work>,
    /// Those that had begun when others might take them over.
    pub(crate) stale: Vec<Work>,
    /// Attempts that ended and are not yet told to the engine: a crash forgets them.
    ended: Vec<Ended>,
    /// What has begun, and is not known to be written.
    pub(crate) unsettled: BTreeSet<DeliveryId>,
    /// Nobody knows when the next timer is due.
    look_at_timers: bool,
    /// What the store's tasks run on, if it has any.
    runtime: Option<Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // As a power cut would: nothing is finished, nothing handed back.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Why the crew cannot go on.
#[derive(Debug)]
pub enum Trouble {
    /// The store failed, as it does when it is told to.
    Store(Error),
    /// A command was refused.
    Refused(Refusal),
    /// The engine is down.
    Down,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::Refused(refusal) => write!(f, "{refusal:?}"),
            Self::Down => f.write_str("the engine is down"),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl Crew {
    /// Starts the engine on an empty folder, with one account.
    pub async fn start(folder: PathBuf, seed: u64) -> Result<Self, Trouble> {
        Self::start_in(Place::Folder(folder), 1, seed).await
    }

    /// Starts so many nodes on an empty database, with one account.
    pub async fn start_several(url: Secret, nodes: usize, seed: u64) -> Result<Self, Trouble> {
        Self::start_in(Place::Database(url), nodes, seed).await
    }

    async fn start_in(place: Place, nodes: usize, seed: u64) -> Result<Self, Trouble> {
        let clock = Arc::new(SimClock::default());
        let mut dice = Dice::new(seed);
        let world = Arc::new(World::new(Arc::clone(&clock), dice.split()));
        let account = AccountId::new(0);
        let disturbed = BTreeSet::new();
        let mut crew =
            Self { clock, world, account, place, dice, nodes: Vec::new(), at: 0, disturbed };
        for at in 0..nodes {
            crew.nodes.push(Node::default());
            crew.at = at;
            crew.restart().await?;
        }
        crew.account = crew.engine()?.ensure_account("sim").await?;
        Ok(crew)
    }

    /// Starts the engine again where it was.
    pub async fn restart(&mut self) -> Result<(), Trouble> {
        self.crash();
        let master = MasterKey::new(&[7; 32])?;
        let (inner, views, lanes, runtime) = self.open(master.clone()).await?;
        let store = Arc::new(Faulty::new(inner, self.dice.split()));
        let options = channels::Options::new(Guard::default());
        let Ok(mailer) = Smtp::new(options, return_paths(&master)) else {
            return Err(Trouble::Down);
        };
        let engine = Engine::new(Parts {
            store: Arc::<Faulty>::clone(&store),
            views,
            channel: Arc::<World>::clone(&self.world),
            mailer: Arc::new(mailer),
            guard: Arc::new(Guard::new(Vec::new(), Schemes::HttpToo)),
            clock: Arc::<SimClock>::clone(&self.clock),
            chance: Box::new(self.dice.split()),
            movable: Some(Arc::<SimClock>::clone(&self.clock)),
            master,
            lanes: Arc::clone(&lanes),
            retention: Retention::FOREVER,
            open_requests_max: None,
            public_url: "https://sign.example.com".to_owned(),
            mailbox: None,
        });
        let running = Running {
            engine,
            store,
            lanes,
            begun: Vec::new(),
            stale: Vec::new(),
            ended: Vec::new(),
            unsettled: BTreeSet::new(),
            look_at_timers: true,
            runtime,
        };
        if !running.lanes.is_shared() {
            self.lease_from(&running, LeaseScope::All).await?;
        }
        if let Some(node) = self.nodes.get_mut(self.at) {
            node.running = Some(running);
        }
        Ok(())
    }

    async fn open(&mut self, master: MasterKey) -> Result<Opened, Trouble> {
        let chance = Box::new(self.dice.split());
        match &self.place {
            Place::Folder(folder) => {
                let (folder, lanes) = (folder.clone(), Arc::new(Lanes::default()));
                let to = Arc::<Lanes>::clone(&lanes);
                let store = Sqlite::open(Options { folder, master, chance, lanes: to })?;
                let views = store.views();
                Ok((Arc::new(store), views, lanes, None))
            }
            Place::Database(url) => {
                let clock: Arc<SimClock> = Arc::clone(&self.clock);
                let lanes = Arc::new(Lanes::shared(clock));
                let node_name = format!("node-{}", self.at);
                let to = Arc::<Lanes>::clone(&lanes);
                let url = url.clone();
                let options = postgres::Options { url, master, chance, lanes: to, node_name };
                let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
                let runtime = runtime.map_err(broke)?;
                let opening = runtime.spawn(Postgres::open(options)).await;
                let store = opening.map_err(broke)??;
                let views = store.views();
                Ok((Arc::new(store), views, lanes, Some(runtime)))
            }
        }
    }

    /// Takes everything away that is not on the disk.
    pub fn crash(&mut self) {
        if let Some(node) = self.nodes.get_mut(self.at) {
            drop(node.running.take());
        }
    }

    pub(crate) fn current(&self) -> Result<&Running, Trouble> {
        self.nodes.get(self.at).and_then(|node| node.running.as_ref()).ok_or(Trouble::Down)
    }

    pub(crate) fn current_mut(&mut self) -> Result<&mut Running, Trouble> {
        self.nodes.get_mut(self.at).and_then(|node| node.running.as_mut()).ok_or(Trouble::Down)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Running> {
        self.nodes.iter().filter_map(|node| node.running.as_ref())
    }

    /// Gives the engine.
    pub fn engine(&self) -> Result<Engine, Trouble> {
        self.current().map(|running| running.engine.clone())
    }

    /// Gives the store of the node whose turn it is.
    pub fn store(&self) -> Result<Arc<Faulty>, Trouble> {
        self.current().map(|running| Arc::clone(&running.store))
    }

    /// Says how many of the store's verbs in a hundred fail.
    pub fn store_fails(&self, percent: u64) {
        for running in self.all() {
            running.store.fails(percent);
        }
    }

    /// Asks the store for what is due.
    pub async fn lease(&self) -> Result<bool, Trouble> {
        let running = self.current()?;
        if running.lanes.wants_everything() {
            let leased = self.lease_from(running, LeaseScope::All).await;
            if leased.is_err() {
                running.lanes.ask_for_everything();
            }
            return leased.map(|()| true);
        }
        let now = self.clock.now();
        let Ok(asked) = running.lanes.asks(now) else { return Ok(false) };
        let leased = self.lease_from(running, LeaseScope::Endpoints(asked.clone())).await;
        if leased.is_err() {
            running.lanes.ask_again(asked, now);
        }
        leased.map(|()| true)
    }

    async fn lease_from(&self, running: &Running, scope: LeaseScope) -> Result<(), Trouble> {
        let now = self.clock.now();
        let leased = running.store.lease(now, scope).await?;
        running.engine.note_leased(leased, now).await;
        Ok(())
    }

    /// Makes one attempt, whose ending the engine does not know yet.
    pub async fn attempt(&mut self) -> Result<bool, Trouble> {
        Ok(self.begin()? && self.finish().await?)
    }

    /// Begins an attempt.
    pub fn begin(&mut self) -> Result<bool, Trouble> {
        let now = self.clock.now();
        let running = self.current_mut()?;
        let Ok(work) = running.lanes.next(now) else { return Ok(false) };
        running.unsettled.insert(work.lease.delivery.id);
        running.begun.push(work);
        Ok(true)
    }

    /// Carries out the attempt that began last.
    pub async fn finish(&mut self) -> Result<bool, Trouble> {
        let running = self.current_mut()?;
        let Some(work) = running.begun.pop().or_else(|| running.stale.pop()) else {
            return Ok(false);
        };
        running.ended.extend(running.engine.attempt(work).await);
        Ok(true)
    }

    /// Tells the engine of all endings, and lets it write them.
    pub async fn settle(&mut self) -> Result<bool, Trouble> {
        let running = self.current_mut()?;
        for ended in running.ended.drain(..) {
            running.engine.note_ended(ended);
        }
        let count = running.engine.settle().await?;
        let surplus = running.lanes.surplus();
        running.store.release(surplus);
        let waits = |id: &DeliveryId| {
            running.begun.iter().chain(&running.stale).any(|work| work.lease.delivery.id == *id)
        };
        running.unsettled.retain(waits);
        Ok(count > 0)
    }

    /// Acts on timers, if any is due.
    pub async fn timers(&mut self) -> Result<bool, Trouble> {
        let now = self.clock.now();
        let running = self.current_mut()?;
        if !running.look_at_timers && running.engine.next_timer().is_none_or(|at| at > now) {
            return Ok(false);
        }
        // A step that fails has forgotten what it knew.
        running.look_at_timers = true;
        let count = running.engine.step_timers().await?;
        running.look_at_timers = false;
        Ok(count > 0)
    }

    /// Does everything that is due now, until nothing is.
    pub async fn catch_up(&mut self) -> Result<(), Trouble> {
        loop {
            let mut moved = self.lease().await?;
            while self.finish().await? || self.attempt().await? {
                moved = true;
            }
            moved |= self.settle().await?;
            moved |= self.timers().await?;
            if !moved {
                return Ok(());
            }
        }
    }

    /// Gives the moment at which something falls due, if anything does.
    pub fn next_due(&self) -> Result<Option<Timestamp>, Trouble> {
        let running = self.current()?;
        let now = self.clock.now();
        let due = match running.lanes.asks(now) {
            Ok(ids) => {
                running.lanes.ask_again(ids, now);
                Some(now)
            }
            Err(due) => due,
        };
        let rest = running.lanes.next_rest();
        let timer = running.engine.next_timer();
        Ok([due, rest, timer].into_iter().flatten().min())
    }

    /// Lets the clock run from one due moment to the next, for so many days at most; tells whether all is quiet.
    pub async fn pass_days(&mut self, days: i64) -> Result<bool, Trouble> {
        let end = self.clock.now().plus_millis(days.saturating_mul(DAY_MS));
        loop {
            self.catch_up().await?;
            match self.next_due()? {
                None => return Ok(true),
                Some(due) if due > end => {
                    self.clock.reach(end);
                    return Ok(false);
                }
                Some(due) => self.clock.reach(due),
            }
        }
    }

    /// Counts attempts under way and endings that are not written, of the node whose turn it is.
    pub fn under_way(&self) -> usize {
        self.current().map_or(0, |running| {
            let (in_flight, unsettled) = running.lanes.under_way();
            in_flight + unsettled
        })
    }
}

/// A store, what may be read of it, where it puts leased work, and what it runs on.
type Opened = (Arc<dyn Store>, Arc<dyn Views>, Arc<Lanes>, Option<Runtime>);

fn broke(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::Unusable { detail: "a node cannot be started".to_owned(), source: Some(Box::new(error)) }
}
