//! The only place where the bench looks at a clock or waits for one.

use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::time;

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since 1970: the one clock that the sender and the sink, two processes, share.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(crate) fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "a bench waits in real time")]
pub(crate) async fn pause(length: Duration) {
    time::sleep(length).await;
}

pub(crate) async fn pause_until(moment: Instant) {
    time::sleep_until(moment.into()).await;
}

/// Waits without a runtime: for destructors only.
#[expect(clippy::disallowed_methods, reason = "a destructor cannot await")]
pub(crate) fn block(length: Duration) {
    thread::sleep(length);
}
