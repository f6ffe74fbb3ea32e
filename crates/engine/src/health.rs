//! Whether the service makes progress, and figures for those who look.
//!
//! Invariant: readiness is progress: a due delivery that waits for us, and not for its own endpoint, makes us unready
//! once it is late; so does a store that cannot write, and a beat that others do not hear.

use domain::time::{SECOND_MS, Timestamp};
use serde_json::{Value, json};
use store::Lag;

use crate::Engine;
use crate::lanes::Standing;
use crate::metrics::Sizes;
use crate::nodes::HEARD_MAX;

/// Whether the service makes progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it does.
    pub ready: bool,
    /// Why it does not, as sentences for an operator.
    pub reasons: Vec<String>,
}

/// A due delivery may be so late before we call ourselves unready.
const LATE_MS_MAX: i64 = 30 * SECOND_MS;

impl Engine {
    /// Looks whether the service makes progress: by writing to the store, and at the oldest due deliveries.
    pub async fn readiness(&self) -> Readiness {
        let now = self.now();
        let mut reasons = Vec::new();
        if let Err(error) = self.store().probe(now).await {
            reasons.push(error.to_string());
        }
        match self.views().lags(now).await {
            Ok(lags) => {
                let late = self.ours(&lags, now);
                if let Some(late_ms) = late.filter(|late_ms| *late_ms > LATE_MS_MAX) {
                    let late_s = late_ms / SECOND_MS;
                    reasons.push(format!("the oldest due delivery is {late_s} s late"));
                }
            }
            Err(error) => reasons.push(error.to_string()),
        }
        if let Some(why) = self.unheard() {
            reasons.push(why);
        }
        if self.is_shut() {
            reasons.push("the service is shutting down".to_owned());
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// Says since when this node's beat is missing, where it has one.
    fn unheard(&self) -> Option<String> {
        if !self.lanes().is_shared() {
            return None;
        }
        match self.lanes().unheard_for() {
            None => Some("this node has not entered the crew yet".to_owned()),
            Some(length) if length > HEARD_MAX => Some(format!(
                "this node could not say for {} s that it lives, and starts nothing",
                length.as_secs()
            )),
            Some(_) => None,
        }
    }

    /// How late the oldest delivery is that does not wait for its own endpoint.
    fn ours(&self, lags: &[Lag], now: Timestamp) -> Option<i64> {
        lags.iter()
            .filter(|lag| self.lanes().standing(lag.endpoint) == Standing::Free)
            .map(|lag| now.millis_since(lag.due_at))
            .max()
    }

    /// Gives figures in the form that Prometheus reads.
    pub async fn metrics_text(&self) -> Result<String, store::Error> {
        let now = self.now();
        let (stats, lags) = (self.views().stats().await?, self.views().lags(now).await?);
        let (_, unsettled) = self.lanes().under_way();
        let (flowing, failing) = self.lanes().under_way_by_class();
        let (nodes, agreed) = self.lanes().crew();
        let lag_ms = lags.iter().map(|lag| now.millis_since(lag.due_at)).max().unwrap_or(0);
        let age_ms = |at: Option<Timestamp>| at.map_or(0, |at| now.millis_since(at).max(0));
        Ok(self.metrics().text(Sizes {
            flowing,
            failing,
            unsettled,
            leased_bytes: self.lanes().leased_bytes(),
            pending: stats.pending,
            store_bytes: stats.bytes,
            lag_ms,
            nodes,
            agreed,
            oldest_event_ms: age_ms(stats.oldest_event),
            oldest_delivery_ms: age_ms(stats.oldest_delivery),
            beat_age: self.lanes().unheard_for().unwrap_or_default(),
        }))
    }

    /// Gives the public halves of the accounts' signing keys as a JWK set.
    pub async fn jwks(&self) -> Result<Value, store::Error> {
        let mut keys = Vec::new();
        for account in self.views().accounts().await? {
            if let Some(key) = self.signing_key(account.id).await {
                let mut jwk = key.public_jwk();
                if let Value::Object(members) = &mut jwk {
                    members.insert("kid".to_owned(), Value::String(account.id.to_string()));
                    members.insert("use".to_owned(), Value::String("sig".to_owned()));
                }
                keys.push(jwk);
            }
        }
        Ok(json!({ "keys": keys }))
    }

    /// Moves the test clock on; `None` where the clock is the real one.
    pub fn clock_advance(&self, millis: i64) -> Option<Timestamp> {
        let now = self.inner.movable.as_ref()?.advance(millis);
        self.wake_all();
        Some(now)
    }

    /// Tells whether the clock can be moved.
    pub fn clock_is_movable(&self) -> bool {
        self.inner.movable.is_some()
    }
}
