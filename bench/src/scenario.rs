//! The scenarios: what each measures, in which order, and how large.

mod backlog;
mod fanout;
mod flow;
mod ground;
mod half;
mod hang;
mod idle;
mod intake;
mod intake_kill;
mod kill;
mod notices;
mod one;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use tokio::{
    select,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

use crate::{
    driver::{
        Driver,
        countersign::Countersign,
        svix::{Svix, Token},
    },
    machine::Machine,
    postgres::{self, Cluster},
    process,
    scenario::ground::{Ground, Size},
    sink::remote::Sink,
    table::{self, Row},
    yardstick::disk,
};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which scenarios; all without a name.
    names: Vec<Name>,
    /// About a tenth of the size, to see that everything works.
    #[arg(long)]
    quick: bool,
    /// The server under test.
    #[arg(long, value_enum, default_value = "countersign")]
    driver: Server,
    /// Where Countersign keeps its data.
    #[arg(long, value_enum, default_value = "embedded")]
    store: Store,
    /// How many of Countersign's nodes share one PostgreSQL and the load.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    nodes: u8,
    /// The PostgreSQL in which databases are made and dropped.
    #[arg(long, env = postgres::VARIABLE, hide_env_values = true, value_name = "URL")]
    cluster: Option<postgres::Url>,
    /// Where a Svix server listens, for --driver svix: http://ADDRESS:PORT on the loopback.
    #[arg(long, value_name = "URL", required_if_eq("driver", "svix"))]
    svix_url: Option<String>,
    /// What it lets us in with.
    #[arg(
        long,
        env = "BENCH_SVIX_TOKEN",
        hide_env_values = true,
        required_if_eq("driver", "svix")
    )]
    svix_token: Option<Token>,
    /// Countersign's binary; without it, the one beside this program.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the server keeps its data: a disk worth measuring.
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    /// Leave the data and the server's log behind.
    #[arg(long)]
    keep_data: bool,
    /// Connections that post; twice as many send webhooks.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1)]
    load_threads: usize,
    /// Threads of the sink.
    #[arg(long, default_value_t = 1)]
    sink_threads: usize,
    /// Attempts in flight per endpoint; without it, the server's own default.
    #[arg(long)]
    max_in_flight: Option<u32>,
    /// Doubled deliveries that a kill may leave behind; without it, what one endpoint has leased at most.
    #[arg(long)]
    in_flight_bound: Option<u32>,
    /// Rounds of `kill` and of `intake-kill`.
    #[arg(long)]
    rounds: Option<u64>,
    /// Deliveries of `backlog`.
    #[arg(long)]
    backlog: Option<u64>,
    /// Messages of `notices`.
    #[arg(long)]
    notices: Option<u64>,
    /// Messages per second that the provider of `notices` takes.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    notices_rate: u32,
    /// Events per second of `hang`, and of `notices` beside the messages.
    #[arg(long, default_value_t = 200.0)]
    hang_rate: f64,
    /// Waits up to so many seconds, before each measurement of the yardstick, for others to leave the machine alone.
    #[arg(long, default_value_t = 0)]
    wait_for_quiet_s: u64,
    /// Writes the table here as well.
    #[arg(long)]
    markdown: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Name {
    /// Events of 1 KB to one endpoint.
    One,
    /// Signature requests, created and sent, to one endpoint.
    Requests,
    /// Each event to ten endpoints.
    Fanout,
    /// Ten endpoints of which one never answers.
    Hang,
    /// Draining a million deliveries.
    Backlog,
    /// kill -9 in full flight, again and again.
    Kill,
    /// A hundred thousand messages to people, at their provider's rate.
    Notices,
    /// Start time, and memory while nothing happens.
    Idle,
    /// Added delay at half of the load that `one` reached.
    Half,
    /// Vendors' webhooks at full speed, at half of it, and beside forged ones.
    Intake,
    /// kill -9 while webhooks come in, again and again.
    IntakeKill,
}

impl Name {
    /// What a stand-in can be put through that knows no sources.
    const BEFORE_INTAKE: &[Self] = &[
        Self::One,
        Self::Requests,
        Self::Fanout,
        Self::Hang,
        Self::Backlog,
        Self::Kill,
        Self::Idle,
        Self::Half,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// In the folder of --data.
    Embedded,
    /// In databases of their own, in the PostgreSQL of --cluster.
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Server {
    Countersign,
    /// The bench's own relay, which proves the bench and shows the ceiling.
    Relay,
    /// A Svix server that somebody else runs on this machine; `one` and `fanout` only.
    Svix,
}

/// Runs what was asked for, and prints the table even when a scenario broke.
pub(crate) fn run(options: Options) -> Result<()> {
    crate::runtime(options.load_threads)?.block_on(async {
        let mut interrupted = signal(SignalKind::terminate())?;
        // Whichever ends first, what is dropped ends its child processes.
        select! {
            ended = run_all(options) => ended,
            _ = interrupted.recv() => bail!("terminated"),
            _ = ctrl_c() => bail!("interrupted"),
        }
    })
}

async fn run_all(options: Options) -> Result<()> {
    let machine = Machine::look(&options.data)?;
    eprintln!("bench: {}", machine.line());
    let names = options.names()?;
    let (cluster, yardsticks) = yardsticks(&options)?;
    let sink = Sink::start(options.sink_threads, options.size().keys_max())?;
    let markdown = options.markdown.clone();
    let mut ground = Ground::new(driver_of(&options, cluster)?, sink, options);
    ground.rows = yardsticks;
    let mut broke = None;
    for name in names {
        eprintln!("bench: scenario {name:?}");
        if let Err(error) = run_one(&mut ground, name).await {
            broke = Some(error.context(format!("scenario {name:?} broke")));
            break;
        }
    }
    ground.finish().await?;
    println!("{}, {}\n\n{}", ground.driver.name(), machine.line(), table::plain(&ground.rows));
    if let Some(path) = markdown {
        let text = format!(
            "{}, {}\n\n{}",
            ground.driver.name(),
            machine.line(),
            table::markdown(&ground.rows)
        );
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    match broke {
        Some(error) => Err(error),
        None if ground.failures.is_empty() => Ok(()),
        None => bail!("{}", ground.failures.join("; ")),
    }
}

async fn run_one(ground: &mut Ground, name: Name) -> Result<()> {
    match name {
        Name::One => Box::pin(one::events(ground)).await,
        Name::Requests => Box::pin(one::requests(ground)).await,
        Name::Fanout => Box::pin(fanout::run(ground)).await,
        Name::Hang => Box::pin(hang::run(ground)).await,
        Name::Backlog => Box::pin(backlog::run(ground)).await,
        Name::Kill => Box::pin(kill::run(ground)).await,
        Name::Notices => Box::pin(notices::run(ground)).await,
        Name::Idle => Box::pin(idle::run(ground)).await,
        Name::Half => Box::pin(half::run(ground)).await,
        Name::Intake => Box::pin(intake::run(ground)).await,
        Name::IntakeKill => Box::pin(intake_kill::run(ground)).await,
    }
}

/// Finds the PostgreSQL that is asked for, and measures it bare.
fn yardsticks(options: &Options) -> Result<(Option<Cluster>, Vec<Row>)> {
    let on_postgres = options.store == Store::Postgres;
    ensure!(!on_postgres || options.driver == Server::Countersign, "--store is for Countersign");
    ensure!(on_postgres || options.nodes == 1, "several --nodes need --store postgres");
    if !on_postgres {
        return Ok((None, Vec::new()));
    }
    let mut cluster = Cluster::find(options.cluster.as_ref())?;
    let rows = disk::rows(&mut cluster, &options.data)?;
    Ok((Some(cluster), rows))
}

fn driver_of(options: &Options, cluster: Option<Cluster>) -> Result<Box<dyn Driver>> {
    Ok(match options.driver {
        Server::Countersign => {
            let binary = process::binary(options.binary.as_deref())?;
            let server = Countersign::new(binary, &options.data, options.keep_data);
            Box::new(match cluster {
                Some(cluster) => server.on_postgres(cluster, options.nodes.into()),
                None => server,
            })
        }
        Server::Svix => {
            let url = options.svix_url.as_deref().context("--svix-url is missing")?;
            let token = options.svix_token.as_ref().context("--svix-token is missing")?;
            Box::new(Svix::new(url, token)?)
        }
        Server::Relay => Box::new(Countersign::relay(&options.data, options.keep_data)?),
    })
}

impl Options {
    /// In the order of the list, since `half` wants to know what `one` found.
    fn names(&self) -> Result<Vec<Name>> {
        let can: Vec<Name> = match self.driver {
            Server::Svix => vec![Name::One, Name::Fanout],
            Server::Countersign => Name::value_variants().to_vec(),
            // It tells nobody but endpoints, and hears of nothing but events.
            Server::Relay => {
                let all = Name::BEFORE_INTAKE.iter().copied();
                all.filter(|name| *name != Name::Notices).collect()
            }
        };
        let mut names = if self.names.is_empty() { can.clone() } else { self.names.clone() };
        names.sort_unstable();
        names.dedup();
        let unfit = names.iter().find(|name| !can.contains(name));
        if let Some(name) = unfit {
            bail!("scenario {name:?} asks for what this server does not have");
        }
        Ok(names)
    }

    fn size(&self) -> Size {
        let pick = |full, quick| if self.quick { quick } else { full };
        Size {
            bare: pick(50_000, 20_000),
            events: pick(50_000, 5_000),
            requests: pick(10_000, 1_000),
            fanout: pick(5_000, 500),
            backlog: self.backlog.unwrap_or(pick(1_000_000, 20_000)),
            rounds: self.rounds.unwrap_or(pick(100, 5)),
            notices: self.notices.unwrap_or(pick(100_000, 5_000)),
            starts: pick(10, 3),
            seconds: pick(20, 5),
            webhooks: pick(20_000, 2_000),
        }
    }
}
