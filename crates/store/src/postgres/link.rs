//! One connection to the database, with its statements prepared.
//!
//! Invariants: a statement is prepared once for each connection; what is sent together goes out in the order of asking;
//! a connection on which a question waits for too long is given up, with everything that was asked on it.
//! Left to others: what a failure means (`rows`), when to connect anew (`writer`, `pool`, `keeper`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::questions::{LOOK_EVERY, Questions};
use super::rows::{Trouble, trouble};
use super::servers::Servers;
use super::sql;
use crate::error::Error;

/// What a statement is asked with.
pub(super) type Arguments<'a> = &'a [Argument<'a>];
/// One of these.
pub(super) type Argument<'a> = &'a (dyn ToSql + Sync);

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    questions: Arc<Questions>,
    /// A transaction is to begin with the next statement.
    begins: AtomicBool,
    /// What was sent last stands alone: there is no transaction around it.
    is_alone: AtomicBool,
    /// By their text.
    prepared: Mutex<BTreeMap<&'static str, Statement>>,
}

impl Link {
    /// Takes a connection that is open, and driven until its questions are overdue.
    pub(super) const fn new(client: Client, questions: Arc<Questions>) -> Self {
        let (begins, is_alone) = (AtomicBool::new(false), AtomicBool::new(false));
        let prepared = Mutex::new(BTreeMap::new());
        Self { client, questions, begins, is_alone, prepared }
    }

    /// Connects with those settings.
    pub(super) async fn open(servers: &Servers, settings: &str) -> Result<Self, Trouble> {
        Self::open_with(servers, settings, Trouble::from).await
    }

    /// Connects with those settings; says what goes wrong in the caller's words.
    pub(super) async fn open_with<E: From<Error>>(
        servers: &Servers,
        settings: &str,
        wrong: fn(tokio_postgres::Error) -> E,
    ) -> Result<Self, E> {
        let (client, connection) = servers.connect(wrong).await?;
        let questions = Arc::<Questions>::default();
        let link = Self::new(client, Arc::clone(&questions));
        // It ends with its client; what goes wrong with it is told to whoever asks next.
        drop(Handle::current().spawn(async move {
            tokio::select! {
                ended = connection => drop(ended),
                () = questions.overdue(LOOK_EVERY) => {}
            }
        }));
        link.simply(settings).await.map_err(wrong)?;
        Ok(link)
    }

    /// Connects, and prepares all statements, so that they may be sent together.
    pub(super) async fn open_writer(servers: &Servers) -> Result<Self, Trouble> {
        let link = Self::open(servers, sql::settings_writer).await?;
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

    /// Lets a transaction begin with the next statement, which does not wait for it. Should the beginning fail, that
    /// statement stands alone: so it may only read, or write what does no harm without the others.
    pub(super) fn begin(&self) {
        self.begins.store(true, Ordering::Relaxed);
        self.is_alone.store(false, Ordering::Relaxed);
    }

    /// Begins the transaction that is to begin, if one is, and waits until it has.
    pub(super) async fn begun(&self) -> Result<(), tokio_postgres::Error> {
        if !self.begins.load(Ordering::Relaxed) {
            return Ok(());
        }
        let number = self.questions.ask();
        let begun = self.start().await;
        self.questions.answered(number);
        begun
    }

    async fn start(&self) -> Result<(), tokio_postgres::Error> {
        if !self.begins.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.client.batch_execute(sql::begin).await
    }

    /// Lets the next statement be a transaction alone, if none has begun; tells whether it is.
    pub(super) fn spare_beginning(&self) -> bool {
        let is_alone = self.begins.swap(false, Ordering::Relaxed);
        self.is_alone.store(is_alone, Ordering::Relaxed);
        is_alone
    }

    /// Commits the transaction.
    pub(super) async fn commit(&self) -> Result<(), tokio_postgres::Error> {
        self.simply(sql::commit).await
    }

    /// Undoes the transaction, unless none has begun.
    pub(super) async fn roll_back(&self) -> Result<(), tokio_postgres::Error> {
        let is_unsent = self.begins.swap(false, Ordering::Relaxed);
        if is_unsent || self.is_alone.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.simply(sql::rollback).await
    }

    /// Runs a statement without arguments.
    pub(super) async fn simply(&self, text: &str) -> Result<(), tokio_postgres::Error> {
        let number = self.questions.ask();
        let (begun, answer) = tokio::join!(biased; self.start(), self.client.batch_execute(text));
        self.questions.answered(number);
        begun.and(answer)
    }

    /// Reads the rows of a statement.
    pub(super) async fn rows(
        &self,
        text: &'static str,
        arguments: Arguments<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepared(text).await?;
        let number = self.questions.ask();
        let (begun, answer) =
            tokio::join!(biased; self.start(), self.client.query(&statement, arguments));
        self.questions.answered(number);
        begun.and(answer)
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
        let number = self.questions.ask();
        let (begun, answer) =
            tokio::join!(biased; self.start(), self.client.execute(&statement, arguments));
        self.questions.answered(number);
        begun.and(answer)
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
        let number = self.questions.ask();
        let statement = self.client.prepare(text).await;
        self.questions.answered(number);
        let statement = statement?;
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(prepared.entry(text).or_insert(statement).clone())
    }
}

/// What is several statements, or none that can be prepared.
pub(super) const SETTINGS: [&str; 3] = ["settings_reader", "settings_writer", "savepoint_drop"];
