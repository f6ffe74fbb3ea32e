//! One attempt: a leased delivery in, a settlement out.
//!
//! Invariants: the body is rendered from the stored event at each attempt, so the log stays the only truth;
//! every attempt that was begun ends in a settlement or gives its lease back; a dropped attempt gives it back.
//! Left to others: whose turn it is (`lanes`), writing the settlement (`settle`).

use std::sync::Arc;
use std::time::Duration;

use channels::Lane;
use dialects::Target;
use domain::call::{ANSWER_BYTES_MAX, Call, Ending, Outcome, Reason};
use domain::chain::sha256;
use domain::delivery::{Attempt, Cause, Delivery, State, Why};
use domain::endpoint::{Endpoint, Scope};
use domain::event::{Event, Kind};
use domain::facts::AboutDelivery;
use domain::id::{AttemptId, DeliveryId, EndpointId};
use domain::retry::Stop;
use domain::time::Timestamp;
use store::{Lease, Settlement};
use url::Url;

use crate::Engine;
use crate::lanes::{Work, may_start};
use crate::service_key::Needed;

/// An attempt that ended, with what the settlement must do beyond the store.
#[derive(Debug)]
pub struct Ended {
    /// What the store records.
    pub settlement: Settlement,
    /// What becomes of the endpoint, and the URL it had when it was called.
    pub stop: Option<(Stop, String)>,
    /// Whether a probe found the endpoint answering again.
    pub revived: bool,
    /// The bytes of memory the lease stood for.
    pub bytes: usize,
}

/// Gives a lease back when its attempt is dropped in the middle.
struct Held<'a> {
    engine: &'a Engine,
    lease: Option<(EndpointId, DeliveryId, usize)>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some((endpoint, delivery, bytes)) = self.lease.take() {
            self.engine.store().release(vec![(endpoint, delivery)]);
            self.engine.lanes().abandoned(endpoint, bytes, self.engine.now());
        }
    }
}

impl Engine {
    /// Attempts a piece of work. `None` when it may not start any more; its lease is given back.
    pub async fn attempt(&self, work: Work) -> Option<Ended> {
        let Work { lease, endpoint, url } = work;
        let Lease { delivery, event, .. } = lease;
        let bytes = Lease::bytes(&event);
        let mut held = Held { engine: self, lease: Some((endpoint.id, delivery.id, bytes)) };
        if !may_start(&endpoint, delivery.cause) {
            return None;
        }
        if let Some(ended) = self.attempt_inside((&delivery, &event), &endpoint, bytes).await {
            return ended.inspect(|_| held.lease = None);
        }
        let began = self.now();
        self.metrics().begun(&delivery, &event, began);
        let url = url.unwrap_or_else(|| Arc::clone(&self.inner.nowhere));
        let (ending, sent, unsaid) = self.say_to(&endpoint, &event, &url, began).await;
        let now = self.now();
        let Ending { outcome, remote, reused } = ending;
        let mut after = delivery.after(&outcome, &endpoint.profile, now, self.roll());
        if let Some(why) = unsaid {
            after.state = State::Exhausted { at: now, why };
        }
        self.metrics().ended(&outcome, now.millis_since(began), reused);
        let attempt = Arc::new(Attempt {
            id: AttemptId::new(self.mint(began)),
            delivery: delivery.id,
            number: delivery.attempts.saturating_add(1),
            at: began,
            took_ms: u32::try_from(now.millis_since(began)).unwrap_or(0),
            url: sent.url,
            body_digest: sent.digest,
            remote: remote.map(|address| address.to_string()),
            outcome,
        });
        let counts = !matches!(delivery.cause, Cause::Test) && unsaid.is_none();
        let events =
            self.exhausted(&event, &attempt, (endpoint.id, delivery.cause, after.state), now);
        held.lease = None;
        self.lanes().ended(endpoint.id, after.accepted);
        Some(Ended {
            settlement: Settlement {
                account: delivery.account,
                endpoint: endpoint.id,
                request: event.request,
                attempt,
                state: after.state,
                health: counts.then_some(after.accepted),
                events,
            },
            stop: after.stop.map(|stop| (stop, endpoint.url.clone())),
            revived: after.accepted && matches!(delivery.cause, Cause::Probe),
            bytes,
        })
    }

    /// Says an event to an endpoint as its dialect does, and waits for what comes of it.
    async fn say_to(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        url: &Arc<Url>,
        now: Timestamp,
    ) -> (Ending, Sent, Option<Why>) {
        if event.is_forgotten() {
            return unsaid("the text of the event was forgotten");
        }
        let (signer, rsa) = (self.signer(endpoint).await, self.rsa_needed(endpoint).await);
        if matches!(rsa, Needed::Unavailable) {
            // It will be there again: this counts as a failure, not as the end.
            let (ending, sent, _) = unsaid("the key to sign with could not be read");
            return (ending, sent, None);
        }
        let target = Target { endpoint, url, now, signer: signer.as_deref(), rsa: rsa.key() };
        match dialects::dialect(endpoint.dialect).render(event, &target) {
            Ok(Some(call)) => {
                let sent = Sent::of(&call);
                let lane = Lane {
                    key: endpoint.id.bits(),
                    connections_max: endpoint.max_in_flight as usize,
                    timeout: Duration::from_secs(u64::from(endpoint.timeout_s)),
                    answer_bytes_max: ANSWER_BYTES_MAX,
                };
                (self.channel().attempt(call, lane).await, sent, None)
            }
            Ok(None) => unsaid("the dialect has no word for the event"),
            Err(error) => unsaid(error.to_string()),
        }
    }

    /// Finds the first of these events that the endpoint's dialect can say to it.
    pub(crate) async fn first_sayable<'a>(
        &self,
        endpoint: &Endpoint,
        mut events: impl Iterator<Item = &'a Event>,
        now: Timestamp,
    ) -> Option<&'a Event> {
        let url = Url::parse(&endpoint.url).ok().map(Arc::new);
        let url = url.unwrap_or_else(|| Arc::clone(&self.inner.nowhere));
        let (signer, rsa) = (self.signer(endpoint).await, self.rsa_needed(endpoint).await);
        let (signer, rsa) = (signer.as_deref(), rsa.key());
        let target = Target { endpoint, url: &url, now, signer, rsa };
        let dialect = dialects::dialect(endpoint.dialect);
        events.find(|event| matches!(dialect.render(event, &target), Ok(Some(_))))
    }

    /// Attempts what is no call to the endpoint itself: a message to a person, or the reading of what came in. Boxed, so that
    /// a call does not carry the room for either.
    async fn attempt_inside(
        &self,
        of: (&Delivery, &Arc<Event>),
        endpoint: &Arc<Endpoint>,
        bytes: usize,
    ) -> Option<Option<Ended>> {
        match endpoint.scope {
            Scope::Registered | Scope::Callback => None,
            Scope::Notices => Some(Box::pin(self.attempt_notice(of, endpoint, bytes)).await),
            Scope::Intake => Some(Box::pin(self.attempt_reading(of, endpoint, bytes)).await),
        }
    }

    /// Says that a delivery was given up, unless it was about the machinery itself or somebody is watching anyway.
    pub(crate) fn exhausted(
        &self,
        event: &Event,
        attempt: &Attempt,
        of: (EndpointId, Cause, State),
        now: Timestamp,
    ) -> Vec<Event> {
        let (endpoint, cause, state) = of;
        let State::Exhausted { why, .. } = state else { return Vec::new() };
        if event.kind.is_operational() || matches!(cause, Cause::Test | Cause::Probe) {
            return Vec::new();
        }
        let about = AboutDelivery {
            delivery_id: attempt.delivery,
            endpoint_id: endpoint,
            event_id: event.id,
            event_type: event.name.to_string(),
            attempts: attempt.number,
            reason: why.as_str().to_owned(),
            last_status: attempt.outcome.status(),
        };
        vec![self.event(Kind::DeliveryExhausted, event.account, &about, now)]
    }

    pub(crate) fn roll(&self) -> u32 {
        self.with_chance(|chance| u32::try_from(chance.draw() >> 32).unwrap_or(0))
    }
}

/// What a call was, once it is gone.
struct Sent {
    url: String,
    digest: [u8; 32],
}

impl Sent {
    fn of(call: &Call) -> Self {
        Self { url: call.url.as_str().to_owned(), digest: sha256(&call.body) }
    }

    fn nothing() -> Self {
        Self { url: String::new(), digest: sha256(b"") }
    }
}

/// What an attempt comes to when there is nothing to send.
fn unsaid(detail: impl Into<String>) -> (Ending, Sent, Option<Why>) {
    let outcome = Outcome::failed(Reason::Unsayable, detail);
    let ending = Ending { outcome, remote: None, reused: false };
    (ending, Sent::nothing(), Some(Why::Unsayable))
}
