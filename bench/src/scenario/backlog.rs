//! A backlog of a million deliveries: how fast it drains, against a small one and the bare client, and in how much memory.

use anyhow::{Result, ensure};

use crate::{
    clock,
    load::{self, Plan},
    number::{count, float, mebibytes, median, millis, per_second, ratio},
    process::Usage,
    scenario::ground::{ALL_KINDS, Ground},
    table::{Bar, Row, grouped},
    yardstick::Bare,
};

/// What waits when the draining begins.
#[derive(Debug)]
struct Backlog {
    /// Deliveries that were never tried and so are due at once.
    due: u64,
    filled_per_second: f64,
}

#[derive(Debug)]
struct Drained {
    backlog: Backlog,
    per_second: f64,
    /// Per delivery: the server's, and that of a database beside it.
    processor_ms: Option<f64>,
    database_ms: Option<f64>,
    peak_bytes: u64,
}

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    let before = ground.bare().await?;
    let twentieth = (ground.size.backlog / 20).max(5000);
    let mut small = Vec::new();
    for _ in 0..TWENTIETHS_BEFORE {
        small.push(drain(ground, twentieth).await?);
    }
    let large = drain(ground, ground.size.backlog).await?;
    for _ in 0..TWENTIETHS_AFTER {
        small.push(drain(ground, twentieth).await?);
    }
    let middle = |figure: fn(&Drained) -> Option<f64>| {
        small.iter().map(figure).collect::<Option<Vec<f64>>>().map(|figures| median(&figures))
    };
    let small_per_second = middle(|drained| Some(drained.per_second)).unwrap_or_default();
    let bare = Bare::mean(&[before, ground.bare().await?]);
    let draining = |figure: &str, each_second: f64| {
        Row::new("backlog", ground.over_nodes(figure), each_second, "deliveries/s")
            .against(bare.per_second)
            .bar(ground.rate_bar(0.45))
    };
    let mut rows = vec![
        Row::new("backlog", "deliveries", float(large.backlog.due), ""),
        Row::new("backlog", "filling", large.backlog.filled_per_second, "deliveries/s"),
        draining(&format!("draining a twentieth, the middle of {}", small.len()), small_per_second),
        draining("draining all", large.per_second),
        Row::new("backlog", "all by a twentieth", ratio(large.per_second, small_per_second), "")
            .bar(Bar::AtLeast(0.9)),
    ];
    let costs = [
        ("server's processor time per delivery", large.processor_ms),
        ("server's processor time, a twentieth", middle(|drained| drained.processor_ms)),
        ("PostgreSQL's processor time per delivery", large.database_ms),
        ("PostgreSQL's processor time, a twentieth", middle(|drained| drained.database_ms)),
    ];
    for (figure, each) in costs {
        rows.extend(each.map(|each| Row::new("backlog", figure, each, "ms")));
    }
    rows.push(Row::new("backlog", "peak memory", mebibytes(large.peak_bytes), "MiB"));
    ground.rows.extend(rows);
    Ok(())
}

async fn drain(ground: &mut Ground, deliveries: u64) -> Result<Drained> {
    ground.fresh(ENDPOINTS, ALL_KINDS).await?;
    let backlog = fill_backlog(ground, deliveries).await?;
    eprintln!("bench:   {} deliveries wait; draining", grouped(backlog.due));
    let before = (ground.driver.usage()?, ground.driver.database_usage()?);
    let began = clock::now();
    ground.sink.set_mood(None, "answer").await?;
    ground.arrived(backlog.due, None).await?;
    let length = began.elapsed();
    let after = (ground.driver.usage()?, ground.driver.database_usage()?);
    // Those that hung while the backlog grew wait for their second attempt; they are no part of the figure.
    ground.driver.stop().await?;
    let each_ms = |before: Option<Usage>, after: Option<Usage>| {
        let used = after?.processor.saturating_sub(before?.processor);
        Some(ratio(millis(used), float(backlog.due)))
    };
    Ok(Drained {
        per_second: per_second(backlog.due, length),
        processor_ms: each_ms(before.0, after.0),
        database_ms: each_ms(before.1, after.1),
        peak_bytes: after.0.unwrap_or_default().resident_peak_bytes,
        backlog,
    })
}

/// Makes a backlog: while every endpoint hangs, each lane fills its few places in flight and the rest must wait.
///
/// NOTE: this is the one place that knows how a backlog comes about. It supposes that the server goes on accepting
/// while all its endpoints hang, and that a lane whose attempts time out is not held back once the sink answers again.
/// Where a server does hold it back, `refuse&until_us=…` (503 with `Retry-After`, the same end for all) does as well,
/// at the cost of one attempt per delivery; and where it can create an endpoint that is paused, that is better still.
async fn fill_backlog(ground: &Ground, deliveries: u64) -> Result<Backlog> {
    let endpoints = count(ENDPOINTS);
    ground.sink.set_mood(None, "hang").await?;
    let plan = Plan::closed(
        ground.driver.addresses()?,
        ground.driver.events()?,
        ground.options.connections,
        deliveries / endpoints,
    );
    let report = load::run(plan).await?;
    ensure!(report.failed() == 0, "posts failed while the backlog grew: {:?}", report.errors);
    let made = report.acknowledged * endpoints;
    let tried = ground.sink.stats().await?.total.hung;
    ensure!(tried < made / 2, "most of the backlog was tried while it grew: {tried} of {made}");
    Ok(Backlog { due: made - tried, filled_per_second: per_second(made, report.length) })
}

const ENDPOINTS: usize = 10;
/// A twentieth is drained within two seconds, and that is no steady measure: so it is done so many times.
const TWENTIETHS_BEFORE: usize = 3;
const TWENTIETHS_AFTER: usize = 2;
