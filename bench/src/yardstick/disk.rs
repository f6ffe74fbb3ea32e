//! The bare disk and the bare database: what nothing that stores its work in PostgreSQL can exceed by much.

use std::{
    fs,
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    clock,
    number::per_second,
    postgres::{Cluster, said},
    table::Row,
};

/// Measures both, in a database of its own. No server may be running.
pub(crate) fn rows(cluster: &mut Cluster, data: &Path) -> Result<Vec<Row>> {
    // Beside the cluster's data, and not in it; where we may not write there, the disk of --data has to do.
    let beside = cluster.folder().parent().and_then(|folder| appends_per_second(folder).ok());
    let (figure, appends) = match beside {
        Some(appends) => ("one append of 1.2 KB after the other, on PostgreSQL's disk", appends),
        None => ("one append of 1.2 KB after the other, on the disk of --data", {
            appends_per_second(data)?
        }),
    };
    let inserts = inserts_per_second(cluster, data)?;
    Ok(vec![
        Row::new("disk", figure, appends, "fdatasyncs/s"),
        Row::new("postgres", "one-row inserts of 1 KB, 8 clients", inserts, "inserts/s"),
    ])
}

fn appends_per_second(folder: &Path) -> Result<f64> {
    let path = folder.join("bench-append.probe");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let measured = append(file);
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    measured.context("measuring fdatasync")
}

fn append(mut file: File) -> Result<f64> {
    // Room first, as in a log whose segments are used again.
    file.write_all(&vec![0; SEGMENT_BYTES])?;
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let (began, mut times) = (clock::now(), 0);
    while began.elapsed() < LENGTH {
        if times % APPENDS_PER_SEGMENT == 0 {
            file.seek(SeekFrom::Start(0))?;
        }
        file.write_all(&[7; APPEND_BYTES])?;
        file.sync_data()?;
        times += 1;
    }
    Ok(per_second(times, began.elapsed()))
}

fn inserts_per_second(cluster: &mut Cluster, data: &Path) -> Result<f64> {
    cluster.renew()?;
    cluster.execute(TABLE)?;
    let script = data.join("insert.pgbench");
    fs::write(&script, INSERT).with_context(|| format!("writing {}", script.display()))?;
    let mut command = cluster.program("pgbench");
    command.args(["-n", "-c", "8", "-j", "1", "-M", "prepared", "-T"]);
    command.arg(LENGTH.as_secs().to_string()).arg("-f").arg(&script).arg(cluster.database_url()?);
    let told = said(&mut command);
    fs::remove_file(&script).with_context(|| format!("removing {}", script.display()))?;
    rate(&told?).context("pgbench told no rate")
}

fn rate(told: &str) -> Option<f64> {
    let rest = told.lines().find_map(|line| line.strip_prefix("tps = "))?;
    rest.split(' ').next()?.parse().ok()
}

const LENGTH: Duration = Duration::from_secs(5);
const APPEND_BYTES: usize = 1200;
const APPENDS_PER_SEGMENT: u64 = 10_000;
const SEGMENT_BYTES: usize = 12_000_000;
const TABLE: &str = "CREATE TABLE bare (id bigserial PRIMARY KEY, body text NOT NULL)";
const INSERT: &str = "INSERT INTO bare (body) VALUES (repeat('0123456789abcdef', 64));\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_in_what_pgbench_tells() {
        let told = "latency average = 1.2 ms\ntps = 6543.21 (without initial connection time)\n";
        assert_eq!(rate(told), Some(6543.21));
        assert_eq!(rate("nothing"), None);
    }
}
