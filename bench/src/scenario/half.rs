//! The delay that the server adds while it has half of the load it could bear.

use anyhow::Result;

use crate::{
    number::{float, largest, median, whole},
    scenario::{flow::Wanted, ground::Ground},
    table::{Bar, Row},
    yardstick::Bare,
};

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    let full = match ground.one_rate {
        Some(rate) => rate,
        None => Wanted::events(1, ground.size.events / 2).flow(ground).await?.posts_per_second(),
    };
    let rate = (full / 2.0).max(1.0);
    let posts = whole(rate * float(ground.size.seconds));
    let connections = ground.options.connections;
    let floor = Bare::measure(&ground.sink, connections, posts / 2, Some(rate)).await?;
    let flow = Wanted { rate: Some(rate), ..Wanted::events(1, posts) }.flow(ground).await?;
    let latency = &flow.stats.total.latency_us;
    let in_ms = |us: u64| float(us) / 1000.0;
    let by_second: Vec<f64> = flow.stats.p99_us_by_second.iter().copied().map(in_ms).collect();
    let load = ground.over_nodes("load");
    ground.rows.extend([
        Row::new("half", load, flow.posted.per_second(), "events/s"),
        Row::new(
            "half",
            "bare client at this load: post to arrival, p50",
            floor.arrival_p50_ms,
            "ms",
        ),
        Row::new(
            "half",
            "bare client at this load: post to arrival, p99",
            floor.arrival_p99_ms,
            "ms",
        ),
        Row::new("half", "post to arrival, p50", in_ms(latency.p50), "ms"),
        // Counted from the post, so the way to the acknowledgement is in it as well.
        Row::new("half", "post to arrival, p99", in_ms(latency.p99), "ms").bar(Bar::AtMost(25.0)),
        Row::new("half", "post to arrival, p99 of the median second", median(&by_second), "ms"),
        Row::new("half", "post to arrival, p99 of the worst second", largest(&by_second), "ms"),
        Row::new("half", "post to arrival, p99.9", in_ms(latency.p999), "ms"),
        Row::new("half", "post acknowledged, p50", in_ms(flow.posted.latency_us.at(0.5)), "ms"),
        Row::new("half", "post acknowledged, p99", in_ms(flow.posted.latency_us.at(0.99)), "ms"),
        Row::new("half", "others keep busy", flow.others(), "cores"),
    ]);
    ground.rows.extend(flow.cost_rows("half", "event", flow.posted.acknowledged, None));
    Ok(())
}
