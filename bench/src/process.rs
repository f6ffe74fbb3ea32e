//! A child process: started, watched, and ended by its own id, on every way out.
//!
//! Invariant: a `Process` that is dropped has ended. A bench killed with SIGKILL drops nothing; then the kernel
//! ends the child (`setpriv --pdeathsig`, where the system has it), or the child sees its stdin end.

use std::{
    fs,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::clock;

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Time of one core, the kernel's part included. The kernel counts it in steps of 10 ms.
    pub(crate) processor: Duration,
    pub(crate) resident_bytes: u64,
    pub(crate) resident_peak_bytes: u64,
    /// Handed to the disk.
    pub(crate) written_bytes: u64,
}

impl Process {
    /// Call from the main thread only: the kernel ends the child when the thread that started it ends.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        usage_of(&self.child.id().to_string())
    }

    /// Answers how the process ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("asking for the end of a child process")
    }

    /// Ends the process as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing a child process")?;
        self.child.wait().context("waiting for a killed child process")?;
        Ok(())
    }

    /// Asks the process to end, and kills it when it takes too long.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let id = self.child.id().to_string();
        if self.ended()?.is_none() {
            Command::new("kill")
                .args(["-TERM", &id])
                .stderr(Stdio::null())
                .status()
                .context("running kill")?;
        }
        for _ in 0..GRACE_TURNS {
            if self.ended()?.is_some() {
                return Ok(());
            }
            clock::pause(GRACE_TURN).await;
        }
        eprintln!("bench: process {id} did not end when asked; killing it");
        self.kill()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.kill().is_err() {
            eprintln!("bench: process {} could not be ended", self.child.id());
            clock::block(GRACE_TURN);
        }
    }
}

/// A command whose process dies with the bench, where the system can arrange it.
pub(crate) fn bound_to_us(program: &Path) -> Command {
    if !Path::new(SETPRIV).exists() {
        return Command::new(program);
    }
    let mut command = Command::new(SETPRIV);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

pub(crate) fn our_usage() -> Result<Usage> {
    usage_of("self")
}

fn usage_of(process: &str) -> Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{process}/{file}");
        fs::read_to_string(&path).with_context(|| format!("reading {path}"))
    };
    let stat = read("stat")?;
    let status = read("status")?;
    // Not every kernel lets us look at this one.
    let written = read("io").unwrap_or_default();
    Ok(Usage {
        processor: processor_time(&stat)?,
        resident_bytes: number_at(&status, "VmRSS:").unwrap_or(0) * 1024,
        resident_peak_bytes: number_at(&status, "VmHWM:").unwrap_or(0) * 1024,
        written_bytes: number_at(&written, "write_bytes:").unwrap_or(0),
    })
}

fn processor_time(stat: &str) -> Result<Duration> {
    // The name, in parentheses, may hold anything; what follows the last one is regular.
    let Some((_, fields)) = stat.rsplit_once(')') else { bail!("no name in {stat:?}") };
    let ticks: u64 = fields
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * MILLIS_PER_TICK))
}

fn number_at(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

const SETPRIV: &str = "/usr/bin/setpriv";
const GRACE_TURN: Duration = Duration::from_millis(20);
const GRACE_TURNS: u32 = 500;
/// Linux shows 100 ticks a second to programs on every machine we build for.
pub(crate) const MILLIS_PER_TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_the_sum_of_user_and_system() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 25 17 0 0 20 0 4 0 100 0 0";
        assert_eq!(processor_time(stat).unwrap(), Duration::from_millis(420));
    }

    #[test]
    fn a_figure_is_found_by_its_key() {
        assert_eq!(number_at("VmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n", "VmRSS:"), Some(1024));
    }

    #[test]
    fn our_own_use_can_be_read() {
        assert!(our_usage().unwrap().resident_bytes > 0);
    }
}
