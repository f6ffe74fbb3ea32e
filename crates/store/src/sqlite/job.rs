//! A verb on its way through the store: asked, done, and answered once it is durable.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use domain::id::{DeliveryId, EndpointId, EventId};
use domain::time::Timestamp;
use tokio::sync::oneshot::Sender;

use crate::commit::{self, Commit, Fault, Guarded, Settled, Settlement, Write};
use crate::error::Error;
use crate::forget::{Forgotten, Outlived};
use crate::lanes::{LeaseScope, Leased};

/// A verb, with the way to answer.
#[derive(Debug)]
pub(super) enum Job {
    Commit(Box<Commit>, Sender<Result<commit::Committed, Fault>>),
    Settle(Timestamp, Vec<Settlement>, Sender<Result<Settled, Error>>),
    Lease(Timestamp, LeaseScope, Sender<Result<Leased, Error>>),
    Release(Vec<(EndpointId, DeliveryId)>),
    Forget(Outlived, u32, Sender<Result<Forgotten, Error>>),
    Probe(Timestamp, Sender<Result<(), Error>>),
    /// The database shall hold all that was answered.
    CatchUp(Sender<Result<(), Error>>),
    /// The same, and on the disk; gives the place of the last event then.
    LogEnd(Sender<Result<i64, Error>>),
    /// Something stands in the journal alone now.
    Behind,
    /// Much does.
    FarBehind,
    /// The database shall hold, on the disk, all records up to a number; then the flag is raised.
    Free {
        /// The last record of a file of the journal.
        number: u64,
        /// Says that the file may be written over.
        left: Arc<AtomicBool>,
        /// The other file has room for a flood, so the database may wait for the end of one.
        at_leisure: bool,
    },
    /// The journal has no room left, and waits for that.
    Full,
    /// No more jobs follow.
    Close,
}

/// What a job came to, before it is durable.
pub(super) enum Done {
    Commit(Result<commit::Committed, Fault>),
    Settle(Settled),
    Lease(Leased),
    Release,
    Forget(Forgotten),
    Probe,
    CaughtUp,
    LogEnd(i64),
}

impl Job {
    /// Counts the bytes of the long texts that it writes, roughly: of events and settings.
    pub(super) fn bytes(&self) -> usize {
        let Self::Commit(commit, _) = self else { return 0 };
        let of_write = |write: &Write| {
            let Write::Setting(Guarded { value, .. }) = write else { return 0 };
            let secrets = value.secrets.as_ref();
            value.body.len() + secrets.map_or(0, |secrets| secrets.expose().len())
        };
        let events = commit.events.iter().map(|said| said.event.data.len());
        commit.writes.iter().map(of_write).chain(events).sum()
    }

    /// Tells whether it asks how things are, and changes nothing.
    pub(super) const fn only_looks(&self) -> bool {
        matches!(self, Self::CatchUp(_) | Self::LogEnd(_))
    }

    /// Tells whether it asks for work that is due, which what is leased already is no part of.
    pub(super) const fn only_leases(&self) -> bool {
        matches!(self, Self::Lease(..))
    }

    /// Gives the events that it says.
    pub(super) fn events(&self) -> Vec<EventId> {
        match self {
            Self::Commit(commit, _) => commit.events.iter().map(|said| said.event.id).collect(),
            Self::Settle(_, settlements, _) => {
                let events = settlements.iter().flat_map(|settlement| &settlement.events);
                events.map(|event| event.id).collect()
            }
            Self::Lease(..)
            | Self::Release(_)
            | Self::Forget(..)
            | Self::Probe(..)
            | Self::CatchUp(_)
            | Self::LogEnd(_)
            | Self::Behind
            | Self::FarBehind
            | Self::Full
            | Self::Free { .. }
            | Self::Close => Vec::new(),
        }
    }
}

/// Answers a job. A caller who went away misses nothing: the work is done.
pub(super) fn answer(job: Job, done: Done) {
    match (job, done) {
        (Job::Commit(_, answer), Done::Commit(result)) => drop(answer.send(result)),
        (Job::Settle(_, _, answer), Done::Settle(settled)) => drop(answer.send(Ok(settled))),
        (Job::Lease(_, _, answer), Done::Lease(leased)) => drop(answer.send(Ok(leased))),
        (Job::Forget(_, _, answer), Done::Forget(gone)) => drop(answer.send(Ok(gone))),
        (Job::Probe(_, answer), Done::Probe) | (Job::CatchUp(answer), Done::CaughtUp) => {
            drop(answer.send(Ok(())));
        }
        (Job::LogEnd(answer), Done::LogEnd(end)) => drop(answer.send(Ok(end))),
        // A release has nobody to answer; other pairs cannot meet, since `job` makes them together.
        (_, _) => {}
    }
}

/// Tells a job's caller why it failed.
pub(super) fn refuse(job: Job, error: &Error) {
    let again = || error.again();
    match job {
        Job::Commit(_, answer) => drop(answer.send(Err(Fault::Store(again())))),
        Job::Settle(_, _, answer) => drop(answer.send(Err(again()))),
        Job::Lease(_, _, answer) => drop(answer.send(Err(again()))),
        Job::Forget(_, _, answer) => drop(answer.send(Err(again()))),
        Job::Probe(_, answer) | Job::CatchUp(answer) => drop(answer.send(Err(again()))),
        Job::LogEnd(answer) => drop(answer.send(Err(again()))),
        Job::Release(_)
        | Job::Behind
        | Job::FarBehind
        | Job::Full
        | Job::Free { .. }
        | Job::Close => {}
    }
}
