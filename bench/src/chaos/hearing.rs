//! Gathers what the service remembers, through its interface, for the judge.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    call::{Answer, Call},
    chaos::judge::{History, Told},
    clock,
    load::recipe,
    postgres::said,
};

#[derive(Debug, Clone)]
pub(crate) struct Hearing {
    pub(crate) node: SocketAddr,
    /// The place of each endpoint, by its id.
    pub(crate) places: BTreeMap<String, usize>,
}

#[derive(Debug, Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    id: String,
    endpoint_id: String,
    state: String,
    #[serde(default)]
    attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    outcome: Outcome,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    #[serde(default)]
    body: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    what: String,
    id: String,
}

type Histories = BTreeMap<(usize, String), History>;

impl Hearing {
    /// How many deliveries have not ended.
    pub(crate) async fn pending(&self) -> Result<u64> {
        let stats: Value = self.ask("/api/v1/stats").await?;
        stats.get("deliveries_pending").and_then(Value::as_u64).context("nothing of pending")
    }

    /// A few deliveries that have not ended, as the service shows them.
    pub(crate) async fn some_pending(&self) -> Result<String> {
        let list: Value = self.ask("/api/v1/deliveries?state=pending&limit=5").await?;
        Ok(list.to_string())
    }

    /// Everything the service remembers of the deliveries of events.
    pub(crate) async fn histories(&self, events: BTreeSet<String>) -> Result<Histories> {
        let mut histories = Histories::new();
        let mut asking = JoinSet::new();
        for event in events {
            if asking.len() >= AT_ONCE
                && let Some(heard) = asking.join_next().await
            {
                histories.extend(heard??);
            }
            let hearing = self.clone();
            asking.spawn(async move { hearing.history(event).await });
        }
        while let Some(heard) = asking.join_next().await {
            histories.extend(heard??);
        }
        Ok(histories)
    }

    async fn history(self, event: String) -> Result<Histories> {
        let path = format!("/api/v1/deliveries?event_id={event}&limit=100");
        let list: List<Delivery> = self.ask(&path).await?;
        let mut histories = Histories::new();
        for delivery in list.data {
            let Some(place) = self.places.get(&delivery.endpoint_id) else { continue };
            let whole: Delivery = self.ask(&format!("/api/v1/deliveries/{}", delivery.id)).await?;
            let attempts =
                whole.attempts.iter().map(|attempt| attempt.outcome.body.parse().ok()).collect();
            histories.insert((*place, event.clone()), History { state: whole.state, attempts });
        }
        Ok(histories)
    }

    /// The events of a request in the order of its chain, which is checked by the binary that wrote it.
    pub(crate) async fn timeline(
        &self,
        request: &str,
        binary: &Path,
        folder: &Path,
    ) -> Result<Vec<Told>> {
        let answer = self.call(&format!("/api/v1/requests/{request}/timeline")).await?;
        let path = folder.join("timeline.json");
        fs::write(&path, &answer.body).context("writing a timeline")?;
        said(Command::new(binary).arg("verify").arg(&path))
            .with_context(|| format!("the chain of {request} does not hold"))?;
        let entries: List<Entry> = answer.read()?;
        let events = entries.data.into_iter().filter(|entry| entry.what == "event");
        Ok(events.map(|entry| Told { event: entry.id, key: request.to_owned() }).collect())
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(path).await?.read()
    }

    async fn call(&self, path: &str) -> Result<Answer> {
        let call = Call::new(self.node, "GET", path).with_headers(&recipe::headers());
        let mut tries = 1;
        loop {
            match call.succeed(PATIENCE).await {
                Err(_) if tries < TRIES_MAX => clock::pause(TRY_PAUSE).await,
                ended => return ended,
            }
            tries += 1;
        }
    }
}

const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);
const TRIES_MAX: u32 = 20;
const TRY_PAUSE: Duration = Duration::from_millis(250);
