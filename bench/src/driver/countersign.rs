//! Countersign, started as a child: one with an embedded store in a folder of its own, or several nodes on a PostgreSQL.

use std::{
    env, fs,
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    call::{Call, PATIENCE},
    clock,
    driver::{Data, Driver, EndpointWish, Stats},
    load::recipe::{self, Recipe, Stamp},
    postgres::Cluster,
    process::{Process, Usage, bound_to_us},
};

#[derive(Debug)]
pub(crate) struct Countersign {
    name: &'static str,
    binary: PathBuf,
    command: &'static str,
    folder: PathBuf,
    keep_folder: bool,
    /// Without it, the store is the embedded one.
    cluster: Option<Cluster>,
    nodes: usize,
    running: Vec<(Process, SocketAddr)>,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
}

impl Countersign {
    pub(crate) fn new(binary: PathBuf, data: &Path, keep_folder: bool) -> Self {
        Self::with_command("countersign", binary, "serve", data, keep_folder)
    }

    /// So many nodes on one database, which is made anew for each start on fresh data.
    pub(crate) fn on_postgres(mut self, cluster: Cluster, nodes: usize) -> Self {
        self.cluster = Some(cluster);
        self.nodes = nodes;
        self
    }

    /// The bench's own relay: it remembers nothing on disk, and so shows the ceiling.
    pub(crate) fn relay(data: &Path, keep_folder: bool) -> Result<Self> {
        let ourselves = env::current_exe().context("finding the bench itself")?;
        Ok(Self::with_command("relay", ourselves, "relay", data, keep_folder))
    }

    fn with_command(
        name: &'static str,
        binary: PathBuf,
        command: &'static str,
        data: &Path,
        keep_folder: bool,
    ) -> Self {
        let folder = data.join(format!("{name}-{}", process::id()));
        let (cluster, running) = (None, Vec::new());
        Self { name, binary, command, folder, keep_folder, cluster, nodes: 1, running }
    }

    /// The first node, which is told what all must know.
    fn running(&self) -> Result<&(Process, SocketAddr)> {
        self.running.first().context("the server is not running")
    }

    fn call(&self, method: &'static str, path: &str) -> Result<Call> {
        Ok(Call::new(self.running()?.1, method, path).with_headers(&recipe::headers()))
    }

    fn recipe(path: &'static str, body: fn(Stamp) -> Bytes) -> Recipe {
        let path = Uri::from_static(path);
        Recipe { method: Method::POST, path, headers: recipe::headers(), body }
    }

    fn spawn(&self, number: usize, address: SocketAddr) -> Result<Process> {
        let data = self.folder.join(format!("data-{number}"));
        fs::create_dir_all(&data).with_context(|| format!("creating {}", data.display()))?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .context("opening the server's log")?;
        let mut command = bound_to_us(&self.binary);
        self.configure(&mut command, address, &data);
        command.env_remove(DATABASE_URL);
        if let Some(cluster) = &self.cluster {
            command.env(DATABASE_URL, cluster.database_url()?);
            command.env("COUNTERSIGN_NODE_NAME", format!("bench-{number}"));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Process::start(command).with_context(|| format!("starting {}", self.binary.display()))
    }

    fn configure(&self, command: &mut Command, address: SocketAddr, data: &Path) {
        command
            .arg(self.command)
            .env("COUNTERSIGN_LISTEN", address.to_string())
            .env("COUNTERSIGN_DATA", data)
            .env("COUNTERSIGN_API_KEY", recipe::API_KEY)
            .env("COUNTERSIGN_MASTER_KEY", MASTER_KEY)
            .env("COUNTERSIGN_ALLOW_TARGETS", "127.0.0.0/8")
            .env("COUNTERSIGN_ALLOW_HTTP_TARGETS", "true");
    }

    /// Starts one node and waits until it is ready.
    async fn start_node(&mut self, number: usize) -> Result<()> {
        let address = free_address()?;
        let began = clock::now();
        let mut process = self.spawn(number, address)?;
        let ready = Call::new(address, "GET", "/readyz");
        while ready.succeed(Duration::from_secs(1)).await.is_err() {
            if let Some(status) = process.ended()? {
                bail!(
                    "{} ended with {status} before it was ready:\n{}",
                    self.name,
                    self.end_of_log()
                );
            }
            if began.elapsed() > START_PATIENCE {
                bail!(
                    "{} was not ready within {START_PATIENCE:?}:\n{}",
                    self.name,
                    self.end_of_log()
                );
            }
            clock::pause(Duration::from_millis(1)).await;
        }
        self.running.push((process, address));
        Ok(())
    }

    /// Waits until each node has its share: one that has just come has none until the others keep to theirs, and would
    /// only watch them.
    async fn wait_for_agreement(&self) -> Result<()> {
        let signs =
            [format!("countersign_nodes {}", self.nodes), "countersign_nodes_agreed 1".to_owned()];
        let began = clock::now();
        for (_, address) in &self.running {
            let call = Call::new(*address, "GET", "/metrics").with_headers(&recipe::headers());
            loop {
                let said = call.succeed(PATIENCE).await?.body;
                let said = String::from_utf8_lossy(&said);
                if signs.iter().all(|sign| said.lines().any(|line| line == sign)) {
                    break;
                }
                let waited = began.elapsed();
                ensure!(
                    waited < START_PATIENCE,
                    "the nodes did not agree within {waited:?}:\n{said}"
                );
                clock::pause(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

#[async_trait]
impl Driver for Countersign {
    fn name(&self) -> String {
        let nodes =
            if self.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", self.nodes) };
        match &self.cluster {
            Some(cluster) => format!("{} on PostgreSQL {}, {nodes}", self.name, cluster.version()),
            None if self.command == "serve" => format!("{} on the embedded store", self.name),
            None => self.name.to_owned(),
        }
    }

    fn nodes(&self) -> usize {
        self.nodes
    }

    async fn start(&mut self, data: Data) -> Result<Duration> {
        self.running.clear();
        if data == Data::Fresh {
            if self.folder.exists() {
                fs::remove_dir_all(&self.folder)
                    .with_context(|| format!("clearing {}", self.folder.display()))?;
            }
            if let Some(cluster) = &mut self.cluster {
                cluster.renew()?;
            }
        }
        let began = clock::now();
        for number in 1..=self.nodes {
            self.start_node(number).await?;
        }
        let took = began.elapsed();
        if data == Data::Fresh && self.nodes > 1 {
            self.wait_for_agreement().await?;
        }
        Ok(took)
    }

    async fn stop(&mut self) -> Result<()> {
        for (mut process, _) in self.running.drain(..) {
            process.stop().await?;
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.running()?;
        for (mut process, _) in self.running.drain(..) {
            process.kill()?;
        }
        Ok(())
    }

    async fn create_endpoint(&self, url: &str, wish: &EndpointWish) -> Result<()> {
        let mut body = json!({ "url": url, "events": wish.kinds, "dialect": "standard" });
        if let (Some(in_flight_max), Some(fields)) = (wish.in_flight_max, body.as_object_mut()) {
            fields.insert("max_in_flight".to_owned(), json!(in_flight_max));
        }
        self.call("POST", "/api/v1/endpoints")?
            .with_body(body.to_string())
            .succeed(PATIENCE)
            .await
            .map(drop)
    }

    async fn post_event(&self) -> Result<String> {
        let body = recipe::event(Stamp { seq: 0, sent_at_us: clock::unix_us() });
        let answer = self.call("POST", "/api/v1/events")?.with_body(body).succeed(PATIENCE).await?;
        Ok(answer.read::<Named>()?.id)
    }

    fn addresses(&self) -> Result<Vec<SocketAddr>> {
        self.running()?;
        Ok(self.running.iter().map(|(_, address)| *address).collect())
    }

    fn events(&self) -> Result<Recipe> {
        Ok(Self::recipe("/api/v1/events", recipe::event))
    }

    fn requests(&self) -> Result<Option<Recipe>> {
        Ok(Some(Self::recipe("/api/v1/requests", recipe::request)))
    }

    async fn create_gateway(&self, url: &str, rate_limit: Option<u32>) -> Result<()> {
        let said = json!({ "id": "{key}", "to": "{to}", "text": "{text}" });
        let body = json!({
            "name": "gateway",
            "kind": "http_sms",
            "rate_limit": rate_limit,
            "settings": { "url": url, "body": said },
        });
        let call = self.call("POST", "/api/v1/providers")?.with_body(body.to_string());
        call.succeed(PATIENCE).await.map(drop)
    }

    fn notices(&self) -> Result<Option<Recipe>> {
        Ok(Some(Self::recipe("/api/v1/requests", recipe::notice)))
    }

    async fn stats(&self) -> Result<Option<Stats>> {
        let said: Value = self.call("GET", "/api/v1/stats")?.succeed(PATIENCE).await?.read()?;
        let pending = PENDING.iter().find_map(|place| said.pointer(place)?.as_u64());
        let pending =
            pending.with_context(|| format!("/api/v1/stats says nothing of pending: {said}"))?;
        Ok(Some(Stats { pending }))
    }

    fn usage(&self) -> Result<Option<Usage>> {
        self.running()?;
        let mut sum = Usage::default();
        for (process, _) in &self.running {
            sum.add(process.usage()?);
        }
        Ok(Some(sum))
    }

    fn data_bytes(&self) -> Result<Option<u64>> {
        if self.cluster.is_some() {
            return Ok(None);
        }
        let mut bytes = 0;
        for file in fs::read_dir(self.folder.join("data-1")).context("looking at the data")? {
            bytes += file?.metadata()?.len();
        }
        Ok(Some(bytes))
    }

    fn database_usage(&self) -> Result<Option<Usage>> {
        self.cluster.as_ref().map_or(Ok(None), Cluster::usage)
    }
}

impl Drop for Countersign {
    fn drop(&mut self) {
        self.running.clear();
        if !self.keep_folder && self.folder.exists() && fs::remove_dir_all(&self.folder).is_err() {
            eprintln!("bench: could not remove {}", self.folder.display());
        }
    }
}

/// Takes a port that nobody listens on. Another process could be faster; then the start fails and says so.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?)
}

/// Where `/api/v1/stats` may keep the number of deliveries that are not settled.
const PENDING: [&str; 4] =
    ["/deliveries/pending", "/pending", "/data/deliveries/pending", "/deliveries_pending"];
const DATABASE_URL: &str = "COUNTERSIGN_DATABASE_URL";
const MASTER_KEY: &str = "Y291bnRlcnNpZ24tYmVuY2gtbWFzdGVyLWtleS0zMiE=";
const START_PATIENCE: Duration = Duration::from_mins(1);
