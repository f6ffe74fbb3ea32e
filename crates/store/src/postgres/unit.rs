//! Commits and settlements together: what is asked first, what follows, what is written.
//!
//! However many there are, a handful of statements carries them out, and most of the time a single one, which is sent and
//! answered once. Nothing is looked at then: that events are new, that a settlement is new and its delivery pending, and
//! that endpoints are those that are kept, is taken for granted. It shows in keys that are broken, in how many rows
//! change, and in the accounts' editions. If it was not so, the transaction is undone and done again, looking first.
//!
//! Locks are taken in one order in every transaction: heads of chains, then order keys, each sorted; then rows.
//! Left to others: states (`apply`), what each step decides (`settle`, `say`, `order`, `health`).

use std::collections::{BTreeMap, BTreeSet};

use domain::chain::Link as Place;
use domain::event::Event;
use domain::id::{AccountId, AttemptId, DeliveryId, EndpointId, EventId, RequestId};
use domain::time::Timestamp;
use tokio_postgres::Row;

use super::link::Link;
use super::order::Pair;
use super::rows::{self, Id, Trouble};
use super::standings::{self, Standings};
use super::state::{Shared, Turn};
use super::writes::{End, Writes};
use super::{health, order, say, settle, sql};
use crate::commit::{Audience, Commit, Committed, Fault, Settled, Settlement};
use crate::error::Error;

/// What is carried out together.
#[derive(Debug, Default)]
pub(super) struct Unit<'a> {
    /// Commits whose states are written already, or that have none.
    pub(super) commits: Vec<&'a Commit>,
    /// Ended attempts.
    pub(super) settles: Vec<(Timestamp, &'a [Settlement])>,
}

/// What came of it, one for each.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) commits: Vec<Result<Committed, Fault>>,
    pub(super) settles: Vec<Settled>,
}

/// What is known before anything is decided.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) ids: BTreeSet<EventId>,
    pub(super) keys: BTreeMap<(AccountId, Vec<u8>), EventId>,
    pub(super) heads: BTreeMap<(AccountId, RequestId), Option<Place>>,
    /// Those of requests that are new.
    pub(super) heads_new: BTreeSet<(AccountId, RequestId)>,
    /// Deliveries that were looked at.
    pub(super) standings: BTreeMap<DeliveryId, Standing>,
}

/// Where a delivery stands.
#[derive(Debug, Default, Clone)]
pub(super) struct Standing {
    pub(super) is_pending: bool,
    pub(super) attempts: u32,
    pub(super) order_key: Option<Vec<u8>>,
    pub(super) numbers: BTreeMap<u32, AttemptId>,
}

impl<'a> Unit<'a> {
    /// Whose endpoints it concerns.
    pub(super) fn accounts(&self) -> BTreeSet<AccountId> {
        let settled = self.settles.iter().flat_map(|(_, settlements)| settlements.iter());
        let commits = self.commits.iter().map(|commit| commit.account);
        commits.chain(settled.map(|settlement| settlement.account)).collect()
    }

    fn settlements(&self) -> impl Iterator<Item = &'a Settlement> {
        self.settles.iter().flat_map(|(_, settlements)| settlements.iter())
    }

    fn events(&self) -> impl Iterator<Item = &'a Event> {
        let said = self.commits.iter().flat_map(|commit| commit.events.iter());
        said.map(|said| &said.event).chain(self.settlements().flat_map(|s| s.events.iter()))
    }

    /// Leaves out commits that what stands in the database refuses, and says why each; gives what the others write beside
    /// their events.
    pub(super) fn sift(
        &mut self,
        shared: &Shared,
        standings: &Standings,
    ) -> Result<(Vec<Option<Fault>>, Writes), Error> {
        let refusals: Vec<_> =
            self.commits.iter().map(|commit| standings.refusal(commit)).collect();
        let mut at = refusals.iter();
        self.commits.retain(|_| at.next().is_some_and(Option::is_none));
        let mut writes = Writes::default();
        for commit in &self.commits {
            writes.states.add(shared, commit)?;
        }
        Ok((refusals, writes))
    }

    /// Carries it out, with what is to be written beside it. Endpoints of its accounts are known. With an end, for a writer
    /// that has nothing else to do then, the transaction may be committed too; [`Turn::ended`] tells.
    pub(super) async fn carry_out(
        &self,
        turn: &mut Turn<'_>,
        mut known: Known,
        mut writes: Writes,
        end: Option<End>,
    ) -> Result<Outcome, Trouble> {
        let pairs = self.pairs(turn, &known);
        order::lock(turn, &pairs).await?;
        let recorded = settle::plan(self, turn, &mut known, &mut writes)?;
        let mut behind = BTreeSet::new();
        if !pairs.is_empty() {
            writes.write_heads(&known);
            Box::pin(writes.flush(turn, None)).await?;
            // Those that have no entry yet are still to be made.
            let Known { heads, heads_new, .. } = &mut known;
            heads_new.retain(|of| heads.get(of).is_none_or(Option::is_none));
            behind = order::follow(turn, &pairs).await?;
        }
        let commits = say::plan(self, turn, &mut known, (&recorded, behind), &mut writes).await?;
        let mut outcome = Outcome { commits, ..Outcome::default() };
        outcome.settles.resize_with(self.settles.len(), Settled::default);
        writes.write_heads(&known);
        let (told, all_took_it) = health::told(&recorded);
        if let Some(end) = end.filter(|_| all_took_it) {
            turn.good.extend(told);
            let ended = Box::pin(writes.flush(turn, Some(end))).await;
            turn.ended = Some(match ended {
                Ok(()) => Ok(()),
                Err(Trouble::Lost(error)) => Err(error),
                Err(trouble) => return Err(trouble),
            });
            return Ok(outcome);
        }
        Box::pin(writes.flush(turn, None)).await?;
        for (at, change) in health::fare(turn, &recorded).await? {
            if let Some(settled) = outcome.settles.get_mut(at) {
                settled.changes.push(change);
            }
        }
        Ok(outcome)
    }

    /// Asks what must be known before anything is decided.
    pub(super) async fn look(
        &self,
        link: &Link,
        shared: &Shared,
        careful: bool,
    ) -> Result<Known, Trouble> {
        let mut known = Known::default();
        let (mut accounts, mut ids) = (Vec::new(), Vec::new());
        let (mut of, mut keys) = (Vec::new(), Vec::new());
        let mut requests = BTreeSet::new();
        for event in self.events() {
            accounts.push(Id(event.account.bits()));
            ids.push(Id(event.id.bits()));
            if let Some(key) = &event.key {
                of.push(Id(event.account.bits()));
                keys.push(key.as_bytes());
            }
            requests.extend(event.request.map(|request| (event.account, request)));
        }
        let settled = self.settlements();
        requests.extend(settled.filter_map(|s| Some((s.account, s.request?))));
        if !careful {
            // Nobody else can have begun the chain of a request that is new.
            known.heads_new =
                self.commits.iter().flat_map(|commit| standings::requests_new(commit)).collect();
            known.heads.extend(known.heads_new.iter().map(|of| (*of, None)));
            requests.retain(|of| !known.heads_new.contains(of));
        }
        let whose: Vec<Id> = requests.iter().map(|(account, _)| Id(account.bits())).collect();
        let which: Vec<Id> = requests.iter().map(|(_, request)| Id(request.bits())).collect();
        let watched: Vec<&Settlement> = self.watched(shared, careful).collect();
        let theirs: Vec<Id> = watched.iter().map(|s| Id(s.account.bits())).collect();
        let deliveries: Vec<Id> = watched.iter().map(|s| Id(s.attempt.delivery.bits())).collect();

        let ask = async |wanted: bool, text, of: (&Vec<Id>, &Vec<Id>)| match wanted {
            true => link.rows(text, &[of.0, of.1]).await,
            false => Ok(Vec::new()),
        };
        let chains = !requests.is_empty();
        let (made, heads, by_id, by_key, standings, attempts) = tokio::join!(
            biased;
            ask(chains, sql::head_make, (&whose, &which)),
            ask(chains, sql::head_lock, (&whose, &which)),
            ask(careful && !ids.is_empty(), sql::event_known, (&accounts, &ids)),
            async {
                match keys.is_empty() {
                    true => Ok(Vec::new()),
                    false => link.rows(sql::event_by_key, &[&of, &keys]).await,
                }
            },
            ask(!watched.is_empty(), sql::delivery_standing, (&theirs, &deliveries)),
            ask(!watched.is_empty(), sql::attempt_standing, (&theirs, &deliveries)),
        );
        made?;
        for row in heads? {
            known.read_head(&row)?;
        }
        for row in by_id? {
            known.ids.insert(EventId::new(rows::bits(&row, 0)?));
        }
        for row in by_key? {
            let key = (AccountId::new(rows::bits(&row, 0)?), rows::column(&row, 1)?);
            known.keys.insert(key, EventId::new(rows::bits(&row, 2)?));
        }
        for row in standings? {
            known.read_standing(&row)?;
        }
        for row in attempts? {
            let delivery = DeliveryId::new(rows::bits(&row, 0)?);
            let standing = known.standings.entry(delivery).or_default();
            standing.numbers.insert(rows::count(&row, 1)?, AttemptId::new(rows::bits(&row, 2)?));
        }
        Ok(known)
    }

    /// Settlements whose deliveries are looked at first: all when careful, else those of endpoints that ask for order.
    fn watched<'b>(
        &'b self,
        shared: &'b Shared,
        careful: bool,
    ) -> impl Iterator<Item = &'a Settlement> + 'b {
        self.settlements().filter(move |settlement| {
            careful || order::may_be(shared, settlement.account, settlement.endpoint)
        })
    }

    /// Gives the endpoints with their order keys that are concerned.
    fn pairs(&self, turn: &Turn<'_>, known: &Known) -> BTreeSet<Pair> {
        let mut pairs = BTreeSet::new();
        for settlement in self.settlements() {
            let standing = known.standings.get(&settlement.attempt.delivery);
            if let Some(key) = standing.and_then(|standing| standing.order_key.clone()) {
                pairs.insert((settlement.endpoint, key));
            }
        }
        for event in self.events() {
            if let Some(key) = &event.order_key {
                let ordered = turn.living(event.account);
                let ordered = ordered.values().filter(|endpoint| order::asked_for(endpoint));
                pairs.extend(ordered.map(|endpoint| (endpoint.id, key.as_bytes().to_vec())));
            }
        }
        pairs
    }

    /// Says why a commit cannot be carried out, if so.
    pub(super) fn refusal(turn: &Turn<'_>, commit: &Commit) -> Option<Fault> {
        let missing = |endpoint: EndpointId| turn.endpoint(commit.account, endpoint).is_none();
        let only = commit.events.iter().filter_map(|said| match said.audience {
            Audience::Only(endpoint, _) => Some(endpoint),
            Audience::Subscribers => None,
        });
        let mut told = only.chain(commit.deliveries.iter().map(|new| new.endpoint));
        told.any(missing).then_some(Fault::Missing { what: "endpoint" })
    }
}

impl Known {
    fn read_head(&mut self, row: &Row) -> Result<(), Error> {
        let key = (AccountId::new(rows::bits(row, 0)?), RequestId::new(rows::bits(row, 1)?));
        let seq = rows::column::<i64>(row, 2)?.unsigned_abs();
        let place = match seq {
            0 => None,
            seq => Some(Place { seq, hash: rows::hash(row, 3)? }),
        };
        self.heads.insert(key, place);
        Ok(())
    }

    fn read_standing(&mut self, row: &Row) -> Result<(), Error> {
        let standing = Standing {
            is_pending: rows::column(row, 1)?,
            attempts: rows::count(row, 2)?,
            order_key: rows::column(row, 4)?,
            numbers: BTreeMap::new(),
        };
        self.standings.insert(DeliveryId::new(rows::bits(row, 0)?), standing);
        Ok(())
    }
}
