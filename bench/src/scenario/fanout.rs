//! Ten endpoints that all want every event.

use anyhow::Result;

use crate::{
    scenario::{flow::Wanted, ground::Ground},
    table::Row,
    yardstick::Bare,
};

pub(crate) async fn run(ground: &mut Ground) -> Result<()> {
    let wanted = Wanted::events(10, ground.size.fanout);
    let before = ground.bare().await?;
    let flow = wanted.flow(ground).await?;
    let bare = Bare::mean(&[before, ground.bare().await?]);
    let rate = flow.deliveries_per_second();
    ground
        .rows
        .push(Row::new("fanout", "end to end", rate, "deliveries/s").against(bare.per_second));
    let each = flow.processor_ms_per_delivery();
    ground.rows.push(Row::new("fanout", "server's processor time per delivery", each, "ms"));
    ground.rows.extend(flow.rows("fanout"));
    Ok(())
}
