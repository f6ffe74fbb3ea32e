//! What was acknowledged, seen and done since the last census, as it happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    chaos::judge::{Sight, Told},
    clock,
};

#[derive(Debug)]
pub(crate) struct Book {
    pages: Mutex<Pages>,
}

/// Since the last census.
#[derive(Debug, Default)]
pub(crate) struct Span {
    pub(crate) told: Vec<Told>,
    /// Signature requests that were sent, and of which steps were acknowledged.
    pub(crate) requests: BTreeSet<String>,
    pub(crate) sights: Vec<Sight>,
    /// When nodes ended.
    pub(crate) ends_ms: Vec<u64>,
}

#[derive(Debug)]
struct Pages {
    span: Span,
    /// What was wrong at once.
    broken: Vec<String>,
    refusals: BTreeMap<String, u64>,
    began: Instant,
    last_acknowledged: Instant,
    slowest: Duration,
}

/// What is remembered of the calls, over all spans.
#[derive(Debug, Default, Clone)]
pub(crate) struct Calls {
    /// What was answered instead of an acknowledgement, and how often.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// The longest time in which nothing was acknowledged.
    pub(crate) slowest: Duration,
}

impl Book {
    pub(crate) fn new() -> Self {
        let pages = Pages {
            span: Span::default(),
            broken: Vec::new(),
            refusals: BTreeMap::new(),
            began: clock::now(),
            last_acknowledged: clock::now(),
            slowest: Duration::ZERO,
        };
        Self { pages: Mutex::new(pages) }
    }

    pub(crate) fn acknowledged(&self, told: Told) {
        let mut pages = self.pages();
        pages.acknowledged_now();
        pages.span.told.push(told);
    }

    pub(crate) fn moved(&self, request: &str) {
        let mut pages = self.pages();
        pages.acknowledged_now();
        pages.span.requests.insert(request.to_owned());
    }

    pub(crate) fn refused(&self, why: String) {
        *self.pages().refusals.entry(why).or_default() += 1;
    }

    pub(crate) fn saw(&self, sight: Sight) {
        let mut pages = self.pages();
        let at_ms = pages.now_ms();
        pages.span.sights.push(Sight { at_ms, ..sight });
    }

    /// Notes that a node has ended just now.
    pub(crate) fn ended(&self) {
        let mut pages = self.pages();
        let now_ms = pages.now_ms();
        pages.span.ends_ms.push(now_ms);
    }

    pub(crate) fn broke(&self, what: String) {
        self.pages().broken.push(what);
    }

    /// Begins to count the time without an acknowledgement anew, since nothing was posted.
    pub(crate) fn begin(&self) {
        self.pages().last_acknowledged = clock::now();
    }

    /// Tells whether anything was acknowledged after that moment.
    pub(crate) fn acknowledged_after(&self, moment: Instant) -> bool {
        self.pages().last_acknowledged > moment
    }

    /// Answers everything since the last census, and begins anew.
    pub(crate) fn turn(&self) -> (Span, Vec<String>) {
        let mut pages = self.pages();
        (mem::take(&mut pages.span), mem::take(&mut pages.broken))
    }

    pub(crate) fn calls(&self) -> Calls {
        let pages = self.pages();
        Calls { refusals: pages.refusals.clone(), slowest: pages.slowest }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn acknowledged_now(&mut self) {
        let now = clock::now();
        self.slowest = self.slowest.max(now.duration_since(self.last_acknowledged));
        self.last_acknowledged = now;
    }
}
