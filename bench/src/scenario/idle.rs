//! How long a start takes, and what a server holds that has nothing to do.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    clock,
    driver::Data,
    number::{largest, mebibytes, median, millis},
    process::Usage,
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
    let look = |ground: &Ground| ground.driver.usage()?.context("the server cannot be looked at");
    let before = (look(ground)?, ground.driver.database_usage()?);
    clock::pause(REST).await;
    let after = (look(ground)?, ground.driver.database_usage()?);
    ground.driver.stop().await?;
    let used_ms =
        |before: Usage, after: Usage| millis(after.processor.saturating_sub(before.processor));
    let database = before.1.zip(after.1).map(|(before, after)| used_ms(before, after));
    let (before, after) = (before.0, after.0);
    ground.rows.extend([
        Row::new("idle", "first start, on nothing", first, "ms"),
        Row::new("idle", "start, median", median(&starts_ms), "ms").bar(Bar::AtMost(200.0)),
        Row::new("idle", "start, slowest", largest(&starts_ms), "ms"),
        Row::new("idle", "memory after 5 s", mebibytes(after.resident_bytes), "MiB")
            .bar(Bar::AtMost(40.0)),
        Row::new("idle", "processor time in 5 s", used_ms(before, after), "ms"),
        Row::new(
            "idle",
            "written in 5 s",
            mebibytes(after.written_bytes.saturating_sub(before.written_bytes)),
            "MiB",
        ),
    ]);
    let figure = "PostgreSQL's processor time in 5 s";
    ground.rows.extend(database.map(|used_ms| Row::new("idle", figure, used_ms, "ms")));
    Ok(())
}

const REST: Duration = Duration::from_secs(5);
