//! The world that is hit: nodes, what they keep their data in, the ways between, a receiver, a load.
//!
//! Invariants: everything is of this world alone; dropped, it leaves nothing behind. A fault that was begun is healed
//! before the next census.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    call::{Call, PATIENCE},
    chaos::{
        Options, Store,
        book::Book,
        disk,
        folder::Folder,
        hearing::Hearing,
        node::Node,
        pair::{End, Pair},
        plot::{Blow, Dice, Fault},
        posts::Client,
        receiver::{self, Receiver},
        wire::{Mood, Wire},
    },
    clock,
    load::recipe,
};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) book: Arc<Book>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) receiver: Receiver,
    /// The place of each endpoint, by its id.
    places: BTreeMap<String, usize>,
    /// Of each node, its ways to the two servers; the same one twice where an address moves with the primary.
    wires: Vec<[Arc<Wire>; 2]>,
    pub(crate) pair: Option<Pair>,
    /// Whether the store has a disk of its own.
    has_disk: bool,
    clients: Vec<Client>,
    posting: Option<(watch::Sender<bool>, JoinSet<Client>)>,
    /// How long it took after each failover until something was acknowledged again.
    pub(crate) failovers: Vec<Duration>,
    tasks: JoinSet<()>,
    // Last, so that it is removed when nobody uses it any more.
    folder: Folder,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
}

impl World {
    pub(crate) async fn start(options: &Options, seed: u64) -> Result<Self> {
        let folder = Folder::make(options.data.as_deref(), options.keep_data)?;
        let book = Arc::new(Book::new());
        let mut tasks = JoinSet::new();
        let receiver = Receiver::start(Arc::clone(&book), seed, &mut tasks).await?;
        let binary = options.binary()?;
        let mut world = Self {
            book: Arc::clone(&book),
            nodes: Vec::new(),
            receiver,
            places: BTreeMap::new(),
            wires: Vec::new(),
            pair: None,
            has_disk: options.inside,
            clients: Vec::new(),
            posting: None,
            failovers: Vec::new(),
            tasks,
            folder,
        };
        match options.store {
            Store::Postgres => world.on_postgres(binary, options.nodes).await?,
            Store::Embedded => world.on_a_folder(binary)?,
        }
        for node in &mut world.nodes {
            node.start()?;
            ensure!(
                node.ready_within(START_PATIENCE).await?,
                "{} was not ready within {START_PATIENCE:?}:\n{}",
                node.name,
                node.end_of_log()
            );
        }
        world.register().await?;
        let targets: Vec<_> = world.nodes.iter().map(|node| node.address).collect();
        world.clients = (0..options.clients)
            .map(|number| Client {
                number,
                turn: 1,
                targets: targets.clone(),
                pause: Duration::from_millis(options.pause_ms),
                dice: Dice::new(seed.wrapping_add(number)),
                book: Arc::clone(&book),
            })
            .collect();
        Ok(world)
    }

    async fn on_postgres(&mut self, binary: PathBuf, nodes: u8) -> Result<()> {
        let folders = ["a", "b"].map(|name| self.folder.path().join(name));
        for folder in &folders {
            fs::create_dir(folder)?;
            if self.has_disk {
                disk::mount(folder, DISK_MIB)?;
            }
        }
        let pair = Pair::start(folders).await?;
        let ([first, second], _) = pair.addresses();
        for number in 1..=nodes {
            // The first one is the primary of a fresh pair.
            let first = Arc::new(Wire::to(first, &mut self.tasks).await?);
            // Every second node knows one address, which moves with the primary; the others name both servers.
            let (wires, url) = if number % 2 == 0 {
                let address = first.address();
                ([Arc::clone(&first), first], format!("postgres://postgres@{address}/postgres"))
            } else {
                let second = Arc::new(Wire::to(second, &mut self.tasks).await?);
                let url = format!(
                    "postgres://postgres@{},{}/postgres",
                    first.address(),
                    second.address()
                );
                ([first, second], url)
            };
            self.wires.push(wires);
            let folder = self.folder.path().join(format!("node-{number}"));
            self.nodes.push(Node::new(
                format!("node-{number}"),
                binary.clone(),
                folder,
                Some(url),
            )?);
        }
        self.pair = Some(pair);
        Ok(())
    }

    fn on_a_folder(&mut self, binary: PathBuf) -> Result<()> {
        let folder = self.folder.path().join("node-1");
        fs::create_dir_all(folder.join("data"))?;
        if self.has_disk {
            disk::mount(&folder.join("data"), DISK_MIB)?;
        }
        self.nodes.push(Node::new("node-1".to_owned(), binary, folder, None)?);
        Ok(())
    }

    async fn register(&mut self) -> Result<()> {
        let node = self.nodes.first().context("there is no node")?;
        for rule in receiver::rules() {
            let body = json!({
                "url": self.receiver.url(rule.place),
                "events": ["*"],
                "ordering": if rule.ordered { "request" } else { "none" },
                "max_in_flight": rule.in_flight_max,
                "timeout_s": 5,
                "profile": {"waits_s": vec![1; 100]},
            });
            let made: Named = Call::new(node.address, "POST", "/api/v1/endpoints")
                .with_headers(&recipe::headers())
                .with_body(body.to_string())
                .succeed(PATIENCE)
                .await?
                .read()?;
            self.places.insert(made.id, rule.place);
        }
        Ok(())
    }

    pub(crate) fn hearing(&self) -> Result<Hearing> {
        let node = self.nodes.first().context("there is no node")?.address;
        Ok(Hearing { node, places: self.places.clone() })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn begin_posting(&mut self) {
        let (stop, stopped) = watch::channel(false);
        let mut posting = JoinSet::new();
        self.book.begin();
        for client in self.clients.drain(..) {
            posting.spawn(client.run(stopped.clone()));
        }
        self.posting = Some((stop, posting));
    }

    /// Has every client finish what it has begun.
    pub(crate) async fn end_posting(&mut self) -> Result<()> {
        let Some((stop, mut posting)) = self.posting.take() else { return Ok(()) };
        stop.send_replace(true);
        while let Some(client) = posting.join_next().await {
            self.clients.push(client.context("a client panicked")?);
        }
        Ok(())
    }

    /// Does one blow, and heals what it broke, but for a node that is to stand still for longer.
    pub(crate) async fn strike(&mut self, blow: Blow) -> Result<()> {
        let book = Arc::clone(&self.book);
        let length = Duration::from_millis(blow.length_ms);
        match blow.fault {
            Fault::KillNode => {
                let Some(node) = self.chosen(blow.whom) else { return Ok(()) };
                node.kill()?;
                book.ended();
                clock::pause(length).await;
                node.start()?;
            }
            Fault::StopNode => {
                let Some(node) = self.chosen(blow.whom) else { return Ok(()) };
                node.stop().await?;
                book.ended();
                clock::pause(length).await;
                node.start()?;
            }
            Fault::PauseNode => {
                let Some(node) = self.chosen(blow.whom) else { return Ok(()) };
                node.stand_still(clock::now() + length)?;
                clock::pause(length).await;
                node.go_on()?;
            }
            Fault::PauseNodeLong => {
                let Some(node) = self.chosen(blow.whom) else { return Ok(()) };
                node.stand_still(clock::now() + length)?;
            }
            Fault::Cut => self.mood(blow, Mood::Refuse, length).await,
            Fault::Delay => {
                let late = Duration::from_millis(20 + blow.whom % 200);
                self.mood(blow, Mood::Delay(late), length).await;
            }
            Fault::Swallow => {
                self.mood(blow, Mood::Swallow, length).await;
                self.hit_wires(blow).for_each(|wire| wire.reset());
            }
            Fault::Silence => self.hit_wires(blow).for_each(|wire| wire.silence()),
            Fault::Truncate => {
                self.hit_wires(blow).for_each(|wire| wire.truncate_in(blow.length_ms / 10));
            }
            Fault::StopDatabase | Fault::KillDatabase => {
                let how =
                    if blow.fault == Fault::KillDatabase { End::Kill } else { End::Immediately };
                self.pair()?.end_primary(how)?;
                clock::pause(length).await;
                self.pair()?.heal().await?;
            }
            Fault::KillStandby => {
                self.pair()?.kill_standby()?;
                clock::pause(length).await;
                self.pair()?.heal().await?;
            }
            Fault::Failover => self.fail_over().await?,
            Fault::FullDisk => self.fill_the_disk(length).await?,
        }
        clock::pause(Duration::from_millis(blow.rest_ms)).await;
        self.watch().await
    }

    /// Chooses a node; one that stands still for long is left alone until it goes on.
    fn chosen(&mut self, whom: u64) -> Option<&mut Node> {
        let free: Vec<&mut Node> =
            self.nodes.iter_mut().filter(|node| node.paused_until.is_none()).collect();
        let chosen = whom.checked_rem(free.len() as u64)?;
        free.into_iter().zip(0..).find_map(|(node, number)| (number == chosen).then_some(node))
    }

    fn hit_wires(&self, blow: Blow) -> impl Iterator<Item = &Arc<Wire>> {
        let count = self.wires.len() as u64;
        let hit = self
            .wires
            .iter()
            .zip(0..)
            .filter(move |(_, number)| blow.all || *number == blow.whom % count.max(1));
        hit.flat_map(|(wires, _)| wires)
    }

    async fn mood(&self, blow: Blow, mood: Mood, length: Duration) {
        self.hit_wires(blow).for_each(|wire| wire.set_mood(mood));
        clock::pause(length).await;
        self.hit_wires(blow).for_each(|wire| wire.set_mood(Mood::Pass));
    }

    async fn fail_over(&mut self) -> Result<()> {
        let began = clock::now();
        let pair = self.pair()?;
        pair.fail_over()?;
        let ([first, second], primary) = pair.addresses();
        let address = if primary == 0 { first } else { second };
        for [first, second] in &self.wires {
            if Arc::ptr_eq(first, second) {
                first.point_at(address);
            }
        }
        self.pair()?.rebuild_standby().await?;
        while !self.book.acknowledged_after(began) {
            if began.elapsed() > RESUME_PATIENCE {
                bail!("nothing was acknowledged within {RESUME_PATIENCE:?} after a failover");
            }
            clock::pause(TURN).await;
            // All of them may have been standing still when it began.
            self.wake()?;
        }
        self.failovers.push(began.elapsed());
        Ok(())
    }

    async fn fill_the_disk(&mut self, length: Duration) -> Result<()> {
        let folder = match &self.pair {
            Some(pair) => pair.primary_folder().to_owned(),
            None => self.folder.path().join("node-1/data"),
        };
        disk::fill(&folder)?;
        clock::pause(length).await;
        disk::free(&folder, DISK_MIB)?;
        match &mut self.pair {
            Some(pair) => pair.heal().await,
            None => Ok(()),
        }
    }

    /// Lets go on who has stood still for long enough.
    fn wake(&mut self) -> Result<()> {
        let now = clock::now();
        let is_over = |node: &&mut Node| node.paused_until.is_some_and(|until| until <= now);
        self.nodes.iter_mut().filter(is_over).try_for_each(Node::go_on)
    }

    /// Lets go on who has stood still for long enough, and sees that everybody lives.
    async fn watch(&mut self) -> Result<()> {
        self.wake()?;
        for node in &mut self.nodes {
            if let Some(wrong) = node.watch()? {
                self.book.ended();
                self.book.broke(format!("{wrong}:\n{}", node.end_of_log()));
            }
            node.is_ready().await;
        }
        Ok(())
    }

    /// Ends every fault that is still under way, and waits until all nodes are ready.
    pub(crate) async fn heal(&mut self) -> Result<()> {
        for wire in self.wires.iter().flatten() {
            wire.set_mood(Mood::Pass);
        }
        for node in &mut self.nodes {
            if let Some(until) = node.paused_until {
                clock::pause(until.saturating_duration_since(clock::now())).await;
                node.go_on()?;
            }
        }
        for node in &mut self.nodes {
            ensure!(
                node.ready_within(HEAL_PATIENCE).await?,
                "{} was not ready by itself within {HEAL_PATIENCE:?}:\n{}",
                node.name,
                node.end_of_log()
            );
        }
        Ok(())
    }

    /// How often a node was taken for dead and lived, as their logs say.
    pub(crate) fn takeovers(&self) -> u64 {
        self.nodes.iter().map(Node::takeovers).sum()
    }

    fn pair(&mut self) -> Result<&mut Pair> {
        self.pair.as_mut().context("there is no PostgreSQL in this world")
    }
}

/// The disk of each store: room for an hour, and little enough for memory.
const DISK_MIB: u64 = 1_024;
const START_PATIENCE: Duration = Duration::from_mins(1);
const HEAL_PATIENCE: Duration = Duration::from_mins(2);
const RESUME_PATIENCE: Duration = Duration::from_mins(2);
const TURN: Duration = Duration::from_millis(10);
