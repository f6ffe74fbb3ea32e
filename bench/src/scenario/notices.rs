//! A hundred thousand messages to people, queued at once: whether they go out at their provider's rate, in how much
//! memory, and what an ordinary endpoint notices of them. Then as many as it takes to see how fast they go unlimited.
//!
//! The provider is a gateway for short messages at the sink, where a message is known by the server's own key.

use anyhow::{Context, Result, ensure};

use crate::{
    clock,
    load::{self, Plan, Report},
    number::{float, mebibytes, millis, per_second, ratio, whole},
    scenario::ground::Ground,
    sink::ledger::LaneStats,
    table::{Bar, Row, grouped},
};

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    at_their_rate(ground).await?;
    unlimited(ground).await
}

async fn at_their_rate(ground: &mut Ground) -> Result<()> {
    let (notices, limit) = (ground.size.notices, ground.options.notices_rate);
    ready(ground, Some(limit)).await?;
    let before = webhooks(ground, 0).await?;
    ground.sink.reset().await?;
    let resting = ground.driver.usage()?.unwrap_or_default();
    let census = ground.census()?;
    let filled = fill(ground, notices).await?;
    let gone = lane(ground, GATEWAY).await?.distinct;
    let waiting = notices.saturating_sub(gone);
    // What the flood of requests has left to the disk is not the messages' doing.
    let calm = gone + u64::from(limit) * ground.size.seconds / 2;
    ground.arrived(calm.min(notices), None).await?;
    let beside = webhooks(ground, notices).await?;
    ground.settled().await?;
    let others = census.others(&ground.census()?);
    let sent = lane(ground, GATEWAY).await?;
    let used = ground.driver.usage()?.unwrap_or_default();
    ground.sink.reset().await?;
    let after = webhooks(ground, 0).await?;
    ground.driver.stop().await?;

    // Between a first and a last message lies one pause less than there are messages.
    let rate = ratio(float(sent.count.saturating_sub(1)), seconds(&sent));
    let share = ratio(rate, f64::from(limit));
    let lost = notices.saturating_sub(sent.distinct);
    if lost + sent.duplicates > 0 {
        let (lost, doubled) = (grouped(lost), grouped(sent.duplicates));
        ground.failures.push(format!("of the notices, {lost} were lost and {doubled} doubled"));
    }
    let row = |figure: &str, value: f64, unit| Row::new("notices", figure, value, unit);
    let in_ms = |us: u64| float(us) / 1000.0;
    let alone = |figure: fn(&LaneStats) -> u64| in_ms(figure(&before).midpoint(figure(&after)));
    let p99 = |stats: &LaneStats| stats.latency_us.p99;
    ground.rows.extend([
        row("messages", float(notices), ""),
        row("filling", filled.per_second(), "requests/s"),
        row("waiting when the last one was made", float(waiting), "messages"),
        row("the provider's limit", f64::from(limit), "messages/s"),
        row("from the first to the last", rate, "messages/s"),
        row("by the limit", share, "").bar(Bar::AtLeast(0.95)),
        row("above the limit", (share - 1.0).max(0.0), "").bar(Bar::AtMost(0.05)),
        row("lost", float(lost), "messages").bar(Bar::AtMost(0.0)),
        row("doubled", float(sent.duplicates), "messages").bar(Bar::AtMost(0.0)),
        row("memory before", mebibytes(resting.resident_bytes), "MiB"),
        row("peak memory", mebibytes(used.resident_peak_bytes), "MiB").bar(Bar::AtMost(256.0)),
        row("webhooks without notices: post to arrival, p50", alone(|s| s.latency_us.p50), "ms"),
        row("webhooks without notices: post to arrival, p99", alone(p99), "ms"),
        row("webhooks beside them: post to arrival, p50", in_ms(beside.latency_us.p50), "ms"),
        row("webhooks beside them: post to arrival, p99", in_ms(p99(&beside)), "ms"),
        row("p99 beside them by p99 without", ratio(in_ms(p99(&beside)), alone(p99)), "")
            .bar(Bar::AtMost(1.25)),
        row("others keep busy", others, "cores"),
    ]);
    Ok(())
}

async fn unlimited(ground: &mut Ground) -> Result<()> {
    let notices = ground.size.notices / 4;
    ready(ground, None).await?;
    fill(ground, notices).await?;
    let waiting = notices.saturating_sub(lane(ground, GATEWAY).await?.distinct);
    let (began, before) = (clock::now(), ground.driver.usage()?.unwrap_or_default());
    ground.arrived(notices, None).await?;
    let length = ground.settled().await?.duration_since(began);
    let after = ground.driver.usage()?.unwrap_or_default();
    ground.driver.stop().await?;
    let processor = millis(after.processor.saturating_sub(before.processor));
    let row = |figure: &str, value: f64, unit| Row::new("notices", figure, value, unit);
    ground.rows.extend([
        row("unlimited: waiting when the last one was made", float(waiting), "messages"),
        row("unlimited", per_second(waiting, length), "messages/s"),
        row("server's processor time per message", ratio(processor, float(waiting)), "ms"),
    ]);
    Ok(())
}

/// Starts a server with an endpoint that wants the load's events, and a gateway.
async fn ready(ground: &mut Ground, limit: Option<u32>) -> Result<()> {
    ground.fresh(1, &["custom.bench"]).await?;
    ground.driver.create_gateway(&ground.sink.url(GATEWAY), limit).await
}

/// Has messages queued, faster than they go out.
async fn fill(ground: &Ground, notices: u64) -> Result<Report> {
    let recipe = ground.driver.notices()?.context("the server tells people nothing")?;
    let addresses = ground.driver.addresses()?;
    let report =
        load::run(Plan::closed(addresses, recipe, ground.options.connections, notices)).await?;
    ensure!(report.failed() == 0, "posts failed while the queue grew: {:?}", report.errors);
    Ok(report)
}

/// Sends events at a modest rate to the endpoint, and waits for them and for so many messages.
async fn webhooks(ground: &Ground, notices: u64) -> Result<LaneStats> {
    let rate = ground.options.hang_rate;
    let posts = whole(rate * float(ground.size.seconds));
    let plan = Plan::closed(
        ground.driver.addresses()?,
        ground.driver.events()?,
        ground.options.connections,
        posts,
    );
    let report = load::run(plan.at_rate(rate)).await?;
    ground.arrived(report.acknowledged + notices, None).await?;
    lane(ground, ENDPOINT).await
}

async fn lane(ground: &Ground, number: usize) -> Result<LaneStats> {
    let mut paths = ground.sink.stats().await?.paths;
    Ok(paths.remove(&format!("/e/{number}")).unwrap_or_default())
}

fn seconds(stats: &LaneStats) -> f64 {
    float(stats.last_us.saturating_sub(stats.first_us)) / 1_000_000.0
}

const ENDPOINT: usize = 1;
const GATEWAY: usize = 2;
