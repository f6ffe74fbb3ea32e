//! Several nodes: whose turn it is, beats, pauses, and what all of them together must keep to.
//!
//! Invariant: a node that is paused neither beats nor works, and goes on with what it held as if nothing had been.

use std::mem;
use std::time::Duration;

use domain::endpoint::Endpoint;
use domain::time::{Clock as _, DAY_MS};
use engine::{Engine, MovableClock as _};

use crate::crew::{Crew, Node, Trouble};

/// Between two beats.
const BEAT_MS: i64 = 2_000;
/// A node that was not heard for so long may be taken for dead.
const UNHEARD: Duration = Duration::from_secs(8);
/// Rounds of beats until whoever died is missed, and all agree.
const ROUNDS: u32 = 10;

impl Crew {
    /// Tells whether there is more than one node.
    pub fn is_several(&self) -> bool {
        self.nodes.len() > 1
    }

    /// Gives every node's engine.
    pub fn engines(&self) -> Vec<Engine> {
        self.all().map(|running| running.engine.clone()).collect()
    }

    /// Gives the turn to one of those that are not paused.
    pub fn give_turn(&mut self) {
        let awake = |(at, node): (usize, &Node)| (!node.paused).then_some(at);
        let awake: Vec<usize> = self.nodes.iter().enumerate().filter_map(awake).collect();
        if let Some(at) = self.dice.pick(&awake) {
            self.at = *at;
        }
    }

    /// Lets two seconds pass, and everybody beat who is not paused.
    pub async fn beat(&mut self) {
        self.clock.advance(BEAT_MS);
        self.say().await;
    }

    async fn say(&mut self) {
        let turn = self.at;
        for at in 0..self.nodes.len() {
            self.at = at;
            if self.nodes.get(at).is_some_and(|node| node.paused) {
                continue;
            }
            if let Ok(engine) = self.engine() {
                // A beat that fails is part of the plot.
                if engine.beat().await.is_ok() {
                    drop(engine.agree().await);
                }
            }
            self.note_unheard();
        }
        self.at = turn;
    }

    /// Others may take over what a node has begun that they have not heard for long.
    fn note_unheard(&mut self) {
        let Ok(running) = self.current_mut() else { return };
        if running.lanes.unheard_for().is_none_or(|length| length > UNHEARD) {
            self.disturb();
        }
    }

    fn disturb(&mut self) {
        let Ok(running) = self.current_mut() else { return };
        let begun = mem::take(&mut running.begun);
        running.stale.extend(begun);
        let taken_over = running.unsettled.clone();
        self.disturbed.extend(taken_over);
    }

    /// Pauses the node whose turn it is, unless it is the last that is awake.
    pub fn pause(&mut self) {
        let awake = self.nodes.iter().filter(|node| !node.paused).count();
        if awake > 1 {
            self.disturb();
            if let Some(node) = self.nodes.get_mut(self.at) {
                node.paused = true;
            }
            self.give_turn();
        }
    }

    /// Lets everybody go on.
    pub fn resume(&mut self) {
        for node in &mut self.nodes {
            node.paused = false;
        }
    }

    /// Counts attempts of an endpoint that all nodes together have begun, but for those that others may have taken over.
    pub fn begun(&self, endpoint: &Endpoint) -> usize {
        let begun = self.all().flat_map(|running| &running.begun);
        begun.filter(|work| work.endpoint.id == endpoint.id).count()
    }

    /// Lets the clock run from one due moment to the next, on all nodes, for so many days at most; tells whether all is
    /// quiet.
    pub async fn pass_days_together(&mut self, days: i64) -> Result<bool, Trouble> {
        self.resume();
        for _ in 0..ROUNDS {
            self.beat().await;
        }
        let end = self.clock.now().plus_millis(days.saturating_mul(DAY_MS));
        loop {
            // The clock has leapt; nobody died of that.
            self.say().await;
            let mut due = None;
            for round in 0..2 {
                for at in 0..self.nodes.len() {
                    self.at = at;
                    if round == 0 {
                        self.engine()?.look_around();
                    }
                    self.catch_up().await?;
                }
            }
            for at in 0..self.nodes.len() {
                self.at = at;
                due = [due, self.next_due()?].into_iter().flatten().min();
            }
            match due {
                None => return Ok(true),
                Some(due) if due > end => {
                    self.clock.reach(end);
                    return Ok(false);
                }
                Some(due) => self.clock.reach(due),
            }
        }
    }
}
