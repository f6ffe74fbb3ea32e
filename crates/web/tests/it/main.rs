//! Web against the real engine and the real store, through its router: no network but one test of the server itself.

#[cfg(test)]
mod access;
#[cfg(test)]
mod document;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod events;
#[cfg(test)]
mod feedback;
#[cfg(test)]
mod input;
#[cfg(test)]
mod mailbox;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod provider_tests;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod returned;
#[cfg(test)]
mod server;
#[cfg(test)]
mod short;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod vendors;
#[cfg(test)]
mod world;
