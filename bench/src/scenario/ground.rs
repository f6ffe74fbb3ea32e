//! Where scenarios take place: a server, a sink, and the figures found so far.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::{
    census::Census,
    clock,
    driver::{Data, Driver, EndpointWish},
    number::count,
    scenario::{Options, Store},
    sink::{ledger::Stats, remote::Sink},
    table::{Bar, Row, grouped},
    yardstick::Bare,
};

#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) driver: Box<dyn Driver>,
    pub(crate) sink: Sink,
    pub(crate) options: Options,
    pub(crate) size: Size,
    pub(crate) rows: Vec<Row>,
    /// What must not happen, and did.
    pub(crate) failures: Vec<String>,
    /// Events per second that `one` reached, for the scenarios that load the server by a share of it.
    pub(crate) one_rate: Option<f64>,
    bare: Vec<Bare>,
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) bare: u64,
    pub(crate) events: u64,
    pub(crate) requests: u64,
    pub(crate) fanout: u64,
    pub(crate) backlog: u64,
    pub(crate) rounds: u64,
    pub(crate) notices: u64,
    pub(crate) starts: u64,
    pub(crate) seconds: u64,
    pub(crate) webhooks: u64,
}

impl Size {
    /// Deliveries that the sink must be able to tell apart: `kill` never forgets those of the rounds before.
    pub(crate) fn keys_max(&self) -> u64 {
        (self.backlog * 5 / 4).max(self.rounds * 10_000).max(2_000_000)
    }
}

impl Ground {
    pub(crate) fn new(driver: Box<dyn Driver>, sink: Sink, options: Options) -> Self {
        let size = options.size();
        Self {
            driver,
            sink,
            options,
            size,
            rows: Vec::new(),
            failures: Vec::new(),
            one_rate: None,
            bare: Vec::new(),
        }
    }

    /// Measures the yardstick. The server must not be running.
    pub(crate) async fn bare(&mut self) -> Result<Bare> {
        self.quiet().await?;
        let bare =
            Bare::measure(&self.sink, self.options.connections, self.size.bare, None).await?;
        eprintln!("bench:   {bare}");
        self.bare.push(bare);
        Ok(bare)
    }

    /// Waits until others leave the machine to us, for as long as the options allow.
    async fn quiet(&self) -> Result<()> {
        let began = clock::now();
        while began.elapsed() < Duration::from_secs(self.options.wait_for_quiet_s) {
            let before = Census::take(&[self.sink.usage()?])?;
            clock::pause(Duration::from_secs(1)).await;
            if before.others(&Census::take(&[self.sink.usage()?])?) < QUIET_CORES {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Counts what we use of the machine, and what others do. The server must be running.
    pub(crate) fn census(&self) -> Result<Census> {
        let server = self.driver.usage()?.unwrap_or_default();
        let database = self.driver.database_usage()?.unwrap_or_default();
        Census::take(&[self.sink.usage()?, server, database])
    }

    /// Starts the server on nothing, with endpoints 1 to `endpoints`, and sees one event through.
    pub(crate) async fn fresh(
        &mut self,
        endpoints: usize,
        kinds: &'static [&'static str],
    ) -> Result<()> {
        self.sink.set_mood(None, "answer").await?;
        self.sink.reset().await?;
        self.driver.start(Data::Fresh).await?;
        let wish = EndpointWish { kinds, in_flight_max: self.options.max_in_flight };
        for number in 1..=endpoints {
            self.driver.create_endpoint(&self.sink.url(number), &wish).await?;
        }
        if kinds == ALL_KINDS {
            self.driver.post_event().await?;
            self.arrived(count(endpoints), None).await?;
            self.settled().await?;
        }
        self.sink.reset().await
    }

    /// Waits until so many different deliveries arrived, at all endpoints or at all but one.
    pub(crate) async fn arrived(&self, wanted: u64, except: Option<usize>) -> Result<Stats> {
        let mut moved = clock::now();
        let mut said = clock::now();
        let mut last = 0;
        loop {
            let stats = match except {
                Some(number) => self.sink.stats_except(number).await?,
                None => self.sink.stats().await?,
            };
            let now = stats.total.distinct;
            if now >= wanted {
                return Ok(stats);
            }
            if now > last {
                (last, moved) = (now, clock::now());
            }
            if moved.elapsed() > STALL {
                bail!(
                    "{} of {} deliveries arrived, and no more for {STALL:?}",
                    grouped(now),
                    grouped(wanted)
                );
            }
            if said.elapsed() > Duration::from_secs(5) {
                eprintln!("bench:   {} of {} arrived", grouped(now), grouped(wanted));
                said = clock::now();
            }
            clock::pause(TURN).await;
        }
    }

    /// Waits until the server says that nothing is pending, and answers the moment.
    ///
    /// That includes what a node held that died: the others, or it itself after a restart, take it over once it is
    /// declared dead, which takes some 12 s on PostgreSQL.
    pub(crate) async fn settled(&self) -> Result<Instant> {
        let mut moved = clock::now();
        let mut least = u64::MAX;
        loop {
            let Some(stats) = self.driver.stats().await?.filter(|stats| stats.pending > 0) else {
                return Ok(clock::now());
            };
            if stats.pending < least {
                (least, moved) = (stats.pending, clock::now());
            }
            ensure!(
                moved.elapsed() < STALL,
                "the server still says {} pending, and no fewer for {STALL:?}",
                stats.pending
            );
            clock::pause(TURN).await;
        }
    }

    /// Says of a figure that it is the sum over several nodes.
    pub(crate) fn over_nodes(&self, figure: &str) -> String {
        match self.driver.nodes() {
            1 => figure.to_owned(),
            nodes => format!("{figure}, {nodes} nodes"),
        }
    }

    /// Gives the bar of a rate: a share of the yardstick on the embedded store, and of that 40 % on PostgreSQL.
    pub(crate) fn rate_bar(&self, embedded: f64) -> Bar {
        Bar::RatioAtLeast(match self.options.store {
            Store::Embedded => embedded,
            Store::Postgres => embedded * POSTGRES_SHARE,
        })
    }

    /// Ends the server and writes down the yardstick.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        self.driver.stop().await?;
        if !self.bare.is_empty() {
            self.rows.splice(0..0, Bare::mean(&self.bare).rows());
        }
        Ok(())
    }
}

pub(crate) const ALL_KINDS: &[&str] = &["*"];
/// What the rates of one node on PostgreSQL must be of those of the embedded store, at the least.
const POSTGRES_SHARE: f64 = 0.4;
/// Nothing moves for so long: the run is broken.
const STALL: Duration = Duration::from_secs(90);
/// Less than this is nobody's work in particular.
const QUIET_CORES: f64 = 0.1;
const TURN: Duration = Duration::from_millis(10);
