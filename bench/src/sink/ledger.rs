//! What the sink remembers of what came in, and how it is minded to answer.
//!
//! Invariant: only what is answered with success counts as arrived; the refused and the hung are counted apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    histogram::{Histogram, Summary},
    sink::keys::{Keys, Seen, key_of},
};

/// How one path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    /// At once, with success.
    #[default]
    Answer,
    /// Never; the connection stays open until the mood changes, and is then cut.
    Hang,
    /// With 503 and a `Retry-After` that ends at this moment.
    Refuse { until_us: u64 },
}

/// Everything the sink answers about itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) total: LaneStats,
    /// Deliveries whose key found no room.
    pub(crate) untracked: u64,
    /// Connections that carried at least one delivery.
    pub(crate) connections: u64,
    pub(crate) paths: BTreeMap<String, LaneStats>,
    /// The 99th percentile of the latency in each full second, all paths together: one bad second shows as one.
    pub(crate) p99_us_by_second: Vec<u64>,
}

/// One path, or all of them together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct LaneStats {
    pub(crate) count: u64,
    pub(crate) distinct: u64,
    pub(crate) duplicates: u64,
    pub(crate) unnamed: u64,
    pub(crate) refused: u64,
    pub(crate) hung: u64,
    pub(crate) first_us: u64,
    pub(crate) last_us: u64,
    /// From the moment written in the body to the arrival, in microseconds.
    pub(crate) latency_us: Summary,
}

/// One delivery, as far as the ledger cares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) place: usize,
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) sent_at_us: Option<u64>,
    pub(crate) arrived_us: u64,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    lanes: Vec<Lane>,
    keys: Keys,
    keys_max: usize,
    untracked: u64,
    connections: u64,
    second: Second,
    p99_us_by_second: Vec<u64>,
}

/// The latencies of the second that is under way.
#[derive(Debug)]
struct Second {
    number: u64,
    latency: Histogram,
}

#[derive(Debug, Clone)]
struct Lane {
    mood: Mood,
    stats: LaneStats,
    latency: Histogram,
}

impl Ledger {
    pub(crate) fn with_bound(keys_max: usize) -> Self {
        Self {
            lanes: fresh_lanes(),
            keys: Keys::with_bound(keys_max),
            keys_max,
            untracked: 0,
            connections: 0,
            second: Second { number: 0, latency: Histogram::new() },
            p99_us_by_second: Vec::new(),
        }
    }

    /// Forgets everything but the moods.
    pub(crate) fn reset(&mut self) {
        for lane in &mut self.lanes {
            *lane = Lane { mood: lane.mood, ..Lane::new() };
        }
        self.keys.forget_all(self.keys_max);
        self.untracked = 0;
        self.connections = 0;
        self.second = Second { number: 0, latency: Histogram::new() };
        self.p99_us_by_second.clear();
    }

    pub(crate) fn greet(&mut self) {
        self.connections += 1;
    }

    pub(crate) fn set_mood(&mut self, place: Option<usize>, mood: Mood) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if place.is_none_or(|place| place == index) {
                lane.mood = mood;
            }
        }
    }

    /// Enters one delivery and answers how to answer it.
    pub(crate) fn note(&mut self, arrival: Arrival<'_>) -> Mood {
        let Some(lane) = self.lanes.get_mut(arrival.place) else { return Mood::Answer };
        let stats = &mut lane.stats;
        match lane.mood {
            Mood::Hang => stats.hung += 1,
            Mood::Refuse { .. } => stats.refused += 1,
            Mood::Answer => {
                stats.count += 1;
                if stats.first_us == 0 {
                    stats.first_us = arrival.arrived_us;
                }
                stats.last_us = stats.last_us.max(arrival.arrived_us);
                match arrival.id.map(|id| self.keys.note(key_of(arrival.place, id))) {
                    Some(Seen::First) => stats.distinct += 1,
                    Some(Seen::Again) => stats.duplicates += 1,
                    Some(Seen::Full) => self.untracked += 1,
                    None => stats.unnamed += 1,
                }
                if let Some(sent_at_us) = arrival.sent_at_us {
                    let took_us = arrival.arrived_us.saturating_sub(sent_at_us);
                    lane.latency.record(took_us);
                    let mood = lane.mood;
                    self.note_by_second(arrival.arrived_us / 1_000_000, took_us);
                    return mood;
                }
            }
        }
        lane.mood
    }

    fn note_by_second(&mut self, number: u64, took_us: u64) {
        if number > self.second.number {
            if self.second.number > 0 && self.p99_us_by_second.len() < SECONDS_MAX {
                self.p99_us_by_second.push(self.second.latency.at(0.99));
            }
            self.second = Second { number, latency: Histogram::new() };
        }
        self.second.latency.record(took_us);
    }

    /// Answers those of the ids that never arrived at this place.
    pub(crate) fn missing<'a>(
        &self,
        place: usize,
        ids: impl Iterator<Item = &'a str>,
    ) -> Vec<&'a str> {
        ids.filter(|id| !self.keys.knows(key_of(place, id.as_bytes()))).collect()
    }

    /// Sums up all places but one.
    pub(crate) fn stats(&self, except: Option<usize>) -> Stats {
        let mut stats = Stats {
            untracked: self.untracked,
            connections: self.connections,
            p99_us_by_second: self.p99_us_by_second.clone(),
            ..Stats::default()
        };
        let mut latency = Histogram::new();
        for (place, lane) in self.lanes.iter().enumerate() {
            let unused = lane.stats.count + lane.stats.refused + lane.stats.hung == 0;
            if unused || except == Some(place) {
                continue;
            }
            stats.total.add(&lane.stats);
            latency.merge(&lane.latency);
            let said = LaneStats { latency_us: lane.latency.summary(), ..lane.stats.clone() };
            stats.paths.insert(path_of(place), said);
        }
        stats.total.latency_us = latency.summary();
        stats
    }
}

impl LaneStats {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.distinct += other.distinct;
        self.duplicates += other.duplicates;
        self.unnamed += other.unnamed;
        self.refused += other.refused;
        self.hung += other.hung;
        self.last_us = self.last_us.max(other.last_us);
        if self.first_us == 0 || (other.first_us > 0 && other.first_us < self.first_us) {
            self.first_us = other.first_us;
        }
    }
}

impl Lane {
    fn new() -> Self {
        Self { mood: Mood::Answer, stats: LaneStats::default(), latency: Histogram::new() }
    }
}

fn fresh_lanes() -> Vec<Lane> {
    vec![Lane::new(); PLACES]
}

/// `/e/1` to `/e/63` are places of their own; every other path is place 0.
pub(crate) fn place_of(path: &str) -> usize {
    path.strip_prefix("/e/")
        .and_then(|number| number.parse().ok())
        .filter(|place| *place < PLACES)
        .unwrap_or(0)
}

fn path_of(place: usize) -> String {
    if place == 0 { "other".to_owned() } else { format!("/e/{place}") }
}

const PLACES: usize = 64;
/// The sink remembers an hour second by second.
const SECONDS_MAX: usize = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(place: usize, id: &str) -> Arrival<'_> {
        Arrival { place, id: Some(id.as_bytes()), sent_at_us: Some(10), arrived_us: 30 }
    }

    #[test]
    fn a_doubled_delivery_is_counted_once_as_distinct() {
        let mut ledger = Ledger::with_bound(10);
        for id in ["a", "b", "a"] {
            ledger.note(arrival(1, id));
        }
        let total = ledger.stats(None).total;
        assert_eq!((total.count, total.distinct, total.duplicates), (3, 2, 1));
        assert_eq!(total.latency_us.p50, 20);
    }

    #[test]
    fn what_is_refused_or_hangs_has_not_arrived() {
        let mut ledger = Ledger::with_bound(10);
        ledger.set_mood(Some(1), Mood::Hang);
        ledger.note(arrival(1, "a"));
        ledger.note(arrival(2, "a"));
        assert_eq!(ledger.missing(1, ["a"].into_iter()), ["a"]);
        assert!(ledger.missing(2, ["a"].into_iter()).is_empty());
        assert_eq!(ledger.stats(Some(1)).total.hung, 0);
    }

    #[test]
    fn a_bad_second_shows_as_one() {
        let mut ledger = Ledger::with_bound(10);
        for (arrived_us, sent_at_us) in
            [(1_500_000, 1_499_000), (2_500_000, 2_400_000), (3_500_000, 3_499_000)]
        {
            ledger.note(Arrival { arrived_us, sent_at_us: Some(sent_at_us), ..arrival(1, "a") });
        }
        let p99 = ledger.stats(None).p99_us_by_second;
        assert_eq!(p99, [1000, 100_000]);
    }

    #[test]
    fn a_reset_keeps_the_moods() {
        let mut ledger = Ledger::with_bound(10);
        ledger.set_mood(None, Mood::Hang);
        ledger.reset();
        assert_eq!(ledger.note(arrival(1, "a")), Mood::Hang);
    }

    #[test]
    fn a_path_is_its_own_place_when_it_has_a_number() {
        assert_eq!(["/e/1", "/e/10", "/bare", "/e/x", "/e/999"].map(place_of), [1, 10, 0, 0, 0]);
    }
}
