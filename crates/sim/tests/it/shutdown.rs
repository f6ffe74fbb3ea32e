//! What a shutdown leaves behind.

use engine::Shutdown;
use engine::endpoints::NewEndpoint;
use sim::Verb;

use crate::stage::{crew, endpoint, post};

const HOST: &str = "hook.example.net";

#[tokio::test]
async fn what_ended_is_written_at_shutdown_by_a_store_that_comes_back_meanwhile() {
    let mut crew = crew("shutdown-rest").await;
    endpoint(&crew, NewEndpoint { url: format!("https://{HOST}/"), ..NewEndpoint::default() })
        .await;
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
