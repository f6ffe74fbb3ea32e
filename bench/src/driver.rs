//! What the scenarios ask of a server under test, so that any server can be put through them.

pub(crate) mod countersign;
pub(crate) mod source;
pub(crate) mod svix;

use std::{fmt::Debug, net::SocketAddr, time::Duration};

use anyhow::{Result, bail};
use async_trait::async_trait;

use crate::{load::recipe::Recipe, process::Usage};

#[async_trait]
pub(crate) trait Driver: Send + Sync + Debug {
    /// Says which server, on which store, and how many of it.
    fn name(&self) -> String;

    /// How many servers share the load.
    fn nodes(&self) -> usize {
        1
    }

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

    /// Where the load goes: every node.
    fn addresses(&self) -> Result<Vec<SocketAddr>>;

    /// Posts that each make one event.
    fn events(&self) -> Result<Recipe>;

    /// Posts that each create and send one signature request, if the server knows such a thing.
    fn requests(&self) -> Result<Option<Recipe>>;

    /// Has short messages to people handed over at a URL, at most so many per second; without a limit, as fast as it
    /// goes.
    async fn create_gateway(&self, _url: &str, _rate_limit: Option<u32>) -> Result<()> {
        bail!("the server carries no messages to people")
    }

    /// Posts that each create and send one signature request of which one person is told by short message.
    fn notices(&self) -> Result<Option<Recipe>> {
        Ok(None)
    }

    /// Nothing where the server does not say; then what has arrived counts as settled.
    async fn stats(&self) -> Result<Option<Stats>>;

    /// What the server has used since it started, all nodes together; nothing where it is not ours to look at.
    fn usage(&self) -> Result<Option<Usage>>;

    /// How large the files are that the server keeps; nothing where they are not ours to look at.
    fn data_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// What the database beside the server has used.
    fn database_usage(&self) -> Result<Option<Usage>> {
        Ok(None)
    }
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
