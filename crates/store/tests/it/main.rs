//! The embedded store keeps every contract, and what is peculiar to it: its folder, its disk, its plans.

#[cfg(test)]
mod contracts;
#[cfg(test)]
mod folder;
