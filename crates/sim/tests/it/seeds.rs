//! Seeds.

use std::fs;

use sim::play;

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
