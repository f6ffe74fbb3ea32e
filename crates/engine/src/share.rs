//! A node's share of an endpoint's bounds.
//!
//! Invariants: the shares of all nodes of an agreed crew add up to the bound; a share shrinks with the first crew that
//! makes it smaller, and grows when every node has said that it keeps to the new one, so that shares never overlap.
//! Left to others: who lives (`store`), keeping to the share (`lanes`).

use domain::id::EndpointId;
use store::Crew;

/// A node's share of every bound. By default it has none: others may be using all of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    /// How many nodes, and which of them this one is: of the crew that agreed last, and of each one since.
    places: Vec<(u32, u32)>,
    agreed: bool,
}

impl Share {
    /// The share of who is alone by nature.
    pub(crate) fn whole() -> Self {
        Self { places: vec![(1, 0)], agreed: true }
    }

    /// Takes in how the crew stands.
    pub(crate) fn meet(&mut self, crew: Crew) {
        let place = (crew.nodes.max(1), crew.place);
        if crew.agreed {
            self.places = vec![place];
        } else if !self.places.is_empty() && !self.places.contains(&place) {
            self.places.push(place);
        }
        self.agreed = crew.agreed;
    }

    /// Gives this node's share of an endpoint's bound.
    pub(crate) fn of(&self, endpoint: EndpointId, bound: u32) -> u32 {
        let shares = self.places.iter().map(|(nodes, place)| {
            let turn = (*place + spread(endpoint) % nodes) % nodes;
            bound / nodes + u32::from(turn < bound % nodes)
        });
        shares.min().unwrap_or(0)
    }

    /// Tells among how many nodes an endpoint's rate is divided: those that have a share of its bound.
    pub(crate) fn sharers(&self, bound: u32) -> u32 {
        self.places.iter().map(|(nodes, _)| (*nodes).min(bound)).max().unwrap_or(1).max(1)
    }

    /// Gives how many nodes there are, as far as this one knows; none before a crew agreed.
    pub(crate) fn nodes(&self) -> u32 {
        self.places.last().map_or(0, |(nodes, _)| *nodes)
    }

    /// Tells whether all nodes keep to the crew that this one knows.
    pub(crate) const fn is_agreed(&self) -> bool {
        self.agreed
    }
}

/// Spreads endpoints over nodes, the same way on each of them.
const fn spread(endpoint: EndpointId) -> u32 {
    let bits = endpoint.bits();
    #[expect(clippy::cast_possible_truncation, reason = "folds the bits of an id into fewer")]
    let folded = (bits ^ (bits >> 64)) as u64;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crew(nodes: u32, place: u32, agreed: bool) -> Crew {
        Crew { nodes, place, agreed, renewed: false }
    }

    fn share(nodes: u32, place: u32) -> Share {
        let mut share = Share::default();
        share.meet(crew(nodes, place, true));
        share
    }

    #[test]
    fn shares_add_up_to_the_bound() {
        for nodes in 1..6 {
            for bound in [1, 2, 3, 7, 10, 100] {
                for endpoint in (0..50).map(|number| EndpointId::new(number << 70 | number)) {
                    let all = (0..nodes).map(|place| share(nodes, place).of(endpoint, bound));
                    let all: Vec<u32> = all.collect();
                    assert_eq!(all.iter().sum::<u32>(), bound, "{nodes} {all:?}");
                    let sharers = all.iter().filter(|share| **share > 0).count();
                    assert_eq!(sharers, share(nodes, 0).sharers(bound) as usize);
                }
            }
        }
    }

    #[test]
    fn endpoints_with_a_bound_of_one_are_spread_over_the_nodes() {
        let own = (0..3_000).filter(|number| share(3, 1).of(EndpointId::new(*number), 1) == 1);
        assert!((900..1_100).contains(&own.count()));
    }

    #[test]
    fn a_share_shrinks_at_once_and_grows_when_all_agree() {
        let endpoint = EndpointId::new(7);
        let mut share = Share::default();
        share.meet(crew(1, 0, false));
        assert_eq!(share.of(endpoint, 10), 0);
        share.meet(crew(1, 0, true));
        assert_eq!((share.of(endpoint, 10), share.sharers(10)), (10, 1));
        share.meet(crew(2, 0, false));
        assert_eq!((share.of(endpoint, 10), share.sharers(10)), (5, 2));
        share.meet(crew(1, 0, false));
        assert_eq!((share.of(endpoint, 10), share.sharers(10)), (5, 2));
        share.meet(crew(1, 0, true));
        assert_eq!((share.of(endpoint, 10), share.sharers(10)), (10, 1));
    }
}
