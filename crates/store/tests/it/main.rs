//! Every store keeps every contract; and what is peculiar to each: its folder or database, its disk, its plans.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod carry;
#[cfg(test)]
mod contracts;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod folder;
#[cfg(test)]
mod grouping;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod model;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod postgres;
