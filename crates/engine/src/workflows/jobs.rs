//! Launches that are not waited for: each is carried out at once, and what came of it can be asked for later.
//!
//! Invariants: a launch and the job that tells of it are one commit, so that a job is never lost, never half done, and never
//! in progress once its id was given; jobs are kept for a week, and each new one takes up to two that are older away.

use domain::id::{self, AccountId, WorkflowId};
use domain::time::{DAY_MS, Timestamp};
use domain::workflow::Workflow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Commit, Fault, Guarded, SettingKind, Write};

use super::launch::NewWorkflow;
use crate::Engine;
use crate::command::{Once, Refusal};
use crate::settings;

/// What came of a launch that was not waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id: 26 characters.
    pub id: String,
    /// What was asked for, as it came.
    pub asked: Value,
    /// What was launched; absent where the launch was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// Why it was refused, in the words of whom it was asked by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

/// How long a job can be asked for.
const KEPT_MS: i64 = 7 * DAY_MS;
/// Jobs that a new one takes away at most.
const GONE_MAX: u32 = 2;

impl Engine {
    /// Launches a workflow, and keeps what came of it; `explain` says why it was refused. `Err` is trouble on our side.
    pub async fn launch_workflow_job(
        &self,
        account: AccountId,
        (input, asked): (NewWorkflow, Value),
        explain: impl Fn(&Refusal) -> Value + Send,
        once: &Once<'_, Job>,
    ) -> Result<Job, Refusal> {
        self.refuse_known(account, once).await?;
        let now = self.now();
        let job = Job { id: id::encode(self.mint(now)), asked, workflow_id: None, error: None };
        self.forget_old_jobs(account, now).await?;
        let show = |_: &Workflow| (once.answer)(&job);
        let launched = {
            let extra = |workflow: &Workflow| {
                let job = Job { workflow_id: Some(workflow.id), ..job.clone() };
                Ok(vec![kept(&job)?])
            };
            let once = Once { key: once.key.clone(), answer: &show };
            self.launch_with(account, input, &extra, &once).await
        };
        let refusal = match launched {
            Ok(workflow) => return Ok(Job { workflow_id: Some(workflow.id), ..job }),
            Err(refusal) => refusal,
        };
        match refusal {
            Refusal::NotFound { .. }
            | Refusal::Invalid(_)
            | Refusal::Impossible { .. }
            | Refusal::LimitReached { .. }
            | Refusal::TooLarge { .. }
            | Refusal::NotADocument
            | Refusal::TooSoon { .. } => {}
            Refusal::UrlTaken { .. }
            | Refusal::Repeated(_)
            | Refusal::KeyReused
            | Refusal::Contended { .. }
            | Refusal::Forgotten
            | Refusal::Store(_) => return Err(refusal),
        }
        let job = Job { error: Some(explain(&refusal)), ..job };
        let (writes, reply) = (vec![kept(&job)?], once.reply(&job));
        let commit = Commit { writes, reply, ..Commit::new(account, now) };
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        Ok(job)
    }

    /// Finds a job.
    pub async fn workflow_job(&self, account: AccountId, id: &str) -> Result<Job, Refusal> {
        let not_found = Refusal::NotFound { what: "job" };
        if id::decode(id).is_none() {
            return Err(not_found);
        }
        let row = self.views().setting(account, SettingKind::WorkflowJob, id.to_owned()).await?;
        Ok(settings::read(&row.ok_or(not_found)?)?)
    }

    /// Takes away what has been kept for long enough; when somebody else just does, it is left to them.
    async fn forget_old_jobs(&self, account: AccountId, now: Timestamp) -> Result<(), Refusal> {
        let kind = SettingKind::WorkflowJob;
        let rows = self.views().settings(account, kind, String::new(), GONE_MAX).await?;
        let is_old = |name: &str| {
            let minted_at = id::decode(name).map(|bits| WorkflowId::new(bits).minted_at());
            minted_at.is_none_or(|at| now.millis_since(at) >= KEPT_MS)
        };
        let old = rows.into_iter().filter(|row| is_old(&row.setting.name));
        let writes: Vec<Write> =
            old.map(|row| Write::SettingGone(kind, row.setting.name, row.version)).collect();
        if writes.is_empty() {
            return Ok(());
        }
        match self.commit(Commit { writes, ..Commit::new(account, now) }).await {
            Ok(_) | Err(Fault::Conflict { .. }) => Ok(()),
            Err(fault) => Err(Once::<Job>::unkept().refusal(fault)),
        }
    }
}

fn kept(job: &Job) -> Result<Write, Refusal> {
    let value = settings::written(SettingKind::WorkflowJob, &job.id, job)?;
    Ok(Write::Setting(Guarded { version: 0, value }))
}
