//! Contract workflows: load, let `domain` decide, commit; and their signature packets, which are requests.
//!
//! Invariants: a state and the events that tell of it are one commit, and so are a packet's request and its workflow, whichever
//! of them was acted on; a workflow is bounded as a whole. Whoever acts is named by their mail address; unless a caller names
//! somebody, it is who launched the workflow.
//! Left to others: what is possible (`domain::workflow`), keeping rows (`store`).

mod action;
mod decide;
mod find;
mod jobs;
mod launch;
mod packet;
mod schedule;
mod templates;

use std::borrow::Cow;

use domain::event::{DATA_BYTES_MAX, Event};
use domain::facts::AboutWorkflow;
use domain::id::{AccountId, DocumentId, EventId, WorkflowId};
use domain::time::Timestamp;
use domain::workflow::{Document, Done, Happening, Workflow};
use store::{Audience, Commit, Guarded, Said, SettingKind, Version, Write};

use crate::Engine;
use crate::command::{Flaw, Once, Refusal, insist};
use crate::settings;

pub use self::action::{
    Act, Action, BATCH_MAX, DOCUMENT_BYTES_MAX, NewDocument, NewName, NewPart, NewUser, NewVersion,
    NewWord, is_media_type,
};
pub use self::jobs::Job;
pub use self::launch::NewWorkflow;
pub(crate) use self::packet::Beside;
pub use self::templates::{NewTemplate, TemplatePatch};

/// The most bytes of a workflow as JSON.
const WORKFLOW_BYTES_MAX: usize = 1024 * 1024;
/// The most workflows of a page.
const LIST_MAX: u32 = 1_000;

impl Engine {
    /// Does something with a workflow.
    pub async fn act_on_workflow(
        &self,
        account: AccountId,
        id: WorkflowId,
        act: Act,
        once: &Once<'_, Workflow>,
    ) -> Result<Workflow, Refusal> {
        self.refuse_known(account, once).await?;
        let act = action::checked(act)?;
        action::must_come(&act.action, self.now())?;
        insist(|| async {
            let now = self.now();
            let before = self.load_workflow(account, id).await?;
            let by = act.by.clone().unwrap_or_else(|| before.0.creator.clone());
            if let Some(workflow) =
                self.act_on_packet(&before, &act.action, (&by, now), once).await?
            {
                return Ok(workflow);
            }
            let (workflow, version) = before;
            let (done, writes) = self.decide(workflow, &act.action, (&by, now))?;
            if done.happened.is_empty() {
                return Ok(done.workflow);
            }
            self.commit_workflow((version, done), writes, now, once).await
        })
        .await
    }

    /// Finds a workflow.
    pub async fn workflow(&self, account: AccountId, id: WorkflowId) -> Result<Workflow, Refusal> {
        Ok(self.load_workflow(account, id).await?.0)
    }

    /// Lists workflows, oldest first, those whose id is behind one; all if that is empty.
    pub async fn workflows(
        &self,
        account: AccountId,
        after: String,
        limit: u32,
    ) -> Result<Vec<Workflow>, Refusal> {
        let limit = limit.min(LIST_MAX);
        let rows = self.views().settings(account, SettingKind::Workflow, after, limit).await?;
        let read: Result<Vec<_>, _> = rows.iter().map(settings::read).collect();
        Ok(read?)
    }

    /// Gives the text of a document as it is now, or of a paper that was uploaded.
    pub async fn document_text(
        &self,
        account: AccountId,
        of: (WorkflowId, DocumentId),
    ) -> Result<(Document, Vec<u8>), Refusal> {
        let workflow = self.workflow(account, of.0).await?;
        let mut known = workflow.documents.iter().chain(&workflow.uploads);
        let found = known.find(|document| document.id == of.1);
        let document = found.ok_or(Refusal::NotFound { what: "document" })?.clone();
        let name = decide::text_name(&document);
        let row = self.views().setting(account, SettingKind::DocumentText, name.clone()).await?;
        let secret = row.and_then(|row| row.setting.secrets);
        let text = secret.and_then(|secret| action::decoded(secret.expose()));
        let missing = || settings::corrupt(SettingKind::DocumentText, &name, "it is not there");
        Ok((document, text.ok_or_else(missing)?))
    }

    pub(crate) async fn load_workflow(
        &self,
        account: AccountId,
        id: WorkflowId,
    ) -> Result<(Workflow, Version), Refusal> {
        let row = self.views().setting(account, SettingKind::Workflow, id.to_string()).await?;
        let row = row.ok_or(Refusal::NotFound { what: "workflow" })?;
        Ok((settings::read(&row)?, row.version))
    }

    /// Commits what a command came to, and gives the workflow as it is then.
    async fn commit_workflow(
        &self,
        (version, done): (Version, Done),
        writes: Vec<Write>,
        now: Timestamp,
        once: &Once<'_, Workflow>,
    ) -> Result<Workflow, Refusal> {
        let mut commit = Commit { writes, ..Commit::new(done.workflow.account, now) };
        self.add_workflow(&mut commit, (version, &done.workflow), &done.happened)?;
        commit.reply = once.reply(&done.workflow);
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        Ok(done.workflow)
    }

    /// Adds a workflow's new state, and what happened to it, to a commit.
    pub(crate) fn add_workflow(
        &self,
        commit: &mut Commit,
        (version, workflow): (Version, &Workflow),
        happened: &[Happening],
    ) -> Result<(), Refusal> {
        let value = settings::written(SettingKind::Workflow, &workflow.id.to_string(), workflow)?;
        if value.body.len() > WORKFLOW_BYTES_MAX {
            let message = format!(
                "expected less text: a workflow has at most {WORKFLOW_BYTES_MAX} bytes in all"
            );
            return Err(Refusal::Invalid(vec![Flaw::new("", message)]));
        }
        commit.writes.push(Write::Setting(Guarded { version, value }));
        if happened.iter().any(|happening| happening.change.moves_schedule()) {
            commit.writes.push(schedule::timer(workflow));
        }
        for happening in happened {
            let event = event(EventId::new(self.mint(commit.at)), happening, commit.at)?;
            commit.events.push(Said { event, audience: Audience::Subscribers });
        }
        Ok(())
    }
}

/// Writes down one thing that happened to a workflow.
fn event(id: EventId, happening: &Happening, now: Timestamp) -> Result<Event, Refusal> {
    let Happening { change, by, brief } = happening;
    let kind = change.kind();
    let about = AboutWorkflow { workflow: brief.clone(), by: by.clone(), change: change.clone() };
    let name = brief.id.to_string();
    let data = serde_json::to_string(&about)
        .map_err(|error| settings::corrupt(SettingKind::Workflow, &name, &error.to_string()))?;
    if data.len() > DATA_BYTES_MAX {
        let message =
            format!("expected less text: an event about it would exceed {DATA_BYTES_MAX} bytes");
        return Err(Refusal::Invalid(vec![Flaw::new("", message)]));
    }
    Ok(Event {
        id,
        account: brief.account,
        kind,
        name: Cow::Borrowed(kind.as_str()),
        at: now,
        request: None,
        order_key: Some(name),
        key: None,
        data,
        test: false,
        callbacks: Vec::new(),
        link: None,
    })
}
