//! Counts and spans of time to figures, where the loss of digits is no loss.

use std::time::Duration;

#[expect(clippy::cast_precision_loss, reason = "a figure needs no more than 52 bits")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and a negative figure means none"
)]
pub(crate) fn whole(figure: f64) -> u64 {
    figure.round() as u64
}

pub(crate) fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn millis(length: Duration) -> f64 {
    length.as_secs_f64() * 1000.0
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    float(bytes) / (1024.0 * 1024.0)
}

/// Answers 0 where a division has no answer: nothing happened, so the rate is none.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

pub(crate) fn per_second(count: u64, length: Duration) -> f64 {
    ratio(float(count), length.as_secs_f64())
}

/// The middle of some figures, the lower one of two.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// The largest of some figures.
pub(crate) fn largest(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(0.0, f64::max)
}
