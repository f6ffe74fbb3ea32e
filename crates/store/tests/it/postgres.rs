//! The store of several nodes keeps every contract, and what is peculiar to it.

mod carry;
mod contracts;
mod cost;
mod database;
mod encryption;
mod model;
mod nodes;
mod opening;
mod plans;
mod races;
mod wire;
