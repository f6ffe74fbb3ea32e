//! One load from the first post to the last settled delivery, and what it cost.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    census::Census,
    load::{self, Plan, Report, recipe::Recipe},
    number::{count, float, mebibytes, millis, per_second, ratio},
    process::{Usage, our_usage},
    scenario::ground::{ALL_KINDS, Ground},
    sink::ledger::Stats,
    table::{Bar, Row},
};

/// What to send through a fresh server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) what: What,
    pub(crate) endpoints: usize,
    pub(crate) posts: u64,
    /// Posts per second; without it, as fast as the server takes them.
    pub(crate) rate: Option<f64>,
    /// An endpoint that never answers. Then the others are what counts, and nobody waits for the server to settle.
    pub(crate) hanging: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Events,
    Requests,
}

#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) posted: Report,
    pub(crate) stats: Stats,
    pub(crate) deliveries: u64,
    pub(crate) length: Duration,
    cost: Cost,
}

/// What everybody had used up at one moment.
#[derive(Debug)]
struct Spent {
    server: Option<Usage>,
    database: Option<Usage>,
    load: Usage,
    sink: Usage,
    census: Census,
}

#[derive(Debug)]
struct Cost {
    /// Nothing where the server, or a database, is not ours to look at.
    server: Option<Used>,
    database: Option<Used>,
    /// What the instrument itself took: the load, and the sink.
    load: Duration,
    sink: Duration,
    /// Cores that others kept busy meanwhile.
    others: f64,
}

/// What one part of the stack took.
#[derive(Debug, Clone, Copy)]
struct Used {
    processor: Duration,
    written_bytes: u64,
    peak_bytes: u64,
}

impl Wanted {
    pub(crate) fn events(endpoints: usize, posts: u64) -> Self {
        Self { what: What::Events, endpoints, posts, rate: None, hanging: None }
    }

    /// Starts the server, sends, waits until all is settled, and stops it.
    pub(crate) async fn flow(self, ground: &mut Ground) -> Result<Flow> {
        let (recipe, kinds) = self.recipe(ground)?;
        ground.fresh(self.endpoints, kinds).await?;
        if let Some(number) = self.hanging {
            ground.sink.set_mood(Some(number), "hang").await?;
        }
        let before = Spent::look(ground)?;
        let plan = Plan::closed(
            ground.driver.addresses()?,
            recipe,
            ground.options.connections,
            self.posts,
        );
        let plan = self.rate.map_or(plan.clone(), |rate| plan.at_rate(rate));
        let posted = load::run(plan).await?;
        if posted.failed() > 0 {
            eprintln!("bench:   posts that failed: {:?}", posted.errors);
        }
        let heard = count(self.endpoints - usize::from(self.hanging.is_some()));
        let deliveries = posted.acknowledged * heard;
        let mut stats = ground.arrived(deliveries, self.hanging).await?;
        let mut length = posted.began.elapsed();
        if self.hanging.is_none() {
            length = ground.settled().await?.duration_since(posted.began);
            stats = ground.sink.stats().await?;
        }
        let cost = Cost::between(&before, &Spent::look(ground)?);
        let flow = Flow { posted, stats, deliveries, length, cost };
        ground.driver.stop().await?;
        Ok(flow)
    }

    fn recipe(self, ground: &Ground) -> Result<(Recipe, &'static [&'static str])> {
        Ok(match self.what {
            What::Events => (ground.driver.events()?, ALL_KINDS),
            // One of the several events that a sent request makes, so that one post is one delivery.
            What::Requests => {
                let recipe =
                    ground.driver.requests()?.context("the server knows no signature requests")?;
                (recipe, &["request.sent"])
            }
        })
    }
}

impl Spent {
    fn look(ground: &Ground) -> Result<Self> {
        Ok(Self {
            server: ground.driver.usage()?,
            database: ground.driver.database_usage()?,
            load: our_usage()?,
            sink: ground.sink.usage()?,
            census: ground.census()?,
        })
    }
}

impl Cost {
    fn between(before: &Spent, after: &Spent) -> Self {
        let spent = |before: Usage, after: Usage| after.processor.saturating_sub(before.processor);
        Self {
            server: Used::between(before.server, after.server),
            database: Used::between(before.database, after.database),
            load: spent(before.load, after.load),
            sink: spent(before.sink, after.sink),
            others: before.census.others(&after.census),
        }
    }
}

impl Used {
    fn between(before: Option<Usage>, after: Option<Usage>) -> Option<Self> {
        let (before, after) = before.zip(after)?;
        Some(Self {
            processor: after.processor.saturating_sub(before.processor),
            written_bytes: after.written_bytes.saturating_sub(before.written_bytes),
            peak_bytes: after.resident_peak_bytes,
        })
    }
}

impl Flow {
    /// Posts per second, from the first post until the last delivery is settled.
    pub(crate) fn posts_per_second(&self) -> f64 {
        per_second(self.posted.acknowledged, self.length)
    }

    pub(crate) fn deliveries_per_second(&self) -> f64 {
        per_second(self.deliveries, self.length)
    }

    /// What each of `count` things cost the server, and the database beside it.
    pub(crate) fn cost_rows(
        &self,
        scenario: &'static str,
        each: &str,
        count: u64,
        at_most_ms: Option<f64>,
    ) -> Vec<Row> {
        let row = |whose: &str, used: Used| {
            let figure = format!("{whose} processor time per {each}");
            Row::new(scenario, figure, ratio(millis(used.processor), float(count)), "ms")
        };
        let server = self.cost.server.map(|used| row("server's", used));
        let server = server.map(|row| match at_most_ms {
            Some(limit) => row.bar(Bar::AtMost(limit)),
            None => row,
        });
        server.into_iter().chain(self.cost.database.map(|used| row("PostgreSQL's", used))).collect()
    }

    /// Cores that others kept busy meanwhile.
    pub(crate) fn others(&self) -> f64 {
        self.cost.others
    }

    /// What the server, and a database beside it, took of the machine.
    fn used_rows(&self, scenario: &'static str) -> Vec<Row> {
        let cores = |used: Used| ratio(used.processor.as_secs_f64(), self.length.as_secs_f64());
        let written_kib =
            |used: Used| ratio(float(used.written_bytes), float(self.deliveries)) / 1024.0;
        let mut rows = Vec::new();
        if let Some(used) = self.cost.server {
            let peak = mebibytes(used.peak_bytes);
            rows.push(Row::new(scenario, "server keeps busy", cores(used), "cores"));
            rows.push(Row::new(scenario, "peak memory", peak, "MiB"));
            let written = written_kib(used);
            rows.push(Row::new(scenario, "written to disk per delivery", written, "KiB"));
        }
        if let Some(used) = self.cost.database {
            rows.push(Row::new(scenario, "PostgreSQL keeps busy", cores(used), "cores"));
            let figure = "PostgreSQL: written to disk per delivery";
            rows.push(Row::new(scenario, figure, written_kib(used), "KiB"));
        }
        rows
    }

    /// The rows that every load has.
    pub(crate) fn rows(&self, scenario: &'static str) -> Vec<Row> {
        let total = &self.stats.total;
        let reuse = 100.0 * (1.0 - ratio(float(self.stats.connections), float(total.count)));
        let in_ms = |us: u64| float(us) / 1000.0;
        let mut rows = vec![
            Row::new(scenario, "posting alone", self.posted.per_second(), "posts/s"),
            Row::new(
                scenario,
                "post acknowledged, p50",
                in_ms(self.posted.latency_us.at(0.5)),
                "ms",
            ),
            Row::new(
                scenario,
                "post acknowledged, p99",
                in_ms(self.posted.latency_us.at(0.99)),
                "ms",
            ),
            Row::new(scenario, "post to arrival, p50", in_ms(total.latency_us.p50), "ms"),
            Row::new(scenario, "post to arrival, p99", in_ms(total.latency_us.p99), "ms"),
            Row::new(scenario, "others keep busy", self.cost.others, "cores"),
            Row::new(
                scenario,
                "load's processor time per post",
                ratio(millis(self.cost.load), float(self.posted.acknowledged)),
                "ms",
            ),
            Row::new(
                scenario,
                "sink's processor time per delivery",
                ratio(millis(self.cost.sink), float(self.deliveries)),
                "ms",
            ),
            Row::new(scenario, "connections reused", reuse, "%").bar(Bar::AtLeast(90.0)),
        ];
        rows.extend(self.used_rows(scenario));
        for (figure, number) in
            [("posts that failed", self.posted.failed()), ("doubled deliveries", total.duplicates)]
        {
            if number > 0 {
                rows.push(Row::new(scenario, figure, float(number), ""));
            }
        }
        rows
    }
}
