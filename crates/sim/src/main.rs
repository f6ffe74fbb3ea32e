//! `sim --seed 7 --count 1000 --steps 400`: plays seeds and says which of them broke something; with `--vendors`, those in
//! which vendors send webhooks.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sim::{play, play_vendors};
use tokio::runtime;

/// Plays simulated worlds from seeds and checks what must hold.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, alias = "seeds", default_value_t = 200)]
    count: u64,
    /// Steps in each run.
    #[arg(long, default_value_t = 400)]
    steps: u32,
    /// Whether vendors play, whose webhooks are caught.
    #[arg(long)]
    vendors: bool,
    /// Where the stores are kept meanwhile.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

fn run(arguments: &Arguments) -> io::Result<u64> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let folder =
        arguments.folder.clone().unwrap_or_else(|| env::temp_dir().join("countersign-sim"));
    let mut broken = 0;
    let mut out = io::stdout().lock();
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.count) {
        let played = runtime.block_on(async {
            if arguments.vendors {
                play_vendors(seed, arguments.steps, &folder).await
            } else {
                play(seed, arguments.steps, &folder).await
            }
        });
        match played {
            Ok(report) if seed % 100 == 0 => writeln!(out, "seed {seed}: {report:?}")?,
            Ok(_) => {}
            Err(what) => {
                broken += 1;
                writeln!(out, "seed {seed} broke after at most {} steps: {what}", arguments.steps)?;
            }
        }
    }
    writeln!(out, "{} seeds, {broken} broken", arguments.count)?;
    Ok(broken)
}
