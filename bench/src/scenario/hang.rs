//! Ten endpoints of which one never answers: what the other nine notice of it.
//!
//! At a fixed rate that leaves room, since in a flood every latency is the length of the queue.

use anyhow::Result;

use crate::{
    histogram::Summary,
    number::{float, median, ratio, whole},
    scenario::{flow::Wanted, ground::Ground},
    table::{Bar, Row},
};

/// So many times without and with one that hangs, in turn: a few messages that wait for the disk decide a p99.
const PAIRS: usize = 5;

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    let rate = ground.options.hang_rate;
    let posts = whole(rate * float(ground.size.seconds) / 2.0);
    let healthy = Wanted { rate: Some(rate), ..Wanted::events(10, posts) };
    let hanging = Wanted { hanging: Some(10), ..healthy };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        without.push(healthy.flow(ground).await?.stats.total.latency_us);
        with.push(hanging.flow(ground).await?.stats.total.latency_us);
    }
    let in_ms = |us: u64| float(us) / 1000.0;
    for (whose, found) in [("ten healthy", &without), ("the nine beside one that hangs", &with)] {
        let middle = |of: fn(&Summary) -> u64| {
            median(&found.iter().map(|latency| in_ms(of(latency))).collect::<Vec<_>>())
        };
        let (p50, p99) = (middle(|latency| latency.p50), middle(|latency| latency.p99));
        ground.rows.extend([
            Row::new("hang", format!("{whose}: post to arrival, p50"), p50, "ms"),
            Row::new("hang", format!("{whose}: post to arrival, p99"), p99, "ms"),
        ]);
    }
    let pairs = without.iter().zip(&with);
    let ratios: Vec<f64> =
        pairs.map(|(ten, nine)| ratio(in_ms(nine.p99), in_ms(ten.p99))).collect();
    // A quarter is the noise between two runs on a machine shared with others.
    let figure = format!("p99 of the nine by p99 of ten, the median of {PAIRS}");
    ground.rows.push(Row::new("hang", figure, median(&ratios), "").bar(Bar::AtMost(1.25)));
    Ok(())
}
