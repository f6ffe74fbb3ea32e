//! One connection to the database, with its statements prepared.
//!
//! Invariant: a statement is prepared once for each connection; what is sent together goes out in the order of asking.
//! Left to others: what a failure means (`rows`), when to connect anew (`writer`, `pool`, `keeper`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::rows::{Trouble, trouble};
use super::server::Server;
use super::sql;
use crate::error::Error;

/// What a statement is asked with.
pub(super) type Arguments<'a> = &'a [Argument<'a>];
/// One of these.
pub(super) type Argument<'a> = &'a (dyn ToSql + Sync);

/// A connection takes so long at most.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    /// By their text.
    prepared: Mutex<BTreeMap<&'static str, Statement>>,
}

impl Link {
    /// Takes a connection that is open and being driven.
    pub(super) const fn new(client: Client) -> Self {
        Self { client, prepared: Mutex::new(BTreeMap::new()) }
    }

    /// Connects with those settings.
    pub(super) async fn open(server: &Server, settings: &str) -> Result<Self, Trouble> {
        Self::open_with(server, settings, Trouble::from).await
    }

    /// Connects with those settings; says what goes wrong in the caller's words.
    pub(super) async fn open_with<E: From<Error>>(
        server: &Server,
        settings: &str,
        wrong: fn(tokio_postgres::Error) -> E,
    ) -> Result<Self, E> {
        let connecting = time::timeout(CONNECT_WAIT, server.connect());
        let connected = connecting.await.map_err(|error| {
            let hint =
                "PostgreSQL does not answer; look whether it runs, and at the network between";
            Error::Unavailable { hint, source: Box::new(error) }
        })?;
        let (client, connection) = connected.map_err(wrong)?;
        // It ends with its client; what goes wrong with it is told to whoever asks next.
        drop(Handle::current().spawn(connection));
        client.batch_execute(settings).await.map_err(wrong)?;
        Ok(Self::new(client))
    }

    /// Connects, and prepares all statements, so that they may be sent together.
    pub(super) async fn open_writer(server: &Server) -> Result<Self, Trouble> {
        let link = Self::open(server, sql::settings_writer).await?;
        for (name, text) in sql::ALL {
            if !SETTINGS.contains(name) {
                link.prepared(text).await?;
            }
        }
        Ok(link)
    }

    /// Gives the connection away, to be used without prepared statements.
    pub(super) fn into_client(self) -> Client {
        self.client
    }

    /// Tells whether the connection has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs a statement without arguments.
    pub(super) async fn simply(&self, text: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(text).await
    }

    /// Reads the rows of a statement.
    pub(super) async fn rows(
        &self,
        text: &'static str,
        arguments: Arguments<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepared(text).await?;
        self.client.query(&statement, arguments).await
    }

    /// Reads the first row of a statement, if there is one.
    pub(super) async fn first(
        &self,
        text: &'static str,
        arguments: Arguments<'_>,
    ) -> Result<Option<Row>, tokio_postgres::Error> {
        Ok(self.rows(text, arguments).await?.into_iter().next())
    }

    /// Runs a statement, and tells how many rows it changed.
    pub(super) async fn run(
        &self,
        text: &'static str,
        arguments: Arguments<'_>,
    ) -> Result<u64, tokio_postgres::Error> {
        let statement = self.prepared(text).await?;
        self.client.execute(&statement, arguments).await
    }

    /// Runs a statement whose failure is the store's.
    pub(super) async fn ask(
        &self,
        text: &'static str,
        arguments: Arguments<'_>,
    ) -> Result<Vec<Row>, Error> {
        self.rows(text, arguments).await.map_err(trouble)
    }

    async fn prepared(&self, text: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(text).await?;
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(prepared.entry(text).or_insert(statement).clone())
    }
}

/// What is several statements, or none that can be prepared.
pub(super) const SETTINGS: [&str; 3] = ["settings_reader", "settings_writer", "savepoint_drop"];
