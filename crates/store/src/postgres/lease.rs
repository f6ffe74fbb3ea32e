//! Due deliveries to the lanes.
//!
//! Invariants: a delivery that is leased is not leased again, by any node; one that is held behind another of its order
//! key is not leased; an endpoint that is off gets only tests and probes.
//! Left to others: until when it is gone on behind what was leased before (`front`).

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::delivery::Cause;
use domain::endpoint::{Endpoint, Status};
use domain::id::{AccountId, DeliveryId, EndpointId};
use domain::time::Timestamp;
use tokio_postgres::Row;

use super::front::Front;
use super::rows::{self, Id, Trouble};
use super::sql;
use super::state::Turn;
use crate::error::Error;
use crate::lanes::{Lease, LeaseScope, Leased};

/// Deliveries of one endpoint leased at once, at most.
const LEASES_MAX: usize = 512;
/// Deliveries looked at together.
const LOOKED_AT: usize = 128;

/// What may be leased: whose, which, and the bytes that were asked room for.
type Room = (AccountId, DeliveryId, usize);

/// Takes ids apart, column by column.
pub(super) fn columns(ids: &[(AccountId, DeliveryId)]) -> (Vec<Id>, Vec<Id>) {
    ids.iter().map(|(account, id)| (Id(account.bits()), Id(id.bits()))).unzip()
}

/// Leases as much as the lanes admit.
pub(super) async fn lease(
    turn: &mut Turn<'_>,
    now: Timestamp,
    scope: &LeaseScope,
) -> Result<Leased, Trouble> {
    let mut endpoints = Vec::new();
    let found = match scope {
        LeaseScope::All => turn.link.rows(sql::queue_endpoints, &[]).await?,
        LeaseScope::Endpoints(ids) => {
            let mut unknown = Vec::new();
            for id in ids {
                match turn.shared.with_fronts(|fronts| fronts.take(*id, now)) {
                    Some(front) => endpoints.push((*id, front)),
                    None => unknown.push(Id(id.bits())),
                }
            }
            match unknown.as_slice() {
                [] => Vec::new(),
                unknown => turn.link.rows(sql::queue_account, &[&unknown]).await?,
            }
        }
    };
    for row in found {
        if let Some(account) = rows::bits_or_none(&row, 1)? {
            let front = Front::beginning(AccountId::new(account), now);
            endpoints.push((EndpointId::new(rows::bits(&row, 0)?), front));
        }
    }
    turn.know(&endpoints.iter().map(|(_, front)| front.account).collect()).await?;
    let mut leased = Leased::default();
    for (id, front) in endpoints {
        let endpoint = turn.endpoint(front.account, id);
        let next = match &endpoint {
            Some(endpoint) => lease_endpoint(turn, now, (endpoint, front), &mut leased).await?,
            None => None,
        };
        let is_on = endpoint.is_some_and(|endpoint| endpoint.status == Status::Enabled);
        // While it is off, what is no test is passed over, and will be due again.
        turn.effects.fronts.extend(next.filter(|_| is_on).map(|front| (id, front)));
        if !is_on && turn.link.first(sql::queue_left, &[&Id(id.bits())]).await?.is_some() {
            leased.off.push((front.account, id));
        }
    }
    Ok(leased)
}

/// Goes through what is due, the earliest first, up to one that has no room; tells where to go on, if there may be more.
async fn lease_endpoint(
    turn: &mut Turn<'_>,
    now: Timestamp,
    (endpoint, mut front): (&Arc<Endpoint>, Front),
    leased: &mut Leased,
) -> Result<Option<Front>, Trouble> {
    let (due, earliest) = match endpoint.status {
        Status::Enabled => (sql::queue_due, sql::queue_earliest),
        Status::Disabled | Status::DisabledBySystem | Status::Deleted => {
            (sql::queue_due_asked, sql::queue_earliest_asked)
        }
    };
    let id = Id(endpoint.id.bits());
    let mut is_sweep = front.is_beginning();
    let mut taken = 0;
    while taken < LEASES_MAX {
        let limit = LOOKED_AT.min(LEASES_MAX - taken);
        let (from, last) = (front.due_at.as_millis(), Id(front.delivery.bits()));
        let most = i64::try_from(limit).unwrap_or(1);
        let found = turn.link.rows(due, &[&id, &now.as_millis(), &most, &from, &last]).await?;
        let mut admitted = Vec::new();
        let mut refused = None;
        for row in &found {
            let due_at = rows::moment(row, 2)?;
            let Some(room) = room(turn, row, endpoint, 3)? else {
                refused = Some(due_at);
                break;
            };
            (front.due_at, front.delivery) = (due_at, room.1);
            admitted.push(room);
        }
        taken += admitted.len();
        leased.taken += admitted.len();
        take(turn, &admitted, endpoint).await?;
        if let Some(due_at) = refused {
            leased.next_due.push((endpoint.id, due_at));
            return Ok(Some(front));
        }
        if found.len() < limit {
            if is_sweep {
                break;
            }
            // What has become due before the front is left.
            (front, is_sweep) = (Front::beginning(front.account, now), true);
        }
    }
    if taken == LEASES_MAX {
        leased.unfinished.push(endpoint.id);
        return Ok(Some(front));
    }
    if let Some(row) = turn.link.first(earliest, &[&id]).await? {
        leased.next_due.push((endpoint.id, rows::moment(&row, 0)?));
    }
    Ok(None)
}

/// Asks for room for a delivery whose account and id come first in its row.
fn room(
    turn: &mut Turn<'_>,
    row: &Row,
    endpoint: &Arc<Endpoint>,
    bytes_at: usize,
) -> Result<Option<Room>, Error> {
    let bytes = Lease::bytes_of(rows::count(row, bytes_at)? as usize);
    if !turn.admit(endpoint, bytes) {
        return Ok(None);
    }
    let (account, id) = (AccountId::new(rows::bits(row, 0)?), DeliveryId::new(rows::bits(row, 1)?));
    Ok(Some((account, id, bytes)))
}

/// Leases deliveries of an endpoint that were admitted, and gives back the room of those that others have got meanwhile.
async fn take(
    turn: &mut Turn<'_>,
    admitted: &[Room],
    endpoint: &Arc<Endpoint>,
) -> Result<(), Trouble> {
    if admitted.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = admitted.iter().map(|(account, id, _)| (*account, *id)).collect();
    let (accounts, ids) = columns(&ids);
    let found = turn.link.rows(sql::queue_take, &[&accounts, &ids, &Id(turn.node.id)]).await;
    let mut left: BTreeMap<DeliveryId, usize> =
        admitted.iter().map(|(_, id, bytes)| (*id, *bytes)).collect();
    let outcome = found.map_err(Trouble::from).and_then(|found| {
        for row in &found {
            let delivery = rows::delivery(row)?;
            let event = Arc::new(rows::event(row, 12, delivery.account)?);
            left.remove(&delivery.id);
            let endpoint = Arc::clone(endpoint);
            turn.effects.leases.push(Lease { delivery, event, endpoint });
        }
        Ok(())
    });
    for bytes in left.into_values() {
        turn.shared.lanes.withdraw(endpoint.id, bytes);
    }
    outcome
}

/// Offers deliveries to the lanes that have just become free to go. Nothing happens unless one is due, its endpoint is
/// to be told, and nobody has it.
pub(super) async fn offer(
    turn: &mut Turn<'_>,
    now: Timestamp,
    which: &[(AccountId, DeliveryId)],
) -> Result<(), Trouble> {
    let (accounts, ids) = columns(which);
    let link = turn.link;
    for row in link.rows(sql::queue_offered, &[&accounts, &ids, &now.as_millis()]).await? {
        let account = AccountId::new(rows::bits(&row, 0)?);
        let id = EndpointId::new(rows::bits(&row, 2)?);
        let asked = matches!(rows::column(&row, 5)?, "test" | "probe");
        let Some(endpoint) = turn.endpoint(account, id) else { continue };
        if endpoint.status != Status::Enabled && !asked {
            continue;
        }
        if let Some(room) = room(turn, &row, &endpoint, 4)? {
            take(turn, &[room], &endpoint).await?;
        }
    }
    Ok(())
}

/// Tells whether a delivery may be attempted as its endpoint stands.
pub(super) fn is_owed(endpoint: &Endpoint, cause: Cause) -> bool {
    endpoint.status == Status::Enabled || matches!(cause, Cause::Test | Cause::Probe)
}
