//! Which provider carries a message: the first that is not down, at its own rate.
//!
//! Invariants: a provider that failed is left alone for a while, longer each time, and tried again by one message;
//! messages of one provider keep to its rate, whoever of this node's attempts sends them; at a high rate a few go
//! together, so that they share what they write.
//! Left to others: what counts as its failure (`channels`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::id::ProviderId;
use domain::provider::Provider;
use domain::time::Timestamp;

use super::rest::Rest;

/// So many messages of one provider go together at most.
const TOGETHER_MAX: i64 = 8;
/// A message waits for company so long at most.
const COMPANY_US: i64 = 20_000;

/// How each provider fares, as far as this node knows.
#[derive(Debug, Default)]
pub(crate) struct Switchboard {
    lines: Mutex<BTreeMap<ProviderId, Line>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    rest: Rest,
    /// The moment up to which its rate is used, in microseconds.
    used_until_us: i64,
}

impl Switchboard {
    /// Chooses the provider that is asked now, and reserves its next place: gives when that is. Where all rest, the one
    /// that is back first is asked.
    pub(super) fn pick<'a>(
        &self,
        providers: impl Iterator<Item = &'a Provider>,
        nodes: u32,
        now: Timestamp,
    ) -> Option<(&'a Provider, Timestamp)> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = |lines: &BTreeMap<ProviderId, Line>, id| {
            lines.get(&id).map_or(now, |line| line.rest.over_at(now))
        };
        let mut chosen: Option<(&Provider, Timestamp)> = None;
        for provider in providers {
            let back = rest(&lines, provider.id);
            if chosen.is_none_or(|(_, earliest)| back < earliest) {
                chosen = Some((provider, back));
            }
        }
        let (provider, _) = chosen?;
        let line = lines.entry(provider.id).or_default();
        line.rest.asked(now);
        Some((provider, line.place(provider.rate_limit, nodes, now)))
    }

    /// Tells whether another provider could be asked now.
    pub(super) fn has_other(
        &self,
        providers: &[&Provider],
        than: ProviderId,
        now: Timestamp,
    ) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        providers.iter().any(|other| {
            other.id != than && lines.get(&other.id).is_none_or(|line| line.rest.is_over(now))
        })
    }

    /// Notes how a provider fared.
    pub(super) fn judge(&self, id: ProviderId, works: bool, now: Timestamp) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(id).or_default().rest.judge(works, now);
    }
}

impl Line {
    /// Takes the next place at a rate.
    fn place(&mut self, rate: Option<u32>, nodes: u32, now: Timestamp) -> Timestamp {
        let Some(rate) = rate else { return now };
        let now_us = now.as_millis() * 1_000;
        let at_us = self.used_until_us.max(now_us);
        let distance_us = 1_000_000 * i64::from(nodes.max(1)) / i64::from(rate.max(1));
        self.used_until_us = at_us + distance_us;
        let together_us = (distance_us * TOGETHER_MAX).clamp(1_000, COMPANY_US);
        Timestamp::from_millis((at_us + together_us - 1) / together_us * together_us / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use domain::id::AccountId;
    use domain::provider::{OnUnknown, ProviderKind, Secrets};

    use super::*;

    fn provider(id: u128, rate_limit: Option<u32>) -> Provider {
        Provider {
            id: ProviderId::new(id),
            account: AccountId::new(1),
            name: format!("p{id}"),
            kind: ProviderKind::Resend,
            priority: 1,
            rate_limit,
            on_unknown: OnUnknown::default(),
            enabled: true,
            settings: BTreeMap::new(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            secrets: Secrets::default(),
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + ms)
    }

    #[test]
    fn the_next_one_takes_over_from_one_that_is_down_and_hands_back() {
        let (one, two) = (provider(1, None), provider(2, None));
        let all = || [&one, &two].into_iter();
        let board = Switchboard::default();
        let picked = |now| board.pick(all(), 1, now).map(|(provider, _)| provider.id.bits());
        assert_eq!(picked(at(0)), Some(1));
        board.judge(one.id, false, at(0));
        assert!(board.has_other(&[&one, &two], one.id, at(0)));
        assert_eq!(picked(at(1)), Some(2));
        board.judge(two.id, false, at(2));
        assert!(!board.has_other(&[&one, &two], two.id, at(2)));
        assert_eq!(picked(at(9_000)), Some(1), "back first");
        board.judge(one.id, true, at(9_001));
        assert_eq!(picked(at(9_002)), Some(1));
    }

    #[test]
    fn at_a_high_rate_a_few_go_together_and_the_rate_is_kept() {
        let one = provider(1, Some(500));
        let board = Switchboard::default();
        let mut by_moment = BTreeMap::<i64, u32>::new();
        for _ in 0..1_000 {
            let (_, place) = board.pick([&one].into_iter(), 1, at(0)).unwrap();
            *by_moment.entry(place.millis_since(at(0))).or_default() += 1;
        }
        assert!(by_moment.values().all(|together| *together <= 8), "{by_moment:?}");
        let first_second: u32 = by_moment.range(..1_000).map(|(_, together)| *together).sum();
        assert!((492..=500).contains(&first_second), "{first_second}");
        assert!(by_moment.len() <= 126, "{}", by_moment.len());
    }

    #[test]
    fn messages_keep_the_distance_of_their_providers_rate() {
        let one = provider(1, Some(10));
        let board = Switchboard::default();
        let places: Vec<_> = (0..4)
            .filter_map(|_| board.pick([&one].into_iter(), 1, at(0)))
            .map(|(_, place)| place.millis_since(at(0)))
            .collect();
        assert_eq!(places, [0, 100, 200, 300]);
        let (_, shared) = board.pick([&one].into_iter(), 2, at(1_000)).unwrap();
        let (_, next) = board.pick([&one].into_iter(), 2, at(1_000)).unwrap();
        assert_eq!(next.millis_since(shared), 200, "two nodes divide it");
    }
}
