//! Figures about the moving parts, in the form that Prometheus reads.
//!
//! Invariant: counting never waits and never fails; names and labels are part of the interface and do not change.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use domain::call::Outcome;
use domain::delivery::Delivery;
use domain::event::Event;
use domain::time::{SECOND_MS, Timestamp};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use store::Forgotten;

/// The bounds of durations, in seconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0];

/// Figures about the moving parts.
pub(crate) struct Metrics {
    registry: Registry,
    accepted: Counter<u64, AtomicU64>,
    attempts: Family<Ending, Counter<u64, AtomicU64>>,
    /// The usual one of [`Metrics::attempts`], at hand.
    attempts_2xx: Counter<u64, AtomicU64>,
    attempt_seconds: Histogram,
    first_attempt_seconds: Histogram,
    connections: Family<Connection, Counter<u64, AtomicU64>>,
    /// The usual one of [`Metrics::connections`], at hand.
    connections_reused: Counter<u64, AtomicU64>,
    in_flight: Family<Class, Gauge<i64, AtomicI64>>,
    short_links: Family<Ending, Counter<u64, AtomicU64>>,
    arrivals: Family<Ending, Counter<u64, AtomicU64>>,
    returned_mails: Family<Ending, Counter<u64, AtomicU64>>,
    forgotten: Family<What, Counter<u64, AtomicU64>>,
    oldest_age_s: Family<What, Gauge<i64, AtomicI64>>,
    unsettled: Gauge<i64, AtomicI64>,
    leased_bytes: Gauge<i64, AtomicI64>,
    pending: Gauge<i64, AtomicI64>,
    store_bytes: Gauge<i64, AtomicI64>,
    lag_ms: Gauge<i64, AtomicI64>,
    nodes: Gauge<i64, AtomicI64>,
    agreed: Gauge<i64, AtomicI64>,
    beat_age_ms: Gauge<i64, AtomicI64>,
}

/// How an attempt ended: `2xx` to `5xx`, or the reason of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ending {
    outcome: &'static str,
}

/// Whether a lane succeeds: `flowing`, or `failing`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

/// Whether a kept-alive connection served an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connection {
    kind: &'static str,
}

/// What is kept, or was: `replies`, `deliveries`, `attempts`, `texts` or `events`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

/// What is measured at the moment of asking.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sizes {
    /// Attempts under way in lanes that succeed.
    pub(crate) flowing: usize,
    /// Attempts under way in lanes that only fail.
    pub(crate) failing: usize,
    pub(crate) unsettled: usize,
    pub(crate) leased_bytes: usize,
    pub(crate) pending: u64,
    pub(crate) store_bytes: u64,
    pub(crate) lag_ms: i64,
    /// Nodes that share the store.
    pub(crate) nodes: u32,
    /// Whether they agree on who they are.
    pub(crate) agreed: bool,
    /// How long ago this node said that it lives.
    pub(crate) beat_age: Duration,
    /// How old the oldest event and the oldest delivery are.
    pub(crate) oldest_event_ms: i64,
    pub(crate) oldest_delivery_ms: i64,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let attempts = Family::<Ending, Counter<u64, AtomicU64>>::default();
        let connections = Family::<Connection, Counter<u64, AtomicU64>>::default();
        let mut metrics = Self {
            registry: Registry::with_prefix("countersign"),
            accepted: Counter::default(),
            attempts_2xx: attempts.get_or_create_owned(&Ending { outcome: "2xx" }),
            attempts,
            attempt_seconds: Histogram::new(SECONDS),
            first_attempt_seconds: Histogram::new(SECONDS),
            connections_reused: connections.get_or_create_owned(&Connection { kind: "reused" }),
            connections,
            short_links: Family::default(),
            arrivals: Family::default(),
            returned_mails: Family::default(),
            forgotten: Family::default(),
            oldest_age_s: Family::default(),
            in_flight: Family::default(),
            unsettled: Gauge::default(),
            leased_bytes: Gauge::default(),
            pending: Gauge::default(),
            store_bytes: Gauge::default(),
            lag_ms: Gauge::default(),
            nodes: Gauge::default(),
            agreed: Gauge::default(),
            beat_age_ms: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    /// What comes in otherwise than by the API.
    fn register_doors(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "short_links",
            "Short links that were followed, by where they lead: opened, over, or unknown",
            self.short_links.clone(),
        );
        registry.register(
            "arrivals",
            "Webhooks that came in at sources: kept, repeated, or refused for want of a proof",
            self.arrivals.clone(),
        );
        registry.register(
            "returned_mails",
            "Mails that came back by SMTP: heard, unread, unknown, or later when the store was away",
            self.returned_mails.clone(),
        );
    }

    fn register(&mut self) {
        self.register_doors();
        let registry = &mut self.registry;
        registry.register("events_accepted", "Events committed to the log", self.accepted.clone());
        registry.register("attempts", "Attempts by how they ended", self.attempts.clone());
        registry.register(
            "attempt_seconds",
            "How long attempts take",
            self.attempt_seconds.clone(),
        );
        registry.register(
            "first_attempt_delay_seconds",
            "From an event's commit to the start of its first attempt",
            self.first_attempt_seconds.clone(),
        );
        registry.register(
            "connections",
            "Attempts by the connection that served them",
            self.connections.clone(),
        );
        registry.register(
            "attempts_in_flight",
            "Attempts under way, by the class of their lane: flowing, or failing",
            self.in_flight.clone(),
        );
        registry.register(
            "forgotten",
            "Rows taken away since they had outlived their time",
            self.forgotten.clone(),
        );
        registry.register(
            "oldest_age_seconds",
            "How old the oldest event and the oldest delivery are; 0 where there is none",
            self.oldest_age_s.clone(),
        );
        registry.register(
            "attempts_unsettled",
            "Attempts ended and not yet written",
            self.unsettled.clone(),
        );
        registry.register("leased_bytes", "Leased work in memory", self.leased_bytes.clone());
        registry.register("deliveries_pending", "Deliveries under way", self.pending.clone());
        registry.register("store_bytes", "Bytes of the database", self.store_bytes.clone());
        registry.register(
            "oldest_due_lag_milliseconds",
            "How late the oldest due delivery is that no other node has",
            self.lag_ms.clone(),
        );
        registry.register("nodes", "Nodes that share the store", self.nodes.clone());
        registry.register(
            "nodes_agreed",
            "1 while all nodes keep to the same membership",
            self.agreed.clone(),
        );
        registry.register(
            "beat_age_milliseconds",
            "How long ago this node said that it lives; 0 where it is alone by nature",
            self.beat_age_ms.clone(),
        );
    }

    /// Counts a short link that was followed, by where it leads.
    pub(crate) fn short_link(&self, outcome: &'static str) {
        self.short_links.get_or_create(&Ending { outcome }).inc();
    }

    /// Counts what came in at a source, by what became of it.
    pub(crate) fn arrival(&self, outcome: &'static str) {
        self.arrivals.get_or_create(&Ending { outcome }).inc();
    }

    /// Counts a mail that came back by SMTP, by what came of it.
    pub(crate) fn returned_mail(&self, outcome: &'static str) {
        self.returned_mails.get_or_create(&Ending { outcome }).inc();
    }

    pub(crate) fn accepted(&self, events: usize) {
        self.accepted.inc_by(events as u64);
    }

    /// Gives how many events were accepted so far.
    pub(crate) fn accepted_so_far(&self) -> u64 {
        self.accepted.get()
    }

    pub(crate) fn forgotten(&self, forgotten: &Forgotten) {
        let Forgotten { replies, deliveries, attempts, texts, events, rest: _ } = *forgotten;
        for (what, rows) in [
            ("replies", replies),
            ("deliveries", deliveries),
            ("attempts", attempts),
            ("texts", texts),
            ("events", events),
        ] {
            self.forgotten.get_or_create(&What { what }).inc_by(u64::from(rows));
        }
    }

    pub(crate) fn begun(&self, delivery: &Delivery, event: &Event, now: Timestamp) {
        if delivery.attempts == 0 && delivery.created_at == event.at {
            self.first_attempt_seconds.observe(seconds(now.millis_since(delivery.created_at)));
        }
    }

    pub(crate) fn ended(&self, outcome: &Outcome, took_ms: i64, reused: bool) {
        let outcome = match outcome {
            Outcome::Answered(answer) => match answer.status / 100 {
                1 => "1xx",
                2 => "2xx",
                3 => "3xx",
                4 => "4xx",
                _ => "5xx",
            },
            Outcome::Failed(failure) => failure.reason.as_str(),
            Outcome::Handed(handed) => handed.receipt.reception.as_str(),
            Outcome::Read(reading) if reading.done => "read",
            Outcome::Read(_) => "unread",
        };
        if outcome == "2xx" {
            self.attempts_2xx.inc();
        } else {
            self.attempts.get_or_create(&Ending { outcome }).inc();
        }
        self.attempt_seconds.observe(seconds(took_ms));
        if reused {
            self.connections_reused.inc();
        } else {
            self.connections.get_or_create(&Connection { kind: "new" }).inc();
        }
    }

    /// Writes everything as text.
    pub(crate) fn text(&self, sizes: Sizes) -> String {
        let set = |gauge: &Gauge<i64, AtomicI64>, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        for (class, count) in [("flowing", sizes.flowing), ("failing", sizes.failing)] {
            set(&self.in_flight.get_or_create(&Class { class }), count as u64);
        }
        for (what, age_ms) in
            [("events", sizes.oldest_event_ms), ("deliveries", sizes.oldest_delivery_ms)]
        {
            self.oldest_age_s.get_or_create(&What { what }).set(age_ms / SECOND_MS);
        }
        set(&self.unsettled, sizes.unsettled as u64);
        set(&self.leased_bytes, sizes.leased_bytes as u64);
        set(&self.pending, sizes.pending);
        set(&self.store_bytes, sizes.store_bytes);
        self.lag_ms.set(sizes.lag_ms);
        set(&self.nodes, u64::from(sizes.nodes));
        set(&self.agreed, u64::from(sizes.agreed));
        set(&self.beat_age_ms, u64::try_from(sizes.beat_age.as_millis()).unwrap_or(u64::MAX));
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(fmt::Error) => String::new(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 milliseconds")]
fn seconds(millis: i64) -> f64 {
    millis.max(0) as f64 / 1_000.0
}
