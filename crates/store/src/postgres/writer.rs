//! Tasks that write: each takes what waits, and commits it together.
//!
//! Invariants: jobs are answered, and work is handed out, after their transaction is durable; a poisonous job fails
//! alone; a commit whose answer was lost is looked for before it is done again.
//! Left to others: what a job means (`unit`, `apply`, `lease`).

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{self, Instant};

use super::jobs::{Job, Jobs};
use super::link::{Arguments, Link};
use super::rows::{self, Id, Trouble};
use super::standings::{self, Standings};
use super::state::{Care, Effects, Shared, Turn};
use super::unit::Unit;
use super::writes::{End, Writes};
use super::{apply, lease, nodes, sql, timers};
use crate::commit::{Commit, Committed, Fault, Settled, Timer};
use crate::error::Error;
use crate::lanes::Leased;

/// Among other nodes, the next transaction waits so long for the one before it: its connection may be broken.
const TURN_MAX: Duration = Duration::from_millis(500);
/// The same is tried so many times.
const TRIES_MAX: u32 = 4;
/// A commit whose answer was lost is looked for so many times.
const LOOKS_MAX: u32 = 20;
/// A look raises the number of the writer's last batch by so many at most.
const BATCHES_RAISED: i64 = 2;
/// The pause between two looks.
const LOOK_WAIT: Duration = Duration::from_millis(500);

/// What a job came to, before it is durable.
#[derive(Debug)]
enum Done {
    Commit(Result<Committed, Fault>),
    Settle(Settled),
    Lease(Leased),
    Release,
    Timers(Vec<Timer>),
    Probe,
}

/// A task that writes, with its connection.
#[derive(Debug)]
pub(super) struct Writer {
    number: i32,
    shared: Arc<Shared>,
    /// For whichever of the writers is free.
    jobs: Arc<Mutex<Jobs>>,
    link: Option<Link>,
    batch: i64,
}

impl Writer {
    /// Makes the writer of that number.
    pub(super) const fn new(
        number: i32,
        shared: Arc<Shared>,
        jobs: Arc<Mutex<Jobs>>,
        link: Link,
    ) -> Self {
        Self { number, shared, jobs, link: Some(link), batch: 0 }
    }

    /// Works until nobody can send any more, or the store is closed and nothing is left.
    pub(super) async fn run(mut self, mut closes: watch::Receiver<bool>) {
        loop {
            let mut jobs = Arc::clone(&self.jobs).lock_owned().await;
            let mut batch = jobs.gather(&mut closes).await;
            if batch.is_empty() {
                return;
            }
            self.shared.taken(batch.len());
            let unreleased = self.shared.unreleased(self.number);
            batch.extend((!unreleased.is_empty()).then_some(Job::Release(unreleased)));
            let is_among_others = self.shared.living.load(Ordering::Acquire) > 1;
            let mut turn = pin!(self.turn(batch));
            let began = Instant::now();
            // Others have transactions under way too, and two that are half as large cost the database more.
            let is_done = is_among_others && time::timeout(TURN_MAX, &mut turn).await.is_ok();
            if is_done {
                let now = Instant::now();
                jobs.ended(now, now - began);
            }
            drop(jobs);
            if !is_done {
                turn.await;
            }
        }
    }

    /// Carries out a batch. When it cannot be written together, each job is tried alone.
    async fn turn(&mut self, batch: Vec<Job>) {
        match self.attempt(&batch).await {
            Ok(done) => batch.into_iter().zip(done).for_each(|(job, done)| answer(job, done)),
            Err(Trouble::Store(error) | Trouble::Lost(error))
                if batch.len() == 1 || error.is_transient() =>
            {
                for job in batch {
                    self.refuse(job, &error);
                }
            }
            Err(_) => {
                for job in batch {
                    let alone = [job];
                    let attempt = self.attempt(&alone).await;
                    let [job] = alone;
                    match attempt {
                        Ok(done) => done.into_iter().take(1).zip([job]).for_each(|(done, job)| {
                            answer(job, done);
                        }),
                        Err(trouble) => self.refuse(job, &trouble.into_error()),
                    }
                }
            }
        }
    }

    /// Tries a batch until it is durable or will not be.
    async fn attempt(&mut self, batch: &[Job]) -> Result<Vec<Done>, Trouble> {
        let mut care = Care::Least;
        let mut tries = 1;
        loop {
            let trouble = match self.transact(batch, care).await {
                Ok((done, effects)) => {
                    self.happen(effects);
                    return Ok(done);
                }
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Store(error) => return Err(Trouble::Store(error)),
                Trouble::Stale => care = care.max(Care::Endpoints),
                Trouble::Careful | Trouble::Again(_) => care = Care::Full,
                Trouble::Lost(_) => self.link = None,
                Trouble::Fenced(id) => {
                    // Should it fail, the connection is left in the middle of it.
                    let link = self.link.take();
                    nodes::renew(&self.shared, link.as_ref(), id).await?;
                    self.link = link;
                }
            }
            if tries == TRIES_MAX {
                return Err(trouble);
            }
            tries += 1;
        }
    }

    /// Tells a job's caller why it failed. What was handed back has no caller, and is handed back again later: nobody
    /// else would ever free it.
    fn refuse(&self, job: Job, error: &Error) {
        if let Job::Release(leases) = job {
            return self.shared.release_later(leases);
        }
        refuse(job, error);
    }

    fn happen(&self, effects: Effects) {
        let Effects { leases, changed, refused, fronts } = effects;
        if !fronts.is_empty() {
            self.shared.with_fronts(|known| known.note(fronts));
        }
        for endpoint in &changed {
            self.shared.lanes.changed(endpoint);
        }
        if !leases.is_empty() {
            self.shared.lanes.take(leases);
        }
        let refused: BTreeSet<_> = refused.into_iter().collect();
        if !refused.is_empty() {
            self.shared.lanes.left_due(refused.clone());
        }
        if !changed.is_empty() || !refused.is_empty() {
            self.shared.tell(|news| {
                news.changed.extend(changed.iter().map(|new| (new.account, new.id)));
                news.due.extend(refused);
            });
        }
    }

    async fn transact(
        &mut self,
        batch: &[Job],
        care: Care,
    ) -> Result<(Vec<Done>, Effects), Trouble> {
        let link = match self.link.take().filter(|link| !link.is_closed()) {
            Some(link) => link,
            None => Link::open_writer(&self.shared.servers).await?,
        };
        self.batch += 1;
        let shared = Arc::clone(&self.shared);
        let mut turn = Turn::new(&link, &shared, care);
        let node = turn.node.id;
        let done = match Box::pin(self.work(&mut turn, batch)).await {
            Ok(done) => done,
            Err(trouble) => {
                turn.undo();
                // Should this fail too, the connection is of no use any more.
                let usable = link.roll_back().await.is_ok();
                self.link = usable.then_some(link);
                return Err(trouble);
            }
        };
        let ended = match turn.ended.take() {
            Some(ended) => ended.map_err(Trouble::Lost),
            None => link.commit().await.map_err(Trouble::from),
        };
        match ended {
            Ok(()) => {
                let effects = turn.happen();
                self.link = Some(link);
                Ok((done, effects))
            }
            Err(Trouble::Lost(error)) => match self.look_for(node).await {
                Some(true) => Ok((done, turn.happen())),
                Some(false) => {
                    turn.undo();
                    Err(Trouble::Again(error))
                }
                None => {
                    turn.undo();
                    // Leases may stand that nobody will ever give back but by the death of this node.
                    shared.with_node(|now| now.doubtful |= now.id == node);
                    Err(Trouble::Store(error))
                }
            },
            Err(trouble) => {
                turn.undo();
                Err(trouble)
            }
        }
    }

    /// Looks whether the last batch was committed, once its transaction has ended or can do so no more. `None` when it cannot
    /// be told.
    async fn look_for(&mut self, node: u128) -> Option<bool> {
        let batch = self.batch;
        // A transaction that is still on its way there shall not be committed after a look. The answer to that may be lost too.
        self.batch += BATCHES_RAISED;
        for _ in 0..LOOKS_MAX {
            if let Ok(link) = Link::open_writer(&self.shared.servers).await {
                let arguments: Arguments<'_> = &[&Id(node), &self.number, &batch];
                if let Ok(row) = link.first(sql::writer_raise, arguments).await {
                    self.link = Some(link);
                    // Without its row the node was declared dead, and took along what its last batch was.
                    let last: i64 = rows::column(&row?, 0).ok()?;
                    return Some(last == batch || last == batch + 1);
                }
            }
            // Nothing else can be written here before this is known.
            let mut pause = time::interval(LOOK_WAIT);
            pause.tick().await;
            pause.tick().await;
        }
        None
    }

    async fn work(&self, turn: &mut Turn<'_>, batch: &[Job]) -> Result<Vec<Done>, Trouble> {
        let mut unit = Unit::default();
        let mut apart = false;
        let together = together(batch, turn.is_careful());
        let mut is_together = together.iter();
        for job in batch {
            match job {
                Job::Commit(commit, _) if is_together.next() == Some(&true) => {
                    unit.commits.push(commit);
                }
                Job::Settle(now, settlements, _) => unit.settles.push((*now, settlements)),
                Job::Commit(..)
                | Job::Lease(..)
                | Job::Release(_)
                | Job::Timers(..)
                | Job::Probe(..) => apart = true,
            }
        }
        let (link, shared, careful) = (turn.link, turn.shared, turn.is_careful());
        let accounts = unit.accounts();
        link.begin();
        if turn.care == Care::Least {
            turn.trust(&accounts);
        }
        let (looked, stood, knew) = tokio::join!(
            biased;
            unit.look(link, shared, careful),
            Standings::look(link, shared, &unit.commits),
            turn.know(&accounts),
        );
        let known = looked?;
        knew?;
        let (refusals, writes) = unit.sift(shared, &stood?)?;
        let end = (!apart).then_some(End { writer: self.number, batch: self.batch });
        let outcome = Box::pin(unit.carry_out(turn, known, writes, end)).await?;
        let (mut commits, mut settles) = (outcome.commits.into_iter(), outcome.settles.into_iter());
        let mut refusals = refusals.into_iter();
        if apart {
            link.begun().await?;
            self.release(turn, batch).await?;
        }
        let mut together = together.into_iter();
        let mut done = Vec::with_capacity(batch.len());
        for job in batch {
            done.push(match job {
                Job::Commit(..) if together.next() == Some(true) => {
                    Done::Commit(match refusals.next().flatten() {
                        Some(fault) => Err(fault),
                        None => commits.next().unwrap_or_else(|| Ok(Committed::default())),
                    })
                }
                Job::Settle(..) => Done::Settle(settles.next().unwrap_or_default()),
                Job::Commit(..)
                | Job::Lease(..)
                | Job::Release(_)
                | Job::Timers(..)
                | Job::Probe(..) => self.one(turn, job).await?,
            });
        }
        if turn.ended.is_none() {
            let end = End { writer: self.number, batch: self.batch };
            Writes::default().unite(turn, Some(end)).await?;
        }
        Ok(done)
    }

    /// Hands back what is released, before anything is leased.
    async fn release(&self, turn: &Turn<'_>, batch: &[Job]) -> Result<(), Trouble> {
        let mut ids = Vec::new();
        for job in batch {
            if let Job::Release(leases) = job {
                ids.extend(
                    leases
                        .iter()
                        .filter_map(|(endpoint, id)| Some((turn.shared.home(*endpoint)?, *id))),
                );
            }
        }
        if !ids.is_empty() {
            ids.sort_unstable();
            let (accounts, ids) = lease::columns(&ids);
            turn.link.run(sql::queue_release, &[&accounts, &ids, &turn.node.ids()]).await?;
        }
        Ok(())
    }

    async fn one(&self, turn: &mut Turn<'_>, job: &Job) -> Result<Done, Trouble> {
        Ok(match job {
            Job::Commit(commit, _) => Done::Commit(apply::commit(turn, commit).await?),
            Job::Lease(now, scope, _) => Done::Lease(lease::lease(turn, *now, scope).await?),
            Job::Timers(now, limit, _) => Done::Timers(timers::claim(turn, *now, *limit).await?),
            Job::Probe(now, _) => {
                turn.link.run(sql::meta_upsert, &[&"probe", &now.as_millis()]).await?;
                Done::Probe
            }
            Job::Settle(..) => Done::Settle(Settled::default()),
            Job::Release(_) => Done::Release,
        })
    }
}

/// Tells whether a commit has events for subscribers alone: the hot path.
fn is_events_alone(commit: &Commit) -> bool {
    commit.writes.is_empty() && commit.deliveries.is_empty() && commit.reply.is_none()
}

/// Tells of each commit of a batch whether it is carried out together with others.
fn together(batch: &[Job], careful: bool) -> Vec<bool> {
    let commits = batch.iter().filter_map(|job| match job {
        Job::Commit(commit, _) => Some(commit.as_ref()),
        Job::Settle(..) | Job::Lease(..) | Job::Release(_) | Job::Timers(..) | Job::Probe(..) => {
            None
        }
    });
    let commits: Vec<&Commit> = commits.collect();
    let stated = standings::together(&commits).into_iter();
    let is_together =
        |(stated, commit): (bool, &&Commit)| is_events_alone(commit) || stated && !careful;
    stated.zip(&commits).map(is_together).collect()
}

/// Answers a job. A caller who went away misses nothing: the work is done.
fn answer(job: Job, done: Done) {
    match (job, done) {
        (Job::Commit(_, answer), Done::Commit(result)) => drop(answer.send(result)),
        (Job::Settle(_, _, answer), Done::Settle(settled)) => drop(answer.send(Ok(settled))),
        (Job::Lease(_, _, answer), Done::Lease(leased)) => drop(answer.send(Ok(leased))),
        (Job::Timers(_, _, answer), Done::Timers(timers)) => drop(answer.send(Ok(timers))),
        (Job::Probe(_, answer), Done::Probe) => drop(answer.send(Ok(()))),
        // A release has nobody to answer; other pairs cannot meet, since `one` makes them together.
        (_, _) => {}
    }
}

/// Says an error with its causes: what the driver says at first is little.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Tells a job's caller why it failed.
fn refuse(job: Job, error: &Error) {
    let again = || match error {
        Error::Unavailable { hint, source } => {
            Error::Unavailable { hint, source: chain(source.as_ref()).into() }
        }
        Error::Corrupt { table, detail } => Error::Corrupt { table, detail: detail.clone() },
        Error::Unusable { detail, .. } => Error::Unusable { detail: detail.clone(), source: None },
        Error::Closed => Error::Closed,
    };
    match job {
        Job::Commit(_, answer) => drop(answer.send(Err(Fault::Store(again())))),
        Job::Settle(_, _, answer) => drop(answer.send(Err(again()))),
        Job::Lease(_, _, answer) => drop(answer.send(Err(again()))),
        Job::Timers(_, _, answer) => drop(answer.send(Err(again()))),
        Job::Probe(_, answer) => drop(answer.send(Err(again()))),
        Job::Release(_) => {}
    }
}
