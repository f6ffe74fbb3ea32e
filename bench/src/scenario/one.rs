//! One endpoint: how many events, or signature requests, go through from the first post to the last settled delivery.

use anyhow::Result;

use crate::{
    scenario::{
        flow::{Wanted, What},
        ground::Ground,
    },
    table::{Bar, Row},
    yardstick::Bare,
};

pub(crate) async fn events(ground: &mut Ground) -> Result<()> {
    let wanted = Wanted::events(1, ground.size.events);
    let before = ground.bare().await?;
    let flow = wanted.flow(ground).await?;
    let bare = Bare::mean(&[before, ground.bare().await?]);
    let rate = flow.posts_per_second();
    ground.one_rate = Some(rate);
    ground.rows.push(
        Row::new("one", ground.over_nodes("end to end"), rate, "events/s")
            .against(bare.per_second)
            .bar(Bar::RatioAtLeast(0.25)),
    );
    ground.rows.extend(flow.cost_rows("one", "event", flow.posted.acknowledged, Some(0.15)));
    ground.rows.extend(flow.rows("one"));
    Ok(())
}

pub(crate) async fn requests(ground: &mut Ground) -> Result<()> {
    let wanted = Wanted { what: What::Requests, ..Wanted::events(1, ground.size.requests) };
    let before = ground.bare().await?;
    let flow = wanted.flow(ground).await?;
    let bare = Bare::mean(&[before, ground.bare().await?]);
    let rate = flow.posts_per_second();
    ground.rows.push(
        Row::new("requests", ground.over_nodes("created, sent and told"), rate, "requests/s")
            .against(bare.per_second),
    );
    ground.rows.extend(flow.cost_rows("requests", "request", flow.posted.acknowledged, None));
    ground.rows.extend(flow.rows("requests"));
    Ok(())
}
