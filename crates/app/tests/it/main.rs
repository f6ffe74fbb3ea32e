//! The binary from outside: what it says, what it does, how it ends.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod carriers;
#[cfg(test)]
mod carry;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod dialects;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod help;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod ironclad;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod process;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod races;
#[cfg(test)]
mod refusals;
mod retention;
#[cfg(test)]
mod returned;
#[cfg(test)]
mod service;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod shortener;
#[cfg(test)]
mod twins;
#[cfg(test)]
mod vendors;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod workflows;
