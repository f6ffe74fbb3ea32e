//! Which faults are drawn, in which order: a plot follows from its seed alone.
//!
//! Invariant: the same seed and the same set of faults give the same plot; processes answer to it as they like.

use std::collections::BTreeSet;

use clap::ValueEnum;

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Fault {
    /// kill -9 of a node, which is started again.
    KillNode,
    /// A node is asked to end, and started again.
    StopNode,
    /// A node stands still for a moment.
    PauseNode,
    /// A node stands still until the others have taken it for dead, and goes on after that.
    PauseNodeLong,
    /// The connections of a node to the database are reset, and new ones for a moment too.
    Cut,
    /// A message between a node and the database ends in the middle.
    Truncate,
    /// Everything between a node and the database comes late for a moment.
    Delay,
    /// What a node and the database say to each other is swallowed for a moment, then connections are reset.
    Swallow,
    /// Connections that are open fall silent for good; new ones work.
    Silence,
    /// Immediate shutdown of the primary, which is started again.
    StopDatabase,
    /// kill -9 of the primary, which is started again.
    KillDatabase,
    /// kill -9 of the standby, which is started again; meanwhile nothing can be acknowledged.
    KillStandby,
    /// The primary dies for good and the standby takes its place.
    Failover,
    /// The disk under the store is full for a moment.
    FullDisk,
}

/// What is done in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blow {
    pub(crate) fault: Fault,
    /// Whom it hits first, where a node is hit: to be taken modulo their number.
    pub(crate) whom: u64,
    /// How long it lasts, where it lasts.
    pub(crate) length_ms: u64,
    /// How long nothing further happens after it.
    pub(crate) rest_ms: u64,
    /// Whether it hits every node's way to the database.
    pub(crate) all: bool,
}

/// Chance from a seed: splitmix64.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Answers a number below the bound, which is above 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// Answers a number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }
}

/// Draws the blows of so many rounds from the faults that are allowed.
pub(crate) fn draw(seed: u64, rounds: u32, allowed: &BTreeSet<Fault>) -> Vec<Blow> {
    let mut dice = Dice::new(seed);
    let weights: Vec<(Fault, u64)> = allowed.iter().map(|fault| (*fault, fault.weight())).collect();
    let sum: u64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut blows = Vec::new();
    for _ in 0..rounds {
        let mut point = dice.below(sum);
        let drawn = weights.iter().find(|(_, weight)| {
            let hit = point < *weight;
            point = point.saturating_sub(*weight);
            hit
        });
        let Some((fault, _)) = drawn else { break };
        let (low, high) = fault.length_ms();
        blows.push(Blow {
            fault: *fault,
            whom: dice.draw(),
            length_ms: dice.between(low, high),
            rest_ms: dice.between(REST_MS.0, REST_MS.1),
            all: dice.below(3) == 0,
        });
    }
    blows
}

impl Fault {
    /// How often it is drawn, beside the others.
    const fn weight(self) -> u64 {
        match self {
            Self::KillNode => 18,
            Self::StopNode | Self::Delay | Self::KillStandby | Self::StopDatabase => 7,
            Self::PauseNode | Self::KillDatabase => 9,
            Self::PauseNodeLong => 2,
            Self::Cut => 14,
            Self::Truncate => 12,
            Self::Swallow => 6,
            Self::Silence => 1,
            Self::FullDisk | Self::Failover => 3,
        }
    }

    /// Between which bounds it lasts.
    const fn length_ms(self) -> (u64, u64) {
        match self {
            Self::KillNode | Self::StopNode | Self::Truncate | Self::Silence => (0, 300),
            Self::PauseNode | Self::Delay | Self::FullDisk => (200, 1_500),
            // The others wait ten seconds at least, twelve at most.
            Self::PauseNodeLong => (12_500, 15_000),
            Self::Cut | Self::Swallow => (0, 1_500),
            Self::StopDatabase | Self::KillDatabase | Self::KillStandby => (0, 700),
            Self::Failover => (0, 0),
        }
    }

    /// Tells whether one node on an embedded store can suffer it.
    pub(crate) const fn fits_embedded(self) -> bool {
        matches!(self, Self::KillNode | Self::StopNode | Self::PauseNode | Self::FullDisk)
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

const REST_MS: (u64, u64) = (100, 900);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_follows_from_its_seed() {
        let all: BTreeSet<_> = Fault::value_variants().iter().copied().collect();
        assert_eq!(draw(7, 50, &all), draw(7, 50, &all));
        assert_ne!(draw(7, 50, &all), draw(8, 50, &all));
    }

    #[test]
    fn a_thousand_rounds_draw_every_fault() {
        let all: BTreeSet<_> = Fault::value_variants().iter().copied().collect();
        let drawn: BTreeSet<_> = draw(1, 1_000, &all).iter().map(|blow| blow.fault).collect();
        assert_eq!(drawn, all);
    }

    #[test]
    fn only_what_is_allowed_is_drawn() {
        let allowed = BTreeSet::from([Fault::Cut, Fault::Delay]);
        assert!(draw(1, 100, &allowed).iter().all(|blow| allowed.contains(&blow.fault)));
    }
}
