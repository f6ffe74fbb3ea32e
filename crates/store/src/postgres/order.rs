//! One after the other, where an endpoint asks for it.
//!
//! Invariant: of each order key one delivery is free, and those behind it are held. Whoever adds one to a key, or ends
//! its free one, holds the key's lock until its transaction ends, so that two nodes never decide about one key at once; who
//! cancels one that is held takes no lock, and is noticed.

use std::collections::BTreeSet;

use domain::chain;
use domain::endpoint::{Endpoint, Ordering};
use domain::id::{AccountId, DeliveryId, EndpointId};
use domain::time::Timestamp;

use super::lease;
use super::rows::{self, Id, Trouble};
use super::sql;
use super::state::{Shared, Turn};
use super::writes::in_the_way;

/// An endpoint and one of its order keys.
pub(super) type Pair = (EndpointId, Vec<u8>);

/// Tells whether an endpoint asks for order.
pub(super) fn asked_for(endpoint: &Endpoint) -> bool {
    endpoint.ordering == Ordering::Request
}

/// Tells whether deliveries to an endpoint may have an order: it asks for it, or is not known.
pub(super) fn may_be(shared: &Shared, account: AccountId, endpoint: EndpointId) -> bool {
    let kept = shared.kept(account).unwrap_or_default();
    kept.living.get(&endpoint).is_none_or(|endpoint| asked_for(endpoint))
}

/// Takes the locks of order keys, until the transaction ends.
pub(super) async fn lock(turn: &Turn<'_>, pairs: &BTreeSet<Pair>) -> Result<(), Trouble> {
    if pairs.is_empty() {
        return Ok(());
    }
    let keys: BTreeSet<i64> = pairs.iter().map(lock_of).collect();
    let keys: Vec<i64> = keys.into_iter().collect();
    turn.link.rows(sql::order_lock, &[&keys]).await?;
    Ok(())
}

/// Two keys may share a lock; then they wait for each other, and nothing else comes of it.
fn lock_of(pair: &Pair) -> i64 {
    let digest = chain::sha256(&[&pair.0.bits().to_be_bytes(), pair.1.as_slice()].concat());
    let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
    i64::from_be_bytes(*first)
}

/// Lets the next one go in each order key of which none is free, and offers it to the lanes: it was due when it was made,
/// whatever the clock says of whoever ends the one before it. Gives the keys of which one is free, so that further ones
/// stand behind it.
pub(super) async fn follow(
    turn: &mut Turn<'_>,
    pairs: &BTreeSet<Pair>,
) -> Result<BTreeSet<Pair>, Trouble> {
    let endpoints: Vec<Id> = pairs.iter().map(|(endpoint, _)| Id(endpoint.bits())).collect();
    let keys: Vec<&[u8]> = pairs.iter().map(|(_, key)| key.as_slice()).collect();
    let mut busy = BTreeSet::new();
    let mut next = Vec::new();
    for row in turn.link.rows(sql::order_read, &[&endpoints, &keys]).await? {
        let pair: Pair = (EndpointId::new(rows::bits(&row, 0)?), rows::column(&row, 1)?);
        if rows::column(&row, 2)? {
            busy.insert(pair);
        } else if let Some(account) = rows::bits_or_none(&row, 3)? {
            next.push((AccountId::new(account), DeliveryId::new(rows::bits(&row, 4)?)));
            busy.insert(pair);
        }
    }
    if !next.is_empty() {
        let (accounts, ids) = lease::columns(&next);
        let freed = turn.link.run(sql::queue_free, &[&accounts, &ids]).await?;
        if freed < next.len() as u64 {
            // Who cancels one that is held takes no lock: others stand behind it, and another one is next.
            return Err(Trouble::Again(in_the_way()));
        }
        lease::offer(turn, Timestamp::MAX, &next).await?;
    }
    Ok(busy)
}
