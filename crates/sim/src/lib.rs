//! A world to run the engine in: a clock that moves when told, receivers with moods, a store that fails, crashes, and
//! vendors whose webhooks suffer on their way.
//!
//! Invariant: everything follows from the seed; two runs of one seed are equal.
//! Left to others: the engine and the store themselves, which are the real ones.

#![warn(missing_docs)]

mod clock;
mod crew;
mod dice;
mod invariants;
mod nodes;
mod plot;
mod store;
mod vendors;
mod world;

pub use clock::SimClock;
pub use crew::{Crew, Trouble};
pub use dice::Dice;
pub use invariants::Broken;
pub use plot::{Report, play, play_several};
pub use store::{Faulty, Verb};
pub use vendors::play_vendors;
pub use world::{Heard, Mood, World};
