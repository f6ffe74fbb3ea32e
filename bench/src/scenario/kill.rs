//! kill -9 of every node in full flight, again and again, on the same data.
//!
//! What was acknowledged must arrive, whatever happened; losing one event is an error, not a figure.
//! What arrives twice is bounded by what was in flight when the server died.

use std::{pin::pin, time::Duration};

use anyhow::{Result, bail};
use tokio::select;

use crate::{
    clock,
    driver::Data,
    load::{self, Ids, Plan, Trouble},
    number::{count, float, largest, median, millis},
    scenario::ground::{ALL_KINDS, Ground},
    table::{Bar, Row},
};

/// What all rounds found.
#[derive(Debug, Default)]
struct Rounds {
    acknowledged: u64,
    lost: Vec<String>,
    doubled: Vec<f64>,
    starts_ms: Vec<f64>,
    drains_ms: Vec<f64>,
}

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    ground.fresh(1, ALL_KINDS).await?;
    let mut found = Rounds::default();
    for round in 1..=ground.size.rounds {
        let doubled_before = ground.sink.stats().await?.total.duplicates;
        let ids = post_and_kill(ground, round).await?;
        found.starts_ms.push(millis(ground.driver.start(Data::Kept).await?));
        let began = clock::now();
        ground.settled().await?;
        let lost = ground.sink.missing(1, &ids).await?;
        found.drains_ms.push(millis(began.elapsed()));
        let doubled = ground.sink.stats().await?.total.duplicates - doubled_before;
        eprintln!(
            "bench:   round {round}: {} acknowledged, {} lost, {doubled} doubled, drained in {} ms",
            ids.len(),
            lost.len(),
            began.elapsed().as_millis()
        );
        found.acknowledged += count(ids.len());
        found.doubled.push(float(doubled));
        found.lost.extend(lost);
    }
    let untracked = ground.sink.stats().await?.untracked;
    ground.driver.stop().await?;
    report(ground, &found, untracked);
    Ok(())
}

/// Posts at full speed for a moment, kills the server, and answers the ids it had acknowledged.
async fn post_and_kill(ground: &mut Ground, round: u64) -> Result<Vec<String>> {
    let everything = u64::MAX;
    let plan = Plan {
        trouble: Trouble::GiveUp,
        ids: Ids::Keep,
        patience: Duration::from_mins(1),
        ..Plan::closed(
            ground.driver.addresses()?,
            ground.driver.events()?,
            ground.options.connections,
            everything,
        )
    };
    let mut load = pin!(load::run(plan));
    // Never the same moment twice, and the same moments in every run.
    let length = Duration::from_millis(300 + round * 7919 % 701);
    select! {
        ended = &mut load => bail!("the load ended before the kill: {:?}", ended?.errors),
        () = clock::pause(length) => {}
    }
    ground.driver.kill()?;
    Ok(load.await?.ids)
}

fn report(ground: &mut Ground, found: &Rounds, untracked: u64) {
    let at_once = ground.options.max_in_flight.unwrap_or(IN_FLIGHT_DEFAULT);
    let nodes = u32::try_from(ground.driver.nodes()).unwrap_or(u32::MAX);
    let leased = at_once.saturating_mul(LEASES_PER_ATTEMPT).saturating_mul(nodes);
    let bound = ground.options.in_flight_bound.unwrap_or(leased);
    let lost = found.lost.len();
    if lost > 0 {
        let some: Vec<_> = found.lost.iter().take(3).map(String::as_str).collect();
        ground.failures.push(format!(
            "kill: {lost} acknowledged events were lost, such as {}",
            some.join(", ")
        ));
    }
    if untracked > 0 {
        ground
            .failures
            .push(format!("kill: {untracked} deliveries were more than the sink remembers"));
    }
    ground.rows.extend([
        Row::new("kill", "rounds", float(count(found.doubled.len())), ""),
        Row::new("kill", "acknowledged", float(found.acknowledged), "events"),
        Row::new("kill", "lost", float(count(lost)), "events").bar(Bar::AtMost(0.0)),
        Row::new("kill", "doubled in all", found.doubled.iter().sum(), "deliveries"),
        Row::new("kill", "doubled, worst round", largest(&found.doubled), "deliveries")
            .bar(Bar::AtMost(f64::from(bound))),
        Row::new("kill", "start after a kill, median", median(&found.starts_ms), "ms"),
        Row::new("kill", "start after a kill, slowest", largest(&found.starts_ms), "ms"),
        Row::new("kill", "drained after a start, median", median(&found.drains_ms), "ms"),
        Row::new("kill", "drained after a start, slowest", largest(&found.drains_ms), "ms"),
    ]);
}

/// What one endpoint has in flight unless told otherwise.
const IN_FLIGHT_DEFAULT: u32 = 10;
/// An attempt is in flight until its settlement is on the disk; a lane of Countersign's holds at most so many leases
/// for each attempt that it may have under way.
const LEASES_PER_ATTEMPT: u32 = 50;
