//! The real engine over the real store, stepped by hand, crashed and started again.
//!
//! Invariant: nothing here waits: a step takes the time that it is, works, and returns.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use channels::{Guard, Schemes};
use domain::id::AccountId;
use domain::time::{Clock, DAY_MS, Timestamp};
use engine::{Ended, Engine, Lanes, Parts, Refusal};
use store::sqlite::{Options, Sqlite};
use store::{Error, LeaseScope, MasterKey, Store};

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
    folder: PathBuf,
    dice: Dice,
    running: Option<Running>,
}

/// What a crash takes away.
struct Running {
    engine: Engine,
    store: Arc<Faulty>,
    lanes: Arc<Lanes>,
    /// Attempts that ended and are not yet told to the engine: a crash forgets them.
    ended: Vec<Ended>,
    /// Nobody knows when the next timer is due.
    look_at_timers: bool,
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
        f.debug_struct("Crew").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Crew {
    /// Starts the engine on an empty folder, with one account.
    pub async fn start(folder: PathBuf, seed: u64) -> Result<Self, Trouble> {
        let clock = Arc::new(SimClock::default());
        let mut dice = Dice::new(seed);
        let world = Arc::new(World::new(Arc::clone(&clock), dice.split()));
        let account = AccountId::new(0);
        let mut crew = Self { clock, world, account, folder, dice, running: None };
        crew.restart().await?;
        crew.account = crew.engine()?.ensure_account("sim").await?;
        Ok(crew)
    }

    /// Starts the engine again on the same folder.
    pub async fn restart(&mut self) -> Result<(), Trouble> {
        self.crash();
        let master = MasterKey::new(&[7; 32])?;
        let lanes = Arc::new(Lanes::default());
        let chance = Box::new(self.dice.split());
        let sqlite = Arc::new(Sqlite::open(Options {
            folder: self.folder.clone(),
            master: master.clone(),
            chance,
            lanes: Arc::<Lanes>::clone(&lanes),
        })?);
        let views = sqlite.views();
        let store = Arc::new(Faulty::new(sqlite, self.dice.split()));
        let engine = Engine::new(Parts {
            store: Arc::<Faulty>::clone(&store),
            views,
            channel: Arc::<World>::clone(&self.world),
            guard: Arc::new(Guard::new(Vec::new(), Schemes::HttpToo)),
            clock: Arc::<SimClock>::clone(&self.clock),
            chance: Box::new(self.dice.split()),
            movable: Some(Arc::<SimClock>::clone(&self.clock)),
            master,
            lanes: Arc::clone(&lanes),
        });
        store
            .lease(self.clock.now(), LeaseScope::All)
            .await?
            .next_due
            .into_iter()
            .for_each(|(endpoint, due_at)| lanes.note_next_due(endpoint, due_at, self.clock.now()));
        self.running =
            Some(Running { engine, store, lanes, ended: Vec::new(), look_at_timers: true });
        Ok(())
    }

    /// Takes everything away that is not on the disk.
    pub fn crash(&mut self) {
        drop(self.running.take());
    }

    /// Gives the engine.
    pub fn engine(&self) -> Result<Engine, Trouble> {
        self.running.as_ref().map(|running| running.engine.clone()).ok_or(Trouble::Down)
    }

    /// Says how many of the store's verbs in a hundred fail.
    pub fn store_fails(&self, percent: u64) {
        if let Some(running) = &self.running {
            running.store.fails(percent);
        }
    }

    /// Asks the store for what is due.
    pub async fn lease(&self) -> Result<bool, Trouble> {
        let Some(running) = &self.running else { return Err(Trouble::Down) };
        let now = self.clock.now();
        let Ok(asked) = running.lanes.asks(now) else { return Ok(false) };
        let leased = match running.store.lease(now, LeaseScope::Endpoints(asked.clone())).await {
            Ok(leased) => leased,
            Err(error) => {
                running.lanes.ask_again(asked, now);
                return Err(error.into());
            }
        };
        for (endpoint, due_at) in leased.next_due {
            running.lanes.note_next_due(endpoint, due_at, now);
        }
        Ok(true)
    }

    /// Makes one attempt, whose ending the engine does not know yet.
    pub async fn attempt(&mut self) -> Result<bool, Trouble> {
        let now = self.clock.now();
        let Some(running) = &mut self.running else { return Err(Trouble::Down) };
        let Ok(work) = running.lanes.next(now) else { return Ok(false) };
        running.ended.extend(running.engine.attempt(work).await);
        Ok(true)
    }

    /// Tells the engine of all endings, and lets it write them.
    pub async fn settle(&mut self) -> Result<bool, Trouble> {
        let Some(running) = &mut self.running else { return Err(Trouble::Down) };
        for ended in running.ended.drain(..) {
            running.engine.note_ended(ended);
        }
        let count = running.engine.settle().await?;
        let surplus = running.lanes.surplus();
        running.store.release(surplus);
        Ok(count > 0)
    }

    /// Acts on timers, if any is due.
    pub async fn timers(&mut self) -> Result<bool, Trouble> {
        let now = self.clock.now();
        let Some(running) = &mut self.running else { return Err(Trouble::Down) };
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
            while self.attempt().await? {
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
        let Some(running) = &self.running else { return Err(Trouble::Down) };
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

    /// Counts attempts under way and endings that are not written.
    pub fn under_way(&self) -> usize {
        self.running.as_ref().map_or(0, |running| {
            let (in_flight, unsettled) = running.lanes.under_way();
            in_flight + unsettled
        })
    }
}
