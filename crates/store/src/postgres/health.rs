//! How endpoints fare.
//!
//! Invariant: it is read and written in the database alone, under a lock where somebody failed, so that a success on
//! one node wipes what another has counted.

use std::collections::{BTreeMap, BTreeSet};

use domain::health::{Change, Health};
use domain::id::{AccountId, EndpointId};
use domain::time::Timestamp;

use super::rows::{self, Id, Trouble};
use super::settle::{Of, Recorded};
use super::sql;
use super::state::Turn;

/// What there is to say about an endpoint, and to which call.
pub(super) type Said = (usize, (AccountId, EndpointId, Health, Change));

/// Who was told, and whether all of them took it.
pub(super) fn told(recorded: &Recorded<'_>) -> (BTreeSet<Of>, bool) {
    let counted = recorded.new.iter().filter_map(|(.., settlement)| {
        Some(((settlement.account, settlement.endpoint), settlement.health?))
    });
    let mut all = true;
    let endpoints = counted.inspect(|(_, accepted)| all &= accepted).map(|(of, _)| of).collect();
    (endpoints, all)
}

fn columns(endpoints: &BTreeSet<Of>) -> (Vec<Id>, Vec<Id>) {
    endpoints.iter().map(|(account, id)| (Id(account.bits()), Id(id.bits()))).unzip()
}

/// Notes how endpoints fare, and whether there is something to say about one.
pub(super) async fn fare(
    turn: &mut Turn<'_>,
    recorded: &Recorded<'_>,
) -> Result<Vec<Said>, Trouble> {
    let counted = || {
        recorded.new.iter().filter_map(|(call, _, settlement)| {
            let of = (settlement.account, settlement.endpoint);
            Some((*call, of, settlement.health?, settlement.attempt.at))
        })
    };
    let (endpoints, all_took_it) = told(recorded);
    if all_took_it {
        turn.good.extend(endpoints);
        return Ok(Vec::new());
    }
    let (accounts, ids) = columns(&endpoints);
    let mut fares: BTreeMap<Of, (Health, Health)> = BTreeMap::new();
    for row in turn.link.rows(sql::endpoint_health_lock, &[&accounts, &ids]).await? {
        let of = (AccountId::new(rows::bits(&row, 0)?), EndpointId::new(rows::bits(&row, 1)?));
        let health = rows::health(&row, 2)?;
        fares.insert(of, (health, health));
    }
    let mut said = Vec::new();
    for (call, of, accepted, at) in counted() {
        let Some((_, now)) = fares.get_mut(&of) else { continue };
        let (mut health, change) = now.after(accepted, at);
        if let Some(change) = change {
            said.push((call, (of.0, of.1, health, change)));
            // A warning counts as given once a commit has said it.
            health.warnings = now.warnings;
        }
        *now = health;
    }
    fares.retain(|_, (before, now)| before != now);
    let changed: Vec<_> = fares.into_iter().map(|(of, (_, now))| (of, now)).collect();
    write(turn, &changed).await?;
    Ok(said)
}

/// Notes a warning about an endpoint; tells whether it still fares like that, and was not warned of before, as 1 or 0.
pub(super) async fn warned(turn: &Turn<'_>, of: Of, health: Health) -> Result<u64, Trouble> {
    let since = health.failing_since.map(Timestamp::as_millis);
    let (account, id, warnings) = (Id(of.0.bits()), Id(of.1.bits()), i32::from(health.warnings));
    Ok(turn.link.run(sql::endpoint_warned, &[&account, &id, &since, &warnings]).await?)
}

/// Writes how endpoints fare.
async fn write(turn: &Turn<'_>, fares: &[(Of, Health)]) -> Result<(), Trouble> {
    if fares.is_empty() {
        return Ok(());
    }
    let accounts: Vec<Id> = fares.iter().map(|(of, _)| Id(of.0.bits())).collect();
    let ids: Vec<Id> = fares.iter().map(|(of, _)| Id(of.1.bits())).collect();
    let since: Vec<Option<i64>> =
        fares.iter().map(|(_, health)| health.failing_since.map(Timestamp::as_millis)).collect();
    let failures: Vec<i64> = fares.iter().map(|(_, health)| i64::from(health.failures)).collect();
    let warnings: Vec<i32> = fares.iter().map(|(_, health)| i32::from(health.warnings)).collect();
    turn.link.run(sql::endpoint_health, &[&accounts, &ids, &since, &failures, &warnings]).await?;
    Ok(())
}
