//! Whose turn it was: one entry for each turn, opened and closed by what changes.
//!
//! Invariant: the last entry is open exactly while it is somebody's turn, and is theirs.

use serde::{Deserialize, Serialize};

use super::{Party, Workflow};
use crate::time::Timestamp;

/// A turn of one side in review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The how manieth it is, from 1.
    pub number: u32,
    /// Whose it was.
    pub party: Party,
    /// Who gave it to that side: a mail address.
    pub by: String,
    /// Since when.
    pub started_at: Timestamp,
    /// Until when; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// The most turns that are remembered.
const TURNS_MAX: usize = 500;

impl Workflow {
    /// Notes whose turn it is after a change.
    pub(super) fn follow_turn(&mut self, by: &str, at: Timestamp) {
        let last = self.turns.last_mut().filter(|last| last.ended_at.is_none());
        if last.as_ref().map(|last| last.party) == self.turn {
            return;
        }
        if let Some(last) = last {
            last.ended_at = Some(at);
        }
        let Some(party) = self.turn else { return };
        let number = self.turns.last().map_or(0, |last| last.number).saturating_add(1);
        self.turns.push(Turn { number, party, by: by.to_owned(), started_at: at, ended_at: None });
        if self.turns.len() > TURNS_MAX {
            self.turns.remove(0);
        }
    }
}
