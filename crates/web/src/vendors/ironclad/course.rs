//! The course of a workflow: halted, going on, given up, and back to review.

use domain::workflow::Step;
use engine::face::ironclad::{Error, course as face};
use engine::workflows::Action;

use super::act::{Deed, NOTHING, say};
use super::{Call, find, find_internal};
use crate::auth::Name;
use crate::problem::Answer;

/// `POST /workflows/{id}/cancel`.
pub(crate) async fn cancel(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let comment = Some(say(face::word(call.bytes())?));
    let workflow = find_internal(call.caller(), &id).await?;
    call.act(key, Deed::of(&workflow, Action::Cancel { comment, reason: None }), NOTHING).await
}

/// `POST /workflows/{id}/pause`.
pub(crate) async fn pause(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let comment = Some(say(face::word(call.bytes())?));
    let workflow = find_internal(call.caller(), &id).await?;
    let impossible = Some("Only active workflows in the review step can be paused.");
    let deed = Deed { impossible, ..Deed::of(&workflow, Action::Pause { comment }) };
    call.act(key, deed, NOTHING).await
}

/// `POST /workflows/{id}/resume`.
pub(crate) async fn resume(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let comment = Some(say(face::word(call.bytes())?));
    let workflow = find_internal(call.caller(), &id).await?;
    let impossible = Some("Only paused workflows in the review step can be resumed.");
    let deed = Deed { impossible, ..Deed::of(&workflow, Action::Resume { comment }) };
    call.act(key, deed, NOTHING).await
}

/// `PATCH /workflows/{id}/revert-to-review`.
pub(crate) async fn revert(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let by = face::reverting(call.bytes())?;
    let workflow = find(call.caller(), &id).await?;
    if workflow.step != Step::Sign {
        return Err(Error::state(NOT_AT_SIGN).into());
    }
    let deed = Deed { by, ..Deed::of(&workflow, Action::Revert) };
    call.act(key, deed, NOTHING).await
}

/// What the vendor says where there is nothing to go back from.
const NOT_AT_SIGN: &str = "workflow cannot be reverted to review as it is not in the sign stage";
