//! Two PostgreSQL clusters of our own, of which one is the primary and one its synchronous standby.
//!
//! Invariants: they listen on the loopback alone, as an unprivileged user; a commit is acknowledged when it is on the
//! disks of both; what copies a cluster never counts as a standby. Whoever drops this ends both.
//! Left to others: removing the folder (`world`).

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    clock, postgres,
    process::{Process, SETPRIV},
};

#[derive(Debug)]
pub(crate) struct Pair {
    programs: PathBuf,
    user: Option<String>,
    servers: [Server; 2],
    /// Which of the two takes writes.
    primary: usize,
}

#[derive(Debug)]
struct Server {
    name: &'static str,
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Pair {
    /// Makes a cluster in each of the folders, which are there and empty, and starts both.
    pub(crate) async fn start(folders: [PathBuf; 2]) -> Result<Self> {
        let user = user()?;
        let [first, second] = folders;
        let server = |name, folder| -> Result<Server> {
            Ok(Server { name, folder, port: free_port()?, process: None })
        };
        let servers = [server("a", first)?, server("b", second)?];
        let mut pair = Self { programs: postgres::programs(&PROGRAMS)?, user, servers, primary: 0 };
        for server in &pair.servers {
            pair.own(&server.folder)?;
        }
        let mut initdb = pair.program("initdb");
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
        initdb.args(["--no-sync", "--wal-segsize=1", "-D"]).arg(pair.primary().data());
        postgres::said(&mut initdb)?;
        pair.spawn(0)?;
        pair.ready(0).await?;
        pair.rebuild_standby().await?;
        Ok(pair)
    }

    pub(crate) fn version(&self) -> Result<String> {
        postgres::said(self.program("postgres").arg("--version"))
    }

    /// Answers where the two listen, and which of them is the primary.
    pub(crate) fn addresses(&self) -> ([SocketAddr; 2], usize) {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let [first, second] = &self.servers;
        ([at(first.port), at(second.port)], self.primary)
    }

    /// The folder of the primary, which is a disk of its own where we could make one.
    pub(crate) fn primary_folder(&self) -> &Path {
        &self.primary().folder
    }

    /// Ends the primary: as a power cut would, or by an immediate shutdown.
    pub(crate) fn end_primary(&mut self, how: End) -> Result<()> {
        self.end(self.primary, how)
    }

    pub(crate) fn kill_standby(&mut self) -> Result<()> {
        self.end(1 - self.primary, End::Kill)
    }

    /// Starts whichever of the two has ended, and waits until both are there and one follows the other.
    pub(crate) async fn heal(&mut self) -> Result<()> {
        let began = clock::now();
        for number in [self.primary, 1 - self.primary] {
            while self.look(number)?.is_none() {
                self.spawn(number)?;
                // A server that was killed may be missed by its own children a moment later than by us.
                if let Err(error) = self.ready(number).await
                    && began.elapsed() > PATIENCE
                {
                    return Err(error);
                }
            }
        }
        self.ready(self.primary).await?;
        self.in_step().await
    }

    /// Kills the primary for good and promotes the standby.
    pub(crate) fn fail_over(&mut self) -> Result<()> {
        self.end(self.primary, End::Kill)?;
        self.primary = 1 - self.primary;
        let mut promote = self.program("pg_ctl");
        promote.args(["promote", "-w", "-s", "-D"]).arg(self.primary().data());
        postgres::said(&mut promote).context("promoting the standby").map(drop)
    }

    /// Makes a new standby from a copy of the primary.
    pub(crate) async fn rebuild_standby(&mut self) -> Result<()> {
        let number = 1 - self.primary;
        self.end(number, End::Kill)?;
        let (from, to) = (self.primary().port, self.server(number).data());
        let began = clock::now();
        loop {
            if to.exists() {
                fs::remove_dir_all(&to).with_context(|| format!("clearing {}", to.display()))?;
            }
            let mut copy = self.program("pg_basebackup");
            copy.args(["-h", "127.0.0.1", "-U", "postgres", "-X", "stream", "-c", "fast", "-R"]);
            copy.args(["--no-sync", "-p", &from.to_string(), "-D"]).arg(&to);
            match postgres::said(&mut copy) {
                Ok(_) => break,
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                Err(_) => clock::pause(TURN).await,
            }
        }
        self.spawn(number)?;
        self.ready(number).await?;
        self.in_step().await
    }

    /// Waits until the standby streams what the primary writes, and counts as synchronous.
    async fn in_step(&self) -> Result<()> {
        let began = clock::now();
        while began.elapsed() < PATIENCE {
            let said = self.ask(self.primary, "TABLE pg_stat_replication").unwrap_or_default();
            if said.contains("|streaming|") && said.contains("|sync|") {
                return Ok(());
            }
            clock::pause(TURN).await;
        }
        bail!("the standby did not follow the primary within {PATIENCE:?}")
    }

    async fn ready(&mut self, number: usize) -> Result<()> {
        let began = clock::now();
        while began.elapsed() < PATIENCE {
            if self.ask(number, "SHOW server_version").is_ok() {
                return Ok(());
            }
            ensure!(self.look(number)?.is_some(), "a PostgreSQL ended at its start");
            clock::pause(TURN).await;
        }
        bail!("a PostgreSQL was not ready within {PATIENCE:?}")
    }

    fn ask(&self, number: usize, what: &str) -> Result<String> {
        let mut psql = self.program("psql");
        psql.args(["-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-U", "postgres", "-c", what]);
        psql.args(["-p", &self.server(number).port.to_string()]);
        psql.env("PGCONNECT_TIMEOUT", "2").env("PGOPTIONS", "-c statement_timeout=2s");
        postgres::said(&mut psql)
    }

    /// Answers the process, if it lives.
    fn look(&mut self, number: usize) -> Result<Option<u32>> {
        let server = self.server_mut(number);
        let Some(process) = &mut server.process else { return Ok(None) };
        if process.ended()?.is_some() {
            server.process = None;
            return Ok(None);
        }
        Ok(Some(process.id()))
    }

    fn end(&mut self, number: usize, how: End) -> Result<()> {
        let Some(mut process) = self.server_mut(number).process.take() else { return Ok(()) };
        match how {
            End::Kill => process.kill(),
            End::Immediately => {
                process.signal("QUIT")?;
                process.wait()
            }
        }
    }

    fn spawn(&mut self, number: usize) -> Result<()> {
        let standby = self.server(1 - number).name;
        let server = self.server(number);
        let log = File::options()
            .create(true)
            .append(true)
            .open(server.folder.with_extension("log"))
            .context("opening PostgreSQL's log")?;
        let mut command = self.program("postgres");
        command.arg("-D").arg(server.data());
        let mut set = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        set("port", &server.port.to_string());
        set("unix_socket_directories", "");
        // By name, so that a copy under way never counts as the standby.
        set("synchronous_standby_names", &format!("standby_{standby}"));
        let follow = format!(
            "host=127.0.0.1 port={} user=postgres application_name=standby_{}",
            self.server(1 - number).port,
            server.name
        );
        set("primary_conninfo", &follow);
        for (name, value) in SETTINGS {
            set(name, value);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.server_mut(number).process = Some(Process::start(command)?);
        Ok(())
    }

    /// Prepares a program, as the user who runs the servers; it ends with us.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(SETPRIV);
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = &self.user {
            command.arg(format!("--reuid={user}")).arg("--clear-groups");
        }
        command.arg("--").arg(self.programs.join(name));
        command
    }

    fn own(&self, folder: &Path) -> Result<()> {
        let Some(user) = &self.user else { return Ok(()) };
        postgres::said(Command::new("chown").arg(user).arg(folder)).map(drop)
    }

    fn primary(&self) -> &Server {
        self.server(self.primary)
    }

    fn server(&self, number: usize) -> &Server {
        let [first, second] = &self.servers;
        if number == 0 { first } else { second }
    }

    fn server_mut(&mut self, number: usize) -> &mut Server {
        let [first, second] = &mut self.servers;
        if number == 0 { first } else { second }
    }
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Kill,
    Immediately,
}

impl Server {
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

/// PostgreSQL refuses to run as root; then it runs as somebody with fewer rights.
fn user() -> Result<Option<String>> {
    let id = |arguments: &[&str]| postgres::said(Command::new("id").args(arguments));
    if id(&["-u"])? != "0" {
        return Ok(None);
    }
    let found = ["postgres", "nobody"].into_iter().find(|name| id(&["-u", name]).is_ok());
    found.map(|name| Some(name.to_owned())).context("there is no user postgres or nobody")
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

const PROGRAMS: [&str; 5] = ["initdb", "postgres", "pg_ctl", "pg_basebackup", "psql"];
/// Small, so that two fit in little memory, and quick to notice that the other is back.
const SETTINGS: [(&str, &str); 13] = [
    ("listen_addresses", "127.0.0.1"),
    ("max_connections", "120"),
    ("shared_buffers", "64MB"),
    ("max_wal_size", "64MB"),
    ("min_wal_size", "4MB"),
    ("synchronous_commit", "on"),
    ("hot_standby", "on"),
    ("wal_level", "replica"),
    ("wal_keep_size", "64MB"),
    ("wal_retrieve_retry_interval", "200ms"),
    ("restart_after_crash", "on"),
    ("log_min_messages", "warning"),
    ("max_wal_senders", "6"),
];
const PATIENCE: Duration = Duration::from_mins(1);
const TURN: Duration = Duration::from_millis(50);
