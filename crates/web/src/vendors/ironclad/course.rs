//! The course of a workflow: halted, going on, given up, and back to review.

use domain::workflow::Step;
use engine::face::ironclad::{Error, course as face};
use engine::workflows::{Action, NewWord};

use super::act::{Deed, NOTHING, say};
use super::{Call, find, find_internal};
use crate::auth::Name;
use crate::problem::Answer;

/// `POST /workflows/{id}/cancel`.
pub(crate) async fn cancel(Name(id): Name, call: Call) -> Answer {
    let cancel = |comment| Action::Cancel { comment, reason: None };
    with_a_word(&id, &call, cancel, None).await
}

/// `POST /workflows/{id}/pause`.
pub(crate) async fn pause(Name(id): Name, call: Call) -> Answer {
    let impossible = "Only active workflows in the review step can be paused.";
    with_a_word(&id, &call, |comment| Action::Pause { comment }, Some(impossible)).await
}

/// `POST /workflows/{id}/resume`.
pub(crate) async fn resume(Name(id): Name, call: Call) -> Answer {
    let impossible = "Only paused workflows in the review step can be resumed.";
    with_a_word(&id, &call, |comment| Action::Resume { comment }, Some(impossible)).await
}

/// Does what wants a word about it; `impossible` as in [`Deed`].
async fn with_a_word(
    id: &str,
    call: &Call,
    action: fn(Option<NewWord>) -> Action,
    impossible: Option<&'static str>,
) -> Answer {
    let key = call.to_act().await?;
    let action = action(Some(say(face::word(call.bytes())?)));
    let workflow = find_internal(call.caller(), id).await?;
    call.act(key, Deed { impossible, ..Deed::of(&workflow, action) }, NOTHING).await
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
