//! Acting on a workflow: what the calls that change one share.
//!
//! Invariant: an answer that was given before is looked up before anything else is looked at.

use domain::key::Scope;
use domain::workflow::Workflow;
use engine::face::ironclad::Error;
use engine::face::ironclad::course::Word;
use engine::workflows::{Act, Action, NewWord};
use engine::{Idempotency, Once, Refusal};

use super::Call;
use crate::answer;
use crate::problem::{Answer, Halt};

/// Writes status and body of an answer, from the workflow as it is then.
pub(super) type Show<'a> = dyn Fn(&Workflow) -> (u16, String) + Send + Sync + 'a;

/// Answers 204.
pub(super) const NOTHING: &Show<'static> = &|_| (204, String::new());

/// Something that a call wants to be done.
pub(super) struct Deed<'a> {
    pub(super) workflow: &'a Workflow,
    pub(super) action: Action,
    /// Who does it, where the body says so.
    pub(super) by: Option<String>,
    /// What the vendor says where the workflow is not where that can be done; else we say it.
    pub(super) impossible: Option<&'static str>,
}

impl<'a> Deed<'a> {
    /// Starts with an action, in the name of whom the call is made for.
    pub(super) const fn of(workflow: &'a Workflow, action: Action) -> Self {
        Self { workflow, action, by: None, impossible: None }
    }
}

impl<const BYTES_MAX: usize> Call<BYTES_MAX> {
    /// Refuses callers that may not act on workflows, and gives the idempotency key, if there is one.
    pub(super) async fn to_act(&self) -> Result<Option<Idempotency>, Halt> {
        self.may(Scope::Requests)?;
        self.once().await
    }

    /// Does it, and answers.
    pub(super) async fn act(
        &self,
        key: Option<Idempotency>,
        deed: Deed<'_>,
        show: &Show<'_>,
    ) -> Answer {
        let caller = self.may(Scope::Requests)?;
        let Deed { workflow, action, by, impossible } = deed;
        let by = match by {
            Some(by) => Some(by),
            None => self.actor.email(Some(workflow)).await?,
        };
        let once = Once { key, answer: show };
        let act = Act { by, action };
        let acted =
            caller.engine().act_on_workflow(caller.account(), workflow.id, act, &once).await;
        match (acted, impossible) {
            (Ok(workflow), _) => Ok(answer::json(show(&workflow))),
            (Err(Refusal::Impossible { .. }), Some(message)) => Err(Error::state(message).into()),
            (Err(refusal), _) => Err(refusal.into()),
        }
    }
}

/// Gives what is to be said as the engine takes it.
pub(super) fn say(word: Word) -> NewWord {
    let Word { message, adds_users } = word;
    NewWord { text: message, is_external: false, replied_to: None, add_participants: adds_users }
}
