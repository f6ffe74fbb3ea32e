//! How much of the machine others took while something was measured.
//!
//! A figure taken while somebody compiles next door is no figure; this is how the reader sees it.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    clock, machine,
    number::ratio,
    process::{Usage, our_usage},
};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Census {
    at: Instant,
    everybody: Duration,
    ours: Duration,
}

impl Census {
    /// Counts the bench itself and the processes it is told of as ours.
    pub(crate) fn take(ours: &[Usage]) -> Result<Self> {
        let ours =
            ours.iter().map(|usage| usage.processor).sum::<Duration>() + our_usage()?.processor;
        Ok(Self { at: clock::now(), everybody: machine::processor_time(), ours })
    }

    /// Answers how many cores others kept busy between the two.
    pub(crate) fn others(&self, later: &Self) -> f64 {
        let everybody = later.everybody.saturating_sub(self.everybody);
        let others = everybody.saturating_sub(later.ours.saturating_sub(self.ours));
        ratio(others.as_secs_f64(), later.at.duration_since(self.at).as_secs_f64())
    }
}
