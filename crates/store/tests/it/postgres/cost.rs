//! What a delivery may cost where several nodes share a database, counted between them and the server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use store::conformance::{Recorder, World};
use store::postgres::{Options, Postgres};
use store::{Audience, Commit, Guarded, Said, Store, Write};
use tokio::task::JoinSet;

use super::database::Database;
use super::wire::Wire;
use crate::cost::{deliver_all, judge, lanes};

#[tokio::test]
async fn a_delivery_costs_few_statements_and_less_than_a_flush() {
    let database = Database::new().await;
    let wire = Wire::to(&database.url()).await;
    let (lanes, handed) = lanes();
    let options =
        Options { url: wire.url.clone(), ..database.options(Arc::<Recorder>::clone(&lanes), 1) };
    let postgres = Postgres::open(options).await.unwrap();
    let views = postgres.views();
    let store: Arc<dyn Store> = Arc::new(postgres);
    let counted = || {
        let counted = [&wire.counted.statements, &wire.counted.commits];
        counted.map(|count| count.load(Ordering::Relaxed))
    };
    let before = counted();
    deliver_all(World::new(lanes, store, views, Box::new(())), handed).await;
    let after = counted();
    let (statements, commits) = (after[0] - before[0], after[1] - before[1]);
    judge(statements, commits);
    assert!(statements <= 3 * commits, "{statements} statements in {commits} transactions");
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is worth a look")]
async fn requests_that_are_made_at_once_share_their_statements() {
    const REQUESTS: u64 = 256;
    let database = Database::new().await;
    let wire = Wire::to(&database.url()).await;
    let options = Options { url: wire.url.clone(), ..database.options(Recorder::new(), 1) };
    let postgres = Postgres::open(options).await.unwrap();
    let views = postgres.views();
    let world = World::new(Recorder::new(), Arc::new(postgres), views, Box::new(()));
    let account = world.account();
    let counted = || wire.counted.statements.load(Ordering::Relaxed);
    let before = counted();
    let mut made = JoinSet::new();
    for _ in 0..REQUESTS {
        let value = world.request(account);
        let event = world.event_of(account, value.id, "request.created");
        let writes = vec![Write::Request(Box::new(Guarded { version: 0, value }), Vec::new())];
        let events = vec![Said { event, audience: Audience::Subscribers }];
        let commit = Commit { writes, events, ..Commit::new(account, account.minted_at()) };
        let store = Arc::clone(&world.store);
        made.spawn(async move { store.commit(commit).await.unwrap() });
    }
    assert_eq!(made.join_all().await.len() as u64, REQUESTS);
    let statements = counted() - before;
    println!("{statements} statements for {REQUESTS} requests");
    assert!(statements < REQUESTS, "{statements} statements for {REQUESTS} requests");
}
