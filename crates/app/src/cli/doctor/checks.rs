//! What the doctor looks at, one thing each.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use channels::{Resolve as _, SystemResolver};
use domain::retention::Retention;
use domain::secret::Secret;
use domain::time::{Clock as _, SECOND_MS, Timestamp};
#[cfg(unix)]
use rustix::fs::statvfs;
use store::postgres::{self, About, Protection};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use url::{Host, Url};

use crate::cli::doctor::{Finding, doubtful, wrong};
use crate::client::Client;
use crate::clock::{RealClock, Stopwatch};
use crate::config::Settings;
use crate::folder;
use crate::wire;

/// One check.
type Check = fn(&Settings) -> Finding;

/// Every check, in the order in which one leads to the next.
pub(crate) const ALL: [(&str, Check); 9] = [
    ("folder", |settings| folder_at(&settings.data)),
    ("space", |settings| space(&settings.data)),
    ("disk", |settings| disk(&settings.data)),
    ("lock", |settings| lock(&settings.data)),
    ("database", database),
    ("kept", kept),
    ("clock", |settings| clock(&settings.data)),
    ("names", names),
    ("server", server),
];

/// Below this a disk is nearly full.
const SPACE_BYTES_FEW: u64 = 1 << 30;
/// Below this the service will soon stop.
const SPACE_BYTES_MIN: u64 = 64 << 20;
/// A disk that takes longer than this to write makes every answer wait.
const SYNC_SLOW: Duration = Duration::from_millis(10);
/// A database that takes longer than this for a question makes every answer wait.
const ROUND_TRIP_SLOW: Duration = Duration::from_millis(10);
/// Writes that are timed.
const SYNC_COUNT: usize = 15;
/// Writes take this many bytes, as a small transaction does.
const SYNC_BYTES: usize = 4_096;
/// A name may take so long.
const NAME_TIME_MAX: Duration = Duration::from_secs(5);
/// A file may be so much newer than the clock.
const AHEAD_MS_MAX: i64 = 60 * SECOND_MS;
/// This program was written after 2025 began.
const EARLIEST: Timestamp = Timestamp::from_millis(1_735_689_600_000);

/// Looks whether a file can be written in the folder.
pub(crate) fn folder_at(data: &Path) -> Finding {
    if !data.exists() {
        let what = format!("{} is not there yet; the first start makes it", data.display());
        return doubtful(
            what,
            "nothing, unless you expected data there: then set data (COUNTERSIGN_DATA)",
        );
    }
    match attempt(data) {
        Ok(_) => Finding::Fine(format!("{} can be written", data.display())),
        Err(error) => wrong(
            format!("{} cannot be written: {error:#}", data.display()),
            "let the user of the service write there, or choose another folder with data (COUNTERSIGN_DATA)",
        ),
    }
}

/// Writes a file and takes it away; gives the times that the writes took, shortest first.
fn attempt(data: &Path) -> anyhow::Result<Vec<Duration>> {
    let path = data.join(format!("doctor-{}", process::id()));
    let written = File::create(&path).and_then(|mut file| {
        let mut times = Vec::with_capacity(SYNC_COUNT);
        for _ in 0..SYNC_COUNT {
            let stopwatch = Stopwatch::start();
            file.write_all(&[0; SYNC_BYTES])?;
            file.sync_data()?;
            times.push(stopwatch.elapsed());
        }
        Ok(times)
    });
    let gone = fs::remove_file(&path);
    let mut times = written.context("writing a file")?;
    gone.context("removing it again")?;
    times.sort_unstable();
    Ok(times)
}

#[cfg(unix)]
fn space(data: &Path) -> Finding {
    let standing = standing(data);
    let to_do = "make room, or choose a folder on another disk with data (COUNTERSIGN_DATA)";
    match statvfs(&standing) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let what = format!("{} MiB are free", free >> 20);
            match free {
                ..SPACE_BYTES_MIN => wrong(what, to_do),
                SPACE_BYTES_MIN..SPACE_BYTES_FEW => doubtful(what, to_do),
                SPACE_BYTES_FEW.. => Finding::Fine(what),
            }
        }
        Err(error) => doubtful(format!("the free space cannot be told: {error}"), to_do),
    }
}

#[cfg(not(unix))]
fn space(_data: &Path) -> Finding {
    doubtful("the free space cannot be told on this system", "look at it yourself")
}

/// Finds the nearest folder that is there.
fn standing(data: &Path) -> PathBuf {
    let folders = data.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    let standing = folders.into_iter().find(|folder| folder.exists());
    standing.unwrap_or_else(|| Path::new(".")).to_owned()
}

fn disk(data: &Path) -> Finding {
    match attempt(&standing(data)) {
        Ok(times) => {
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            let slowest = times.last().copied().unwrap_or_default();
            let what = format!(
                "a small write is durable after {median:.1?} (the slowest of {SYNC_COUNT}: {slowest:.1?})"
            );
            if median < SYNC_SLOW {
                Finding::Fine(what)
            } else {
                doubtful(
                    what,
                    "every answer of the API waits for one; a local SSD takes well under 10 ms",
                )
            }
        }
        Err(error) => wrong(format!("nothing can be written: {error:#}"), "see folder, above"),
    }
}

fn lock(data: &Path) -> Finding {
    match folder::is_held(data) {
        Ok(true) => Finding::Fine("a server runs on the folder".to_owned()),
        Ok(false) => Finding::Fine("no server runs on the folder".to_owned()),
        Err(error) => {
            wrong(format!("{error:#}"), "the disk must take file locks; network disks often do not")
        }
    }
}

fn database(settings: &Settings) -> Finding {
    match &settings.database_url {
        None => embedded(settings),
        Some(url) => shared(settings, url),
    }
}

fn shared(settings: &Settings, url: &Secret) -> Finding {
    let looked =
        folder::key_or_draft(&settings.data, settings.master_key).and_then(|(master, _)| {
            let looking = postgres::inspect(url, &master, RealClock.now());
            runtime()?.block_on(looking).context("looking at the database")
        });
    let about = match looked {
        Ok(about) => about,
        Err(error) => return wrong(format!("{error:#}"), wire::DATABASE_ADVICE),
    };
    let what = told(&about, RealClock.now());
    if about.schema > about.schema_wanted {
        return wrong(what, "use a countersign that is not older than the one that ran last");
    }
    if about.schema < about.schema_wanted {
        return doubtful(what, "nothing: the next start brings the schema up to date");
    }
    if about.round_trip > ROUND_TRIP_SLOW {
        return doubtful(what, "run nodes near the database; every answer of the API waits for it");
    }
    Finding::Fine(what)
}

/// Says what a database looks like, a node on a line.
fn told(about: &About, now: Timestamp) -> String {
    let (server, trip) = (about.server, about.round_trip);
    let mut lines = vec![format!(
        "PostgreSQL {}.{}, schema {} of {}, a question takes {trip:.1?}",
        server / 10_000,
        server % 10_000,
        about.schema,
        about.schema_wanted
    )];
    lines.push(protected(about.protection).to_owned());
    lines.push(about.due_since.map_or("no delivery is due".to_owned(), |since| {
        let late_s = now.millis_since(since) / SECOND_MS;
        format!("{} deliveries are due, the oldest for {late_s} s", about.due)
    }));
    lines.push(format!("the database takes {} MiB", about.bytes.div_ceil(1 << 20)));
    for node in &about.nodes {
        let moment = |at: Option<Timestamp>| at.map_or("never".to_owned(), |at| at.to_string());
        lines.push(format!(
            "{} {}: since {}, heard at {}, holds {} leases",
            if node.is_dead { "dead node" } else { "node" },
            node.name,
            moment(node.since),
            moment(node.seen_at),
            node.leases
        ));
    }
    lines.join("\n                 ")
}

/// Says how the way to a database is protected.
const fn protected(protection: Protection) -> &'static str {
    match protection {
        Protection::None => "nothing is encrypted on the way (sslmode=disable)",
        Protection::Offered => "encrypted on the way if the server offers it, whoever it is",
        Protection::Unverified => "encrypted on the way, whoever the server is (sslmode=require)",
        Protection::Authority => "encrypted on the way, and the server's certificate is looked at",
        Protection::Host => {
            "encrypted on the way, and the server's certificate and name are looked at"
        }
    }
}

fn embedded(settings: &Settings) -> Finding {
    let data = &settings.data;
    if !data.join(folder::DATABASE).exists() {
        return Finding::Fine("there is none yet; the first start makes it".to_owned());
    }
    if matches!(folder::is_held(data), Ok(true)) {
        return Finding::Fine("the server has it open; see server, below".to_owned());
    }
    let opened = folder::master_key(data, settings.master_key)
        .and_then(|master| runtime()?.block_on(wire::probe(settings, master)));
    match opened {
        Ok(()) => {
            Finding::Fine("it opens, its schema is up to date, and it takes writes".to_owned())
        }
        Err(error) => wrong(
            format!("{error:#}"),
            "check that the master key is the one of the first start, and that this program is not older than the last one; else restore a backup",
        ),
    }
}

/// Says how long what has happened is kept, and how much of it there is in the embedded store.
fn kept(settings: &Settings) -> Finding {
    let Retention { payloads, deliveries } = settings.retention;
    let what = format!("payloads are kept {payloads}, deliveries {deliveries}");
    if settings.database_url.is_some() {
        return Finding::Fine(what);
    }
    let size = |file| fs::metadata(settings.data.join(file)).map_or(0, |file| file.len());
    let bytes: u64 = [folder::DATABASE, folder::LOG].map(size).iter().sum();
    Finding::Fine(format!("{what}; the database takes {} MiB", bytes.div_ceil(1 << 20)))
}

fn clock(data: &Path) -> Finding {
    let now = RealClock.now();
    let to_do = "set the clock, and keep it right with NTP; signatures and retries go by it";
    if now < EARLIEST {
        return wrong(format!("it is {now}, says the clock"), to_do);
    }
    let changed = fs::metadata(data.join(folder::DATABASE)).and_then(|file| file.modified());
    let ahead_ms =
        changed.ok().map_or(0, |changed| millis(changed).saturating_sub(now.as_millis()));
    if ahead_ms > AHEAD_MS_MAX {
        let what = format!("the database was written {} s in the future", ahead_ms / SECOND_MS);
        return wrong(what, to_do);
    }
    Finding::Fine(format!("it is {now}"))
}

fn millis(at: SystemTime) -> i64 {
    let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

fn names(settings: &Settings) -> Finding {
    let own = settings.public_url.as_deref().and_then(|url| Url::parse(url).ok());
    let name = match own.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) if name != "localhost" => name.to_owned(),
        Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) | None => "example.com".to_owned(),
    };
    match look_up(&name) {
        Ok(count) => Finding::Fine(format!("{name} has {count} addresses")),
        Err(error) => doubtful(
            format!("{name} cannot be looked up: {error:#}"),
            "check the name server (/etc/resolv.conf); webhooks to names need one",
        ),
    }
}

fn look_up(name: &str) -> anyhow::Result<usize> {
    let resolver = SystemResolver::new();
    let runtime = runtime()?;
    let found = runtime.block_on(async { timeout(NAME_TIME_MAX, resolver.resolve(name)).await });
    // A lookup that hangs would hold the end of the runtime up.
    runtime.shutdown_background();
    let late = |_elapsed| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    Ok(found.unwrap_or_else(|elapsed| Err(late(elapsed)))?.len())
}

fn server(settings: &Settings) -> Finding {
    let client = Client::new(&settings.url_at(settings.listen), None);
    match client.look("/readyz") {
        Ok((200, _)) => Finding::Fine(format!("{} is ready", client.url())),
        Ok((_, said)) => {
            let reasons = said.get("reasons").map_or_else(|| said.to_string(), ToString::to_string);
            wrong(
                format!("{} is not ready: {reasons}", client.url()),
                "look at the log of the server; disk and database come first",
            )
        }
        Err(trouble) => {
            let what = trouble.to_string();
            if matches!(folder::is_held(&settings.data), Ok(true)) {
                wrong(
                    what,
                    "a server holds the folder and does not answer there: set listen or public_url as it has them",
                )
            } else {
                doubtful(what, "start it with `countersign serve`, unless it is meant to be down")
            }
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("starting")
}
