//! Finding a workflow by what vendors call it, and deleting one with all that it holds.
//!
//! Left to others: how a vendor's id follows from ours (`dialects`).

use domain::id::{self, AccountId, WorkflowId};
use domain::time::{SECOND_MS, Timestamp};
use domain::workflow::{Packet, Refused, Workflow};
use store::{Commit, SettingKind, Write};

use super::decide::text_name;
use super::launch::{Numbered, number_name};
use crate::Engine;
use crate::command::{Once, Refusal, insist};
use crate::settings;

/// Rows that are read at once.
const READ_AT_ONCE: u32 = 50;

impl Engine {
    /// Finds the workflow of a number.
    pub async fn workflow_numbered(
        &self,
        account: AccountId,
        number: u32,
    ) -> Result<Workflow, Refusal> {
        let kind = SettingKind::WorkflowNumber;
        let row = self.views().setting(account, kind, number_name(number)).await?;
        let row = row.ok_or(Refusal::NotFound { what: "workflow" })?;
        let Numbered { workflow_id } = settings::read(&row)?;
        self.workflow(account, workflow_id).await
    }

    /// Finds a workflow that was minted in the second that begins at a moment, by anything that follows from its id.
    pub async fn workflow_minted(
        &self,
        account: AccountId,
        second: Timestamp,
        is_it: impl Fn(WorkflowId) -> bool + Send + Sync,
    ) -> Result<Workflow, Refusal> {
        let not_found = Refusal::NotFound { what: "workflow" };
        // No id has these bits: the version of a UUID is not 0.
        let mut after = WorkflowId::new(id::lowest(second)).to_string();
        loop {
            let kind = SettingKind::Workflow;
            let rows = self.views().settings(account, kind, after.clone(), READ_AT_ONCE).await?;
            for row in &rows {
                let Ok(id) = row.setting.name.parse::<WorkflowId>() else { continue };
                if id.minted_at().millis_since(second) >= SECOND_MS {
                    return Err(not_found);
                }
                if is_it(id) {
                    return Ok(settings::read(row)?);
                }
            }
            match rows.last() {
                Some(last) if rows.len() >= READ_AT_ONCE as usize => {
                    after.clone_from(&last.setting.name);
                }
                Some(_) | None => return Err(not_found),
            }
        }
    }

    /// Deletes a workflow with its documents; its events stay. Refused while its packet is with its signers.
    pub async fn delete_workflow(&self, account: AccountId, id: WorkflowId) -> Result<(), Refusal> {
        insist(|| async {
            let (workflow, version) = self.load_workflow(account, id).await?;
            if matches!(workflow.packet, Packet::Sent { .. }) {
                return Err(Refused::PacketOut.into());
            }
            let mut writes =
                vec![Write::SettingGone(SettingKind::Workflow, id.to_string(), version)];
            // What is below is written once, and so its version is 1.
            if workflow.number > 0 {
                let name = number_name(workflow.number);
                writes.push(Write::SettingGone(SettingKind::WorkflowNumber, name, 1));
            }
            let documents = workflow.documents.iter().chain(&workflow.uploads);
            writes.extend(documents.map(|document| {
                Write::SettingGone(SettingKind::DocumentText, text_name(document), 1)
            }));
            let commit = Commit { writes, ..Commit::new(account, self.now()) };
            let unkept = Once::<Workflow>::unkept();
            self.commit(commit).await.map(drop).map_err(|fault| unkept.refusal(fault))
        })
        .await
    }
}
