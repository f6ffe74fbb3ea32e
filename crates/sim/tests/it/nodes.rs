//! Several nodes on one database, stepped by hand.

use std::collections::{BTreeMap, BTreeSet};

use domain::replay::{Status, Wanted};
use domain::time::Clock as _;
use engine::Once;
use engine::endpoints::NewEndpoint;
use engine::replays::NewReplay;
use store::conformance::Database;

use crate::stage::{endpoint, post, two};

const HOST: &str = "hook.example.net";
/// More than a page of a replay.
const EVENTS: usize = 700;

#[tokio::test]
async fn a_replay_that_two_nodes_step_at_once_tells_each_event_once() {
    let database = Database::migrated().await;
    let mut crew = two(&database).await;
    let since = crew.clock.now();
    for _ in 0..EVENTS {
        post(&crew, "a").await;
    }
    crew.beat().await;
    let new = NewEndpoint { url: format!("https://{HOST}/"), ..NewEndpoint::default() };
    let endpoint = endpoint(&crew, new).await;
    let wish = NewReplay {
        since: Some(since),
        until: Some(crew.clock.now()),
        states: BTreeSet::from([Wanted::Missed]),
        ..NewReplay::default()
    };
    let (engines, account) = (crew.engines(), crew.account);
    let [one, two] = engines.as_slice() else { panic!("there are two nodes") };
    let begun = one.start_replay(account, endpoint.id, wish, &Once::unkept()).await.unwrap();
    let replay = loop {
        let (a, b) = tokio::join!(one.step_timers(), two.step_timers());
        assert!(a.unwrap() + b.unwrap() <= 1, "one node at a time");
        let replay = one.views().replay(account, begun.id).await.unwrap().unwrap();
        if replay.status != Status::Running {
            break replay;
        }
        crew.beat().await;
    };
    assert_eq!((replay.matched, replay.sent), (EVENTS as u64, EVENTS as u64));
    assert!(crew.pass_days_together(1).await.unwrap());
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for heard in crew.world.heard(HOST) {
        *told.entry(heard.event).or_default() += 1;
    }
    assert_eq!(told.len(), EVENTS);
    assert!(told.values().all(|count| *count == 1));
}

#[tokio::test]
async fn a_node_that_is_not_heard_starts_nothing_until_it_is() {
    let database = Database::migrated().await;
    let mut crew = two(&database).await;
    let new = NewEndpoint { url: format!("https://{HOST}/"), ..NewEndpoint::default() };
    endpoint(&crew, new).await;
    for _ in 0..4 {
        post(&crew, "a").await;
    }
    assert!(crew.begin().unwrap());
    crew.clock.reach(crew.clock.now().plus_seconds(9));
    assert!(!crew.begin().unwrap(), "others may take it for dead soon");
    let readiness = crew.engine().unwrap().readiness().await;
    let why = "this node could not say for 9 s that it lives, and starts nothing";
    assert_eq!(readiness.reasons, [why]);
    crew.beat().await;
    assert!(crew.begin().unwrap());
    assert!(crew.engine().unwrap().readiness().await.ready);
}

#[tokio::test]
async fn all_nodes_together_keep_to_a_bound_of_one() {
    let database = Database::migrated().await;
    let mut crew = two(&database).await;
    let new = NewEndpoint {
        url: format!("https://{HOST}/"),
        max_in_flight: Some(1),
        ..NewEndpoint::default()
    };
    let endpoint = endpoint(&crew, new).await;
    for _ in 0..20 {
        post(&crew, "a").await;
    }
    crew.beat().await;
    let mut begun = 0;
    for _ in 0..40 {
        crew.give_turn();
        crew.engine().unwrap().look_around();
        crew.lease().await.unwrap();
        begun += usize::from(crew.begin().unwrap());
    }
    assert_eq!((begun, crew.begun(&endpoint)), (1, 1));
    assert!(crew.pass_days_together(1).await.unwrap());
    assert_eq!(crew.world.heard(HOST).len(), 20);
}
