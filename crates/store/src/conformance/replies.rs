//! Answers kept for idempotency keys.

use domain::contact::Contact;
use domain::id::AccountId;

use super::world::{World, at};
use crate::{Commit, Fault, Guarded, Outlived, Reply, Write};

const DAY_S: i64 = 24 * 3_600;

fn reply(key: &str, body: &str) -> Reply {
    Reply { key: key.to_owned(), fingerprint: [3; 32], status: 201, body: body.to_owned() }
}

async fn keep(world: &World, account: AccountId, reply: &Reply, seconds: i64) -> Result<(), Fault> {
    let commit = Commit { reply: Some(reply.clone()), ..Commit::new(account, at(seconds)) };
    world.store.commit(commit).await.map(drop)
}

pub async fn a_known_key_gives_the_first_answer(world: &World) {
    let account = world.account();
    let (first, second) = (reply("k", "first ✓"), reply("k", "second"));
    keep(world, account, &first, 0).await.unwrap();
    let contact = world.contact(account);
    let commit = Commit {
        writes: vec![Write::Contact(Guarded { version: 0, value: contact.clone() })],
        reply: Some(second),
        ..Commit::new(account, at(5))
    };
    let refused = world.store.commit(commit).await;
    assert!(matches!(&refused, Err(Fault::Repeated(known)) if *known == first), "{refused:?}");
    assert_eq!(world.views.contact(account, contact.id).await.unwrap(), None);
    let found = world.views.reply(account, "k".to_owned(), at(5)).await.unwrap();
    assert_eq!(found, Some(first));
}

pub async fn a_key_used_twice_at_once_is_answered_once(world: &World) {
    let account = world.account();
    let (first, second) = (reply("k", "first"), reply("k", "second"));
    let (one, two) = (world.contact(account), world.contact(account));
    let make = |contact: &Contact, reply: &Reply| {
        let writes = vec![Write::Contact(Guarded { version: 0, value: contact.clone() })];
        let reply = Some(reply.clone());
        world.store.commit(Commit { writes, reply, ..Commit::new(account, at(0)) })
    };
    let (made, again) = tokio::join!(make(&one, &first), make(&two, &second));
    let (made, kept) = if made.is_ok() { (again, first) } else { (made, second) };
    assert!(matches!(&made, Err(Fault::Repeated(known)) if *known == kept), "{made:?}");
    let found = (
        world.views.contact(account, one.id).await.unwrap(),
        world.views.contact(account, two.id).await.unwrap(),
    );
    assert!(found.0.is_some() != found.1.is_some(), "{found:?}");
}

pub async fn a_reply_is_kept_with_its_commit_or_not_at_all(world: &World) {
    let account = world.account();
    let stale = Write::Contact(Guarded { version: 4, value: world.contact(account) });
    let commit =
        Commit { writes: vec![stale], reply: Some(reply("k", "a")), ..Commit::new(account, at(0)) };
    world.store.commit(commit).await.unwrap_err();
    assert_eq!(world.views.reply(account, "k".to_owned(), at(0)).await.unwrap(), None);
}

pub async fn an_answer_runs_out_after_a_day(world: &World) {
    let account = world.account();
    keep(world, account, &reply("k", "old"), 0).await.unwrap();
    let read = |seconds| world.views.reply(account, "k".to_owned(), at(seconds));
    assert!(read(DAY_S - 1).await.unwrap().is_some());
    assert_eq!(read(DAY_S).await.unwrap(), None);
    assert!(keep(world, account, &reply("k", "new"), DAY_S - 1).await.is_err());
    keep(world, account, &reply("k", "new"), DAY_S).await.unwrap();
    assert_eq!(read(DAY_S).await.unwrap(), Some(reply("k", "new")));
}

pub async fn what_ran_out_is_forgotten_a_few_at_a_time(world: &World) {
    let account = world.account();
    for index in 0..5 {
        keep(world, account, &reply(&index.to_string(), "a"), index).await.unwrap();
    }
    for (seconds, limit, gone, goes_on) in
        [(DAY_S - 1, 9, 0, false), (DAY_S + 3, 3, 3, true), (DAY_S + 3, 3, 1, false)]
    {
        let old = Outlived::Replies { by: at(seconds) };
        let forgotten = world.store.forget(old, limit).await.unwrap();
        assert_eq!((forgotten.replies, forgotten.rest), (gone, goes_on.then_some(old)));
    }
    let left = world.views.reply(account, "4".to_owned(), at(DAY_S + 3)).await.unwrap();
    assert!(left.is_some());
}

pub async fn keys_of_two_accounts_are_apart(world: &World) {
    let (account, other) = (world.account(), world.account());
    keep(world, account, &reply("k", "ours"), 0).await.unwrap();
    keep(world, other, &reply("k", "theirs"), 0).await.unwrap();
    let found = world.views.reply(other, "k".to_owned(), at(0)).await.unwrap();
    assert_eq!(found, Some(reply("k", "theirs")));
}
