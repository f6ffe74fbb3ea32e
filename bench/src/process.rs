//! A child process: started, watched, and ended by its own id, on every way out.
//!
//! Invariant: a `Process` that is dropped has ended. A bench killed with SIGKILL drops nothing; then the kernel
//! ends the child (`setpriv --pdeathsig`, where the system has it), or the child sees its stdin end.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

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

impl Usage {
    pub(crate) fn add(&mut self, other: Self) {
        self.processor += other.processor;
        self.resident_bytes += other.resident_bytes;
        self.resident_peak_bytes += other.resident_peak_bytes;
        self.written_bytes += other.written_bytes;
    }
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

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name without `SIG`, unless the process has ended.
    pub(crate) fn signal(&mut self, name: &str) -> Result<()> {
        if self.ended()?.is_none() {
            Command::new("kill")
                .args(["-s", name, &self.id().to_string()])
                .stderr(Stdio::null())
                .status()
                .context("running kill")?;
        }
        Ok(())
    }

    /// Waits until the process is gone, which it must be about to be.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.child.wait().context("waiting for a child process").map(drop)
    }

    /// Asks the process to end, and kills it when it takes too long.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.stop_within(GRACE).await
    }

    pub(crate) async fn stop_within(&mut self, patience: Duration) -> Result<()> {
        self.signal("TERM")?;
        let began = clock::now();
        while began.elapsed() < patience {
            if self.ended()?.is_some() {
                return Ok(());
            }
            clock::pause(GRACE_TURN).await;
        }
        eprintln!("bench: process {} did not end when asked; killing it", self.id());
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

/// Finds Countersign's binary: the one that is named, or the one beside this program.
pub(crate) fn binary(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let ourselves = env::current_exe().context("finding the bench itself")?;
    let binary = ourselves.with_file_name("countersign");
    ensure!(binary.is_file(), "there is no {}; build it, or name --binary", binary.display());
    Ok(binary)
}

pub(crate) fn our_usage() -> Result<Usage> {
    usage_of("self")
}

/// What a process and its children have used, those that ended included.
///
/// Memory is left out: the children share most of it, and a sum would count it once for each.
pub(crate) fn family_usage(parent: u32) -> Result<Usage> {
    let path = format!("/proc/{parent}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let own = usage_of(&parent.to_string())?;
    let mut sum = Usage {
        processor: processor_time(&stat)? + ticks_at(&stat, ENDED_CHILDREN_TICKS)?,
        written_bytes: own.written_bytes,
        ..Usage::default()
    };
    for id in processes()? {
        // A process may end between two looks; then its parent has its time.
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        if parent_of(&stat) != Some(parent) {
            continue;
        }
        let Ok(child) = usage_of(&id.to_string()) else { continue };
        sum.processor += child.processor;
        sum.written_bytes += child.written_bytes;
    }
    Ok(sum)
}

/// Finds the process of a program that was started with an argument.
pub(crate) fn with_argument(program: &str, argument: &OsStr) -> Result<Option<u32>> {
    let matches = |id: &u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let name = words.next().unwrap_or_default();
        name.ends_with(program.as_bytes()) && words.any(|word| word == argument.as_bytes())
    };
    Ok(processes()?.into_iter().find(matches))
}

fn processes() -> Result<Vec<u32>> {
    let entries = fs::read_dir("/proc").context("looking at the processes")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
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
    ticks_at(stat, OWN_TICKS)
}

/// What follows the name, which stands in parentheses and may hold anything.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

fn parent_of(stat: &str) -> Option<u32> {
    fields(stat)?.nth(1)?.parse().ok()
}

/// The sum of two fields in a row, the user's and the system's part of some time.
fn ticks_at(stat: &str, place: usize) -> Result<Duration> {
    let Some(fields) = fields(stat) else { bail!("no name in {stat:?}") };
    let ticks: u64 = fields.skip(place).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * MILLIS_PER_TICK))
}

fn number_at(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Fields after the name, counted from 0.
const OWN_TICKS: usize = 11;
const ENDED_CHILDREN_TICKS: usize = 13;
pub(crate) const SETPRIV: &str = "/usr/bin/setpriv";
const GRACE_TURN: Duration = Duration::from_millis(20);
const GRACE: Duration = Duration::from_secs(10);
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
    fn a_parent_has_the_time_of_children_that_ended() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194560 100 0 0 0 25 17 5 6 20 0 4 0 100 0 0";
        assert_eq!(parent_of(stat), Some(3));
        assert_eq!(ticks_at(stat, ENDED_CHILDREN_TICKS).unwrap(), Duration::from_millis(110));
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
