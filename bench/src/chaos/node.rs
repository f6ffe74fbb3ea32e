//! One `countersign serve`, at the same address for as long as the world stands.

use std::{
    fs,
    fs::File,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    call::Call,
    clock,
    load::recipe,
    process::{Process, bound_to_us},
};

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    binary: PathBuf,
    folder: PathBuf,
    database_url: Option<String>,
    process: Option<Process>,
    /// Whether it has been ready since it was started.
    was_ready: bool,
    /// When a node that stands still is to go on.
    pub(crate) paused_until: Option<Instant>,
}

impl Node {
    /// Starts nothing yet.
    pub(crate) fn new(
        name: String,
        binary: PathBuf,
        folder: PathBuf,
        database_url: Option<String>,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
        let address = listener.local_addr()?;
        let (process, was_ready, paused_until) = (None, false, None);
        Ok(Self { name, address, binary, folder, database_url, process, was_ready, paused_until })
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = bound_to_us(&self.binary);
        command
            .arg("serve")
            .env("COUNTERSIGN_LISTEN", self.address.to_string())
            .env("COUNTERSIGN_DATA", self.folder.join("data"))
            .env("COUNTERSIGN_NODE_NAME", &self.name)
            .env("COUNTERSIGN_API_KEY", recipe::API_KEY)
            .env("COUNTERSIGN_MASTER_KEY", MASTER_KEY)
            .env("COUNTERSIGN_ALLOW_TARGETS", "127.0.0.0/8")
            .env("COUNTERSIGN_ALLOW_HTTP_TARGETS", "true")
            .env_remove("COUNTERSIGN_DATABASE_URL")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(url) = &self.database_url {
            command.env("COUNTERSIGN_DATABASE_URL", url);
        }
        self.was_ready = false;
        self.process = Some(Process::start(command)?);
        Ok(())
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        self.paused_until = None;
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.go_on()?;
        match self.process.take() {
            Some(mut process) => process.stop_within(STOP_PATIENCE).await,
            None => Ok(()),
        }
    }

    pub(crate) fn stand_still(&mut self, until: Instant) -> Result<()> {
        let Some(process) = &mut self.process else { return Ok(()) };
        self.paused_until = Some(until);
        process.signal("STOP")
    }

    pub(crate) fn go_on(&mut self) -> Result<()> {
        match (self.paused_until.take(), &mut self.process) {
            (Some(_), Some(process)) => process.signal("CONT"),
            (_, _) => Ok(()),
        }
    }

    /// Starts the node again if it has ended by itself; answers how, where it should not have.
    pub(crate) fn watch(&mut self) -> Result<Option<String>> {
        let ended = match &mut self.process {
            None => return Ok(None),
            Some(process) => process.ended()?,
        };
        let Some(status) = ended else { return Ok(None) };
        // One that finds no database at its start says so and ends; whoever watches over it starts it again.
        let wrong = self.was_ready.then(|| format!("{} ended by itself with {status}", self.name));
        self.start()?;
        Ok(wrong)
    }

    pub(crate) async fn is_ready(&mut self) -> bool {
        if self.paused_until.is_some() {
            return false;
        }
        let ready = Call::new(self.address, "GET", "/readyz").succeed(READY_PATIENCE).await.is_ok();
        self.was_ready |= ready;
        ready
    }

    /// The last lines of what it has said.
    pub(crate) fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(LOG_LINES).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn takeovers(&self) -> u64 {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.matches("had taken this node for dead").count() as u64
    }

    pub(crate) fn database_url(&self) -> Option<&str> {
        self.database_url.as_deref()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Waits until it is ready, for a bounded time.
    pub(crate) async fn ready_within(&mut self, patience: Duration) -> Result<bool> {
        let began = clock::now();
        while began.elapsed() < patience {
            if self.is_ready().await {
                return Ok(true);
            }
            self.watch()?;
            clock::pause(READY_TURN).await;
        }
        Ok(false)
    }
}

pub(crate) const MASTER_KEY: &str = "Y291bnRlcnNpZ24tYmVuY2gtbWFzdGVyLWtleS0zMiE=";
const READY_PATIENCE: Duration = Duration::from_secs(2);
const READY_TURN: Duration = Duration::from_millis(50);
/// What is under way gets ten seconds, and what ended ten more to be written.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
const LOG_LINES: usize = 12;
