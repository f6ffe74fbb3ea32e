//! Receivers with moods, and a memory of what they heard.
//!
//! Some of them are interfaces of vendors: those who feel well show their pages.
//!
//! Invariant: what a receiver answers follows from its mood, its pages and the seed; what it heard is never forgotten.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use channels::{Channel, Lane};
use domain::call::{Answer, Call, Ending, Outcome, Reason};
use domain::time::{Clock, Timestamp};

use crate::clock::SimClock;
use crate::dice::Dice;

/// How a receiver feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes everything.
    Well,
    /// Answers with that status.
    Status(u16),
    /// Answers 503 and asks for so many seconds.
    Later(u32),
    /// Takes it so many times in a hundred, and breaks the connection otherwise.
    Flapping(u64),
    /// Takes it, but the answer gets lost.
    Mumbling,
    /// Nobody listens.
    Down,
    /// Takes it, and does not answer in time.
    Slow,
    /// Answers 200 with nonsense.
    Babbling,
}

/// One call that reached a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: Timestamp,
    /// The event, by `webhook-id`; empty in dialects that have none.
    pub event: String,
    /// The whole body.
    pub body: Vec<u8>,
    /// Whether it was answered with the mood's success.
    pub taken: bool,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The verb and the URL.
    pub line: String,
}

/// Receivers with moods, by the host of their URL.
#[derive(Debug)]
pub struct World {
    clock: Arc<SimClock>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    dice: Dice,
    moods: BTreeMap<String, Mood>,
    heard: BTreeMap<String, Vec<Heard>>,
    /// What hosts show, by path, and what they say of what they do not have.
    pages: BTreeMap<String, (BTreeMap<String, String>, String)>,
}

impl Inner {
    /// Gives what somebody who is well says to a call.
    fn says(&self, host: &str, path: &str) -> Answer {
        let Some((pages, missing)) = self.pages.get(host) else {
            return Answer { status: 200, ..Answer::default() };
        };
        let (status, body) = pages.get(path).map_or((404, missing), |body| (200, body));
        Answer { status, body: body.clone(), ..Answer::default() }
    }
}

impl World {
    /// Makes a world where everybody is well.
    pub const fn new(clock: Arc<SimClock>, dice: Dice) -> Self {
        let inner =
            Inner { dice, moods: BTreeMap::new(), heard: BTreeMap::new(), pages: BTreeMap::new() };
        Self { clock, inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how a receiver feels.
    pub fn feels(&self, host: &str, mood: Mood) {
        self.lock().moods.insert(host.to_owned(), mood);
    }

    /// Has a host show pages, by path, beside those that it shows already, and say `missing` of all others.
    pub fn shows(&self, host: &str, pages: BTreeMap<String, String>, missing: &str) {
        let mut inner = self.lock();
        let (known, says) = inner.pages.entry(host.to_owned()).or_default();
        known.extend(pages);
        missing.clone_into(says);
    }

    /// Makes everybody well.
    pub fn heal(&self) {
        self.lock().moods.clear();
    }

    /// Gives what a receiver heard, in order.
    pub fn heard(&self, host: &str) -> Vec<Heard> {
        self.lock().heard.get(host).cloned().unwrap_or_default()
    }

    /// Gives what everybody heard.
    pub fn everything(&self) -> BTreeMap<String, Vec<Heard>> {
        self.lock().heard.clone()
    }
}

#[async_trait]
impl Channel for World {
    async fn attempt(&self, call: Call, _lane: Lane) -> Ending {
        let host = call.url.host_str().unwrap_or_default().to_owned();
        let at = self.clock.now();
        let mut inner = self.lock();
        let mood = inner.moods.get(&host).copied().unwrap_or(Mood::Well);
        let answered = |status| Outcome::Answered(Answer { status, ..Answer::default() });
        let well = |inner: &Inner| Outcome::Answered(inner.says(&host, call.url.path()));
        let lost = || Outcome::failed(Reason::ConnectionLost, "the receiver broke the connection");
        let (outcome, reached, taken) = match mood {
            Mood::Well => (well(&inner), true, true),
            Mood::Status(status) => (answered(status), true, (200..300).contains(&status)),
            Mood::Later(seconds) => {
                let retry_after_s = Some(seconds);
                let answer = Answer { status: 503, retry_after_s, ..Answer::default() };
                (Outcome::Answered(answer), true, false)
            }
            Mood::Flapping(percent) if inner.dice.percent(percent) => (well(&inner), true, true),
            Mood::Flapping(_) => (lost(), true, false),
            Mood::Mumbling => (lost(), true, true),
            Mood::Down => (Outcome::failed(Reason::ConnectFailed, "nobody listens"), false, false),
            Mood::Slow => (Outcome::failed(Reason::HeadersTimeout, "no answer yet"), true, false),
            Mood::Babbling => {
                let body = "<html>Come in!</html>".to_owned();
                (Outcome::Answered(Answer { status: 200, body, ..Answer::default() }), true, true)
            }
        };
        if reached {
            let event = call.headers.iter().find(|(name, _)| name == "webhook-id");
            let heard = Heard {
                at,
                event: event.map(|(_, value)| value.clone()).unwrap_or_default(),
                taken,
                headers: call.headers.iter().map(|(n, v)| (n.to_string(), v.clone())).collect(),
                line: format!("{} {}", call.method.as_str(), call.url),
                body: call.body,
            };
            inner.heard.entry(host).or_default().push(heard);
        }
        let remote = reached.then(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 443));
        Ending { outcome, remote, reused: false }
    }
}
