//! A source at Countersign: where the bench sends a vendor's webhooks, and the inbox in which they must be.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Uri};
use serde::Deserialize;
use serde_json::json;

use crate::{
    call::{Call, PATIENCE},
    load::recipe::{self, Recipe},
};

/// A source of Ironclad Clickwrap, without credentials: its vendor is never asked.
#[derive(Debug)]
pub(crate) struct Source {
    id: String,
    path: Uri,
}

/// What came in, as the inbox shows it.
#[derive(Debug, Deserialize)]
pub(crate) struct Arrived {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) body: String,
}

#[derive(Deserialize)]
struct Made {
    id: String,
    intake_url: String,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Rows {
    data: Vec<Arrived>,
    next_cursor: Option<String>,
}

impl Source {
    pub(crate) async fn create(address: SocketAddr, name: &str) -> Result<Self> {
        let body = json!({"vendor": "clickwrap", "name": name, "settings": {"token": TOKEN}});
        let call = Call::new(address, "POST", "/api/v1/sources").with_headers(&recipe::headers());
        let made: Made = call.with_body(body.to_string()).succeed(PATIENCE).await?.read()?;
        let place = made.intake_url.find("/in/").context("an intake URL without its path")?;
        let path = made.intake_url.get(place..).unwrap_or_default().parse()?;
        Ok(Self { id: made.id, path })
    }

    /// Webhooks that are proven.
    pub(crate) fn webhooks(&self) -> Recipe {
        self.with_token(TOKEN)
    }

    /// Webhooks that are proven and mostly tell nothing new.
    pub(crate) fn webhooks_of_few(&self) -> Recipe {
        Recipe { body: recipe::webhook_of_few, ..self.webhooks() }
    }

    /// Webhooks with a wrong secret.
    pub(crate) fn forged(&self) -> Recipe {
        self.with_token("wrong-wrong-wrong")
    }

    fn with_token(&self, token: &'static str) -> Recipe {
        let (path, headers) = (self.path.clone(), recipe::webhook_headers(token));
        Recipe { method: Method::POST, path, headers, body: recipe::webhook }
    }

    /// Lists what came in, newest first, up to what came before: that one is left out, and all behind it.
    pub(crate) async fn inbox(
        &self,
        address: SocketAddr,
        before: Option<&str>,
    ) -> Result<Vec<Arrived>> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("/api/v1/sources/{}/inbox?limit=100&cursor={cursor}", self.id);
            let call = Call::new(address, "GET", path).with_headers(&recipe::headers());
            let rows: Rows = call.succeed(PATIENCE).await?.read()?;
            for row in rows.data {
                if Some(row.id.as_str()) == before {
                    return Ok(found);
                }
                found.push(row);
            }
            let Some(next) = rows.next_cursor else { return Ok(found) };
            cursor = next;
        }
        ensure!(before.is_none(), "the inbox does not hold what came before");
        Ok(found)
    }

    /// Sends a webhook as it was sent before; answers which arrival it is taken for.
    pub(crate) async fn repeat(&self, address: SocketAddr, body: String) -> Result<String> {
        let headers = recipe::webhook_headers(TOKEN);
        let call = Call::new(address, "POST", self.path.to_string()).with_headers(&headers);
        let answer = call.with_body(Bytes::from(body)).succeed(PATIENCE).await?;
        Ok(answer.read::<Named>()?.id)
    }
}

/// Calls of the server that need no store, with the same bytes as a webhook's.
pub(crate) fn without_store() -> Recipe {
    let path = Uri::from_static("/healthz");
    let headers = recipe::webhook_headers(TOKEN);
    Recipe { method: Method::GET, path, headers, body: recipe::webhook }
}

const TOKEN: &str = "the-token-of-the-bench";
/// More than any round brings.
const PAGES_MAX: usize = 10_000;
