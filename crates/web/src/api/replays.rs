//! Jobs that tell an endpoint events again.

use domain::id::ReplayId;
use domain::key::Scope;

use crate::answer;
use crate::auth::{Caller, Path};
use crate::problem::{Answer, Problem};

/// `GET /replays/{id}`.
pub(crate) async fn read(Path(id): Path<ReplayId>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let replay = caller.engine().views().replay(caller.account(), id).await?;
    Ok(answer::ok(&replay.ok_or_else(|| Problem::not_found("replay"))?))
}
