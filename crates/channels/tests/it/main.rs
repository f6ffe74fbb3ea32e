//! The room as a whole: one client against receivers of every kind, over real sockets on loopback.
//!
//! Invariant: no test waits for a time to pass, but for receivers that are slow by design and the attempt's deadline.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod conversation;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod keep_alive;
#[cfg(test)]
mod providers_email;
#[cfg(test)]
mod providers_sms;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod secure;
#[cfg(test)]
mod shorten;
#[cfg(test)]
mod smtp;
#[cfg(test)]
mod targets;
