//! Vendors' webhooks coming in: at full speed, at half of it, for long, and beside a flood of forged ones.
//!
//! The yardstick is the same server answering without its store: `GET /healthz` with the bytes of a webhook. Reading goes
//! on meanwhile: once of webhooks that tell little new, once of such that each change the mirror of a request.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{
    clock,
    driver::{
        Data,
        source::{self, Source},
    },
    load::{self, Plan, Report, recipe::Recipe},
    number::{float, mebibytes, millis, per_second, ratio, whole},
    scenario::ground::Ground,
    table::{Bar, Row},
};

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    ground.driver.start(Data::Fresh).await?;
    let mut slowest = f64::MAX;
    for news in [News::Few, News::All] {
        let full = at_full_speed(ground, news).await?;
        at_half_load(ground, news, full).await?;
        // Long loads leave hundreds of thousands to be read, which takes minutes where each changes a request.
        if matches!(news, News::Few) {
            for_long(ground, news, full).await?;
        }
        slowest = slowest.min(full);
    }
    beside_forged(ground, slowest).await?;
    ground.driver.stop().await
}

/// How much of what is told is new.
#[derive(Debug, Clone, Copy)]
enum News {
    /// A hundred signers sign, over and over: reading is all there is to do.
    Few,
    /// Each webhook is a signature that changes a request.
    All,
}

impl News {
    const fn name(self) -> &'static str {
        match self {
            Self::Few => "little-new",
            Self::All => "all-new",
        }
    }

    fn recipe(self, source: &Source) -> Recipe {
        match self {
            Self::Few => source.webhooks_of_few(),
            Self::All => source.webhooks(),
        }
    }

    fn row(self, figure: &str, value: f64, unit: &'static str) -> Row {
        row(&format!("{}: {figure}", self.name()), value, unit)
    }
}

/// Bursts at full speed, each between two of the yardstick: a burst is over in half a second, and one alone says little on
/// a machine that others share.
const BURSTS: usize = 5;

/// A burst at full speed.
struct Burst {
    /// How many calls were answered in a second without a store, before and after it.
    empty: f64,
    taken: Report,
    /// From its first webhook until the last one was read.
    until_read: Duration,
    processor: Duration,
    resident_peak_bytes: u64,
    others: f64,
}

impl Burst {
    fn ratio(&self) -> f64 {
        ratio(self.taken.per_second(), self.empty)
    }
}

/// Answers how many webhooks were answered in a second, by the middle one of the bursts.
async fn at_full_speed(ground: &mut Ground, news: News) -> Result<f64> {
    let posts = ground.size.webhooks;
    let warming = source(ground, &format!("{}-warm", news.name())).await?;
    // The first ones warm both ways up.
    post(ground, source::without_store(), posts / 20, None).await?;
    post(ground, news.recipe(&warming), posts / 20, None).await?;
    ground.settled().await?;
    let mut bursts = Vec::new();
    for turn in 1..=BURSTS {
        bursts.push(burst(ground, news, turn).await?);
    }
    bursts.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
    let slowest = bursts.first().context("there was no burst")?.ratio();
    let middle = bursts.get(BURSTS / 2).context("there was no burst")?;
    let rate = middle.taken.per_second();
    let behind = middle.until_read.saturating_sub(middle.taken.length);
    let taken = &middle.taken;
    ground.rows.extend([
        news.row("answered without a store, the yardstick", middle.empty, "calls/s"),
        news.row(
            &format!("answered and durable, the median of {BURSTS} bursts"),
            rate,
            "webhooks/s",
        )
        .against(middle.empty)
        .bar(Bar::RatioAtLeast(0.5)),
        news.row("the slowest burst, of its yardstick", slowest, "ratio"),
        news.row("answered, p50", at_ms(taken, 0.5), "ms"),
        news.row("answered, p99", at_ms(taken, 0.99), "ms"),
        news.row(
            "answered and read",
            per_second(taken.acknowledged, middle.until_read),
            "webhooks/s",
        ),
        news.row("inbox empty after the last answer", millis(behind), "ms"),
        news.row(
            "server's processor time per webhook, reading included",
            ratio(millis(middle.processor), float(taken.acknowledged)),
            "ms",
        ),
        news.row("peak memory", mebibytes(middle.resident_peak_bytes), "MiB"),
        news.row("others keep busy", middle.others, "cores"),
    ]);
    Ok(rate)
}

async fn burst(ground: &mut Ground, news: News, turn: usize) -> Result<Burst> {
    let source = source(ground, &format!("{}-full-{turn}", news.name())).await?;
    let posts = ground.size.webhooks;
    let before = post(ground, source::without_store(), posts, None).await?;
    let spent = ground.driver.usage()?.unwrap_or_default();
    let census = ground.census()?;
    let taken = post(ground, news.recipe(&source), posts, None).await?;
    let settled = ground.settled().await?;
    let others = census.others(&ground.census()?);
    let used = ground.driver.usage()?.unwrap_or_default();
    let after = post(ground, source::without_store(), posts, None).await?;
    none_failed(&taken)?;
    Ok(Burst {
        empty: f64::midpoint(before.per_second(), after.per_second()),
        until_read: settled.duration_since(taken.began),
        processor: used.processor.saturating_sub(spent.processor),
        resident_peak_bytes: used.resident_peak_bytes,
        others,
        taken,
    })
}

/// As many at half of that speed.
async fn at_half_load(ground: &mut Ground, news: News, full: f64) -> Result<()> {
    let posts = ground.size.webhooks;
    let (name, figure) = ("half", "half load");
    let load = Load { name, figure, posts, rate: Some(full / 2.0), is_half: true };
    load.put(ground, news).await?;
    Ok(())
}

/// So many that any room there is for a burst is full: at full speed, which is what the database keeps up with then, and at
/// half of that; and at half of what a burst comes to, which may be all that the machine can bear.
async fn for_long(ground: &mut Ground, news: News, burst: f64) -> Result<()> {
    let seconds = float(ground.size.seconds);
    let posts = whole(burst * seconds / 4.0);
    let (name, figure) = ("long", "for long at full speed");
    let load = Load { name, figure, posts, rate: None, is_half: false };
    let full = load.put(ground, news).await?;
    for (name, of, rate, is_half) in
        [("long-half", "that", full / 2.0, true), ("burst-half", "a burst", burst / 2.0, false)]
    {
        let (posts, figure) = (whole(rate * seconds), format!("for {seconds} s at half of {of}"));
        let load = Load { name, figure: &figure, posts, rate: Some(rate), is_half };
        load.put(ground, news).await?;
    }
    Ok(())
}

/// A load of webhooks that shows how long each waits for its answer.
#[derive(Debug, Clone, Copy)]
struct Load<'a> {
    /// What its source is called.
    name: &'a str,
    figure: &'a str,
    posts: u64,
    /// How many in a second; without it, as fast as it goes.
    rate: Option<f64>,
    /// It is half of what the server can bear, so that everybody is to be answered soon.
    is_half: bool,
}

impl Load<'_> {
    /// Puts it on, and answers how many were answered in a second.
    async fn put(self, ground: &mut Ground, news: News) -> Result<f64> {
        let Self { name, figure, posts, rate, is_half } = self;
        let source = source(ground, &format!("{}-{name}", news.name())).await?;
        let census = ground.census()?;
        let taken = post(ground, news.recipe(&source), posts, rate).await?;
        let others = census.others(&ground.census()?);
        ground.settled().await?;
        none_failed(&taken)?;
        let row = |what: &str, value, unit| news.row(&format!("{figure}: {what}"), value, unit);
        let p99 = row("answered, p99", at_ms(&taken, 0.99), "ms");
        let rows = [
            row("answered", taken.per_second(), "webhooks/s"),
            row("answered, p50", at_ms(&taken, 0.5), "ms"),
            if is_half { p99.bar(Bar::AtMost(20.0)) } else { p99 },
            row("answered, p99.9", at_ms(&taken, 0.999), "ms"),
            row("others keep busy", others, "cores"),
        ];
        ground.rows.extend(rows);
        Ok(taken.per_second())
    }
}

/// Forged ones alone, to see that nothing is kept of them; then a proven source at a quarter of its speed, alone and
/// with as many forged ones beside it.
async fn beside_forged(ground: &mut Ground, full: f64) -> Result<()> {
    let source = source(ground, "proven").await?;
    let posts = ground.size.webhooks / 2;
    let rate = full / 4.0;
    let bytes = ground.driver.data_bytes()?;
    let forged = post(ground, source.forged(), posts, None).await?;
    let grown = bytes.zip(ground.driver.data_bytes()?);
    all_refused(&forged)?;
    let alone = post(ground, source.webhooks(), posts, Some(rate)).await?;
    ground.settled().await?;
    let address = ground.driver.addresses()?;
    let flood = Plan::closed(address, source.forged(), FORGERS, posts).at_rate(rate);
    let beside = post(ground, source.webhooks(), posts, Some(rate));
    let (beside, flood) = tokio::join!(beside, load::run(flood));
    let (beside, flood) = (beside?, flood?);
    ground.settled().await?;
    none_failed(&alone)?;
    none_failed(&beside)?;
    all_refused(&flood)?;
    let refused = per_second(forged.failed(), forged.length);
    ground.rows.push(row("forged, refused at full speed", refused, "webhooks/s"));
    if let Some((before, after)) = grown {
        let kib = float(after.saturating_sub(before)) / 1024.0;
        let figure = format!("data grown by {posts} forged ones");
        ground.rows.push(row(&figure, kib, "KiB").bar(Bar::AtMost(0.0)));
    }
    ground.rows.extend([
        row("proven, at a quarter: answered, p50", at_ms(&alone, 0.5), "ms"),
        row("the same beside as many forged: p50", at_ms(&beside, 0.5), "ms"),
        row("proven, at a quarter: answered, p99", at_ms(&alone, 0.99), "ms"),
        row("the same beside as many forged: p99", at_ms(&beside, 0.99), "ms"),
    ]);
    Ok(())
}

/// Makes a source for the scenarios of intake.
async fn source(ground: &Ground, name: &str) -> Result<Source> {
    let address = *ground.driver.addresses()?.first().context("no server is running")?;
    Source::create(address, name).await
}

async fn post(ground: &Ground, recipe: Recipe, posts: u64, rate: Option<f64>) -> Result<Report> {
    let connections = ground.options.connections * CALLERS;
    let plan = Plan::closed(ground.driver.addresses()?, recipe, connections, posts);
    let began = clock::now();
    let report = load::run(Plan { rate, ..plan }).await?;
    let (took, p99) = (began.elapsed().as_millis(), at_ms(&report, 0.99));
    eprintln!("bench:   {posts} posts in {took} ms, p99 {p99:.1} ms");
    Ok(report)
}

fn none_failed(report: &Report) -> Result<()> {
    ensure!(report.failed() == 0, "webhooks were not taken: {:?}", report.errors);
    Ok(())
}

fn all_refused(report: &Report) -> Result<()> {
    let all = report.errors.get("status 401 Unauthorized").copied().unwrap_or(0);
    let is_all = report.acknowledged == 0 && all == report.failed();
    ensure!(is_all, "forged webhooks were not refused: {:?}", report.errors);
    Ok(())
}

fn at_ms(report: &Report, share: f64) -> f64 {
    float(report.latency_us.at(share)) / 1000.0
}

fn row(figure: &str, value: f64, unit: &'static str) -> Row {
    Row::new("intake", figure, value, unit)
}

/// For each connection of the bench there are so many here: each webhook waits for the disk, and with 64 of them the processor
/// waits for the callers.
const CALLERS: usize = 2;
/// Connections of those who forge.
const FORGERS: usize = 16;
