//! Several nodes on one database.

use std::collections::BTreeSet;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use domain::delivery::{State, Why};
use domain::endpoint::{Endpoint, Ordering, Status};
use domain::event::Event;
use domain::id::{DeliveryId, EventId};
use store::conformance::{Taken, World, at};
use store::postgres::inspect;
use store::{Crew, DeliveryFilter, Guarded, LeaseScope, MasterKey, TimerKind, Write};
use tokio::time;

use super::database::Database;
use crate::folder::MASTER;

/// So many beats without another one's make it dead; one more is the first look.
const BEATS: u32 = 6;

async fn two() -> (World, World) {
    let database = Arc::new(Database::new().await);
    let one = database.world(1, Arc::clone(&database)).await;
    let two = database.world(2, Arc::clone(&database)).await;
    // Ids of the two never meet.
    for _ in 0..9 {
        two.id_at(1_000_000);
    }
    (one, two)
}

/// Beats, and keeps to what it hears.
async fn beat(world: &World) -> Crew {
    let now = world.account().minted_at();
    let heard = world.store.beat(now).await.unwrap();
    let crew = world.store.agree(now).await.unwrap();
    Crew { renewed: heard.renewed || crew.renewed, ..crew }
}

/// Waits until something is so, which another node brings about.
async fn soon(mut is_so: impl FnMut() -> bool) {
    let waited = time::timeout(Duration::from_secs(20), async {
        let mut look = time::interval(Duration::from_millis(5));
        while !is_so() {
            look.tick().await;
        }
    });
    waited.await.expect("it comes about");
}

#[tokio::test]
async fn a_crew_agrees_once_all_have_seen_it() {
    let (one, two) = two().await;
    assert_eq!((beat(&one).await.nodes, beat(&two).await.nodes), (2, 2));
    let (a, b) = (beat(&one).await, beat(&two).await);
    assert!(a.agreed && b.agreed && !b.renewed && !a.renewed);
    assert_eq!(BTreeSet::from([a.place, b.place]), BTreeSet::from([0, 1]));
}

#[tokio::test]
async fn a_crew_does_not_agree_while_one_has_not_said_so() {
    let (one, two) = two().await;
    let now = one.account().minted_at();
    for _ in 0..4 {
        assert!(!beat(&one).await.agreed);
        assert!(!two.store.beat(now).await.unwrap().agreed);
    }
    assert!(two.store.agree(now).await.unwrap().agreed);
    assert!(one.store.beat(now).await.unwrap().agreed);
}

#[tokio::test]
async fn nobody_is_declared_dead_by_what_is_no_beat() {
    let (one, two) = two().await;
    beat(&two).await;
    for _ in 0..=3 * BEATS {
        one.store.agree(one.account().minted_at()).await.unwrap();
    }
    assert_eq!(beat(&one).await.nodes, 2);
}

#[tokio::test]
async fn what_another_node_has_leased_is_not_late_here() {
    let (one, two) = two().await;
    let account = one.account();
    one.register(one.endpoint(account)).await;
    one.say(&[one.event(account, "custom.a")]).await;
    let later = account.minted_at().plus_seconds(60);
    assert_eq!(one.views.lags(later).await.unwrap().len(), 1);
    assert_eq!(two.views.lags(later).await.unwrap(), []);
    one.store.close().await.unwrap();
    assert_eq!(two.views.lags(later).await.unwrap().len(), 1, "it was handed back");
}

#[tokio::test]
async fn what_a_dead_node_had_leased_goes_to_the_living() {
    let (dead, living) = two().await;
    let account = dead.account();
    let endpoint = dead.register(dead.endpoint(account)).await;
    let events: Vec<Event> = (0..50).map(|_| dead.event(account, "custom.a")).collect();
    dead.say(&events).await;
    let leased = dead.lanes.taken();
    assert_eq!(leased.len(), 50);
    beat(&dead).await;
    assert_eq!(living.lease_all(0).await.taken, 0);
    for count in 0..BEATS {
        assert_eq!(living.lease_all(0).await.taken, 0, "after {count} beats");
        beat(&living).await;
    }
    assert_eq!(beat(&living).await.nodes, 1);
    assert!(living.lanes.hints().contains(&endpoint.id));
    assert_eq!(living.lease_all(0).await.taken, 50);
    let again = living.lanes.taken();

    // The dead one was only slow. Both attempts of a delivery are in its history, and the first end stands.
    living.deliver(&again[0].delivery).await;
    let slow = leased.iter().find(|taken| taken.delivery.id == again[0].delivery.id).unwrap();
    dead.deliver(&slow.delivery).await;
    let (row, attempts) = living.delivery(&slow.delivery).await;
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(row.delivery.attempts, 2);

    // A retry of the slow one leaves the lease of the other alone.
    let other = &again[1].delivery;
    let slow = leased.iter().find(|taken| taken.delivery.id == other.id).unwrap();
    let retry = State::Pending { due_at: account.minted_at().plus_seconds(5) };
    dead.settle(vec![dead.settlement(&slow.delivery, retry)]).await;
    assert_eq!(living.lease_all(60).await.taken, 0, "it is leased still");
    living.deliver(other).await;
    let (row, attempts) = living.delivery(other).await;
    assert_eq!((attempts.len(), row.delivery.attempts), (2, 2));
    assert!(matches!(row.delivery.state, State::Delivered { .. }));
    let crew = beat(&dead).await;
    assert!(crew.renewed && crew.nodes == 2, "{crew:?}");
    assert!(!beat(&dead).await.renewed);
}

#[tokio::test]
async fn who_was_declared_dead_leases_as_somebody_else() {
    let (dead, living) = two().await;
    let account = dead.account();
    dead.register(dead.endpoint(account)).await;
    for _ in 0..=BEATS {
        beat(&living).await;
    }
    // It does not know yet; what it leases now must not be lost with its old name.
    let event = dead.event(account, "custom.a");
    dead.say(slice::from_ref(&event)).await;
    assert_eq!(dead.lanes.told(), [event.id]);
    for _ in 0..3 {
        beat(&living).await;
    }
    assert_eq!(living.lease_all(0).await.taken, 0);
    assert!(beat(&dead).await.renewed);
    for _ in 0..=BEATS {
        beat(&living).await;
    }
    assert_eq!(living.lease_all(0).await.taken, 1, "and it can die again");
}

#[tokio::test]
async fn who_was_declared_dead_and_knew_nothing_of_it_says_so_when_it_leaves() {
    for writes in [false, true] {
        let (dead, living) = two().await;
        let account = dead.account();
        for _ in 0..=BEATS {
            beat(&living).await;
        }
        if writes {
            dead.say(&[dead.event(account, "custom.a")]).await;
        }
        let said = dead.store.close().await.unwrap_err().to_string();
        assert!(said.contains("had taken this node for dead"), "{said}");
        assert_eq!(beat(&living).await.nodes, 1);
    }
}

#[tokio::test]
async fn no_delivery_is_leased_by_two() {
    let (one, two) = two().await;
    let account = one.account();
    for _ in 0..3 {
        one.register(one.endpoint(account)).await;
    }
    for world in [&one, &two] {
        world.lanes.set_room(0);
    }
    for _ in 0..4 {
        let events: Vec<Event> = (0..100).map(|_| one.event(account, "custom.a")).collect();
        one.say(&events).await;
    }
    let mut seen = BTreeSet::new();
    while seen.len() < 1_200 {
        for world in [&one, &two] {
            world.lanes.set_room(37);
        }
        tokio::join!(one.lease_all(0), two.lease_all(0), one.lease_all(0), two.lease_all(0));
        for taken in one.lanes.taken().into_iter().chain(two.lanes.taken()) {
            assert!(seen.insert(taken.delivery.id), "{} twice", taken.delivery.id);
        }
    }
    one.lanes.balance();
    two.lanes.balance();
}

#[tokio::test]
async fn a_key_stays_in_order_across_nodes() {
    let (one, two) = two().await;
    let account = one.account();
    let ordered = Endpoint { ordering: Ordering::Request, ..one.endpoint(account) };
    one.register(ordered).await;
    let mut under_way: BTreeSet<DeliveryId> = BTreeSet::new();
    let mut told = 0;
    for round in 0..40 {
        let (a, b) = (
            one.keyed(account, "k"),
            Event { id: EventId::new(two.id_at(2_000_000 + round)), ..two.keyed(account, "k") },
        );
        // Both say one, and whoever has the free one settles it, at the same instant.
        let settle = async |world: &World| {
            for taken in world.lanes.taken() {
                world.deliver(&taken.delivery).await;
            }
        };
        let before = under_way.len();
        tokio::join!(
            one.say(slice::from_ref(&a)),
            two.say(slice::from_ref(&b)),
            settle(&one),
            settle(&two),
        );
        under_way.clear();
        told += before;
    }
    // One after the other until nothing is left: never two at once, none stuck.
    loop {
        one.lease_all(9).await;
        let taken: Vec<_> =
            [&one, &two].into_iter().flat_map(|world| world.lanes.taken()).collect();
        assert!(taken.len() <= 1, "{} at once", taken.len());
        let Some(taken) = taken.into_iter().next() else { break };
        one.lanes.over(taken.delivery.id);
        two.lanes.over(taken.delivery.id);
        one.deliver(&taken.delivery).await;
    }
    let all = one.deliveries(account, DeliveryFilter::default()).await;
    assert_eq!(all.len(), 80);
    assert!(all.iter().all(|delivery| !delivery.state.is_pending()), "{told}");
}

#[tokio::test]
async fn a_timer_is_acted_on_by_one_node_at_a_time() {
    let (one, two) = two().await;
    let account = one.account();
    let now = account.minted_at().plus_seconds(60);
    let timer = |due| vec![Write::Timer(TimerKind::Probe, 7, due)];
    one.write(account, timer(Some(account.minted_at()))).await.unwrap();
    assert_eq!(one.store.due_timers(now, 9).await.unwrap().len(), 1);
    assert_eq!(two.store.due_timers(now, 9).await.unwrap(), []);
    assert_eq!(two.store.next_timer().await.unwrap(), None);
    assert_eq!(one.store.due_timers(now, 9).await.unwrap().len(), 1, "its own");
    one.write(account, timer(Some(account.minted_at()))).await.unwrap();
    assert_eq!(two.store.due_timers(now, 9).await.unwrap().len(), 1, "it was set anew");
    for _ in 0..=BEATS {
        beat(&one).await;
    }
    assert_eq!(one.store.due_timers(now, 9).await.unwrap().len(), 1, "the other died");
}

#[tokio::test]
async fn a_node_without_room_hints_at_its_work() {
    let (one, two) = two().await;
    let account = one.account();
    let endpoint = one.register(one.endpoint(account)).await;
    // Whoever listens has said so once it hears of the endpoint.
    soon(|| two.lanes.changes().contains(&endpoint.id)).await;
    one.lanes.set_room(0);
    one.say(&[one.event(account, "custom.a")]).await;
    soon(|| two.lanes.hints().contains(&endpoint.id)).await;
    let scope = LeaseScope::Endpoints(vec![endpoint.id]);
    assert_eq!(two.store.lease(account.minted_at(), scope).await.unwrap().taken, 1);
}

/// Leasing goes on behind what it leased before, and begins at the beginning with the first call after two seconds.
#[tokio::test]
async fn what_is_handed_back_waits_for_two_seconds_while_there_is_more_behind_it() {
    let database = Arc::new(Database::new().await);
    let world = database.world(1, Arc::clone(&database)).await;
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let events: Vec<_> = (0..600).map(|_| world.event(account, "custom.a")).collect();
    world.lanes.set_room(0);
    world.say(&events).await;
    let lease = async |room, seconds| {
        world.lanes.set_room(room);
        let scope = LeaseScope::Endpoints(vec![endpoint.id]);
        world.store.lease(at(seconds), scope).await.unwrap();
        world.lanes.taken()
    };
    let told = |taken: &[Taken]| -> Vec<_> { taken.iter().map(|taken| taken.event.id).collect() };
    let first = lease(2, 0).await;
    world.release(&first[0].delivery);
    assert_eq!(told(&lease(2, 1).await), [events[2].id, events[3].id]);
    assert_eq!(told(&lease(2, 2).await), [events[0].id, events[4].id]);
    // A clock that was set back does not keep anybody waiting.
    world.release(&first[1].delivery);
    assert_eq!(told(&lease(2, 1).await), [events[1].id, events[5].id]);
    // One call leases a bounded number, and the next one goes on.
    let many = lease(usize::MAX, 4).await;
    world.release(&many[0].delivery);
    assert_eq!(told(&lease(1, 5).await), [events[6 + many.len()].id]);
}

#[tokio::test]
async fn an_endpoint_written_elsewhere_is_known_at_once() {
    let (one, two) = two().await;
    let account = one.account();
    let endpoint = one.register(one.endpoint(account)).await;
    two.say(&[two.event(account, "custom.a")]).await;
    assert_eq!(two.lanes.taken().len(), 1);
    let value = Endpoint { status: Status::Disabled, ..endpoint };
    one.write(account, vec![Write::Endpoint(Guarded { version: 1, value })]).await.unwrap();
    let event = Event { id: EventId::new(two.id_at(9)), ..two.event(account, "custom.b") };
    two.say(&[event]).await;
    assert!(two.lanes.taken().is_empty());
}

/// What is taken for granted of endpoints is compared with what stood, whatever else the same transaction writes of them.
#[tokio::test]
async fn an_endpoint_written_elsewhere_hears_of_what_is_said_beside_another_one() {
    let (one, two) = two().await;
    let account = one.account();
    let known = one.register(one.endpoint(account)).await;
    for is_refused in [false, true] {
        two.say(&[two.event(account, "custom.a")]).await;
        two.lanes.taken();
        let elsewhere = one.register(one.endpoint(account)).await;
        let mut writes =
            vec![Write::Endpoint(Guarded { version: 0, value: two.endpoint(account) })];
        let gone = Guarded { version: 7, value: two.endpoint(account) };
        writes.extend(is_refused.then_some(Write::Endpoint(gone)));
        let event = two.event(account, "custom.b");
        let (_, written) =
            tokio::join!(two.say(slice::from_ref(&event)), two.write(account, writes));
        assert_eq!(written.is_err(), is_refused);
        let told = two.lanes.taken().into_iter().filter(|lease| lease.event.id == event.id);
        let told: BTreeSet<_> = told.map(|lease| lease.endpoint.id).collect();
        assert!(told.contains(&known.id) && told.contains(&elsewhere.id), "{is_refused} {told:?}");
    }
}

#[tokio::test]
async fn a_look_from_outside_tells_who_has_leased_what() {
    let database = Arc::new(Database::new().await);
    let one = database.world(1, Arc::clone(&database)).await;
    let two = database.world(2, Arc::clone(&database)).await;
    let account = one.account();
    one.register(one.endpoint(account)).await;
    one.say(&[one.event(account, "custom.a"), one.event(account, "custom.b")]).await;
    beat(&one).await;
    let master = MasterKey::new(&MASTER).unwrap();
    let later = account.minted_at().plus_seconds(60);
    let about = inspect(&database.url(), &master, later).await.unwrap();
    let nodes: BTreeSet<(&str, u64)> =
        about.nodes.iter().map(|node| (node.name.as_str(), node.leases)).collect();
    assert_eq!(nodes, BTreeSet::from([("node-1", 2), ("node-2", 0)]));
    assert_eq!((about.due, about.schema), (2, about.schema_wanted));
    assert!(about.due_since.is_some() && about.server >= 140_000);
    assert_eq!(beat(&two).await.nodes, 2, "who only looks enters no crew");
}

#[tokio::test]
async fn what_is_given_back_after_its_endpoint_was_swept_is_told_of() {
    let (one, two) = two().await;
    let account = one.account();
    let endpoint = one.register(one.endpoint(account)).await;
    one.say(slice::from_ref(&one.event(account, "custom.a"))).await;
    let leased = one.lanes.taken().remove(0);
    let off = Endpoint { status: Status::Disabled, ..endpoint.clone() };
    let off = Write::Endpoint(Guarded { version: 1, value: off });
    let sweep =
        || Write::CancelPending { endpoint: endpoint.id, why: Why::EndpointDisabled, limit: 9 };
    two.write(account, vec![off, sweep()]).await.unwrap();
    assert!(two.lease_all(0).await.off.is_empty(), "somebody has it");
    one.release(&leased.delivery);
    let told = time::timeout(Duration::from_secs(20), async {
        while two.lease_all(0).await.off != [(account, endpoint.id)] {}
    });
    told.await.expect("it comes back");
    assert_eq!(two.write(account, vec![sweep()]).await.unwrap().changed, 1);
    assert!(two.lease_all(0).await.off.is_empty());
}
