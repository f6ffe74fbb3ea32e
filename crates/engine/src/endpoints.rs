//! Endpoints: registered, changed, tried out, deleted.
//!
//! Invariants: what is kept was checked as a whole, whichever part of it changed; callback endpoints and deleted ones
//! are as absent to a client as any that never were; what is pending for an endpoint that is turned off is swept.
//! Left to others: the dialects' words (`dialects`), health and probes (`settle`, `timers`).

mod form;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::call::Method;
use domain::delivery::Cause;
use domain::endpoint::{
    Dialect, Endpoint, Ordering, Scope, Secrets, Signing, SigningSecret, Status,
};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, EndpointId, EventId};
use domain::secret::Secret;
use domain::time::{HOUR_MS, Timestamp};
use serde::{Deserialize, Deserializer};
use store::{Audience, Commit, EndpointRow, Guarded, Said, TimerKind, Write};

use self::form::Base;
use crate::Engine;
use crate::command::{Flaw, Once, Patch, Refusal, insist};
use crate::service_key::signs_with_rsa;

pub(crate) use self::form::{default_method, default_profile};

/// How long an old signing secret goes on signing.
const ROTATION_MS: i64 = 24 * HOUR_MS;
/// The most signing secrets at a time.
const SECRETS_MAX: usize = 5;

/// An endpoint to be registered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewEndpoint {
    /// Where it listens, at most 2,048 characters.
    pub url: String,
    /// What it wants to hear, in its dialect's own words, or `*`; absent means everything.
    pub events: Option<Vec<String>>,
    /// In whose words it is told.
    pub dialect: Dialect,
    /// When it is told again; absent means the dialect's own.
    pub profile: Option<NewProfile>,
    /// The verb it is called with: `GET` for clickwrap and esaw only; absent means the dialect's own.
    pub method: Option<Method>,
    /// The secret code of the clickwrap dialect.
    #[serde(deserialize_with = "secret")]
    pub token: Option<Secret>,
    /// The value of the `Authorization` header.
    #[serde(deserialize_with = "secret")]
    pub authorization: Option<Secret>,
    /// Further headers, at most 20.
    #[serde(deserialize_with = "secrets")]
    pub headers: BTreeMap<String, Secret>,
    /// Whether the events of one request reach it one by one.
    pub ordering: Ordering,
    /// Attempts per second at most, 1 to 10,000.
    pub rate_limit: Option<u32>,
    /// Attempts under way at most, 1 to 100.
    pub max_in_flight: Option<u32>,
    /// Seconds an attempt may take, 1 to 30.
    pub timeout_s: Option<u32>,
    /// `enabled` or `disabled`.
    pub status: Status,
    /// The owner's note, at most 1,000 characters.
    pub description: Option<String>,
    /// How its messages are signed, where the dialect signs.
    pub signing: Signing,
}

/// When an endpoint is told again, as a client says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum NewProfile {
    /// A built-in profile.
    Named(String),
    /// A built-in profile with other waits.
    Waits {
        /// Which one; absent means the dialect's own.
        #[serde(default)]
        name: Option<String>,
        /// Seconds between attempts: at most 100, each of 1 second to 7 days; none means one attempt; absent means the
        /// profile's own.
        #[serde(default)]
        waits_s: Option<Vec<u32>>,
    },
}

/// What changes in an endpoint.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct EndpointPatch {
    /// See [`NewEndpoint`].
    pub url: Option<String>,
    /// See [`NewEndpoint`].
    pub events: Option<Vec<String>>,
    /// See [`NewEndpoint`]. The events are read in the new dialect's words.
    pub dialect: Option<Dialect>,
    /// `null` means the dialect's own.
    pub profile: Patch<NewProfile>,
    /// See [`NewEndpoint`].
    pub method: Option<Method>,
    /// See [`NewEndpoint`].
    #[serde(deserialize_with = "secret_patch")]
    pub token: Patch<Secret>,
    /// See [`NewEndpoint`].
    #[serde(deserialize_with = "secret_patch")]
    pub authorization: Patch<Secret>,
    /// All headers anew.
    #[serde(deserialize_with = "secrets_patch")]
    pub headers: Patch<BTreeMap<String, Secret>>,
    /// See [`NewEndpoint`].
    pub ordering: Option<Ordering>,
    /// See [`NewEndpoint`].
    pub rate_limit: Patch<u32>,
    /// See [`NewEndpoint`].
    pub max_in_flight: Patch<u32>,
    /// See [`NewEndpoint`].
    pub timeout_s: Patch<u32>,
    /// See [`NewEndpoint`].
    pub status: Option<Status>,
    /// See [`NewEndpoint`].
    pub description: Patch<String>,
    /// See [`NewEndpoint`].
    pub signing: Option<Signing>,
}

pub(crate) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

fn secrets<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Secret>, D::Error> {
    let texts = Option::<BTreeMap<String, String>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(texts.into_iter().map(|(name, text)| (name, Secret::new(text))).collect())
}

fn secret_patch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Patch<Secret>, D::Error> {
    Ok(secret(deserializer)?.map_or(Patch::Clear, Patch::Set))
}

fn secrets_patch<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Patch<BTreeMap<String, Secret>>, D::Error> {
    Ok(Patch::Set(secrets(deserializer)?))
}

impl Engine {
    /// Registers an endpoint, with a signing secret of its own.
    pub async fn create_endpoint(
        &self,
        account: AccountId,
        input: NewEndpoint,
        once: &Once<'_, Endpoint>,
    ) -> Result<Endpoint, Refusal> {
        self.refuse_known(account, once).await?;
        let now = self.now();
        let base = Base {
            id: EndpointId::new(self.mint(now)),
            account,
            signing: vec![SigningSecret { secret: self.signing_secret(), until: None }],
            created_at: now,
        };
        let endpoint = form::endpoint(base, input, None, (self.guard(), now))?;
        let write = Write::Endpoint(Guarded { version: 0, value: endpoint.clone() });
        self.commit_endpoint(vec![write], endpoint, now, once).await
    }

    /// Changes an endpoint. Enabling forgets its failures; disabling cancels what is pending.
    pub async fn update_endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
        patch: EndpointPatch,
    ) -> Result<Endpoint, Refusal> {
        insist(|| self.try_update_endpoint(account, id, &patch)).await
    }

    async fn try_update_endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
        patch: &EndpointPatch,
    ) -> Result<Endpoint, Refusal> {
        let now = self.now();
        let EndpointRow { endpoint: old, version, .. } = self.load_endpoint(account, id).await?;
        let status = old.status;
        let new = form::patched(old, patch.clone(), (self.guard(), now))?;
        let mut writes = vec![Write::Endpoint(Guarded { version, value: new.clone() })];
        writes.extend(timers(id, status, new.status, now));
        self.commit_endpoint(writes, new, now, &Once::unkept()).await
    }

    /// Deletes an endpoint and cancels what is pending; the history stays. Gives it as it is now.
    pub async fn delete_endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
    ) -> Result<Endpoint, Refusal> {
        insist(|| self.try_delete_endpoint(account, id)).await
    }

    async fn try_delete_endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
    ) -> Result<Endpoint, Refusal> {
        let now = self.now();
        let EndpointRow { endpoint: old, version, .. } = self.load_endpoint(account, id).await?;
        let status = old.status;
        let new = Endpoint { status: Status::Deleted, updated_at: now, ..old };
        let mut writes = vec![Write::Endpoint(Guarded { version, value: new.clone() })];
        writes.extend(timers(id, status, new.status, now));
        self.commit_endpoint(writes, new, now, &Once::unkept()).await
    }

    /// Draws a new signing secret; the old ones go on signing for 24 hours.
    pub async fn rotate_secret(
        &self,
        account: AccountId,
        id: EndpointId,
        once: &Once<'_, Endpoint>,
    ) -> Result<Endpoint, Refusal> {
        self.refuse_known(account, once).await?;
        insist(|| self.try_rotate_secret(account, id, once)).await
    }

    async fn try_rotate_secret(
        &self,
        account: AccountId,
        id: EndpointId,
        once: &Once<'_, Endpoint>,
    ) -> Result<Endpoint, Refusal> {
        let now = self.now();
        let EndpointRow { endpoint: old, version, .. } = self.load_endpoint(account, id).await?;
        let signing = rotated(old.secrets.signing, self.signing_secret(), now);
        let secrets = Secrets { signing, ..old.secrets };
        let new = Endpoint { secrets, updated_at: now, ..old };
        let write = Write::Endpoint(Guarded { version, value: new.clone() });
        self.commit_endpoint(vec![write], new, now, once).await
    }

    /// Tells an endpoint the sample of an event, named in its dialect's words, marked as a test. Works for an endpoint
    /// that is disabled, too.
    pub async fn test_endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
        event: &str,
    ) -> Result<DeliveryId, Refusal> {
        let dialect = self.load_endpoint(account, id).await?.endpoint.dialect;
        let now = self.now();
        let event_id = EventId::new(self.mint(now));
        let sample = dialects::sample_named(dialect, event, account, event_id, now);
        let sample = sample.ok_or_else(|| unknown_event(dialect))?;
        // The sample's request is one that nobody stored: no timeline records it, and nothing waits for its turn.
        let event = Event { request: None, order_key: None, test: true, ..sample };
        let said = Said { event, audience: Audience::Only(id, Cause::Test) };
        let commit = Commit { events: vec![said], ..Commit::new(account, now) };
        let unkept = Once::<Endpoint>::unkept();
        let made = self.commit(commit).await.map_err(|fault| unkept.refusal(fault))?.deliveries;
        made.first().copied().ok_or(Refusal::NotFound { what: "endpoint" })
    }

    /// Loads an endpoint that a client may address.
    pub(crate) async fn load_endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
    ) -> Result<EndpointRow, Refusal> {
        let found = self.views().endpoint(account, id).await?;
        let is_theirs = |row: &EndpointRow| {
            row.endpoint.scope == Scope::Registered && row.endpoint.status != Status::Deleted
        };
        found.filter(is_theirs).ok_or(Refusal::NotFound { what: "endpoint" })
    }

    async fn commit_endpoint(
        &self,
        writes: Vec<Write>,
        endpoint: Endpoint,
        now: Timestamp,
        once: &Once<'_, Endpoint>,
    ) -> Result<Endpoint, Refusal> {
        if signs_with_rsa(endpoint.dialect) {
            // So that the first attempt finds it.
            self.rsa_key().await?;
        }
        let reply = once.reply(&endpoint);
        let commit = Commit { writes, reply, ..Commit::new(endpoint.account, now) };
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        Ok(endpoint)
    }

    fn signing_secret(&self) -> Secret {
        let mut bytes = [0; 32];
        self.with_chance(|chance| chance.fill(&mut bytes));
        Secret::new(format!("whsec_{}", STANDARD.encode(bytes)))
    }
}

/// Says what becomes of an endpoint's timers: one that is turned off is swept, and only the system's own stop is probed.
fn timers(id: EndpointId, before: Status, after: Status, now: Timestamp) -> Vec<Write> {
    if before == after {
        return Vec::new();
    }
    let sweep = match after {
        Status::Enabled => None,
        Status::Disabled | Status::DisabledBySystem | Status::Deleted => Some(now),
    };
    [(TimerKind::Sweep, sweep), (TimerKind::Probe, None)]
        .map(|(kind, due_at)| Write::Timer(kind, id.bits(), due_at))
        .into()
}

/// Puts a new secret before the old ones, and ends these.
fn rotated(old: Vec<SigningSecret>, new: Secret, now: Timestamp) -> Vec<SigningSecret> {
    let end = now.plus_millis(ROTATION_MS);
    let old = old
        .into_iter()
        .map(|secret| SigningSecret {
            until: Some(secret.until.map_or(end, |u| u.min(end))),
            ..secret
        })
        .filter(|secret| secret.until.is_some_and(|until| now < until));
    [SigningSecret { secret: new, until: None }].into_iter().chain(old).take(SECRETS_MAX).collect()
}

fn unknown_event(dialect: Dialect) -> Refusal {
    let dialect = dialects::dialect(dialect);
    let mut names: Vec<&str> = Vec::new();
    for word in dialect.words() {
        if !names.contains(&word.name) {
            names.push(word.name);
        }
    }
    if dialect.says_custom() {
        names.push("any name that starts with `custom.`");
    }
    Refusal::Invalid(vec![Flaw::new("event", format!("expected one of {}", names.join(", ")))])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn texts(secrets: &[SigningSecret]) -> Vec<&str> {
        secrets.iter().map(|secret| secret.secret.expose()).collect()
    }

    #[test]
    fn old_secrets_go_on_signing_for_a_day() {
        let first = rotated(Vec::new(), Secret::new("a"), NOW);
        let second = rotated(first, Secret::new("b"), NOW);
        let day_later = NOW.plus_millis(ROTATION_MS);
        assert_eq!(texts(&second), ["b", "a"]);
        assert_eq!(second.iter().map(|s| s.until).collect::<Vec<_>>(), [None, Some(day_later)]);
        let hour_later = rotated(second.clone(), Secret::new("c"), NOW.plus_millis(HOUR_MS));
        assert_eq!(hour_later[2].until, Some(day_later), "a rotation never lengthens another");
        assert_eq!(texts(&rotated(second, Secret::new("c"), day_later)), ["c", "b"]);
    }

    #[test]
    fn at_most_five_secrets_sign() {
        let mut secrets = Vec::new();
        for n in 0..9 {
            secrets = rotated(secrets, Secret::new(n.to_string()), NOW);
        }
        assert_eq!(texts(&secrets), ["8", "7", "6", "5", "4"]);
    }

    #[test]
    fn an_endpoint_that_is_turned_off_is_swept_and_not_probed() {
        let id = EndpointId::new(7);
        let said = |before, after| -> Vec<(TimerKind, Option<Timestamp>)> {
            let timer = |write| {
                let Write::Timer(kind, 7, due_at) = write else { panic!("{write:?}") };
                (kind, due_at)
            };
            timers(id, before, after, NOW).into_iter().map(timer).collect()
        };
        let swept = [(TimerKind::Sweep, Some(NOW)), (TimerKind::Probe, None)];
        assert_eq!(said(Status::Enabled, Status::Disabled), swept);
        assert_eq!(said(Status::DisabledBySystem, Status::Deleted), swept);
        let cleared = [(TimerKind::Sweep, None), (TimerKind::Probe, None)];
        assert_eq!(said(Status::DisabledBySystem, Status::Enabled), cleared);
        assert!(said(Status::Enabled, Status::Enabled).is_empty());
    }
}
