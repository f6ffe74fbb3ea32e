//! Timers and replays.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use domain::delivery::{Cause, State};
use domain::event::Event;
use domain::id::{AccountId, EndpointId, EventId, ReplayId};
use domain::replay::{Replay, Status};
use domain::time::Timestamp;

use super::world::{World, at, page};
use crate::{Commit, Fault, NewDelivery, Timer, TimerKind, Write};

pub async fn a_timer_is_set_replaced_and_cleared(world: &World) {
    let account = world.account();
    let subject = world.id();
    let set = |due| vec![Write::Timer(TimerKind::Expiry, subject, due)];
    assert_eq!(world.store.next_timer().await.unwrap(), None);
    world.write(account, set(Some(at(60)))).await.unwrap();
    assert_eq!(world.store.next_timer().await.unwrap(), Some(at(60)));
    world.write(account, set(Some(at(30)))).await.unwrap();
    let timer = Timer { account, kind: TimerKind::Expiry, subject, due_at: at(30) };
    assert_eq!(world.store.due_timers(at(29), 9).await.unwrap(), []);
    assert_eq!(world.store.due_timers(at(30), 9).await.unwrap(), [timer]);
    assert_eq!(world.store.due_timers(at(90), 9).await.unwrap(), [timer], "it stays");
    world.write(account, set(None)).await.unwrap();
    world.write(account, set(None)).await.unwrap();
    assert_eq!(world.store.next_timer().await.unwrap(), None);
}

pub async fn a_timer_that_was_set_anew_is_not_done(world: &World) {
    let account = world.account();
    let (kind, subject) = (TimerKind::Sweep, world.id());
    let timer = |seconds| Timer { account, kind, subject, due_at: at(seconds) };
    let set = async |seconds| {
        let write = Write::Timer(kind, subject, Some(at(seconds)));
        world.write(account, vec![write]).await.unwrap();
    };
    let done = async |seconds: i64, due: Option<i64>| {
        world.write(account, vec![Write::TimerDone(timer(seconds), due.map(at))]).await
    };
    let stands = async |seconds| {
        assert_eq!(world.store.due_timers(at(99), 9).await.unwrap(), [timer(seconds)]);
    };
    set(10).await;
    stands(10).await;
    set(20).await;
    for due in [None, Some(30)] {
        let refused = done(10, due).await;
        assert!(matches!(refused, Err(Fault::Conflict { what: "timer" })), "{refused:?}");
        stands(20).await;
    }
    done(20, Some(30)).await.unwrap();
    stands(30).await;
    done(30, None).await.unwrap();
    assert_eq!(world.store.next_timer().await.unwrap(), None);
    assert!(matches!(done(30, None).await, Err(Fault::Conflict { what: "timer" })), "it is gone");
}

pub async fn due_timers_come_earliest_first(world: &World) {
    let account = world.account();
    let subject = world.id();
    let writes = TimerKind::ALL
        .into_iter()
        .zip([40, 50, 20, 30, 10, 60, 70])
        .map(|(kind, seconds)| Write::Timer(kind, subject, Some(at(seconds))));
    world.write(account, writes.collect()).await.unwrap();
    let due = async |seconds, limit| {
        let due = world.store.due_timers(at(seconds), limit).await.unwrap();
        due.iter().map(|timer| timer.kind).collect::<Vec<_>>()
    };
    let expected = [TimerKind::Replay, TimerKind::Probe, TimerKind::Sweep];
    assert_eq!(due(35, 9).await, expected);
    assert_eq!(due(99, 2).await, expected[..2]);
}

fn replay(world: &World, account: AccountId, since: Timestamp, until: Timestamp) -> Replay {
    Replay {
        id: ReplayId::new(world.id()),
        account,
        endpoint: EndpointId::new(77),
        since,
        until,
        types: Vec::new(),
        states: BTreeSet::new(),
        rate: 10,
        dry_run: false,
        status: Status::Running,
        matched: 0,
        sent: 0,
        skipped: BTreeMap::new(),
        cursor: None,
        created_at: at(0),
        finished_at: None,
    }
}

pub async fn a_replay_goes_on_where_it_stands(world: &World) {
    let account = world.account();
    let first = replay(world, account, at(0), at(9));
    let second = replay(world, account, at(0), at(9));
    let advanced = Replay { cursor: Some(EventId::new(9)), matched: 4, ..first.clone() };
    for write in [first.clone(), second.clone(), advanced.clone()] {
        world.write(account, vec![Write::Replay(write)]).await.unwrap();
    }
    assert_eq!(world.views.replay(account, first.id).await.unwrap(), Some(advanced.clone()));
    let listed = world.views.replays(account, first.endpoint, page(9)).await.unwrap();
    assert_eq!(listed, [second, advanced]);
    let others = world.views.replays(account, EndpointId::new(78), page(9)).await.unwrap();
    assert_eq!(others, []);
}

pub async fn a_replay_sees_its_span_page_by_page(world: &World) {
    let (account, other) = (world.account(), world.account());
    let mut events: Vec<Event> =
        (1..=6).map(|seconds| world.event_at(account, "custom.a", seconds)).collect();
    events[3].test = true;
    world.say(&events).await;
    world.say(&[world.event_at(other, "custom.a", 6)]).await;
    // From the second on, the last one excluded, the test passed over.
    let mut replay = replay(world, account, at(2), at(6));
    let mut seen = Vec::new();
    for expected in [2, 1, 0] {
        let rows = world.views.replay_page(replay.clone(), 2).await.unwrap();
        assert_eq!(rows.len(), expected);
        assert!(rows.iter().all(|row| row.last.is_none() && row.event.data.is_empty()));
        seen.extend(rows.iter().map(|row| row.event.id));
        replay.cursor = seen.last().copied();
    }
    assert_eq!(seen, [events[1].id, events[2].id, events[4].id]);
}

pub async fn a_replay_sees_the_last_delivery_but_not_its_own(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let event = world.event_at(account, "custom.a", 1);
    world.say(slice::from_ref(&event)).await;
    let first = world.lanes.taken().remove(0).delivery;
    world.deliver(&first).await;
    let replay = Replay { endpoint: endpoint.id, ..replay(world, account, at(0), at(9)) };
    let told = async |id| {
        let cause = Cause::Replay { id };
        let new = NewDelivery { event: event.id, endpoint: endpoint.id, cause, due_at: at(2) };
        let commit = Commit { deliveries: vec![new], ..Commit::new(account, at(0)) };
        world.store.commit(commit).await.unwrap().deliveries[0]
    };
    let last = async || {
        let rows = world.views.replay_page(replay.clone(), 9).await.unwrap();
        rows[0].last.clone().unwrap()
    };
    told(replay.id).await;
    assert_eq!(last().await.id, first.id);
    assert_eq!(last().await.state, State::Delivered { at: at(1) });
    let later = told(ReplayId::new(5)).await;
    assert_eq!(last().await.id, later);
}

pub async fn a_replay_since_ever_sees_the_first_event(world: &World) {
    let account = world.account();
    let event = world.event_at(account, "custom.a", 1);
    world.say(slice::from_ref(&event)).await;
    let replay = replay(world, account, Timestamp::from_millis(0), Timestamp::MAX);
    let rows = world.views.replay_page(replay, 9).await.unwrap();
    assert_eq!(rows.len(), 1);
}
