//! The bare client: the load generator straight at the sink, with nothing between them.

pub(crate) mod disk;

use std::fmt;

use anyhow::{Result, ensure};
use http::{Method, Uri};

use crate::{
    census::Census,
    load::{
        self, Plan,
        recipe::{Recipe, event, headers},
    },
    number::{count, float, millis, ratio},
    process::{Usage, our_usage},
    sink::remote::Sink,
    table::{Row, written},
};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bare {
    pub(crate) per_second: f64,
    /// Processor time per request, in milliseconds.
    client_ms: f64,
    sink_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// From the post to the arrival: what the instrument itself adds.
    pub(crate) arrival_p50_ms: f64,
    pub(crate) arrival_p99_ms: f64,
    /// Cores that others kept busy meanwhile.
    others: f64,
}

impl Bare {
    /// Measures once, as fast as it goes or at a rate. Leaves the sink empty.
    pub(crate) async fn measure(
        sink: &Sink,
        connections: usize,
        posts: u64,
        rate: Option<f64>,
    ) -> Result<Self> {
        let recipe = Recipe {
            method: Method::POST,
            path: Uri::from_static("/bare"),
            headers: headers(),
            body: event,
        };
        load::run(Plan::closed(vec![sink.address()], recipe.clone(), connections, posts / 20))
            .await?;
        sink.reset().await?;
        let before = (our_usage()?, sink.usage()?);
        let census = Census::take(&[before.1])?;
        let plan = Plan { rate, ..Plan::closed(vec![sink.address()], recipe, connections, posts) };
        let report = load::run(plan).await?;
        let after = (our_usage()?, sink.usage()?);
        let others = census.others(&Census::take(&[after.1])?);
        ensure!(report.failed() == 0, "the yardstick itself failed: {:?}", report.errors);
        let arrival_us = sink.stats().await?.total.latency_us;
        sink.reset().await?;
        let per_post = |before: Usage, after: Usage| {
            ratio(
                millis(after.processor.saturating_sub(before.processor)),
                float(report.acknowledged),
            )
        };
        Ok(Self {
            per_second: report.per_second(),
            client_ms: per_post(before.0, after.0),
            sink_ms: per_post(before.1, after.1),
            p50_ms: float(report.latency_us.at(0.5)) / 1000.0,
            p99_ms: float(report.latency_us.at(0.99)) / 1000.0,
            arrival_p50_ms: float(arrival_us.p50) / 1000.0,
            arrival_p99_ms: float(arrival_us.p99) / 1000.0,
            others,
        })
    }

    /// The mean of several measurements, since the machine is never quiet.
    pub(crate) fn mean(measured: &[Self]) -> Self {
        let mean = |figure: fn(&Self) -> f64| {
            ratio(measured.iter().map(figure).sum(), float(count(measured.len())))
        };
        Self {
            per_second: mean(|bare| bare.per_second),
            client_ms: mean(|bare| bare.client_ms),
            sink_ms: mean(|bare| bare.sink_ms),
            p50_ms: mean(|bare| bare.p50_ms),
            p99_ms: mean(|bare| bare.p99_ms),
            arrival_p50_ms: mean(|bare| bare.arrival_p50_ms),
            arrival_p99_ms: mean(|bare| bare.arrival_p99_ms),
            others: mean(|bare| bare.others),
        }
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        vec![
            Row::new("bare", "client straight to the sink", self.per_second, "posts/s"),
            Row::new("bare", "client's processor time per post", self.client_ms, "ms"),
            Row::new("bare", "sink's processor time per post", self.sink_ms, "ms"),
            Row::new("bare", "post answered, p50", self.p50_ms, "ms"),
            Row::new("bare", "post answered, p99", self.p99_ms, "ms"),
            Row::new("bare", "post to arrival, p99", self.arrival_p99_ms, "ms"),
            Row::new("bare", "others keep busy", self.others, "cores"),
        ]
    }
}

impl fmt::Display for Bare {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, others) = (written(self.per_second), written(self.others));
        write!(formatter, "bare client: {rate} posts/s, while others took {others} cores")
    }
}
