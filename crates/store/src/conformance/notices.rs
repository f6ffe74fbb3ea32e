//! Notices, and the deliveries that carry them.

use domain::delivery::Cause;
use domain::endpoint::{Endpoint, Scope};
use domain::id::{AccountId, EndpointId, NoticeId, RequestId};
use domain::message::{Fact, Progress, Receipt};
use domain::notice::{Begun, Notice};
use domain::secret::Secret;

use super::world::{World, at};
use crate::{Account, Audience, Commit, Fault, Guarded, NewDelivery, Page, Said, Version, Write};

fn put(version: Version, notice: &Notice) -> Write {
    Write::Notice(Guarded { version, value: notice.clone() })
}

/// Says that the provider knows a notice by that id.
fn known_as(notice: Notice, message_id: &str) -> Notice {
    let begun = notice.begun.map(|begun| {
        let receipt = begun
            .receipt
            .map(|receipt| Receipt { message_id: Some(message_id.to_owned()), ..receipt });
        Begun { receipt, ..begun }
    });
    Notice { begun, ..notice }
}

/// Registers the hidden endpoint that an account's notices go through.
async fn lane(world: &World, account: AccountId) -> EndpointId {
    let lane = Endpoint { scope: Scope::Notices, ..world.endpoint(account) };
    world.register(lane).await.id
}

/// Says an event, and makes a notice of it with its delivery, all in one commit.
fn telling(
    world: &World,
    request: RequestId,
    account: AccountId,
    to: EndpointId,
) -> (Notice, Commit) {
    let event = world.event_of(account, request, "signer.notified");
    let notice = Notice { event: event.id, ..world.notice(account, request) };
    let mut commit = Commit::new(account, at(0));
    commit.writes.push(put(0, &notice));
    let cause = Cause::Notice { id: notice.id };
    commit.deliveries.push(NewDelivery { event: event.id, endpoint: to, cause, due_at: at(0) });
    commit.events.push(Said { event, audience: Audience::Subscribers });
    (notice, commit)
}

async fn read(world: &World, notice: &Notice) -> Option<(Notice, Version)> {
    world.views.notice(notice.account, notice.id).await.unwrap()
}

pub async fn a_notice_and_its_delivery_are_written_together(world: &World) {
    let (account, request) = (world.account(), RequestId::new(world.id()));
    let lane = lane(world, account).await;
    let (notice, commit) = telling(world, request, account, lane);
    world.store.commit(commit).await.unwrap();
    let taken = world.lanes.taken();
    assert_eq!(taken.len(), 1, "the event itself is not told through the lane");
    assert_eq!(taken[0].delivery.cause, Cause::Notice { id: notice.id });
    assert_eq!(read(world, &notice).await, Some((notice.clone(), 1)));
    let delivery = world.views.notice_delivery(notice.clone(), lane).await.unwrap();
    assert_eq!(delivery, Some(taken[0].delivery.id));
    let elsewhere = world.views.notice_delivery(notice, EndpointId::new(world.id())).await;
    assert_eq!(elsewhere.unwrap(), None);

    let nowhere = EndpointId::new(world.id());
    let (lost, commit) = telling(world, request, account, nowhere);
    let refused = world.store.commit(commit).await;
    assert!(matches!(refused, Err(Fault::Missing { .. })), "{refused:?}");
    assert_eq!(read(world, &lost).await, None);
    assert_eq!(world.views.event(account, lost.event).await.unwrap(), None);
}

pub async fn a_stale_notice_leaves_nothing_of_its_commit(world: &World) {
    let account = world.account();
    let lane = lane(world, account).await;
    let first = world.notice(account, RequestId::new(world.id()));
    world.write(account, vec![put(0, &first)]).await.unwrap();
    let progress = Progress::default().with(Fact::Bounced);
    let further = Notice { progress, ..first.clone() };
    world.write(account, vec![put(1, &further)]).await.unwrap();
    let never = world.notice(account, first.request);
    for stale in [put(0, &first), put(1, &first), put(3, &first), put(1, &never)] {
        let (lost, mut commit) = telling(world, first.request, account, lane);
        commit.writes.push(stale);
        let refused = world.store.commit(commit).await;
        assert!(matches!(refused, Err(Fault::Conflict { what: "notice" })), "{refused:?}");
        assert_eq!(read(world, &lost).await, None);
        assert_eq!(world.views.notice_delivery(lost, lane).await.unwrap(), None);
    }
    assert!(world.lanes.taken().is_empty());
    assert_eq!(read(world, &further).await, Some((further, 2)));
    assert_eq!(read(world, &never).await, None);
}

pub async fn notices_come_newest_first_in_pages_and_apart(world: &World) {
    let (account, other) = (world.account(), world.account());
    let (one, two) = (RequestId::new(world.id()), RequestId::new(world.id()));
    let mut made = Vec::new();
    for number in 0..7 {
        let notice = world.notice(account, if number % 3 == 0 { one } else { two });
        world.write(account, vec![put(0, &notice)]).await.unwrap();
        world.write(other, vec![put(0, &world.notice(other, one))]).await.unwrap();
        made.insert(0, notice);
    }
    for request in [None, Some(one), Some(two), Some(RequestId::new(world.id()))] {
        let expected = made.iter().filter(|notice| request.is_none_or(|of| notice.request == of));
        let expected: Vec<NoticeId> = expected.map(|notice| notice.id).collect();
        let mut found: Vec<NoticeId> = Vec::new();
        for _ in &made {
            let after = found.last().map(|id| id.bits());
            let list = world.views.notices(account, request, Page { limit: 2, after }).await;
            let list = list.unwrap();
            assert!(list.len() <= 2);
            found.extend(list.into_iter().map(|notice| notice.id));
        }
        assert_eq!(found, expected);
    }
}

pub async fn a_message_id_finds_the_newest_notice_of_its_account(world: &World) {
    let (account, other) = (world.account(), world.account());
    let request = RequestId::new(world.id());
    let mut made = Vec::new();
    for of in [account, account, other] {
        let notice = known_as(world.notice(of, request), "m-7");
        world.write(of, vec![put(0, &notice)]).await.unwrap();
        made.push(notice);
    }
    let find = async |account, message_id: &str| {
        world.views.notice_by_message(account, message_id.to_owned()).await.unwrap()
    };
    assert_eq!(find(account, "m-7").await, Some((made[1].clone(), 1)));
    assert_eq!(find(other, "m-7").await, Some((made[2].clone(), 1)));
    assert_eq!(find(world.account(), "m-7").await, None);
    // Another attempt, which the provider knows by another id.
    let again = known_as(made[1].clone(), "m-8");
    world.write(account, vec![put(1, &again)]).await.unwrap();
    assert_eq!(find(account, "m-8").await, Some((again, 2)));
    assert_eq!(find(account, "m-7").await, Some((made[0].clone(), 1)));
    let silent = Notice { begun: None, ..world.notice(account, request) };
    world.write(account, vec![put(0, &silent)]).await.unwrap();
    assert_eq!(find(account, "").await, None);
}

pub async fn a_notice_is_found_without_its_account(world: &World) {
    let mut made = Vec::new();
    for name in ["one", "two"] {
        let id = world.account();
        let signing_seed = Secret::new("seed");
        let account = Account { id, name: name.to_owned(), signing_seed, created_at: at(0) };
        let notice = world.notice(id, RequestId::new(world.id()));
        world.write(id, vec![Write::Account(account), put(0, &notice)]).await.unwrap();
        made.push(notice);
    }
    for notice in made {
        let found = world.views.notice_of_anybody(notice.id).await.unwrap();
        assert_eq!(found, Some((notice, 1)));
    }
    let never = NoticeId::new(world.id());
    assert_eq!(world.views.notice_of_anybody(never).await.unwrap(), None);
}
