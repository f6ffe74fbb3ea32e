//! Seeds.

use std::fs;
use std::ops::Range;

use sim::{play, play_several};
use store::conformance::Database;

use crate::stage::folder;

/// Plays fifty seeds, each for so many steps.
async fn fifty_from(first: u64) {
    let folder = folder(&format!("seeds-{first}"));
    for seed in first..first + 50 {
        if let Err(broken) = play(seed, STEPS, &folder).await {
            let again = format!("cargo run -p sim -- --seed {seed} --count 1 --steps {STEPS}");
            panic!("seed {seed}: {broken}; play it again with `{again}`");
        }
    }
    drop(fs::remove_dir_all(folder));
}

#[tokio::test]
async fn seeds_1_to_50_break_nothing() {
    fifty_from(1).await;
}

#[tokio::test]
async fn seeds_51_to_100_break_nothing() {
    fifty_from(51).await;
}

#[tokio::test]
async fn seeds_101_to_150_break_nothing() {
    fifty_from(101).await;
}

#[tokio::test]
async fn seeds_151_to_200_break_nothing() {
    fifty_from(151).await;
}

/// Plays seeds with several nodes, each on a database of its own.
async fn several(seeds: Range<u64>) {
    for seed in seeds {
        let database = Database::migrated().await;
        if let Err(broken) = play_several(seed, STEPS, database.url()).await {
            panic!("seed {seed} of several nodes: {broken}");
        }
    }
}

#[tokio::test]
async fn seeds_1_to_4_of_several_nodes_break_nothing() {
    several(1..5).await;
}

#[tokio::test]
async fn seeds_5_to_8_of_several_nodes_break_nothing() {
    several(5..9).await;
}

#[tokio::test]
async fn two_runs_of_one_seed_are_equal() {
    let folder = folder("equal");
    let first = play(4_711, 300, &folder).await.unwrap();
    let second = play(4_711, 300, &folder).await.unwrap();
    assert_eq!(first, second);
    assert!(first.acknowledged > 0 && first.heard > 0, "{first:?}");
    drop(fs::remove_dir_all(folder));
}

/// Steps in each run.
const STEPS: u32 = 300;
