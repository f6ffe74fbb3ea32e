//! What a delivery may cost, averaged over many: statements of the database, and flushes of a disk.

use std::sync::Arc;

use domain::delivery::{Delivery, State};
use domain::id::AccountId;
use store::conformance::{Recorder, World};
use store::sqlite::spent;
use store::{Audience, Commit, Said};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;

use crate::folder::{Folder, open_in};

/// Events, each of which is one delivery.
const EVENTS: usize = 2_048;
/// So many at a time wait for their answers.
const CALLERS: usize = 64;
/// Settlements written together at most.
const SETTLED_AT_ONCE: usize = 256;
/// A delivery may cost so many statements; and a flush for each would be too much.
const STATEMENTS_MAX: f64 = 6.0;

/// Deliveries in the order in which the lanes were handed them.
pub(crate) type Handed = UnboundedReceiver<Delivery>;

/// Makes lanes that hand on what they are handed.
pub(crate) fn lanes() -> (Arc<Recorder>, Handed) {
    let (hand, handed) = mpsc::unbounded_channel();
    let witness = move |leases: &[store::Lease]| {
        for lease in leases {
            // A test that has ended takes no more.
            drop(hand.send(lease.delivery.clone()));
        }
    };
    (Recorder::with_witness(witness), handed)
}

/// Tells one endpoint of all events, from many callers. The lanes have room for half of them at first; the other half is
/// leased from what is due. Closes the store, so that nothing is left to be done.
pub(crate) async fn deliver_all(world: World, mut handed: Handed) {
    let world = Arc::new(world);
    let account = world.account();
    world.register(world.endpoint(account)).await;
    world.lanes.set_room(EVENTS / 2);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(say(Arc::clone(&world), account, EVENTS / CALLERS));
    }
    settle(&world, &mut handed, EVENTS / 2).await;
    callers.join_all().await;
    world.lanes.set_room(EVENTS);
    let mut left = EVENTS / 2;
    while left > 0 {
        let leased = world.lease_all(1).await.taken;
        settle(&world, &mut handed, leased).await;
        left = left.checked_sub(leased).filter(|_| leased > 0).expect("half of them are due");
    }
    world.store.close().await.unwrap();
}

async fn say(world: Arc<World>, account: AccountId, count: usize) {
    for _ in 0..count {
        let events =
            vec![Said { event: world.event(account, "custom.a"), audience: Audience::Subscribers }];
        let commit = Commit { events, ..Commit::new(account, account.minted_at()) };
        world.store.commit(commit).await.unwrap();
    }
}

async fn settle(world: &World, handed: &mut Handed, count: usize) {
    let mut left = count;
    while left > 0 {
        let mut deliveries = Vec::new();
        left -= handed.recv_many(&mut deliveries, SETTLED_AT_ONCE.min(left)).await;
        let settled = deliveries.iter().map(|delivery| {
            let at = delivery.created_at;
            let settlement = world.settlement(delivery, State::Delivered { at });
            store::Settlement { health: Some(true), ..settlement }
        });
        world.settle(settled.collect()).await;
    }
}

/// Says what a delivery has cost, and fails when it was too much.
#[expect(clippy::print_stdout, reason = "the figures are worth a look")]
pub(crate) fn judge(statements: u64, flushes: u64) {
    let each = |count: u64| f64::from(u32::try_from(count).unwrap()) / 2_048.0;
    let (statements, flushes) = (each(statements), each(flushes));
    println!("each delivery: {statements:.2} statements, {flushes:.3} flushes");
    assert!(statements <= STATEMENTS_MAX, "{statements} statements for a delivery");
    assert!(flushes < 1.0, "{flushes} flushes for a delivery");
}

#[tokio::test]
async fn a_delivery_costs_few_statements_and_less_than_a_flush() {
    let folder = Folder::new();
    let (lanes, handed) = lanes();
    let world = open_in(folder.path(), lanes, 1, ()).unwrap();
    let before = spent();
    deliver_all(world, handed).await;
    let after = spent();
    judge(after.statements - before.statements, after.flushes - before.flushes);
}
