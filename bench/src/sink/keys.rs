//! How often each key came: a table of fixed size, filled at most by half, that never moves.
//!
//! Invariant: a key is never forgotten; when the table is full, new keys are turned away and the caller counts them.

use std::hash::{DefaultHasher, Hasher};

#[derive(Debug)]
pub(crate) struct Keys {
    slots: Vec<u128>,
    seen: Vec<u8>,
    free: usize,
}

/// What the table says of a key it was handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    First,
    Again,
    Full,
}

impl Keys {
    /// The memory is taken from the system at once: page by page as keys come, it would cost each delivery a
    /// microsecond of the machine, which no post of the yardstick pays.
    pub(crate) fn with_bound(keys_max: usize) -> Self {
        let free = keys_max.max(1);
        let slots = (free * 2).next_power_of_two();
        let mut keys = Self { slots: vec![u128::MAX; slots], seen: vec![u8::MAX; slots], free };
        keys.forget_all(keys_max);
        keys
    }

    /// Forgets every key, and keeps the memory.
    pub(crate) fn forget_all(&mut self, keys_max: usize) {
        self.seen.fill(0);
        self.free = keys_max.max(1);
    }

    pub(crate) fn note(&mut self, key: u128) -> Seen {
        let Some(index) = self.find(key) else { return Seen::Full };
        let (Some(slot), Some(seen)) = (self.slots.get_mut(index), self.seen.get_mut(index)) else {
            return Seen::Full;
        };
        if *seen > 0 {
            *seen = seen.saturating_add(1);
            return Seen::Again;
        }
        if self.free == 0 {
            return Seen::Full;
        }
        self.free -= 1;
        *slot = key;
        *seen = 1;
        Seen::First
    }

    pub(crate) fn knows(&self, key: u128) -> bool {
        self.find(key).and_then(|index| self.seen.get(index)).is_some_and(|seen| *seen > 0)
    }

    /// Answers the slot that holds the key, or the free one where it belongs.
    fn find(&self, key: u128) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut index = usize::try_from(key & u128::try_from(mask).ok()?).ok()?;
        for _ in 0..self.slots.len() {
            if *self.seen.get(index)? == 0 || *self.slots.get(index)? == key {
                return Some(index);
            }
            index = (index + 1) & mask;
        }
        None
    }
}

/// 128 bits for an id at a place; the same in every process, and good enough against chance.
pub(crate) fn key_of(place: usize, id: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write_usize(place);
        hasher.write(id);
        u128::from(hasher.finish())
    };
    (half(1) << 64) | half(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_first_once_and_again_ever_after() {
        let mut keys = Keys::with_bound(1000);
        for number in 0..1000_u32 {
            assert_eq!(keys.note(key_of(1, &number.to_le_bytes())), Seen::First);
        }
        for number in 0..1000_u32 {
            assert_eq!(keys.note(key_of(1, &number.to_le_bytes())), Seen::Again);
        }
    }

    #[test]
    fn a_full_table_turns_new_keys_away_and_keeps_the_old() {
        let mut keys = Keys::with_bound(2);
        assert_eq!(
            [1, 2, 3, 1].map(|key| keys.note(key)),
            [Seen::First, Seen::First, Seen::Full, Seen::Again]
        );
        assert!(keys.knows(2) && !keys.knows(3));
    }

    #[test]
    fn the_same_id_at_two_places_is_two_keys() {
        assert_ne!(key_of(1, b"evt_1"), key_of(2, b"evt_1"));
    }
}
