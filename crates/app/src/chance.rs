//! The real source of chance: the operating system's, fetched in blocks.
//!
//! Invariants: no byte is given twice, and none stays behind once it was given; without chance the process ends, since
//! ids and keys that can be foretold are worse than none.

use std::fmt;
use std::mem;
use std::process;

use domain::id::Chance;
use ring::rand::{SecureRandom as _, SystemRandom};
use tracing::error;

/// Bytes that are fetched at once; one system call gives some 150 ids.
const BLOCK_BYTES: usize = 4_096;

/// The operating system's chance.
pub(crate) struct SystemChance {
    system: SystemRandom,
    block: Box<[u8; BLOCK_BYTES]>,
    used: usize,
}

impl SystemChance {
    /// Starts with nothing fetched.
    pub(crate) fn new() -> Self {
        Self { system: SystemRandom::new(), block: Box::new([0; BLOCK_BYTES]), used: BLOCK_BYTES }
    }

    fn fetch(&mut self) {
        if let Err(error) = self.system.fill(self.block.as_mut_slice()) {
            error!(error = %error, "the operating system gives no random bytes; stopping");
            process::abort();
        }
        self.used = 0;
    }
}

impl Chance for SystemChance {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used >= BLOCK_BYTES {
                self.fetch();
            }
            if let Some(fresh) = self.block.get_mut(self.used) {
                *byte = mem::take(fresh);
            }
            self.used += 1;
        }
    }
}

impl fmt::Debug for SystemChance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemChance(…)")
    }
}

/// Chance from a seed, for what is to be done again alike and keeps no secret: `SplitMix64`.
pub(crate) struct SeededChance(u64);

impl SeededChance {
    /// Takes a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Chance for SeededChance {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.next().to_le_bytes();
            chunk.iter_mut().zip(drawn).for_each(|(to, byte)| *to = byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn draws_differ_over_many_blocks() {
        let mut chance = SystemChance::new();
        let drawn: BTreeSet<u64> = (0..2_000).map(|_| chance.draw()).collect();
        assert_eq!(drawn.len(), 2_000);
    }

    #[test]
    fn a_large_draw_spans_blocks_and_leaves_nothing_behind() {
        let mut chance = SystemChance::new();
        let mut bytes = vec![0; 3 * BLOCK_BYTES + 5];
        chance.fill(&mut bytes);
        assert!(bytes.chunks_exact(64).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
        assert!(chance.block[..5].iter().all(|byte| *byte == 0));
    }
}
