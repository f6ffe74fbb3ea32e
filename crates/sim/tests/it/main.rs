//! The engine in a simulated world: seeds, the waits of every profile to the second, lanes, replays, readiness,
//! what becomes of endpoints, messages to people, shutdown.

#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod lanes;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod ready;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod vendors;
