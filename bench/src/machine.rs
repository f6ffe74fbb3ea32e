//! What the figures were measured on.

use std::{
    fs,
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{clock, histogram::Histogram, number::micros, process::MILLIS_PER_TICK};

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// Others' work at the start, in runnable processes over the last minute.
    pub(crate) busy: String,
    pub(crate) sync_p50_us: u64,
    pub(crate) sync_p99_us: u64,
}

impl Machine {
    /// Looks, and measures the disk that holds `data`.
    pub(crate) fn look(data: &Path) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let named =
            processors.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
        let sync_us = sync_latency_us(data)?;
        Ok(Self {
            processor: named.unwrap_or("unknown").trim().to_owned(),
            cores: thread::available_parallelism().map_or(0, Into::into),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            busy: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            sync_p50_us: sync_us.at(0.5),
            sync_p99_us: sync_us.at(0.99),
        })
    }

    pub(crate) fn line(&self) -> String {
        let Self { processor, cores, kernel, busy, sync_p50_us, sync_p99_us } = self;
        format!(
            "{processor}, {cores} cores, Linux {kernel}; load at the start {busy}; \
             fdatasync of 4 KiB: p50 {sync_p50_us} µs, p99 {sync_p99_us} µs"
        )
    }
}

/// Processor time of all cores that went to anybody, what the host took away included.
pub(crate) fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1);
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of these.
    let busy = fields.take(8).enumerate().filter(|(index, _)| ![3, 4].contains(index));
    Duration::from_millis(
        busy.filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum::<u64>() * MILLIS_PER_TICK,
    )
}

/// Appends pages to a file and makes each durable, as a database's log does.
fn sync_latency_us(folder: &Path) -> Result<Histogram> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let path = folder.join("sync.probe");
    let mut file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let page = [7; 4096];
    // Room first, so that what is measured is the data and not the growth of the file.
    for _ in 0..SYNCS {
        file.write_all(&page)?;
    }
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let mut histogram = Histogram::new();
    for _ in 0..SYNCS {
        file.write_all(&page)?;
        let began = clock::now();
        file.sync_data().context("measuring fdatasync")?;
        histogram.record(micros(began.elapsed()));
    }
    drop(file);
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    Ok(histogram)
}

const SYNCS: usize = 300;
