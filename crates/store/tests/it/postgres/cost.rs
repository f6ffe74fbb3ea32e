//! What a delivery may cost where several nodes share a database, counted between them and the server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use store::Store;
use store::conformance::{Recorder, World};
use store::postgres::{Options, Postgres};

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
    judge(after[0] - before[0], after[1] - before[1]);
}
