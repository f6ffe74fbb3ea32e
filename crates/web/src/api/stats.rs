//! Figures for an operator, over all accounts.

use domain::key::Scope;
use serde_json::json;

use crate::answer;
use crate::auth::Caller;
use crate::problem::Answer;

/// `GET /stats`.
pub(crate) async fn read(caller: Caller) -> Answer {
    caller.may(Scope::Admin)?;
    let engine = caller.engine();
    let now = engine.now();
    let stats = engine.views().stats().await?;
    let lags = engine.views().lags(now).await?;
    let (in_flight, _unsettled) = engine.lanes().under_way();
    let oldest = lags.iter().map(|lag| now.millis_since(lag.due_at)).max();
    Ok(answer::ok(&json!({
        "at": now,
        "events": stats.events,
        "deliveries_pending": stats.pending,
        "deliveries_in_flight": in_flight,
        "endpoints_with_due_deliveries": lags.len(),
        "oldest_due_ms": oldest.unwrap_or(0),
        "store_bytes": stats.bytes,
    })))
}
