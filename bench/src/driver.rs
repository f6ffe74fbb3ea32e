//! What the scenarios ask of a server under test, so that any server can be put through them.

pub(crate) mod countersign;

use std::{fmt::Debug, net::SocketAddr, time::Duration};

use anyhow::Result;
use async_trait::async_trait;

use crate::{load::recipe::Recipe, process::Usage};

#[async_trait]
pub(crate) trait Driver: Send + Sync + Debug {
    fn name(&self) -> &str;

    /// Starts the server and answers how long it took until it was ready.
    async fn start(&mut self, data: Data) -> Result<Duration>;

    /// Ends the server in good order.
    async fn stop(&mut self) -> Result<()>;

    /// Ends the server as a power cut would, as far as a process can be.
    fn kill(&mut self) -> Result<()>;

    /// Has every event of these kinds sent to the URL.
    async fn create_endpoint(&self, url: &str, wish: &EndpointWish) -> Result<()>;

    /// Posts one event and answers its id, as `webhook-id` will carry it.
    async fn post_event(&self) -> Result<String>;

    /// Where the load goes.
    fn address(&self) -> Result<SocketAddr>;

    /// Posts that each make one event.
    fn events(&self) -> Result<Recipe>;

    /// Posts that each create and send one signature request, if the server knows such a thing.
    fn requests(&self) -> Result<Option<Recipe>>;

    async fn stats(&self) -> Result<Stats>;

    /// What the whole stack has used since it started: the server, and a database or queue it may need.
    fn usage(&self) -> Result<Usage>;
}

/// What a start does with the data of the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    Fresh,
    Kept,
}

#[derive(Debug, Clone)]
pub(crate) struct EndpointWish {
    /// Names of kinds of events, `*` for all.
    pub(crate) kinds: &'static [&'static str],
    /// Attempts in flight at once; without it, the server's own default.
    pub(crate) in_flight_max: Option<u32>,
}

/// How much the server still has to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stats {
    /// Deliveries not yet settled.
    pub(crate) pending: u64,
}
