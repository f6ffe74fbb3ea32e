//! Databases to try things out in, and stores in them.

use std::env;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use domain::secret::Secret;
use store::conformance::{Recorder, World};
use store::postgres::{Options, Postgres};
use store::{Error, Lanes, MasterKey, Store};
use tokio::runtime::{Builder, Handle};
use tokio::task;
use tokio_postgres::{Client, Config, NoTls};

use crate::folder::{MASTER, Seeded};

/// Names the server; its user may make databases.
const URL: &str = "COUNTERSIGN_TEST_DATABASE_URL";
/// A database that is migrated, to be copied.
const TEMPLATE: &str = "countersign_template";

/// A database of its own, gone with the test.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) name: String,
}

fn server() -> String {
    let url = env::var_os(URL).and_then(|url| url.into_string().ok());
    url.expect("run it through cargo xtask with-postgres -- cargo nextest run -p store")
}

/// Connects to a database of the server.
pub(crate) async fn connect(name: &str) -> Client {
    let mut config: Config = server().parse().unwrap();
    let (client, connection) = config.dbname(name).connect(NoTls).await.unwrap();
    drop(Handle::current().spawn(connection));
    client
}

impl Database {
    /// Makes an empty database.
    pub(crate) async fn empty() -> Self {
        Self::copy("template0").await
    }

    /// Makes a database that is migrated.
    pub(crate) async fn new() -> Self {
        let postgres = connect("postgres").await;
        // Tests are processes of their own; the first one makes what all copy.
        postgres.batch_execute("SELECT pg_advisory_lock(77)").await.unwrap();
        let found = "SELECT 1 FROM pg_database WHERE datname = $1";
        if postgres.query(found, &[&TEMPLATE]).await.unwrap().is_empty() {
            let making = format!("{TEMPLATE}_making");
            postgres.batch_execute(&format!("DROP DATABASE IF EXISTS {making}")).await.unwrap();
            postgres.batch_execute(&format!("CREATE DATABASE {making}")).await.unwrap();
            let made = Self { name: making.clone() };
            made.open(Recorder::new(), 1).await.unwrap().close().await.unwrap();
            let rename = format!("ALTER DATABASE {making} RENAME TO {TEMPLATE}");
            while postgres.batch_execute(&rename).await.is_err() {
                // Its last connection is still on its way out.
                task::yield_now().await;
            }
        }
        postgres.batch_execute("SELECT pg_advisory_unlock(77)").await.unwrap();
        Self::copy(TEMPLATE).await
    }

    async fn copy(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("countersign_{}_{count}", process::id());
        let postgres = connect("postgres").await;
        postgres.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        postgres.batch_execute(&create).await.unwrap();
        Self { name }
    }

    /// Gives the URL.
    pub(crate) fn url(&self) -> Secret {
        let server = server();
        let (before, after) = server.rsplit_once('/').unwrap();
        let options = after.split_once('?').map_or(String::new(), |(_, rest)| format!("?{rest}"));
        Secret::new(format!("{before}/{}{options}", self.name))
    }

    /// How a test opens it; `seed` differs between nodes.
    pub(crate) fn options(&self, lanes: Arc<dyn Lanes>, seed: u64) -> Options {
        Options {
            url: self.url(),
            master: MasterKey::new(&MASTER).unwrap(),
            chance: Box::new(Seeded(seed)),
            lanes,
            node_name: format!("node-{seed}"),
        }
    }

    /// Opens a store in it.
    pub(crate) async fn open(&self, lanes: Arc<Recorder>, seed: u64) -> Result<Postgres, Error> {
        Postgres::open(self.options(lanes, seed)).await
    }

    /// Opens a world in it; `keep` lives as long as the world.
    pub(crate) async fn world(&self, seed: u64, keep: impl Send + Sync + 'static) -> World {
        let lanes = Recorder::new();
        let postgres = self.open(Arc::clone(&lanes), seed).await.unwrap();
        let views = postgres.views();
        let store: Arc<dyn Store> = Arc::new(postgres);
        World::new(lanes, store, views, Box::new(keep))
    }

    /// Asks it something from outside.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.name).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = self.name.clone();
        let gone = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let postgres = connect("postgres").await;
                let text = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                postgres.batch_execute(&text).await.unwrap();
            });
        });
        // A test that fails has said why; a database that stays goes with its server.
        drop(gone.join());
    }
}

/// Opens a world in a database that lives as long as it.
pub(crate) async fn open() -> World {
    let database = Arc::new(Database::new().await);
    database.world(1, Arc::clone(&database)).await
}
