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
    let figure = ground.over_nodes("end to end");
    ground.rows.push(Row::new("fanout", figure, rate, "deliveries/s").against(bare.per_second));
    ground.rows.extend(flow.cost_rows("fanout", "delivery", flow.deliveries, None));
    ground.rows.extend(flow.rows("fanout"));
    Ok(())
}
