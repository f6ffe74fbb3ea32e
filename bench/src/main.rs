//! Measures a webhook service against a bare HTTP client on the same machine in the same run.
//!
//! `bench run` starts a sink, a server under test and a load, one scenario after the other, and prints one table.
//! Everything stays on the loopback, is bounded in number and time, and ends its child processes on every way out.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to whoever runs it")]

mod call;
mod census;
mod chaos;
mod clock;
mod driver;
mod histogram;
mod load;
mod machine;
mod number;
mod postgres;
mod process;
mod relay;
mod scenario;
mod sink;
mod table;
mod yardstick;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser};
use tokio::runtime::{Builder, Runtime};

use crate::{machine::Machine, sink::remote::Sink, yardstick::Bare};

#[derive(Debug, Parser)]
#[command(about = "Measures a webhook service against a bare HTTP client")]
enum Command {
    /// Puts a server through the scenarios.
    Run(Box<scenario::Options>),
    /// Hits a server with one fault after the other, and proves that it kept its promises.
    Chaos(Box<chaos::Options>),
    /// Measures the yardstick alone: the load generator straight at the sink.
    Bare(BareOptions),
    /// The receiver, in a process of its own.
    Sink(sink::Arguments),
    /// A stand-in for a server: passes events on from memory.
    Relay(relay::Arguments),
}

#[derive(Debug, Args)]
struct BareOptions {
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[arg(long, default_value_t = 100_000)]
    posts: u64,
    /// Posts per second; without it, as fast as it goes.
    #[arg(long)]
    rate: Option<f64>,
    /// How often.
    #[arg(long, default_value_t = 5)]
    times: usize,
    #[arg(long, default_value_t = 1)]
    load_threads: usize,
    #[arg(long, default_value_t = 1)]
    sink_threads: usize,
    /// Whose disk to measure.
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
}

fn main() -> ExitCode {
    let ended = match Command::parse() {
        Command::Run(options) => scenario::run(*options),
        Command::Chaos(options) => chaos::run(&options),
        Command::Bare(options) => bare(&options),
        Command::Sink(arguments) => sink::run(&arguments),
        Command::Relay(arguments) => relay::run(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bare(options: &BareOptions) -> Result<()> {
    runtime(options.load_threads)?.block_on(async {
        let machine = Machine::look(&options.data)?;
        let sink = Sink::start(options.sink_threads, 1)?;
        let mut measured = Vec::new();
        for _ in 0..options.times {
            let bare =
                Bare::measure(&sink, options.connections, options.posts, options.rate).await?;
            eprintln!("bench: {bare}");
            measured.push(bare);
        }
        println!("{}\n\n{}", machine.line(), table::plain(&Bare::mean(&measured).rows()));
        Ok(())
    })
}

/// One thread is a runtime without locks; it is the faster one for a process that fits a core.
fn runtime(threads: usize) -> Result<Runtime> {
    let mut builder =
        if threads > 1 { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.worker_threads(threads.max(1)).enable_all().build().context("building a runtime")
}
