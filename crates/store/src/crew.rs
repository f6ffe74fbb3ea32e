//! The nodes that share a database.
//!
//! Left to others: what a node's share of a bound is (`engine`).

/// Who lives, as a node was told at its last beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crew {
    /// How many nodes live, this one included.
    pub nodes: u32,
    /// This node's place among them, from 0.
    pub place: u32,
    /// Whether every living node has said that it keeps to this membership. A node may take a smaller share of a bound at once, and a
    /// larger one only when all agree, so that shares never overlap.
    pub agreed: bool,
    /// Whether others had declared this node dead since the last beat: what it has leased is not its own any more, and
    /// what waits in its queues is to be dropped.
    pub renewed: bool,
}

impl Crew {
    /// The crew of a store that has one node by its nature.
    pub const ALONE: Self = Self { nodes: 1, place: 0, agreed: true, renewed: false };
}
