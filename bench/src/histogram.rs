//! Latencies in buckets that grow with the value, so that every percentile is right to 1.6 %.
//!
//! Invariant: recording neither allocates nor fails. Values are microseconds, but nothing here depends on it.

use serde::{Deserialize, Serialize};

use crate::number::{float, ratio, whole};

#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

/// What is said about a histogram.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, sum: 0, max: 0 }
    }

    pub(crate) fn record(&mut self, value: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(value)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// Answers the smallest value that at least this share of the recorded ones does not exceed.
    pub(crate) fn at(&self, share: f64) -> u64 {
        let rank = whole((float(self.count) * share).ceil()).max(1);
        let mut passed = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            passed += bucket;
            if passed >= rank {
                return highest_in(index).min(self.max);
            }
        }
        self.max
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            count: self.count,
            mean: ratio(float(self.sum), float(self.count)),
            p50: self.at(0.5),
            p90: self.at(0.9),
            p99: self.at(0.99),
            p999: self.at(0.999),
            max: self.max,
        }
    }
}

/// Below 128 each value has its own bucket; above, 64 buckets share each power of two.
fn bucket_of(value: u64) -> usize {
    let shift = u64::from((u64::BITS - value.leading_zeros()).saturating_sub(EXACT_BITS));
    usize::try_from(shift * 64 + (value >> shift)).unwrap_or(BUCKETS - 1)
}

fn highest_in(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    if index < 128 {
        return index;
    }
    let shift = index / 64 - 1;
    let mantissa = u128::from(index - shift * 64);
    u64::try_from(((mantissa + 1) << shift) - 1).unwrap_or(u64::MAX)
}

const EXACT_BITS: u32 = 7;
const BUCKETS: usize = 58 * 64 + 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for value in (0..5000).chain([65_535, 65_536, 1 << 40, u64::MAX - 1, u64::MAX]) {
            let index = bucket_of(value);
            assert!(index < BUCKETS, "{value}");
            assert!(highest_in(index) >= value, "{value}");
            assert!(index == 0 || highest_in(index - 1) < value, "{value}");
        }
    }

    #[test]
    fn percentiles_are_right_to_two_percent() {
        let mut histogram = Histogram::new();
        (1..=10_000).for_each(|value| histogram.record(value));
        for (share, right) in [(0.5, 5000.0), (0.9, 9000.0), (0.99, 9900.0)] {
            let found = float(histogram.at(share));
            assert!((found / right - 1.0).abs() < 0.02, "{found} for {right}");
        }
        assert_eq!(histogram.at(1.0), 10_000);
    }

    #[test]
    fn nothing_recorded_is_nothing_said() {
        assert_eq!(Histogram::new().summary().p99, 0);
    }
}
