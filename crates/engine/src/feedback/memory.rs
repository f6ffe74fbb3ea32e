//! What is kept between two reports: which proofs were used, and certificates.
//!
//! Invariants: in memory, within bounds, the oldest go first. It only has to last as long as a proof is good, some
//! minutes; what must not happen twice ever is held by the keys of events.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use domain::chain::sha256;
use domain::id::ProviderId;

/// The most proofs that are kept.
const PROOFS_MAX: usize = 10_000;
/// The most certificates that are kept.
const CERTIFICATES_MAX: usize = 16;

/// The SHA-256 of a text.
type Digest = [u8; 32];

/// What is kept between two reports.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    proofs: Mutex<Bounded<(ProviderId, Digest), Digest>>,
    certificates: Mutex<Bounded<String, Arc<[u8]>>>,
}

#[derive(Debug)]
struct Bounded<K, V> {
    kept: BTreeMap<K, V>,
    /// Oldest first.
    order: VecDeque<K>,
}

impl Memory {
    /// Tells whether a proof that counts once was not used for anything else before, and notes what it is used for.
    pub(super) fn is_first(&self, provider: ProviderId, proof: &str, what: Digest) -> bool {
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider, sha256(proof.as_bytes()));
        if let Some(before) = proofs.kept.get(&key) {
            return *before == what;
        }
        proofs.keep(key, what, PROOFS_MAX);
        true
    }

    /// Finds a certificate that has proven something before.
    pub(super) fn certificate(&self, url: &str) -> Option<Arc<[u8]>> {
        let certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        certificates.kept.get(url).map(Arc::clone)
    }

    /// Keeps a certificate that has proven something.
    pub(super) fn keep_certificate(&self, url: String, certificate: Arc<[u8]>) {
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        certificates.keep(url, certificate, CERTIFICATES_MAX);
    }
}

impl<K: Ord + Clone, V> Bounded<K, V> {
    fn keep(&mut self, key: K, value: V, count_max: usize) {
        if self.kept.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > count_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
    }
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), order: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_counts_for_one_report_and_its_repetitions() {
        let (memory, provider) = (Memory::default(), ProviderId::new(1));
        assert!(memory.is_first(provider, "a", [1; 32]));
        assert!(memory.is_first(provider, "a", [1; 32]), "a repetition is harmless");
        assert!(!memory.is_first(provider, "a", [2; 32]));
        assert!(memory.is_first(ProviderId::new(2), "a", [2; 32]), "providers are apart");
    }

    #[test]
    fn the_oldest_goes_where_there_is_no_room() {
        let memory = Memory::default();
        for number in 0..=CERTIFICATES_MAX {
            memory.keep_certificate(number.to_string(), Arc::from([]));
        }
        assert!(memory.certificate("0").is_none() && memory.certificate("1").is_some());
    }
}
