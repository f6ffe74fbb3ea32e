//! One endpoint: how many events, or signature requests, go through from the first post to the last settled delivery.

use anyhow::{Context, Result};

use crate::{
    number::{float, ratio},
    scenario::{
        flow::{Wanted, What},
        ground::Ground,
    },
    table::{Bar, Row},
    yardstick::Bare,
};

/// So many loads of some seconds each, between two of the yardstick: either differs by a fifth from one to the next.
const LOADS: usize = 5;
/// No delivery arrives later than this after its post: one that does was forgotten for a while.
const ARRIVES_WITHIN_MS: f64 = 5_000.0;

pub(crate) async fn events(ground: &mut Ground) -> Result<()> {
    let wanted = Wanted::events(1, ground.size.events);
    let mut loads = Vec::new();
    let mut before = ground.bare().await?;
    for _ in 0..LOADS {
        let flow = wanted.flow(ground).await?;
        let after = ground.bare().await?;
        let bare = Bare::mean(&[before, after]).per_second;
        before = after;
        loads.push((ratio(flow.posts_per_second(), bare), bare, flow));
    }
    loads.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
    let slowest_us = loads.iter().map(|(.., flow)| flow.stats.total.latency_us.max).max();
    let slowest_ms = float(slowest_us.context("there was no load")?) / 1000.0;
    let slowest = loads.first().context("there was no load")?.0;
    let (_, bare, flow) = loads.get(LOADS / 2).context("there was no load")?;
    let rate = flow.posts_per_second();
    ground.one_rate = Some(rate);
    let figure = format!("end to end, the median of {LOADS} loads");
    ground.rows.extend([
        Row::new("one", ground.over_nodes(&figure), rate, "events/s")
            .against(*bare)
            .bar(ground.rate_bar(0.25)),
        Row::new("one", "the slowest load, of its yardstick", slowest, "ratio"),
        Row::new("one", "post to arrival, the slowest of all loads", slowest_ms, "ms")
            .bar(Bar::AtMost(ARRIVES_WITHIN_MS)),
    ]);
    ground.rows.extend(flow.cost_rows("one", "event", flow.posted.acknowledged, Some(0.15)));
    ground.rows.extend(flow.rows("one"));
    Ok(())
}

pub(crate) async fn requests(ground: &mut Ground) -> Result<()> {
    let wanted = Wanted { what: What::Requests, ..Wanted::events(1, ground.size.requests) };
    let before = ground.bare().await?;
    let flow = wanted.flow(ground).await?;
    let bare = Bare::mean(&[before, ground.bare().await?]);
    let rate = flow.posts_per_second();
    ground.rows.push(
        Row::new("requests", ground.over_nodes("created, sent and told"), rate, "requests/s")
            .against(bare.per_second),
    );
    ground.rows.extend(flow.cost_rows("requests", "request", flow.posted.acknowledged, None));
    ground.rows.extend(flow.rows("requests"));
    Ok(())
}
