//! How long a start takes, and what a server holds that has nothing to do.

use std::time::Duration;

use anyhow::Result;

use crate::{
    clock,
    driver::Data,
    number::{largest, mebibytes, median, millis},
    scenario::ground::Ground,
    table::{Bar, Row},
};

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    let first = millis(ground.driver.start(Data::Fresh).await?);
    let mut starts_ms = Vec::new();
    for _ in 0..ground.size.starts {
        ground.driver.stop().await?;
        starts_ms.push(millis(ground.driver.start(Data::Kept).await?));
    }
    let before = ground.driver.usage()?;
    clock::pause(REST).await;
    let after = ground.driver.usage()?;
    ground.driver.stop().await?;
    let used_ms = millis(after.processor.saturating_sub(before.processor));
    ground.rows.extend([
        Row::new("idle", "first start, on nothing", first, "ms"),
        Row::new("idle", "start, median", median(&starts_ms), "ms").bar(Bar::AtMost(200.0)),
        Row::new("idle", "start, slowest", largest(&starts_ms), "ms"),
        Row::new("idle", "memory after 5 s", mebibytes(after.resident_bytes), "MiB")
            .bar(Bar::AtMost(40.0)),
        Row::new("idle", "processor time in 5 s", used_ms, "ms"),
        Row::new(
            "idle",
            "written in 5 s",
            mebibytes(after.written_bytes.saturating_sub(before.written_bytes)),
            "MiB",
        ),
    ]);
    Ok(())
}

const REST: Duration = Duration::from_secs(5);
