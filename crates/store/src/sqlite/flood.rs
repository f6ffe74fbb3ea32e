//! What the database does about a flood: nothing at first, and then no more than it must.
//!
//! The journal has room for a burst, and whoever waits for an answer needs the processor. A flood that lasts fills any
//! room; so the database keeps up with it, evenly, since a large step at once would make all of them wait.
//!
//! Left to others: what makes a flood (`noted`), writing (`unwritten`).

use std::time::Duration;

/// The database catches up when something has stood in the journal alone for so long.
const PATIENCE: Duration = Duration::from_millis(50);
/// A flood that has brought so many events lasts: hardly fewer than what makes the database catch up at once.
const LASTING: usize = 22 * 1_024;
/// Events that go into the database at one step while a flood lasts.
pub(super) const STEP: usize = 512;
/// The pause after such a step, which takes half as long.
const BREATH: Duration = Duration::from_millis(12);
/// The pause when the database is more than a few steps behind: it makes good some twenty thousand in a second.
const SHORT_BREATH: Duration = Duration::from_millis(6);
/// So many pauses without anything new, and the rest is written; the disk may have taken a moment, though.
const CALM: u32 = 6;
/// So many, and the flood is over.
const OVER: u32 = 50;

/// What is known of a flood.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// It has brought more than the journal shall hold.
    lasts: bool,
    /// The last record that was sealed when it was looked at.
    sealed: u64,
    /// Counts the pauses since anything new came.
    calm: u32,
}

/// What the database shall write now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// What stands in the journal: there is no flood.
    All,
    /// [`STEP`] events.
    Step,
    Nothing,
}

impl Flood {
    /// Gives the time until the next look, when so many events stand in the journal alone.
    pub(super) const fn pause(&self, count: usize) -> Duration {
        match (self.lasts, count > 4 * STEP) {
            (false, _) => PATIENCE,
            (true, true) => SHORT_BREATH,
            (true, false) => BREATH,
        }
    }

    /// Looks at what has come since the last time: the number of the last record, whether many wait for each, and how many
    /// events stand in the journal alone.
    pub(super) fn look(&mut self, sealed: u64, is_flooded: bool, count: usize) -> Due {
        let goes_on = self.sealed < sealed;
        self.sealed = sealed;
        if self.lasts {
            self.calm = if goes_on { 0 } else { self.calm + 1 };
            self.lasts = is_flooded && self.calm < OVER;
            if self.calm >= CALM {
                return Due::All;
            }
        } else if goes_on && is_flooded {
            (self.lasts, self.calm) = (count >= LASTING, 0);
        } else {
            return Due::All;
        }
        if self.lasts && count >= STEP { Due::Step } else { Due::Nothing }
    }

    /// Tells whether a flood lasts.
    pub(super) const fn lasts(&self) -> bool {
        self.lasts
    }

    /// Hears, between two looks, whether there still is a flood.
    pub(super) const fn heed(&mut self, is_flooded: bool) {
        self.lasts &= is_flooded;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_left_alone_and_a_flood_that_lasts_is_kept_up_with_until_it_is_over() {
        let mut flood = Flood::default();
        assert_eq!(flood.look(1, false, 10), Due::All, "a few are no flood");
        assert_eq!(
            flood.look(2, true, LASTING - 1),
            Due::Nothing,
            "a burst has room in the journal"
        );
        assert_eq!(flood.look(2, true, LASTING - 1), Due::All, "and is written once it is over");
        assert_eq!(flood.look(3, true, LASTING), Due::Step);
        assert_eq!(flood.look(4, true, STEP), Due::Step, "steps go on when little is left");
        assert_eq!(flood.look(5, true, STEP - 1), Due::Nothing, "but none for a handful");
        for _ in 1..CALM {
            assert_eq!(flood.look(5, true, STEP), Due::Step, "the disk may take a moment");
        }
        assert_eq!(flood.look(5, true, STEP), Due::All, "the rest shall not wait for long");
        assert_eq!(flood.look(6, true, STEP), Due::Step, "it goes on as it was");
        for _ in 0..OVER {
            assert!(flood.lasts());
            flood.look(6, true, 0);
        }
        assert!(!flood.lasts(), "nothing new came for half a second");
    }

    #[test]
    fn the_next_burst_does_not_pay_for_the_flood_before_it() {
        let mut flood = Flood::default();
        flood.look(1, true, LASTING);
        assert_eq!(flood.pause(STEP), BREATH);
        flood.heed(false);
        assert_eq!((flood.pause(STEP), flood.look(2, true, STEP)), (PATIENCE, Due::Nothing));
    }
}
