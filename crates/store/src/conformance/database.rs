//! Databases of PostgreSQL to try things out in, each gone with its test.

use std::env;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use domain::secret::Secret;
use tokio::runtime::{Builder, Handle};
use tokio::task;
use tokio_postgres::{Client, Config, NoTls};

use super::world::{Counting, Recorder};
use crate::postgres::{Options, Postgres};
use crate::{MasterKey, Store as _};

/// Names the server; its user may make databases.
const SERVER: &str = "COUNTERSIGN_TEST_DATABASE_URL";
/// A database that is migrated, to be copied.
const TEMPLATE: &str = "countersign_template";

const LOCK: &str = include_str!("../../sql/conformance/template_lock.sql");
const UNLOCK: &str = include_str!("../../sql/conformance/template_unlock.sql");
const TABLES: &str = include_str!("../../sql/conformance/tables.sql");
/// Has a database tell another version of the server.
const OLD_SERVER: &str = include_str!("../../sql/conformance/old_server.sql");
const FUTURE_SCHEMA: &str = include_str!("../../sql/conformance/future_schema.sql");
const KNOWN: &str = include_str!("../../sql/conformance/template_known.sql");

/// A database of its own, gone with the test.
#[derive(Debug)]
pub struct Database {
    /// How it is called.
    pub name: String,
}

fn server() -> String {
    let url = env::var_os(SERVER).and_then(|url| url.into_string().ok());
    url.expect("run it through cargo xtask with-postgres --fast -- cargo nextest run")
}

/// Connects to a database of the server.
async fn connect(name: &str) -> Client {
    let mut config: Config = server().parse().unwrap();
    let (client, connection) = config.dbname(name).connect(NoTls).await.unwrap();
    drop(Handle::current().spawn(connection));
    client
}

impl Database {
    /// Makes an empty database.
    pub async fn empty() -> Self {
        Self::copy("template0").await
    }

    /// Makes an empty database whose server says that it is older than any that will do.
    pub async fn of_an_old_server() -> Self {
        let database = Self::empty().await;
        database.client().await.batch_execute(OLD_SERVER).await.unwrap();
        database
    }

    /// Makes a database whose schema no version knows.
    pub async fn from_the_future() -> Self {
        let database = Self::empty().await;
        database.client().await.batch_execute(FUTURE_SCHEMA).await.unwrap();
        database
    }

    /// Counts the tables.
    pub async fn tables(&self) -> i64 {
        self.client().await.query_one(TABLES, &[]).await.unwrap().get(0)
    }

    /// Makes a database that is migrated.
    pub async fn migrated() -> Self {
        let postgres = connect("postgres").await;
        // Tests are processes of their own; the first one makes what all copy.
        postgres.batch_execute(LOCK).await.unwrap();
        if postgres.query(KNOWN, &[&TEMPLATE]).await.unwrap().is_empty() {
            let making = format!("{TEMPLATE}_making");
            postgres.batch_execute(&format!("DROP DATABASE IF EXISTS {making}")).await.unwrap();
            postgres.batch_execute(&format!("CREATE DATABASE {making}")).await.unwrap();
            let made = Self { name: making.clone() };
            made.migrate().await;
            let rename = format!("ALTER DATABASE {making} RENAME TO {TEMPLATE}");
            while postgres.batch_execute(&rename).await.is_err() {
                // Its last connection is still on its way out.
                task::yield_now().await;
            }
        }
        postgres.batch_execute(UNLOCK).await.unwrap();
        Self::copy(TEMPLATE).await
    }

    async fn migrate(&self) {
        let options = Options {
            url: self.url(),
            master: MasterKey::new(&[0; 32]).unwrap(),
            chance: Box::<Counting>::default(),
            lanes: Recorder::new(),
            node_name: "migration".to_owned(),
        };
        Postgres::open(options).await.unwrap().close().await.unwrap();
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
    pub fn url(&self) -> Secret {
        let server = server();
        let (before, after) = server.rsplit_once('/').unwrap();
        let options = after.split_once('?').map_or(String::new(), |(_, rest)| format!("?{rest}"));
        Secret::new(format!("{before}/{}{options}", self.name))
    }

    /// Asks it something from outside.
    pub async fn client(&self) -> Client {
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
