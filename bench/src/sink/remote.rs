//! The sink seen from the bench: a child process and its control.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{
    call::{Answer, Call, PATIENCE},
    process::{Process, Usage},
    sink::ledger::Stats,
};

#[derive(Debug)]
pub(crate) struct Sink {
    process: Process,
    address: SocketAddr,
}

#[derive(Debug, Deserialize)]
struct Missing {
    missing: Vec<String>,
}

impl Sink {
    pub(crate) fn start(threads: usize, keys_max: u64) -> Result<Self> {
        let mut command = Command::new(env::current_exe().context("finding the bench itself")?);
        command
            .args(["sink", "--until-stdin-ends"])
            .args(["--threads", &threads.to_string(), "--keys-max", &keys_max.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(command)?;
        let mut line = String::new();
        let stdout = process.child().stdout.take().context("the sink has no stdout")?;
        BufReader::new(stdout).read_line(&mut line).context("reading the sink's address")?;
        let address = line
            .trim()
            .parse()
            .with_context(|| format!("the sink said {line:?}, not its address"))?;
        Ok(Self { process, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the URL of one endpoint, counted from 1.
    pub(crate) fn url(&self, number: usize) -> String {
        format!("http://{}/e/{number}", self.address)
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        self.process.usage()
    }

    pub(crate) async fn stats(&self) -> Result<Stats> {
        self.control("GET", "stats", String::new()).await?.read()
    }

    /// Answers the sums over all endpoints but one.
    pub(crate) async fn stats_except(&self, number: usize) -> Result<Stats> {
        self.control("GET", &format!("stats?except=/e/{number}"), String::new()).await?.read()
    }

    pub(crate) async fn reset(&self) -> Result<()> {
        self.control("POST", "reset", String::new()).await.map(drop)
    }

    /// Lets one endpoint, or all, `answer`, `hang`, or `refuse&until_us=…`.
    pub(crate) async fn set_mood(&self, number: Option<usize>, mood: &str) -> Result<()> {
        let path = number.map(|number| format!("&path=/e/{number}")).unwrap_or_default();
        self.control("POST", &format!("mood?mood={mood}{path}"), String::new()).await.map(drop)
    }

    /// Answers those of the ids that never arrived at an endpoint.
    pub(crate) async fn missing(&self, number: usize, ids: &[String]) -> Result<Vec<String>> {
        let answer =
            self.control("POST", &format!("missing?path=/e/{number}"), ids.join("\n")).await?;
        Ok(answer.read::<Missing>()?.missing)
    }

    async fn control(&self, method: &'static str, order: &str, body: String) -> Result<Answer> {
        Call::new(self.address, method, format!("/__sink/{order}"))
            .with_body(body)
            .succeed(PATIENCE)
            .await
    }
}
