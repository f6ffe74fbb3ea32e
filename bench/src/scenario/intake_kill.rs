//! kill -9 of every node while webhooks come in at full speed, again and again, on the same data.
//!
//! What was answered must be in the inbox, once, and read; sent again it must be known. Anything else is an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    pin::pin,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::select;

use crate::{
    chaos::plot::Dice,
    clock,
    driver::{
        Data,
        source::{Arrived, Source},
    },
    load::{self, Ids, Plan, Trouble},
    number::{count, float, largest, median, millis},
    scenario::ground::Ground,
    table::{Bar, Row},
};

/// What all rounds found.
#[derive(Debug, Default)]
struct Rounds {
    answered: u64,
    lost: u64,
    doubled: u64,
    unread: u64,
    unknown: u64,
    repeated: u64,
    starts_ms: Vec<f64>,
    drains_ms: Vec<f64>,
}

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    ground.driver.start(Data::Fresh).await?;
    let source = Source::create(address(ground)?, "bench").await?;
    let mut found = Rounds::default();
    let mut dice = Dice::new(SEED);
    let mut newest: Option<String> = None;
    for round in 1..=ground.size.rounds {
        let length = Duration::from_millis(dice.between(LIFE_MS.0, LIFE_MS.1));
        let ids = post_and_kill(ground, &source, length).await?;
        found.starts_ms.push(millis(ground.driver.start(Data::Kept).await?));
        let began = clock::now();
        ground.settled().await?;
        found.drains_ms.push(millis(began.elapsed()));
        let inbox = source.inbox(address(ground)?, newest.as_deref()).await?;
        let lost = compare(&mut found, &ids, &inbox);
        repeat(ground, &source, &inbox, &mut found).await?;
        eprintln!(
            "bench:   round {round}: killed after {} ms, {} answered, {lost} lost, {} in the inbox",
            length.as_millis(),
            ids.len(),
            inbox.len(),
        );
        newest = inbox.into_iter().next().map(|row| row.id).or(newest);
    }
    ground.driver.stop().await?;
    report(ground, &found);
    Ok(())
}

/// Sends webhooks at full speed for a moment, kills the server, and gives the ids that were answered.
async fn post_and_kill(
    ground: &mut Ground,
    source: &Source,
    length: Duration,
) -> Result<Vec<String>> {
    let (addresses, connections) = (ground.driver.addresses()?, ground.options.connections);
    let plan = Plan {
        trouble: Trouble::GiveUp,
        ids: Ids::Keep,
        patience: Duration::from_mins(1),
        ..Plan::closed(addresses, source.webhooks(), connections, u64::MAX)
    };
    let mut load = pin!(load::run(plan));
    select! {
        ended = &mut load => bail!("the load ended before the kill: {:?}", ended?.errors),
        () = clock::pause(length) => {}
    }
    ground.driver.kill()?;
    Ok(load.await?.ids)
}

/// Compares what was answered with the inbox; tells how many are lost.
fn compare(found: &mut Rounds, answered: &[String], inbox: &[Arrived]) -> u64 {
    let kept: BTreeSet<&str> = inbox.iter().map(|row| row.id.as_str()).collect();
    let lost = answered.iter().filter(|id| !kept.contains(id.as_str())).count();
    let mut said: BTreeMap<String, u64> = BTreeMap::new();
    for row in inbox {
        *said.entry(vendors_id(&row.body)).or_default() += 1;
    }
    found.answered += count(answered.len());
    found.lost += count(lost);
    found.doubled += said.values().map(|times| times - 1).sum::<u64>();
    found.unread += count(inbox.iter().filter(|row| row.state != "done").count());
    count(lost)
}

/// Sends the newest once more: those that were in the making when the server died are among them.
async fn repeat(
    ground: &Ground,
    source: &Source,
    inbox: &[Arrived],
    found: &mut Rounds,
) -> Result<()> {
    for row in inbox.iter().take(REPEATED) {
        let id = source.repeat(address(ground)?, row.body.clone()).await?;
        found.repeated += 1;
        found.unknown += u64::from(id != row.id);
    }
    Ok(())
}

fn vendors_id(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn address(ground: &Ground) -> Result<SocketAddr> {
    ground.driver.addresses()?.first().copied().context("no server is running")
}

fn report(ground: &mut Ground, found: &Rounds) {
    let none = [
        (found.lost, "answered and not in the inbox"),
        (found.doubled, "in the inbox twice"),
        (found.unread, "in the inbox and not read"),
        (found.unknown, "sent again and taken for new"),
    ];
    for (number, what) in none {
        if number > 0 {
            ground.failures.push(format!("intake-kill: {number} webhooks were {what}"));
        }
        ground.rows.push(row(what, float(number), "webhooks").bar(Bar::AtMost(0.0)));
    }
    ground.rows.extend([
        row("rounds", float(count(found.starts_ms.len())), ""),
        row("answered", float(found.answered), "webhooks"),
        row("sent again after a kill", float(found.repeated), "webhooks"),
        row("start after a kill, median", median(&found.starts_ms), "ms"),
        row("start after a kill, slowest", largest(&found.starts_ms), "ms"),
        row("inbox empty after a start, median", median(&found.drains_ms), "ms"),
        row("inbox empty after a start, slowest", largest(&found.drains_ms), "ms"),
    ]);
}

fn row(figure: &str, value: f64, unit: &'static str) -> Row {
    Row::new("intake-kill", figure, value, unit)
}

/// The moments are the same in every run.
const SEED: u64 = 20_000;
/// How long the server takes webhooks before it is killed.
const LIFE_MS: (u64, u64) = (20, 700);
/// As many as may have been in the making.
const REPEATED: usize = 64;
