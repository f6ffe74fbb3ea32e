//! What attempts hold: a program of its own, since its allocator counts.

#[cfg(test)]
mod attempt;
