//! The scenarios: what each measures, in which order, and how large.

mod backlog;
mod fanout;
mod flow;
mod ground;
mod half;
mod hang;
mod idle;
mod kill;
mod one;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tokio::{
    select,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

use crate::{
    driver::{Driver, countersign::Countersign},
    machine::Machine,
    scenario::ground::{Ground, Size},
    sink::remote::Sink,
    table,
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
    /// Countersign's binary.
    #[arg(long, default_value = "target/release/countersign")]
    binary: PathBuf,
    /// Where the server keeps its data: a disk worth measuring.
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    /// Leave the data and the server's log behind.
    #[arg(long)]
    keep_data: bool,
    /// Connections that post.
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
    /// Rounds of `kill`.
    #[arg(long)]
    rounds: Option<u64>,
    /// Deliveries of `backlog`.
    #[arg(long)]
    backlog: Option<u64>,
    /// Events per second of `hang`.
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
    /// Start time, and memory while nothing happens.
    Idle,
    /// Added delay at half of the load that `one` reached.
    Half,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Server {
    Countersign,
    /// The bench's own relay, which proves the bench and shows the ceiling.
    Relay,
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
    let mut names = if options.names.is_empty() {
        Name::value_variants().to_vec()
    } else {
        options.names.clone()
    };
    // In the order of the list, since `half` wants to know what `one` found.
    names.sort_unstable();
    names.dedup();
    let sink = Sink::start(options.sink_threads, options.size().keys_max())?;
    let markdown = options.markdown.clone();
    let mut ground = Ground::new(driver_of(&options)?, sink, options);
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
        Name::Idle => Box::pin(idle::run(ground)).await,
        Name::Half => Box::pin(half::run(ground)).await,
    }
}

fn driver_of(options: &Options) -> Result<Box<dyn Driver>> {
    Ok(match options.driver {
        Server::Countersign => {
            Box::new(Countersign::new(options.binary.clone(), &options.data, options.keep_data))
        }
        Server::Relay => Box::new(Countersign::relay(&options.data, options.keep_data)?),
    })
}

impl Options {
    fn size(&self) -> Size {
        let pick = |full, quick| if self.quick { quick } else { full };
        Size {
            bare: pick(50_000, 20_000),
            events: pick(50_000, 5_000),
            requests: pick(10_000, 1_000),
            fanout: pick(5_000, 500),
            backlog: self.backlog.unwrap_or(pick(1_000_000, 20_000)),
            rounds: self.rounds.unwrap_or(pick(100, 5)),
            starts: pick(10, 3),
            seconds: pick(20, 5),
        }
    }
}
