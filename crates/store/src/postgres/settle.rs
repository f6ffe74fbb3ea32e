//! Ended attempts with what follows from them.
//!
//! Invariants: attempt and next state are one commit; the same attempt twice is once; every attempt made is in the
//! history: if its number is taken by another one, since two nodes have tried the same delivery, it gets the next; a
//! delivery that ended meanwhile keeps its state.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::chain::Entry;
use domain::delivery::Attempt;
use domain::id::{AccountId, EndpointId};
use domain::time::Timestamp;

use super::rows::{Trouble, written};
use super::state::Turn;
use super::unit::{Known, Standing, Unit};
use super::writes::{Ended, Writes};
use crate::commit::Settlement;
use crate::error::Error;

/// What was recorded.
#[derive(Debug, Default)]
pub(super) struct Recorded<'a> {
    /// Settlements that are new, with the call each belongs to.
    pub(super) new: Vec<(usize, Timestamp, &'a Settlement)>,
}

/// Decides what is written of each settlement.
pub(super) fn plan<'a>(
    unit: &Unit<'a>,
    turn: &Turn<'_>,
    known: &mut Known,
    writes: &mut Writes,
) -> Result<Recorded<'a>, Trouble> {
    let mut recorded = Recorded::default();
    let mut seen = BTreeSet::new();
    for (call, (now, settlements)) in unit.settles.iter().enumerate() {
        for settlement in *settlements {
            let delivery = settlement.attempt.delivery;
            if !turn.is_careful() && !seen.insert(delivery) {
                return Err(Trouble::Careful);
            }
            let number = match known.standings.get_mut(&delivery) {
                Some(standing) => look(standing, settlement, writes),
                // It is not there at all; the attempt was made all the same.
                None if turn.is_careful() => Some(settlement.attempt.number),
                None => {
                    trust(settlement, writes);
                    Some(settlement.attempt.number)
                }
            };
            let Some(number) = number else { continue };
            let attempt = if number == settlement.attempt.number {
                Arc::clone(&settlement.attempt)
            } else {
                Arc::new(Attempt { number, ..(*settlement.attempt).clone() })
            };
            chain(settlement, &attempt, known, writes)?;
            writes.outcomes.push(written("attempts", &attempt.outcome)?);
            writes.attempts.push((settlement.account, attempt));
            recorded.new.push((call, *now, settlement));
        }
    }
    Ok(recorded)
}

/// Takes for granted that the delivery is pending and this its next attempt.
fn trust(settlement: &Settlement, writes: &mut Writes) {
    let before = settlement.attempt.number.saturating_sub(1);
    change(settlement, settlement.attempt.number, before, writes);
}

fn change(settlement: &Settlement, attempts: u32, before: u32, writes: &mut Writes) {
    let id = settlement.attempt.delivery;
    let of = (settlement.account, settlement.endpoint);
    let state = settlement.state;
    let ended = writes.ended.entry(id).or_insert(Ended { of, state, attempts, before });
    (ended.state, ended.attempts) = (state, attempts);
}

/// Decides by where the delivery stands. `None` when this very attempt is recorded already.
fn look(standing: &mut Standing, settlement: &Settlement, writes: &mut Writes) -> Option<u32> {
    let attempt = &settlement.attempt;
    if standing.numbers.values().any(|id| *id == attempt.id) {
        return None;
    }
    let number =
        (attempt.number..u32::MAX).find(|number| !standing.numbers.contains_key(number))?;
    standing.numbers.insert(number, attempt.id);
    let before = number.saturating_sub(1);
    if standing.attempts != before {
        return Some(number);
    }
    standing.attempts = number;
    if !standing.is_pending {
        count(settlement, number, before, writes);
        return Some(number);
    }
    change(settlement, number, before, writes);
    if !settlement.state.is_pending() {
        standing.is_pending = false;
        if standing.order_key.take().is_some() {
            writes.ordered += 1;
        }
    }
    Some(number)
}

/// Counts an attempt of a delivery that has ended.
fn count(settlement: &Settlement, attempts: u32, before: u32, writes: &mut Writes) {
    let id = settlement.attempt.delivery;
    if let Some(ended) = writes.ended.get_mut(&id) {
        ended.attempts = attempts;
    } else {
        let counted = writes.counted.entry(id).or_insert((settlement.account, attempts, before));
        counted.1 = attempts;
    }
}

/// Adds the attempt to its request's timeline.
fn chain(
    settlement: &Settlement,
    attempt: &Attempt,
    known: &mut Known,
    writes: &mut Writes,
) -> Result<(), Error> {
    let Some(request) = settlement.request else { return Ok(()) };
    let entry = Entry::of_attempt(attempt);
    let pointer = Some((attempt.delivery, attempt.number));
    known.chain((settlement.account, request), entry, pointer, writes)?;
    Ok(())
}

/// Whose endpoint.
pub(super) type Of = (AccountId, EndpointId);
