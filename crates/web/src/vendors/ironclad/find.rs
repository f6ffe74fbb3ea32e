//! Finding the workflow that a path names.

use domain::workflow::Workflow;
use engine::Refusal;
use engine::face::ironclad::{Error, Named, named, workflow_id};

use crate::auth::Caller;
use crate::problem::Halt;

/// Finds a workflow by its 24 hexadecimal digits, or by its readable id.
pub(super) async fn find(caller: &Caller, id: &str) -> Result<Workflow, Halt> {
    match named(id) {
        Some(Named::Readable { number }) => {
            there(caller.engine().workflow_numbered(caller.account(), number).await)
        }
        Some(Named::Internal { .. }) | None => find_internal(caller, id).await,
    }
}

/// Finds a workflow by its 24 hexadecimal digits alone.
pub(super) async fn find_internal(caller: &Caller, id: &str) -> Result<Workflow, Halt> {
    match named(id) {
        Some(Named::Internal { second }) => {
            let is_it = |known| workflow_id(known) == id;
            there(caller.engine().workflow_minted(caller.account(), second, is_it).await)
        }
        Some(Named::Readable { .. }) | None => Err(no_such()),
    }
}

fn there(found: Result<Workflow, Refusal>) -> Result<Workflow, Halt> {
    found.map_err(|refusal| {
        if matches!(refusal, Refusal::NotFound { .. }) { no_such() } else { refusal.into() }
    })
}

/// Says that there is no such workflow.
fn no_such() -> Halt {
    Error::not_found("workflow", "workflowId").into()
}
