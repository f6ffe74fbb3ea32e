//! Ten endpoints of which one never answers: what the other nine notice of it.
//!
//! At a fixed rate that leaves room, since in a flood every latency is the length of the queue.

use anyhow::Result;

use crate::{
    number::{float, ratio, whole},
    scenario::{flow::Wanted, ground::Ground},
    table::{Bar, Row},
};

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    let rate = ground.options.hang_rate;
    let posts = whole(rate * float(ground.size.seconds));
    let healthy = Wanted { rate: Some(rate), ..Wanted::events(10, posts) };
    let mut p99_ms = [0.0; 2];
    let hanging = Wanted { hanging: Some(10), ..healthy };
    for (wanted, found) in [healthy, hanging].into_iter().zip(&mut p99_ms) {
        let flow = wanted.flow(ground).await?;
        let latency = &flow.stats.total.latency_us;
        let figure = |share| match wanted.hanging {
            None => format!("ten healthy: post to arrival, {share}"),
            Some(_) => format!("one hangs: post to arrival at the nine, {share}"),
        };
        *found = float(latency.p99) / 1000.0;
        ground.rows.push(Row::new("hang", figure("p50"), float(latency.p50) / 1000.0, "ms"));
        ground.rows.push(Row::new("hang", figure("p99"), *found, "ms"));
    }
    let [without, with] = p99_ms;
    // A quarter is the noise between two runs on a machine shared with others.
    ground.rows.push(
        Row::new("hang", "p99 of the nine by p99 of ten", ratio(with, without), "")
            .bar(Bar::AtMost(1.25)),
    );
    Ok(())
}
