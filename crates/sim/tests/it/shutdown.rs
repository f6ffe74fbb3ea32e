//! What a shutdown leaves behind, and how long it takes.

use std::sync::Arc;
use std::time::Duration;

use domain::endpoint::{Endpoint, Status};
use engine::endpoints::{EndpointPatch, NewEndpoint};
use engine::{Engine, Shutdown};
use sim::{Crew, Verb};
use store::Lanes as _;
use store::conformance::Database;
use tokio::task::{JoinSet, yield_now};
use tokio::time;

use crate::stage::{crew, endpoint, post, two};

const HOST: &str = "hook.example.net";
/// More than two batches of a sweep.
const EVENTS: usize = 2_500;

fn runs(engine: &Engine, shutdown: &Shutdown) -> JoinSet<()> {
    let (engine, shutdown) = (engine.clone(), shutdown.clone());
    let mut running = JoinSet::new();
    running.spawn(async move { engine.run(shutdown).await });
    running
}

async fn ends(mut running: JoinSet<()>) {
    let ended = time::timeout(Duration::from_secs(30), running.join_next()).await;
    ended.expect("it ends by itself").unwrap().unwrap();
}

async fn hooked(crew: &Crew) -> Endpoint {
    let new = NewEndpoint { url: format!("https://{HOST}/"), ..NewEndpoint::default() };
    endpoint(crew, new).await
}

#[tokio::test]
async fn what_ended_is_written_at_shutdown_by_a_store_that_comes_back_meanwhile() {
    let mut crew = crew("shutdown-rest").await;
    hooked(&crew).await;
    post(&crew, "a").await;
    crew.lease().await.unwrap();
    let engine = crew.engine().unwrap();
    let work = engine.lanes().next(engine.now()).unwrap();
    let ended = engine.attempt(work).await.unwrap();
    engine.note_ended(ended);
    // Once while the loops still run, and again behind them.
    crew.store().unwrap().fails_after(Verb::Settle, 0, 3);
    let shutdown = Shutdown::default();
    shutdown.begin();
    engine.run(shutdown).await;
    drop(engine);
    crew.restart().await.unwrap();
    crew.catch_up().await.unwrap();
    assert_eq!(crew.world.heard(HOST).len(), 1);
}

#[tokio::test]
async fn a_node_that_stops_says_that_it_lives_until_what_ended_is_written() {
    let database = Database::migrated().await;
    let mut crew = two(&database).await;
    hooked(&crew).await;
    post(&crew, "a").await;
    crew.beat().await;
    crew.lease().await.unwrap();
    let engine = crew.engine().unwrap();
    let work = engine.lanes().next(engine.now()).unwrap();
    let ended = engine.attempt(work).await.unwrap();
    engine.note_ended(ended);
    let store = crew.store().unwrap();
    store.hold_next_answer(Verb::Settle);
    let shutdown = Shutdown::default();
    shutdown.begin();
    let beats = async {
        store.answer_held().await;
        for _ in 0..3 {
            let beaten = time::timeout(Duration::from_secs(20), store.beaten());
            beaten.await.expect("others would take it for dead");
        }
        store.let_answer_go();
    };
    tokio::join!(engine.run(shutdown), beats);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_not_waited_for_at_shutdown() {
    let crew = crew("shutdown-silence").await;
    let (engine, store) = (crew.engine().unwrap(), crew.store().unwrap());
    store.hold_next_answer(Verb::Timers);
    let shutdown = Shutdown::default();
    let running = runs(&engine, &shutdown);
    store.answer_held().await;
    shutdown.begin();
    ends(running).await;
}

#[tokio::test]
async fn a_long_sweep_is_left_to_the_next_start() {
    let crew = crew("shutdown-sweep").await;
    let endpoint = hooked(&crew).await;
    for _ in 0..EVENTS {
        post(&crew, "a").await;
    }
    let engine = crew.engine().unwrap();
    let patch = EndpointPatch { status: Some(Status::Disabled), ..EndpointPatch::default() };
    engine.update_endpoint(crew.account, endpoint.id, patch).await.unwrap();
    let shutdown = Shutdown::default();
    shutdown.begin();
    ends(runs(&engine, &shutdown)).await;
    assert_eq!(engine.step_timers().await.unwrap(), 1, "there is more to sweep");
}

#[tokio::test]
async fn what_was_being_leased_at_shutdown_is_handed_back_while_others_end() {
    let database = Database::migrated().await;
    let mut crew = two(&database).await;
    let endpoint = hooked(&crew).await;
    post(&crew, "a").await;
    crew.beat().await;
    crew.lease().await.unwrap();
    let (engine, store) = (crew.engine().unwrap(), crew.store().unwrap());
    let lanes = engine.lanes();
    let work = lanes.next(engine.now()).unwrap();
    // What keeps the shutdown from ending.
    store.hold_next_answer(Verb::Timers);
    let shutdown = Shutdown::default();
    let running = runs(&engine, &shutdown);
    store.answer_held().await;
    let endpoint = Arc::new(endpoint);
    assert!(lanes.admit(&endpoint, 0), "there is room");
    shutdown.begin();
    while lanes.admit(&endpoint, 0) {
        lanes.withdraw(endpoint.id, 0);
        yield_now().await;
    }
    lanes.take(vec![work.lease]);
    crew.pause();
    let taken_over = async {
        let other = crew.engine().unwrap();
        while !crew.begin().unwrap() {
            other.look_around();
            crew.lease().await.unwrap();
        }
    };
    time::timeout(Duration::from_secs(5), taken_over).await.expect("it was handed back");
    store.let_answer_go();
    ends(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_of_which_a_loop_broke_down_stops() {
    let crew = crew("shutdown-broken").await;
    crew.store().unwrap().break_down();
    ends(runs(&crew.engine().unwrap(), &Shutdown::default())).await;
}
