//! Addresses that nothing is sent to.

use domain::key::Scope;
use domain::message::Channel;
use engine::Once;
use engine::suppressions::{NewSuppression, Suppression};

use crate::answer;
use crate::auth::{Caller, Path};
use crate::input::Input;
use crate::page::Query;
use crate::problem::{Answer, Problem};

/// `POST /suppressions`.
pub(crate) async fn create(input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let key = input.once().await?;
    let new: NewSuppression = input.json("NewSuppression")?;
    let show = |suppression: &Suppression| (201, answer::text(suppression));
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let suppression = engine.create_suppression(account, new, &once).await?;
    Ok(answer::json(show(&suppression)))
}

/// `GET /suppressions`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.names();
    query.done()?;
    let (after, limit) = window.page();
    let rows = caller.engine().suppressions(caller.account(), after, limit).await?;
    Ok(answer::ok(&window.list(&rows, |(name, _)| name, |(_, one)| one.clone())))
}

/// `DELETE /suppressions/{channel}/{address}`.
pub(crate) async fn delete(
    Path((channel, address)): Path<(String, String)>,
    caller: Caller,
) -> Answer {
    caller.may(Scope::Endpoints)?;
    let channel = Channel::ALL.into_iter().find(|one| one.as_str() == channel);
    let channel = channel.ok_or_else(|| Problem::not_found("channel"))?;
    caller.engine().delete_suppression(caller.account(), channel, &address).await?;
    Ok(answer::nothing())
}
