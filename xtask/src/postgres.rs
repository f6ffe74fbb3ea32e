//! A PostgreSQL of a command's own: started before it, and gone after it.
//!
//! Invariants: nothing of it is left, however the command or this program ends; it listens on this machine alone, as an
//! unprivileged user.
//! Left to others: installing PostgreSQL (`scripts/setup.sh`).

use std::env;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};

use anyhow::{Context as _, bail, ensure};

use crate::Verdict;

/// Where tests look for it.
const URL: &str = "COUNTERSIGN_TEST_DATABASE_URL";
/// Where Debian and its like keep the programs, by version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Where the server's certificate is, from here.
const CERTIFICATES: &str = "../crates/store/fixtures";
/// A user whom the server asks for a password, so that a wrong one can be tried out.
const GUARDED: &str = "host all guarded 127.0.0.1/32 scram-sha-256\n";
/// Stops the server and removes its folder once nobody holds the other end of its input any more.
const UNDERTAKER: &str =
    r#"cat >/dev/null; "$@" -m immediate stop >/dev/null 2>&1; rm -rf "$FOLDER""#;

/// What the server does for durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// What is committed is on the disk, as in service.
    Forced,
    /// Nothing waits for the disk, for tests that never pull the plug.
    Spared,
}

/// Runs a command with the URL of a server of its own; ends as the command does.
pub(crate) fn run(command: &[&str], disk: Disk) -> anyhow::Result<Verdict> {
    let (program, arguments) = command.split_first().context("a command is missing after --")?;
    let programs = programs()?;
    let folder = env::temp_dir().join(format!("countersign-postgres-{}", process::id()));
    fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
    let user = user()?;
    let undertaker = undertaker(&programs, &folder, user.as_deref())?;
    let started = start(&programs, &folder, user.as_deref(), disk);
    let ended = started.and_then(|port| {
        // Encryption is for those who ask for it.
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
        let status = Command::new(program).args(arguments).env(URL, url).status();
        status.with_context(|| format!("starting {program}"))
    });
    bury(undertaker)?;
    let code = ended?.code().and_then(|code| u8::try_from(code).ok());
    // Whoever was killed has no code.
    Ok(code.map_or(Verdict::Found, Verdict::Ended))
}

/// Finds the folder of the programs: in the PATH, or the newest of the system's versions.
fn programs() -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    if let Some(folder) = found {
        return Ok(folder);
    }
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().filter_map(Result::ok);
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            folder.join("initdb").is_file().then_some((version, folder))
        })
        .max();
    let (_, folder) = newest.context(
        "PostgreSQL is not installed; on Debian: apt-get install postgresql (scripts/setup.sh test does it)",
    )?;
    Ok(folder)
}

/// Says as whom the server runs: it refuses to be root, so then somebody with fewer rights.
fn user() -> anyhow::Result<Option<String>> {
    let id = |arguments: &[&str]| -> anyhow::Result<Option<String>> {
        let output = Command::new("id").args(arguments).output().context("asking who we are")?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(output.status.success().then_some(text))
    };
    if id(&["-u"])?.as_deref() != Some("0") {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if id(&["-u", name])?.is_some() {
            return Ok(Some(name.to_owned()));
        }
    }
    bail!("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

/// Prepares one of the programs, as the user who runs the server.
fn as_user(program: &Path, user: Option<&str>) -> Command {
    match user {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={user}")).arg("--clear-groups").arg("--").arg(program);
            command
        }
    }
}

/// Starts who cleans up: it notices by the end of its input that this program ended, whatever ended it.
fn undertaker(programs: &Path, folder: &Path, user: Option<&str>) -> anyhow::Result<Child> {
    let stop = as_user(&programs.join("pg_ctl"), user);
    let mut command = Command::new("sh");
    command.arg("-c").arg(UNDERTAKER).arg("undertaker").arg(stop.get_program());
    command.args(stop.get_args()).arg("-D").arg(folder.join("data")).env("FOLDER", folder);
    // An interrupt of the terminal must not reach it.
    command.process_group(0).stdin(Stdio::piped());
    command.spawn().context("starting who stops the server")
}

fn bury(mut undertaker: Child) -> anyhow::Result<()> {
    drop(undertaker.stdin.take());
    undertaker.wait().context("waiting for the server to stop")?;
    Ok(())
}

/// Makes a cluster and starts its server; gives the port.
fn start(programs: &Path, folder: &Path, user: Option<&str>, disk: Disk) -> anyhow::Result<u16> {
    if let Some(user) = user {
        succeed(Command::new("chown").arg(user).arg(folder))?;
    }
    let data = folder.join("data");
    let mut initdb = as_user(&programs.join("initdb"), user);
    initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
    initdb.args(["--no-sync", "-D"]).arg(&data);
    succeed(&mut initdb)?;
    let access = data.join("pg_hba.conf");
    let rest = fs::read_to_string(&access).context("reading who may connect")?;
    fs::write(&access, format!("{GUARDED}{rest}")).context("writing who may connect")?;

    certify(&data, user)?;

    let port = free_port()?;
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", folder.display()),
        "max_connections=250".to_owned(),
        "max_wal_size=4GB".to_owned(),
        "shared_buffers=256MB".to_owned(),
        "ssl=on".to_owned(),
    ];
    if disk == Disk::Spared {
        let off = ["fsync", "full_page_writes", "synchronous_commit"];
        settings.extend(off.map(|name| format!("{name}=off")));
    }
    let settings: Vec<String> = settings.iter().map(|setting| format!("-c {setting}")).collect();
    let mut start = as_user(&programs.join("pg_ctl"), user);
    start.arg("-D").arg(&data).arg("-l").arg(folder.join("log")).args(["-w", "-o"]);
    start.arg(settings.join(" ")).arg("start");
    succeed(&mut start)?;
    Ok(port)
}

/// Gives the server a certificate, and its key, which nobody else may read.
fn certify(data: &Path, user: Option<&str>) -> anyhow::Result<()> {
    let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join(CERTIFICATES);
    for (from, to) in [("localhost.pem", "server.crt"), ("localhost.key", "server.key")] {
        let file = data.join(to);
        fs::copy(certificates.join(from), &file).with_context(|| format!("copying {from}"))?;
        fs::set_permissions(&file, Permissions::from_mode(0o600)).context("guarding a key")?;
        if let Some(user) = user {
            succeed(Command::new("chown").arg(user).arg(&file))?;
        }
    }
    Ok(())
}

/// Runs a command in silence, unless it fails.
fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    // The server inherits what it prints to; a pipe would never end.
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status().with_context(|| format!("starting {program}"))?;
    ensure!(status.success(), "{program} failed: {status}");
    Ok(())
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("reading the port")?.port())
}
