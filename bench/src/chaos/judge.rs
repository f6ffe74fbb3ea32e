//! Whether what was seen and what is remembered keep the promises. No IO: everything is handed in.
//!
//! What is claimed, of everything acknowledged between two censuses:
//! 1. Each event was taken by each endpoint (answered with success), and its delivery says `delivered`.
//! 2. To the ordered endpoint, the first time that each event of a key was taken is in the order of acknowledgement.
//! 3. An endpoint took a delivery again only where the ending of the time before was not written when the next attempt
//!    began: it is not in the history (4), it is there as a failure since its answer did not come through, or it was
//!    written by a node that others had taken for dead. And never after the census at which the delivery had ended.
//! 4. Each attempt that the receiver saw is in the history of its delivery, with its answer, or as one that failed; but
//!    for those that came no longer before the end of their node than a node may keep an ending that it cannot write.
//! 5. One post made one event, however often it was repeated.

use std::collections::{BTreeMap, BTreeSet};

/// How one endpoint behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Its number at the receiver.
    pub(crate) place: usize,
    pub(crate) ordered: bool,
    /// Attempts that may be under way at once, all nodes together.
    pub(crate) in_flight_max: u32,
}

/// An event that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) event: String,
    /// What it is in order with: events of one are acknowledged one after the other.
    pub(crate) key: String,
}

/// What the receiver did with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    Took,
    Refused,
    /// The connection was cut instead of an answer.
    Cut,
}

/// An attempt that the receiver saw.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    pub(crate) place: usize,
    pub(crate) event: String,
    /// What the answer carried, which is nobody else's.
    pub(crate) nonce: u64,
    pub(crate) reaction: Reaction,
    pub(crate) at_ms: u64,
    /// Which post the event is of, where the body says it.
    pub(crate) post: Option<String>,
}

/// What the service remembers of a delivery.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) state: String,
    /// Each attempt with the nonce of its answer; `None` where no answer came through.
    pub(crate) attempts: Vec<Option<u64>>,
}

/// Everything about the time between two censuses.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) rules: Vec<Rule>,
    /// In the order of acknowledgement.
    pub(crate) told: Vec<Told>,
    /// In the order of arrival.
    pub(crate) sights: Vec<Sight>,
    /// By place and event.
    pub(crate) histories: BTreeMap<(usize, String), History>,
    /// When nodes ended, killed or asked; for as long as one was asked, the end of that.
    pub(crate) ends_ms: Vec<u64>,
    /// How long a node may keep an ending that it cannot write, while faults go on.
    pub(crate) unwritten_ms_max: u64,
    /// How often a node was taken for dead and lived.
    pub(crate) takeovers: u64,
    /// Events that had ended at the census before.
    pub(crate) ended_before: BTreeSet<String>,
}

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) events: u64,
    pub(crate) deliveries: u64,
    pub(crate) attempts_seen: u64,
    /// Deliveries taken again.
    pub(crate) doubled: u64,
    /// Of these, those of which the history has both, since two nodes have made one each.
    pub(crate) doubled_by_two: u64,
    pub(crate) takeovers: u64,
    /// Attempts seen and answered that no history has, since their node ended.
    pub(crate) forgotten: u64,
    /// What must not be.
    pub(crate) broken: Vec<String>,
}

pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    let events: BTreeSet<&str> = evidence.told.iter().map(|told| told.event.as_str()).collect();
    verdict.events = events.len() as u64;
    verdict.attempts_seen = evidence.sights.len() as u64;
    one_event_a_post(evidence, &mut verdict);
    for rule in &evidence.rules {
        let seen = seen_at(evidence, rule.place);
        delivered(evidence, *rule, &seen, &mut verdict);
        once(evidence, *rule, &seen, &mut verdict);
        remembered(evidence, *rule, &seen, &mut verdict);
        if rule.ordered {
            in_order(evidence, *rule, &mut verdict);
        }
    }
    verdict
}

type Seen<'a> = BTreeMap<&'a str, Vec<&'a Sight>>;

fn seen_at(evidence: &Evidence, place: usize) -> Seen<'_> {
    let mut seen = Seen::new();
    for sight in evidence.sights.iter().filter(|sight| sight.place == place) {
        seen.entry(sight.event.as_str()).or_default().push(sight);
    }
    seen
}

fn took(sights: &[&Sight]) -> u64 {
    sights.iter().filter(|sight| sight.reaction == Reaction::Took).count() as u64
}

fn delivered(evidence: &Evidence, rule: Rule, seen: &Seen<'_>, verdict: &mut Verdict) {
    let place = rule.place;
    for told in &evidence.told {
        let event = told.event.as_str();
        verdict.deliveries += 1;
        if seen.get(event).is_none_or(|sights| took(sights) == 0) {
            verdict
                .broken
                .push(format!("lost: {event} was acknowledged and never reached endpoint {place}"));
        }
        let state = evidence
            .histories
            .get(&(place, event.to_owned()))
            .map(|history| history.state.as_str());
        if state != Some("delivered") {
            let state = state.unwrap_or("not there");
            verdict
                .broken
                .push(format!("stuck: the delivery of {event} to endpoint {place} is {state}"));
        }
    }
}

fn once(evidence: &Evidence, rule: Rule, seen: &Seen<'_>, verdict: &mut Verdict) {
    let place = rule.place;
    for (event, sights) in seen {
        if evidence.ended_before.contains(*event) {
            let what = format!("heard again: {event} at endpoint {place}, after it had ended");
            verdict.broken.push(what);
            continue;
        }
        let again = took(sights).saturating_sub(1);
        if again == 0 {
            continue;
        }
        verdict.doubled += again;
        let known = known(evidence, place, event);
        let written = sights
            .iter()
            .filter(|sight| sight.reaction == Reaction::Took && known.contains(&sight.nonce));
        let by_two = (written.count() as u64).saturating_sub(1);
        verdict.doubled_by_two += by_two;
        if by_two > 0 && evidence.takeovers == 0 {
            verdict.broken.push(format!(
                "doubled: the history of {event} to endpoint {place} has more than one success, and no node was taken for dead"
            ));
        }
    }
}

fn known(evidence: &Evidence, place: usize, event: &str) -> BTreeSet<u64> {
    let history = evidence.histories.get(&(place, event.to_owned()));
    history.iter().flat_map(|history| history.attempts.iter().flatten().copied()).collect()
}

fn remembered(evidence: &Evidence, rule: Rule, seen: &Seen<'_>, verdict: &mut Verdict) {
    let place = rule.place;
    for (event, sights) in seen {
        let Some(history) = evidence.histories.get(&(place, (*event).to_owned())) else { continue };
        let known = known(evidence, place, event);
        // An answer that did not come through is in the history as a failure.
        let failed = history.attempts.iter().filter(|nonce| nonce.is_none()).count();
        let (ended_with, other): (Vec<&Sight>, Vec<&Sight>) = sights
            .iter()
            .copied()
            .filter(|sight| !known.contains(&sight.nonce))
            .partition(|sight| ended_with_its_node(evidence, sight));
        let missing = other.len().saturating_sub(failed);
        let left = failed.saturating_sub(other.len());
        verdict.forgotten += ended_with.len().saturating_sub(left) as u64;
        if missing > 0 {
            verdict.broken.push(format!(
                "no history: {missing} attempts of {event} at endpoint {place} are nowhere, though no node ended"
            ));
        }
    }
}

fn ended_with_its_node(evidence: &Evidence, sight: &Sight) -> bool {
    let until = sight.at_ms.saturating_add(evidence.unwritten_ms_max);
    evidence.ends_ms.iter().any(|end| *end >= sight.at_ms && *end <= until)
}

fn in_order(evidence: &Evidence, rule: Rule, verdict: &mut Verdict) {
    let mut first = BTreeMap::new();
    let taken = |sight: &&Sight| sight.place == rule.place && sight.reaction == Reaction::Took;
    for (turn, sight) in evidence.sights.iter().filter(taken).enumerate() {
        first.entry(sight.event.as_str()).or_insert(turn);
    }
    let mut last: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for told in &evidence.told {
        let Some(turn) = first.get(told.event.as_str()) else { continue };
        if let Some((before, event)) = last.get(told.key.as_str())
            && before > turn
        {
            verdict.broken.push(format!(
                "order: of key {}, {} came before {event} to endpoint {}",
                told.key, told.event, rule.place
            ));
        }
        last.insert(&told.key, (*turn, &told.event));
    }
}

fn one_event_a_post(evidence: &Evidence, verdict: &mut Verdict) {
    let mut events: BTreeMap<&str, &str> = BTreeMap::new();
    for sight in &evidence.sights {
        let Some(post) = sight.post.as_deref() else { continue };
        let first = *events.entry(post).or_insert(&sight.event);
        if first != sight.event {
            verdict
                .broken
                .push(format!("made twice: post {post} is both {first} and {}", sight.event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(event: &str, nonce: u64, reaction: Reaction) -> Sight {
        Sight { place: 1, event: event.to_owned(), nonce, reaction, at_ms: 50, post: None }
    }

    fn history(attempts: &[Option<u64>]) -> History {
        History { state: "delivered".to_owned(), attempts: attempts.to_vec() }
    }

    /// Two events of one key, told once each, without any fault.
    fn evidence() -> Evidence {
        let told = |event: &str| Told { event: event.to_owned(), key: "k".to_owned() };
        Evidence {
            rules: vec![Rule { place: 1, ordered: true, in_flight_max: 1 }],
            told: vec![told("a"), told("b")],
            sights: vec![sight("a", 1, Reaction::Took), sight("b", 2, Reaction::Took)],
            histories: BTreeMap::from([
                ((1, "a".to_owned()), history(&[Some(1)])),
                ((1, "b".to_owned()), history(&[Some(2)])),
            ]),
            unwritten_ms_max: 100,
            ..Evidence::default()
        }
    }

    fn broken(evidence: &Evidence) -> Vec<String> {
        judge(evidence)
            .broken
            .iter()
            .map(|what| what.split(':').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn what_went_well_is_in_order() {
        let verdict = judge(&evidence());
        assert_eq!(verdict.broken, Vec::<String>::new());
        assert_eq!((verdict.events, verdict.deliveries, verdict.doubled), (2, 2, 0));
    }

    #[test]
    fn an_event_that_never_came_is_lost() {
        let mut evidence = evidence();
        evidence.sights.pop();
        evidence.histories.insert((1, "b".to_owned()), history(&[]));
        assert_eq!(broken(&evidence), ["lost"]);
        // A refusal is no arrival.
        evidence.sights.push(sight("b", 2, Reaction::Refused));
        evidence.histories.insert((1, "b".to_owned()), history(&[Some(2)]));
        assert_eq!(broken(&evidence), ["lost"]);
    }

    #[test]
    fn a_delivery_that_has_not_ended_is_stuck() {
        let mut evidence = evidence();
        evidence.histories.get_mut(&(1, "b".to_owned())).unwrap().state = "pending".to_owned();
        assert_eq!(broken(&evidence), ["stuck"]);
        evidence.histories.remove(&(1, "b".to_owned()));
        assert_eq!(broken(&evidence), ["stuck"]);
    }

    #[test]
    fn a_doubled_delivery_needs_a_node_that_was_taken_for_dead() {
        let mut evidence = evidence();
        evidence.sights.push(sight("b", 3, Reaction::Took));
        evidence.histories.insert((1, "b".to_owned()), history(&[Some(2), Some(3)]));
        assert_eq!(broken(&evidence), ["doubled"]);
        evidence.takeovers = 1;
        assert_eq!(broken(&evidence), Vec::<String>::new());
        assert_eq!((judge(&evidence).doubled, judge(&evidence).doubled_by_two), (1, 1));
    }

    #[test]
    fn a_doubled_delivery_may_be_one_whose_first_ending_died_with_its_node() {
        let mut evidence = evidence();
        evidence.sights.push(sight("b", 3, Reaction::Took));
        evidence.histories.insert((1, "b".to_owned()), history(&[Some(3)]));
        assert_eq!(broken(&evidence), ["no history"]);
        evidence.ends_ms.push(60);
        assert_eq!(broken(&evidence), Vec::<String>::new());
        assert_eq!((judge(&evidence).doubled, judge(&evidence).forgotten), (1, 1));
    }

    #[test]
    fn what_had_ended_is_not_heard_again() {
        let mut evidence = evidence();
        evidence.ended_before.insert("z".to_owned());
        evidence.sights.push(sight("z", 3, Reaction::Took));
        assert_eq!(broken(&evidence), ["heard again"]);
    }

    #[test]
    fn an_attempt_that_was_answered_is_in_the_history() {
        let mut evidence = evidence();
        evidence.histories.insert((1, "b".to_owned()), history(&[Some(9)]));
        assert_eq!(broken(&evidence), ["no history"]);
        // An end long after it, or before it, explains nothing.
        evidence.ends_ms = vec![49, 151];
        assert_eq!(broken(&evidence), ["no history"]);
        evidence.ends_ms.push(150);
        assert_eq!(broken(&evidence), Vec::<String>::new());
        assert_eq!(judge(&evidence).forgotten, 1);
    }

    #[test]
    fn an_answer_that_did_not_come_through_is_a_failure_of_the_history() {
        let mut evidence = evidence();
        evidence.sights.push(sight("b", 3, Reaction::Took));
        evidence.histories.insert((1, "b".to_owned()), history(&[None, Some(3)]));
        assert_eq!(broken(&evidence), Vec::<String>::new());
    }

    #[test]
    fn order_is_that_of_the_first_time_each_was_taken() {
        let mut evidence = evidence();
        evidence.sights.reverse();
        assert_eq!(broken(&evidence), ["order"]);
        evidence.sights.insert(0, sight("a", 3, Reaction::Took));
        evidence.takeovers = 1;
        evidence.histories.insert((1, "a".to_owned()), history(&[Some(3), Some(1)]));
        assert_eq!(broken(&evidence), Vec::<String>::new());
    }

    #[test]
    fn a_refusal_does_not_count_for_the_order() {
        let mut evidence = evidence();
        evidence.sights.insert(0, sight("b", 3, Reaction::Refused));
        evidence.histories.insert((1, "b".to_owned()), history(&[Some(3), Some(2)]));
        assert_eq!(broken(&evidence), Vec::<String>::new());
    }

    #[test]
    fn one_post_makes_one_event() {
        let mut evidence = evidence();
        for sight in &mut evidence.sights {
            sight.post = Some("1-7".to_owned());
        }
        assert_eq!(broken(&evidence), ["made twice"]);
    }
}
