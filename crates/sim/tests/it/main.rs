//! The engine in a simulated world: seeds, and the waits of every profile to the second.

#[cfg(test)]
mod profiles;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod stage;
