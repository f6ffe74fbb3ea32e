//! Seeds with vendors.

use std::fs;

use sim::play_vendors;

use crate::stage::folder;

/// Steps in each run.
const STEPS: u32 = 400;

/// Plays so many seeds, each for so many steps.
async fn twenty_from(first: u64) {
    let folder = folder(&format!("vendors-{first}"));
    for seed in first..first + 20 {
        if let Err(broken) = play_vendors(seed, STEPS, &folder).await {
            let again =
                format!("cargo run -p sim -- --vendors --seed {seed} --count 1 --steps {STEPS}");
            panic!("seed {seed} of vendors: {broken}; play it again with `{again}`");
        }
    }
    drop(fs::remove_dir_all(folder));
}

#[tokio::test]
async fn seeds_1_to_20_of_vendors_break_nothing() {
    twenty_from(1).await;
}

#[tokio::test]
async fn seeds_21_to_40_of_vendors_break_nothing() {
    twenty_from(21).await;
}

#[tokio::test]
async fn two_runs_of_one_seed_of_vendors_are_equal() {
    let folder = folder("vendors-equal");
    let first = play_vendors(4_711, 300, &folder).await.unwrap();
    let second = play_vendors(4_711, 300, &folder).await.unwrap();
    assert_eq!(first, second);
    assert!(first.acknowledged > 20 && first.heard > first.acknowledged, "{first:?}");
    drop(fs::remove_dir_all(folder));
}
