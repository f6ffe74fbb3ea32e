//! The room from outside: vendors' samples, laws over every kind and dialect, and snapshots of what receivers see.

#[cfg(test)]
mod ask;
#[cfg(test)]
mod catch;
#[cfg(test)]
mod curl;
#[cfg(test)]
mod every;
#[cfg(test)]
mod faces;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod ironclad;
#[cfg(test)]
mod law;
#[cfg(test)]
mod prove;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod standard;
#[cfg(test)]
mod urls;
#[cfg(test)]
mod world;
