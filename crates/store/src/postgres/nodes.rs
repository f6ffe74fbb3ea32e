//! The nodes that share a database: who lives, who is dead, and what the dead had leased.
//!
//! Invariants: a node is dead when its beat has not moved during [`DEAD_AFTER_BEATS`] beats of another one, so no clock
//! is compared with another; whoever is declared dead leases nothing any more, since each transaction that leases
//! writes a row which is gone then; what the dead had leased is freed, a bounded number of rows at a time, however
//! often those who free it die.
//! Left to others: when to beat, and what a share of the crew is (`engine`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::id::EndpointId;
use domain::time::Timestamp;
use tokio::sync::Mutex;

use super::link::{Arguments, Link};
use super::rows::{self, Id, Trouble, trouble};
use super::sql;
use super::state::Shared;
use crate::crew::Crew;
use crate::error::Error;

/// A node whose beat has not moved during so many beats of another one is dead.
pub(super) const DEAD_AFTER_BEATS: u32 = 5;
/// Tasks of a node that write: the steward, and those for commits and settlements.
pub(super) const WRITERS: i32 = 3;
/// Rows of the queue that are looked at together for leases of the dead.
const LOOKED_AT: i64 = 5_000;
/// How often that is done in one beat.
const LOOKS_MAX: u32 = 40;

/// Whether others are watched by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pulse {
    Beat,
    Between,
}

/// Watches over the crew.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    link: Option<Link>,
    /// Of each other node: its beat, and during how many of ours it has stood.
    beats: BTreeMap<u128, (i64, u32)>,
    /// The membership that the caller was told of last.
    told: i64,
    /// The one that it has said it keeps to.
    sees: i64,
    /// How far the leases of each dead node were looked for.
    looked: BTreeMap<u128, (Id, Id)>,
}

/// What stands in the table of nodes.
#[derive(Debug, Clone, Copy)]
struct Listed {
    id: u128,
    beat: i64,
    sees: i64,
    is_dead: bool,
}

/// Enters a node that is new.
pub(super) async fn join(link: &Link, id: u128, name: &str) -> Result<(), Error> {
    link.simply(sql::begin).await.map_err(trouble)?;
    link.ask(sql::node_insert, &[&Id(id), &name]).await?;
    for writer in 0..WRITERS {
        link.ask(sql::writer_insert, &[&Id(id), &writer]).await?;
    }
    link.ask(sql::meta_add, &[&"epoch", &1_i64]).await?;
    link.simply(sql::commit).await.map_err(trouble)
}

/// Takes a new id, since others have declared the node of this one dead, unless that was done meanwhile.
pub(super) async fn renew(shared: &Shared, link: Option<&Link>, dead: u128) -> Result<(), Trouble> {
    let _renewing = shared.renewing.lock().await;
    if shared.node().id != dead {
        return Ok(());
    }
    let own;
    let link = if let Some(link) = link {
        link
    } else {
        own = Link::open(&shared.servers, sql::settings_writer).await?;
        &own
    };
    let id = shared.draw();
    join(link, id, &shared.name).await?;
    shared.with_node(|node| {
        node.before.push(node.id);
        node.id = id;
        node.renewed = true;
        node.doubtful = false;
    });
    Ok(())
}

/// Declares a node dead; `false` when it has moved meanwhile, or somebody else was faster. `beat` is where it stood,
/// or `None` for the node itself, when it leaves.
async fn bury(link: &Link, id: u128, beat: Option<i64>) -> Result<bool, tokio_postgres::Error> {
    link.simply(sql::begin).await?;
    let buried = match beat {
        Some(beat) => link.run(sql::node_bury, &[&Id(id), &beat]).await?,
        None => link.run(sql::node_leave, &[&Id(id)]).await?,
    };
    if buried == 1 {
        let counts = link.rows(sql::writer_bury, &[&Id(id)]).await?;
        let events: i64 = counts.iter().filter_map(|row| row.try_get::<_, i64>(0).ok()).sum();
        link.run(sql::meta_add, &[&"events", &events]).await?;
        link.run(sql::meta_add, &[&"epoch", &1_i64]).await?;
    }
    link.simply(sql::commit).await?;
    Ok(buried == 1)
}

impl Keeper {
    /// Starts to watch.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, watch: Mutex::default() }
    }

    /// Says that this node lives, and tells who else does.
    pub(super) async fn beat(&self, now: Timestamp) -> Result<Crew, Error> {
        self.turn(now, Pulse::Beat).await
    }

    /// Says that this node keeps to its share of the crew that it was told of last.
    pub(super) async fn agree(&self, now: Timestamp) -> Result<Crew, Error> {
        self.turn(now, Pulse::Between).await
    }

    async fn turn(&self, now: Timestamp, pulse: Pulse) -> Result<Crew, Error> {
        let mut watch = self.watch.lock().await;
        let link = match watch.link.take().filter(|link| !link.is_closed()) {
            Some(link) => link,
            None => Link::open(&self.shared.servers, sql::settings_writer)
                .await
                .map_err(Trouble::into_error)?,
        };
        if pulse == Pulse::Between {
            watch.sees = watch.told;
        }
        let looked = self.look(&mut watch, &link, (now, pulse)).await;
        let crew = looked.map_err(Trouble::into_error)?;
        // After a failure the connection may be in the middle of something; the next beat takes another.
        watch.link = Some(link);
        Ok(crew)
    }

    async fn look(
        &self,
        watch: &mut Watch,
        link: &Link,
        when: (Timestamp, Pulse),
    ) -> Result<Crew, Trouble> {
        let (now, pulse) = when;
        let shared = &self.shared;
        if shared.node().doubtful {
            bury(link, shared.node().id, None).await?;
        }
        let beat = async |watch: &Watch, id: u128| {
            link.run(sql::node_beat, &[&Id(id), &watch.sees, &now.as_millis()]).await
        };
        let known = shared.node().id;
        if beat(watch, known).await? == 0 {
            renew(shared, Some(link), known).await?;
            // As somebody else it has seen nothing yet.
            watch.sees = 0;
            beat(watch, shared.node().id).await?;
        }
        // The members first: when the epoch moves meanwhile, somebody has not seen it yet.
        let mut listed = list(link).await?;
        let us = shared.node().id;
        let others = listed.iter_mut().filter(|other| !other.is_dead && other.id != us);
        for other in others.filter(|_| pulse == Pulse::Beat) {
            let seen = watch.beats.entry(other.id).or_insert((other.beat, 0));
            *seen = if seen.0 == other.beat { (seen.0, seen.1 + 1) } else { (other.beat, 0) };
            if seen.1 > DEAD_AFTER_BEATS {
                other.is_dead = bury(link, other.id, Some(other.beat)).await?;
            }
        }
        let epoch = link.first(sql::meta_read, &[&"epoch"]).await?;
        let epoch: i64 = epoch.map_or(Ok(0), |row| rows::column(&row, 0))?;
        for dead in listed.iter().filter(|other| other.is_dead) {
            self.free(watch, link, dead.id).await?;
        }
        let living: Vec<&Listed> = listed.iter().filter(|other| !other.is_dead).collect();
        watch.beats.retain(|id, _| living.iter().any(|other| other.id == *id));
        watch.told = epoch;
        shared.living.store(living.len().max(1), Ordering::Release);
        let place = living.iter().position(|other| other.id == us);
        let renewed = shared.with_node(|node| {
            let renewed = node.renewed;
            node.renewed = false;
            renewed
        });
        Ok(Crew {
            nodes: u32::try_from(living.len()).unwrap_or(u32::MAX).max(1),
            place: u32::try_from(place.unwrap_or(0)).unwrap_or(0),
            agreed: living.iter().all(|other| other.sees == epoch),
            renewed,
        })
    }

    /// Frees what a dead node had leased, as far as it is bounded; forgets the node when there is nothing left.
    async fn free(&self, watch: &mut Watch, link: &Link, dead: u128) -> Result<(), Trouble> {
        let mut after = watch.looked.get(&dead).copied().unwrap_or((Id(0), Id(0)));
        for _ in 0..LOOKS_MAX {
            let arguments: Arguments<'_> = &[&Id(dead), &after.0, &after.1, &LOOKED_AT];
            let looked = link.first(sql::queue_free_dead, arguments).await?;
            let Some(row) = looked else {
                watch.looked.remove(&dead);
                link.run(sql::timer_free, &[&Id(dead)]).await?;
                link.run(sql::node_delete, &[&Id(dead)]).await?;
                // What will fall due, only the dead one knew.
                self.shared.lanes.hint(endpoints(link).await?);
                return Ok(());
            };
            let freed: Option<Vec<Id>> = rows::column(&row, 1)?;
            let freed = freed.into_iter().flatten().map(|id| EndpointId::new(id.0));
            let freed: Vec<EndpointId> = freed.collect();
            if !freed.is_empty() {
                self.shared.tell(|news| news.due.extend(freed.iter().copied()));
                self.shared.lanes.hint(freed);
            }
            after = (rows::column(&row, 2)?, rows::column(&row, 3)?);
            watch.looked.insert(dead, after);
        }
        Ok(())
    }

    /// Leaves the crew: what this node had leased is free at once. It is an error that others had declared this node dead
    /// and it could not say so before.
    pub(super) async fn leave(&self) -> Result<(), Error> {
        let was_alive = self.bow_out().await;
        if matches!(was_alive, Ok(false)) || self.shared.node().renewed {
            return Err(Error::Unusable {
                detail: "others had taken this node for dead, and may have done what it did last as well".to_owned(),
                source: None,
            });
        }
        was_alive.map(|_alive| ())
    }

    /// Leaves the crew; `false` when others had declared this node dead before.
    async fn bow_out(&self) -> Result<bool, Error> {
        let mut watch = self.watch.lock().await;
        let link = Link::open(&self.shared.servers, sql::settings_writer)
            .await
            .map_err(Trouble::into_error)?;
        let us = self.shared.node().id;
        let was_alive = bury(&link, us, None).await.map_err(trouble)?;
        self.free(&mut watch, &link, us).await.map_err(Trouble::into_error)?;
        Ok(was_alive)
    }
}

async fn list(link: &Link) -> Result<Vec<Listed>, Trouble> {
    let mut listed = Vec::new();
    for row in link.rows(sql::node_list, &[]).await? {
        listed.push(Listed {
            id: rows::bits(&row, 0)?,
            beat: rows::column(&row, 1)?,
            sees: rows::column(&row, 2)?,
            is_dead: rows::column(&row, 3)?,
        });
    }
    Ok(listed)
}

/// Lists endpoints that have anything to be told.
pub(super) async fn endpoints(link: &Link) -> Result<Vec<EndpointId>, Error> {
    let found = link.ask(sql::queue_endpoints, &[]).await?;
    found.iter().map(|row| Ok(EndpointId::new(rows::bits(row, 0)?))).collect()
}
