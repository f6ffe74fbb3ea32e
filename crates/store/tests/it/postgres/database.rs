//! Stores in databases of their own.

use std::sync::Arc;

use domain::secret::Secret;
use store::conformance::{self, Recorder, World};
use store::postgres::{Options, Postgres};
use store::{Error, Lanes, MasterKey, Store};
use tokio_postgres::Client;

use crate::folder::{MASTER, Seeded};

/// A database of its own, gone with the test.
#[derive(Debug)]
pub(crate) struct Database(conformance::Database);

impl Database {
    /// Makes an empty database.
    pub(crate) async fn empty() -> Self {
        Self(conformance::Database::empty().await)
    }

    /// Makes a database that is migrated.
    pub(crate) async fn new() -> Self {
        Self(conformance::Database::migrated().await)
    }

    /// Gives how it is called.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Gives the URL.
    pub(crate) fn url(&self) -> Secret {
        self.0.url()
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
        self.0.client().await
    }
}

/// Opens a world in a database that lives as long as it.
pub(crate) async fn open() -> World {
    let database = Arc::new(Database::new().await);
    database.world(1, Arc::clone(&database)).await
}
