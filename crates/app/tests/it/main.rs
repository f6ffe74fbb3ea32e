//! The binary from outside: what it says, what it does, how it ends.

#[cfg(test)]
mod dev;
#[cfg(test)]
mod help;
#[cfg(test)]
mod process;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod verify;
