//! Commits that wait beside each other share a transaction.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use domain::id::AccountId;
use store::conformance::{Recorder, World};
use store::{Audience, Commit, Said};
use tokio::task::{self, JoinSet};

use crate::folder::{Folder, open_in};

/// Counts the transactions in the journal, by the frames that end one.
fn transactions(folder: &Path) -> usize {
    let journal = fs::read(folder.join("countersign.db-wal")).unwrap();
    let number = |from: usize| u32::from_be_bytes(journal[from..from + 4].try_into().unwrap());
    let (page, salts) = (number(8) as usize, &journal[16..24]);
    (32..journal.len())
        .step_by(24 + page)
        .filter(|frame| &journal[frame + 8..frame + 16] == salts && number(frame + 4) != 0)
        .count()
}

fn say(world: &World, account: AccountId) -> Commit {
    let event = world.event(account, "custom.a");
    let events = vec![Said { event, audience: Audience::Subscribers }];
    Commit { events, ..Commit::new(account, account.minted_at()) }
}

#[tokio::test]
async fn many_commits_share_a_transaction() {
    let folder = Folder::new();
    let (begun, begins) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    let opened = Mutex::new(opened);
    // The first commit holds the writer until the others have lined up.
    let lanes = Recorder::with_gate(move || {
        if begun.send(()).is_ok() {
            opened.lock().unwrap().recv().unwrap();
        }
    });
    let world = open_in(folder.path(), lanes, 1, ()).unwrap();
    let account = world.account();
    world.register(world.endpoint(account)).await;

    let mut commits = JoinSet::new();
    for count in 0..65 {
        let (store, commit) = (Arc::clone(&world.store), say(&world, account));
        commits.spawn(async move { store.commit(commit).await.unwrap() });
        task::yield_now().await;
        if count == 0 {
            begins.recv().unwrap();
        }
    }
    drop(begins);
    let before = transactions(folder.path());
    open.send(()).unwrap();
    let all = commits.join_all().await;
    assert_eq!(all.len(), 65);
    assert_eq!(transactions(folder.path()), before + 2);
    assert_eq!(world.lanes.taken().len(), 65);
}
