//! Chaos: faults against real nodes, a real database and a real receiver, one after the other, with a load going on.
//!
//! Invariants: bounded in rounds and time; the plot of faults follows from the seed; everything that was started ends
//! with us. What is promised is what [`mod@judge`] says, and it is looked at in a census every so many rounds.

mod book;
mod disk;
mod folder;
mod hearing;
mod judge;
mod node;
mod pair;
pub(crate) mod plot;
mod posts;
mod receiver;
mod wire;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, mem,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tokio::{
    runtime::Builder,
    select,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

use crate::{
    chaos::{
        judge::{Evidence, Verdict, judge},
        plot::{Blow, Fault},
        world::World,
    },
    clock,
    load::recipe,
    postgres::said,
    process,
};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the data are kept.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// How many faults.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// What the plot follows from; without it, a new one.
    #[arg(long)]
    seed: Option<u64>,
    /// Nodes that share a PostgreSQL.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    nodes: u8,
    /// Rounds between two censuses.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    census_every: u32,
    /// After so many minutes the rounds end early, with a census.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Clients that post.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=100))]
    clients: u64,
    /// How long each waits between two posts.
    #[arg(long, default_value_t = 350)]
    pause_ms: u64,
    /// Only these faults.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Fault>,
    /// Countersign's binary; without it, the one beside this program.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the world's folder is made; without it, where temporary files go.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Leave the folder and its logs behind.
    #[arg(long)]
    keep_data: bool,
    /// Writes the table here as well.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Set by ourselves, where mounts are ours alone.
    #[arg(long, hide = true)]
    inside: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// Nodes on one PostgreSQL with a synchronous standby.
    Postgres,
    /// One node with a folder.
    Embedded,
}

/// What all rounds came to.
#[derive(Debug, Default)]
struct Tally {
    rounds: u32,
    blows: BTreeMap<Fault, u32>,
    sum: Verdict,
    censuses: u32,
    /// From the end of the faults until nothing was pending.
    slowest_drain: Duration,
    ended: BTreeSet<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if !options.inside {
        disk::step_inside()?;
    }
    let seed = options.seed.unwrap_or_else(clock::unix_us);
    eprintln!("bench: chaos, seed {seed}");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut interrupted = signal(SignalKind::terminate())?;
        // Whichever ends first, what is dropped ends its child processes.
        select! {
            ended = all_rounds(options, seed) => ended,
            _ = interrupted.recv() => bail!("terminated"),
            _ = ctrl_c() => bail!("interrupted"),
        }
    });
    ended.with_context(|| format!("again: bench chaos {}", options.again(seed)))
}

async fn all_rounds(options: &Options, seed: u64) -> Result<()> {
    let allowed = options.faults();
    let blows = plot::draw(seed, options.rounds, &allowed);
    if !options.inside {
        eprintln!("bench: left out: this user may not mount a small disk, so it is never full");
    }
    let mut world = World::start(options, seed).await?;
    let mut tally = Tally::default();
    let began = clock::now();
    let broke = rounds(&mut world, options, &blows, &mut tally).await.err();
    let table = table(&world, &tally, options, seed, began)?;
    println!("{table}");
    if let Some(path) = &options.markdown {
        fs::write(path, &table).with_context(|| format!("writing {}", path.display()))?;
    }
    match broke {
        None if tally.sum.broken.is_empty() => Ok(()),
        None => bail!("{}", tally.sum.broken.join("\n")),
        Some(error) => {
            for node in &world.nodes {
                eprintln!("bench: the end of the log of {}:\n{}", node.name, node.end_of_log());
            }
            Err(error.context(tally.sum.broken.join("\n")))
        }
    }
}

async fn rounds(
    world: &mut World,
    options: &Options,
    blows: &[Blow],
    tally: &mut Tally,
) -> Result<()> {
    world.begin_posting();
    let all = clock::now();
    for (blow, round) in blows.iter().zip(1_u32..) {
        let began = clock::now();
        // The endpoint that is down at times is so for three rounds in eight.
        world.receiver.set_down(round % 8 < 3);
        let struck = world.strike(*blow).await;
        struck.with_context(|| format!("round {round}: {blow:?}"))?;
        tally.rounds = round;
        *tally.blows.entry(blow.fault).or_default() += 1;
        eprintln!(
            "bench:   round {round}: {}, {} ms",
            blow.fault.name(),
            began.elapsed().as_millis()
        );
        let is_late = all.elapsed() > Duration::from_secs(options.minutes * 60);
        let is_last = is_late || blows.len() == round as usize;
        if is_last || round.is_multiple_of(options.census_every) {
            census(world, options, tally).await.context("at a census")?;
            if is_last || !tally.sum.broken.is_empty() {
                break;
            }
            world.begin_posting();
        }
    }
    doctor(world, options)
}

/// Stops the load, waits until nothing is pending, and compares what was seen with what is remembered.
async fn census(world: &mut World, options: &Options, tally: &mut Tally) -> Result<()> {
    world.receiver.set_down(false);
    world.heal().await?;
    world.end_posting().await?;
    let began = clock::now();
    let hearing = world.hearing()?;
    while hearing.pending().await? > 0 {
        if began.elapsed() > DRAIN_PATIENCE {
            let some = hearing.some_pending().await?;
            tally
                .sum
                .broken
                .push(format!("stuck: after {DRAIN_PATIENCE:?} there are still {some}"));
            break;
        }
        clock::pause(TURN).await;
    }
    tally.slowest_drain = tally.slowest_drain.max(began.elapsed());
    let (span, broken) = world.book.turn();
    let takeovers = world.takeovers();
    let mut evidence = Evidence {
        rules: receiver::rules(),
        told: span.told,
        sights: span.sights,
        ends_ms: span.ends_ms,
        unwritten_ms_max: UNWRITTEN_MS_MAX,
        takeovers: takeovers - tally.sum.takeovers,
        ended_before: mem::take(&mut tally.ended),
        ..Evidence::default()
    };
    for request in &span.requests {
        let events = hearing.timeline(request, &options.binary()?, world.folder()).await?;
        evidence.told.extend(events);
    }
    let told = evidence.told.iter().map(|told| &told.event);
    let events: BTreeSet<String> =
        told.chain(evidence.sights.iter().map(|sight| &sight.event)).cloned().collect();
    evidence.histories = hearing.histories(events.clone()).await?;
    let verdict = judge(&evidence);
    tally.ended = evidence.ended_before;
    tally.ended.extend(events);
    tally.censuses += 1;
    eprintln!(
        "bench: census {}: {} events acknowledged, {} attempts seen, {} doubled, {} without a history, {} broken; drained in {} ms",
        tally.censuses,
        verdict.events,
        verdict.attempts_seen,
        verdict.doubled,
        verdict.forgotten,
        verdict.broken.len() + broken.len(),
        began.elapsed().as_millis(),
    );
    tally.sum.add(verdict);
    tally.sum.takeovers = takeovers;
    tally.sum.broken.extend(broken);
    Ok(())
}

/// Asks the program itself whether all is well.
fn doctor(world: &World, options: &Options) -> Result<()> {
    let Some(node) = world.nodes.first() else { return Ok(()) };
    let Some(url) = node.database_url() else { return Ok(()) };
    let mut command = Command::new(&options.binary()?);
    command
        .arg("doctor")
        .env("COUNTERSIGN_DATABASE_URL", url)
        .env("COUNTERSIGN_DATA", world.folder())
        .env("COUNTERSIGN_MASTER_KEY", node::MASTER_KEY)
        .env("COUNTERSIGN_API_KEY", recipe::API_KEY)
        .env("COUNTERSIGN_PUBLIC_URL", format!("http://{}", node.address));
    said(&mut command).context("asking the doctor").map(drop)
}

fn table(
    world: &World,
    tally: &Tally,
    options: &Options,
    seed: u64,
    began: Instant,
) -> Result<String> {
    let place = match &world.pair {
        Some(pair) => format!("{} nodes on {}", options.nodes, pair.version()?),
        None => "one node on the embedded store".to_owned(),
    };
    let calls = world.book.calls();
    let sum = &tally.sum;
    let mut rows: Vec<(String, String)> = vec![
        ("where".to_owned(), place),
        ("seed".to_owned(), seed.to_string()),
        ("rounds".to_owned(), tally.rounds.to_string()),
        ("took".to_owned(), format!("{} s", began.elapsed().as_secs())),
    ];
    rows.extend(
        tally.blows.iter().map(|(fault, count)| (format!("- {}", fault.name()), count.to_string())),
    );
    let longest = world.failovers.iter().max().map(|length| format!("{} ms", length.as_millis()));
    rows.extend([
        ("censuses".to_owned(), tally.censuses.to_string()),
        ("events acknowledged".to_owned(), sum.events.to_string()),
        ("deliveries wanted".to_owned(), sum.deliveries.to_string()),
        ("attempts seen".to_owned(), sum.attempts_seen.to_string()),
        ("deliveries taken again".to_owned(), sum.doubled.to_string()),
        ("- of these by two nodes, both in the history".to_owned(), sum.doubled_by_two.to_string()),
        ("nodes taken for dead that lived".to_owned(), sum.takeovers.to_string()),
        (
            "attempts without a history, since their node ended".to_owned(),
            sum.forgotten.to_string(),
        ),
        ("promises broken".to_owned(), sum.broken.len().to_string()),
        ("slowest drain".to_owned(), format!("{} ms", tally.slowest_drain.as_millis())),
        (
            "longest time without an acknowledgement".to_owned(),
            format!("{} ms", calls.slowest.as_millis()),
        ),
        ("slowest failover until acknowledged again".to_owned(), longest.unwrap_or_default()),
    ]);
    rows.extend(
        calls
            .refusals
            .iter()
            .map(|(why, count)| (format!("posts repeated: {why}"), count.to_string())),
    );
    let mut text = "| Figure | Value |\n| --- | --- |\n".to_owned();
    for (name, value) in rows {
        writeln!(text, "| {name} | {value} |")?;
    }
    Ok(text)
}

impl Options {
    fn faults(&self) -> BTreeSet<Fault> {
        let all = Fault::value_variants().iter().copied();
        let all = all.filter(|fault| self.only.is_empty() || self.only.contains(fault));
        let all = all.filter(|fault| self.store == Store::Postgres || fault.fits_embedded());
        all.filter(|fault| self.inside || *fault != Fault::FullDisk).collect()
    }

    fn binary(&self) -> Result<PathBuf> {
        process::binary(self.binary.as_deref())
    }

    /// The arguments that play the same plot again.
    fn again(&self, seed: u64) -> String {
        let store = self.store.to_possible_value().map(|value| value.get_name().to_owned());
        let mut again = format!(
            "--store {} --rounds {} --nodes {} --seed {seed}",
            store.unwrap_or_default(),
            self.rounds,
            self.nodes
        );
        if !self.only.is_empty() {
            let names: Vec<_> = self.only.iter().map(|fault| fault.name()).collect();
            again.push_str(" --only ");
            again.push_str(&names.join(","));
        }
        again
    }
}

impl Verdict {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.deliveries += other.deliveries;
        self.attempts_seen += other.attempts_seen;
        self.doubled += other.doubled;
        self.doubled_by_two += other.doubled_by_two;
        self.forgotten += other.forgotten;
        self.broken.extend(other.broken);
    }
}

/// Long enough for a dead node to be missed, and for work that no hint told of to be looked for.
const DRAIN_PATIENCE: Duration = Duration::from_mins(2);
const TURN: Duration = Duration::from_millis(100);
/// An outage, the pause before the next try, and a connection that fell silent: an ending waits for each of them.
const UNWRITTEN_MS_MAX: u64 = 60_000;
