//! Commits that wait beside each other are made durable together.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use domain::id::AccountId;
use store::conformance::{Recorder, World};
use store::{Audience, Commit, Said};
use tokio::task::JoinSet;

use crate::folder::{Folder, open_in};

/// Counts the records in the journal's first file: length, checksum and number, then so many bytes.
fn records(folder: &Path) -> usize {
    let journal = fs::read(folder.join("countersign.journal-a")).unwrap();
    let (mut count, mut at) = (0, 0);
    loop {
        let length = u32::from_le_bytes(journal[at..at + 4].try_into().unwrap());
        if length == 0 {
            return count;
        }
        (count, at) = (count + 1, at + 16 + length as usize);
    }
}

fn say(world: &World, account: AccountId) -> Commit {
    let event = world.event(account, "custom.a");
    let events = vec![Said { event, audience: Audience::Subscribers }];
    Commit { events, ..Commit::new(account, account.minted_at()) }
}

#[tokio::test]
async fn many_commits_share_a_record() {
    let folder = Folder::new();
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let before = records(folder.path());
    let mut commits = JoinSet::new();
    for _ in 0..200 {
        let (store, commit) = (Arc::clone(&world.store), say(&world, account));
        commits.spawn(async move { store.commit(commit).await.unwrap() });
    }
    assert_eq!(commits.join_all().await.len(), 200);
    assert_eq!(world.lanes.taken().len(), 200);
    let records = records(folder.path()) - before;
    // How many are noted while the disk is at work depends on both, but that they share a flush does not.
    assert!(records < 100, "{records} records for 200 commits");
}
