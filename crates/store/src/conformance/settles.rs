//! What ended attempts leave behind.

use std::slice;
use std::sync::Arc;

use domain::call::{Answer, Outcome, Reason};
use domain::delivery::{Attempt, Delivery, State, Why};
use domain::endpoint::{Endpoint, Status};
use domain::health::{Change, Health};
use domain::id::AccountId;
use domain::time::DAY_MS;

use super::world::{World, at};
use crate::{Audience, Commit, Fault, Guarded, Said, Settled, Settlement, Write};

const DAY_S: i64 = DAY_MS / 1_000;

/// An endpoint, and a delivery to it that is leased.
async fn leased(world: &World, account: AccountId) -> (Endpoint, Delivery) {
    let endpoint = world.register(world.endpoint(account)).await;
    world.say(&[world.event(account, "custom.a")]).await;
    (endpoint, world.lanes.taken().remove(0).delivery)
}

pub async fn attempt_and_state_are_one(world: &World) {
    let (_, delivery) = leased(world, world.account()).await;
    let settlement = world.settlement(&delivery, State::Delivered { at: at(1) });
    assert_eq!(world.settle(vec![settlement.clone()]).await, Settled::default());
    let (row, attempts) = world.delivery(&delivery).await;
    let ended = Delivery { state: State::Delivered { at: at(1) }, attempts: 1, ..delivery };
    assert_eq!((row.delivery, row.event_name.as_str()), (ended, "custom.a"));
    assert_eq!(attempts, [(*settlement.attempt).clone()]);
    assert_eq!(world.lease_all(9).await.taken, 0);
}

pub async fn a_repeated_settlement_is_once(world: &World) {
    let account = world.account();
    let (endpoint, delivery) = leased(world, account).await;
    let event = world.event(account, "delivery.exhausted");
    let state = State::Exhausted { at: at(1), why: Why::Gone };
    let settlement = Settlement {
        health: Some(false),
        events: vec![event],
        ..world.settlement(&delivery, state)
    };
    world.settle(vec![settlement.clone()]).await;
    world.settle(vec![settlement.clone(), settlement]).await;
    let (row, attempts) = world.delivery(&delivery).await;
    assert_eq!((row.delivery.state, row.delivery.attempts, attempts.len()), (state, 1, 1));
    assert_eq!(world.lanes.taken().len(), 1, "the event is told once");
    let row = world.views.endpoint(account, endpoint.id).await.unwrap().unwrap();
    assert_eq!(row.health.failures, 1);
}

pub async fn a_delivery_cancelled_meanwhile_keeps_its_state_and_gets_its_attempt(world: &World) {
    let account = world.account();
    let (_, delivery) = leased(world, account).await;
    world.release(&delivery);
    let cancelled = State::Cancelled { at: at(1), why: Why::Asked };
    let write = vec![Write::Delivery(delivery.id, cancelled)];
    assert_eq!(world.write(account, write).await.unwrap().changed, 1);
    world.deliver(&delivery).await;
    let (row, attempts) = world.delivery(&delivery).await;
    assert_eq!((row.delivery.state, row.delivery.attempts), (cancelled, 1));
    assert_eq!(attempts.len(), 1);
}

pub async fn a_retry_waits_until_it_is_due(world: &World) {
    let account = world.account();
    let (endpoint, first) = leased(world, account).await;
    world.say(&[world.event(account, "custom.b")]).await;
    let second = world.lanes.taken().remove(0).delivery;
    let later =
        |delivery, seconds| world.settlement(delivery, State::Pending { due_at: at(seconds) });
    world.settle(vec![later(&first, 500), later(&second, 400)]).await;
    assert_eq!(world.lease_all(0).await.next_due, [(endpoint.id, at(400))]);
    assert_eq!(world.lease_all(450).await.next_due, [(endpoint.id, at(500))]);
    assert_eq!(world.lanes.taken().remove(0).delivery.id, second.id);
    let expected = [State::Pending { due_at: at(500) }, State::Pending { due_at: at(400) }];
    assert_eq!([world.state(&first).await, world.state(&second).await], expected);
}

pub async fn events_of_a_settlement_are_told(world: &World) {
    let account = world.account();
    let (_, delivery) = leased(world, account).await;
    let listener = world.register(world.endpoint(account)).await;
    let event = world.event(account, "delivery.exhausted");
    let state = State::Exhausted { at: at(1), why: Why::WaitsRanOut };
    let settlement =
        Settlement { events: vec![event.clone()], ..world.settlement(&delivery, state) };
    world.settle(vec![settlement]).await;
    let taken = world.lanes.taken();
    assert!(taken.iter().all(|taken| taken.event.id == event.id));
    assert_eq!(taken.len(), 2);
    assert!(taken.iter().any(|taken| taken.endpoint.id == listener.id));
    assert_eq!(world.views.event(account, event.id).await.unwrap(), Some(event));
}

/// Fails (or not) so many times at that second, each with a delivery of its own.
async fn fare(
    world: &World,
    account: AccountId,
    times: u32,
    seconds: i64,
    accepted: bool,
) -> Settled {
    let mut settled = Settled::default();
    for _ in 0..times {
        let event = world.event(account, "custom.a");
        world.say(slice::from_ref(&event)).await;
        let delivery = world.lanes.taken().remove(0).delivery;
        let settlement = world.settlement(&delivery, State::Delivered { at: at(seconds) });
        let attempt = Arc::new(Attempt { at: at(seconds), ..(*settlement.attempt).clone() });
        let settlement = Settlement { attempt, health: Some(accepted), ..settlement };
        settled = world.settle(vec![settlement]).await;
    }
    settled
}

pub async fn failures_are_counted_and_a_success_wipes_them(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let read = async || {
        let row = world.views.endpoint(account, endpoint.id).await.unwrap().unwrap();
        (row.health, row.version)
    };
    assert_eq!(fare(world, account, 3, 7, false).await, Settled::default());
    let failing = Health { failing_since: Some(at(7)), failures: 3, warnings: 0 };
    assert_eq!(read().await, (failing, 1), "the version is the endpoint's own");
    fare(world, account, 1, 8, true).await;
    assert_eq!(read().await, (Health::default(), 1));
}

pub async fn a_warning_is_given_again_until_somebody_acts(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    fare(world, account, 1, 0, false).await;
    for failures in [2, 3] {
        let settled = fare(world, account, 1, DAY_S, false).await;
        let warned = Health { failing_since: Some(at(0)), failures, warnings: 1 };
        assert_eq!(settled.changes, [(account, endpoint.id, warned, Change::Failing { days: 1 })]);
        if failures == 3 {
            world.write(account, vec![Write::Warned(endpoint.id, warned)]).await.unwrap();
        }
    }
    assert_eq!(fare(world, account, 1, DAY_S, false).await, Settled::default());
    let settled = fare(world, account, 9, 5 * DAY_S, false).await;
    assert_eq!(settled.changes[0].3, Change::Disable);
}

pub async fn a_warning_counts_once_and_not_after_a_success(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let warn = async |health| {
        let event = world.event(account, "endpoint.failing");
        let said = Said { event: event.clone(), audience: Audience::Subscribers };
        let writes = vec![Write::Warned(endpoint.id, health)];
        let commit = Commit { writes, events: vec![said], ..Commit::new(account, at(DAY_S)) };
        let refused = match world.store.commit(commit).await {
            Ok(_) => false,
            Err(Fault::Conflict { what: "endpoint" }) => true,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(world.views.event(account, event.id).await.unwrap().is_none(), refused);
        drop(world.lanes.taken());
        refused
    };
    let health = async || {
        let row = world.views.endpoint(account, endpoint.id).await.unwrap().unwrap();
        row.health
    };
    fare(world, account, 1, 0, false).await;
    let (_, _, warned, _) = fare(world, account, 1, DAY_S, false).await.changes.remove(0);
    fare(world, account, 1, DAY_S, false).await;
    assert!(!warn(warned).await);
    assert_eq!(health().await, Health { failures: 3, ..warned }, "what failed since is counted");
    assert!(warn(warned).await, "it was given");
    let (_, _, warned, _) = fare(world, account, 1, 3 * DAY_S, false).await.changes.remove(0);
    fare(world, account, 1, 3 * DAY_S, true).await;
    assert!(warn(warned).await, "it is well");
    assert_eq!(health().await, Health::default());
    fare(world, account, 1, 4 * DAY_S, false).await;
    assert!(warn(warned).await, "it fails anew");
}

pub async fn an_endpoint_that_becomes_enabled_starts_afresh(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    fare(world, account, 2, 0, false).await;
    let write = |version, status| {
        let value = Endpoint { status, ..endpoint.clone() };
        vec![Write::Endpoint(Guarded { version, value })]
    };
    let failures = async || {
        let row = world.views.endpoint(account, endpoint.id).await.unwrap().unwrap();
        row.health.failures
    };
    world.write(account, write(1, Status::Enabled)).await.unwrap();
    assert_eq!(failures().await, 2, "it was enabled before");
    world.write(account, write(2, Status::DisabledBySystem)).await.unwrap();
    assert_eq!(failures().await, 2);
    world.write(account, write(3, Status::Enabled)).await.unwrap();
    assert_eq!(failures().await, 0);
    fare(world, account, 1, 9, false).await;
    assert_eq!(failures().await, 1);
}

pub async fn an_outcome_comes_back_as_it_was(world: &World) {
    let account = world.account();
    let (_, delivery) = leased(world, account).await;
    let answer = Answer {
        status: 503,
        retry_after_s: Some(9),
        body: "a\0b \u{fffd} ✓ \"\\\n".to_owned(),
        body_cut: true,
        headers: Vec::new(),
    };
    let failed = Outcome::failed(Reason::TlsFailed, "the certificate ran out");
    let settlement = |delivery: &Delivery, outcome: Outcome, remote: Option<&str>| {
        let settlement = world.settlement(delivery, State::Pending { due_at: at(0) });
        let remote = remote.map(str::to_owned);
        let attempt = Arc::new(Attempt { outcome, remote, ..(*settlement.attempt).clone() });
        Settlement { attempt, ..settlement }
    };
    let first = settlement(&delivery, Outcome::Answered(answer), Some("[2001:db8::1]:443"));
    let second = settlement(&Delivery { attempts: 1, ..delivery.clone() }, failed, None);
    world.settle(vec![first.clone()]).await;
    world.settle(vec![second.clone()]).await;
    let (row, attempts) = world.delivery(&delivery).await;
    assert_eq!(attempts, [(*first.attempt).clone(), (*second.attempt).clone()]);
    assert_eq!(row.delivery.attempts, 2);
}
