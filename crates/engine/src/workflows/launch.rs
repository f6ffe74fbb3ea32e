//! Launching a workflow: checked, numbered, and with its first documents, in one commit.
//!
//! Invariant: numbers of an account's workflows rise from 1, and none is given twice, also after a workflow is deleted.

use std::collections::BTreeMap;

use domain::id::{AccountId, WorkflowId, WorkflowTemplateId};
use domain::workflow::{Done, Launch, Workflow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Guarded, SettingKind, Write};

use super::action::{self, Act, Action, NewDocument, NewUser};
use crate::Engine;
use crate::check::{self, Flaws, Reach};
use crate::command::{Once, Refusal, insist_for};
use crate::requests::NewPerson;
use crate::settings;

/// A workflow to be launched.
#[derive(Debug, Clone, Deserialize)]
pub struct NewWorkflow {
    /// What it is launched from.
    pub template_id: WorkflowTemplateId,
    /// What it is about, 1 to 200 characters.
    pub title: String,
    /// Who launches it: a mail address.
    pub by: String,
    /// What is known of the contract, by the template's ids.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
    /// Who has which role, by the template's ids.
    #[serde(default)]
    pub roles: BTreeMap<String, NewUser>,
    /// Who signs as what, by the names of the parts.
    #[serde(default)]
    pub signers: BTreeMap<String, NewPerson>,
    /// The account's own notes: at most 50 keys and 16 KiB.
    #[serde(default)]
    pub metadata: BTreeMap<String, Value>,
    /// Attributes that are not given stay unknown, whatever the template says that they are; for vendors' interfaces.
    #[serde(skip)]
    pub without_defaults: bool,
    /// The documents that it begins with, at most 20; for vendors' interfaces.
    #[serde(skip)]
    pub documents: Vec<NewDocument>,
}

/// What else a launch writes, once it is known what is launched.
pub(super) type Extra<'a> = dyn Fn(&Workflow) -> Result<Vec<Write>, Refusal> + Send + Sync + 'a;

/// How often a launch is tried anew when others were faster: launches of one account take their numbers one by one.
const TRIES_MAX: u32 = 50;

/// Names the row that has the highest number that was given.
const LAST: &str = "last";

/// The highest number that was given.
#[derive(Debug, Serialize, Deserialize)]
struct Last {
    number: u32,
}

/// Whose a number is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Numbered {
    pub(super) workflow_id: WorkflowId,
}

/// Names the row of a number.
pub(super) fn number_name(number: u32) -> String {
    format!("{number:010}")
}

impl Engine {
    /// Launches a workflow.
    pub async fn launch_workflow(
        &self,
        account: AccountId,
        input: NewWorkflow,
        once: &Once<'_, Workflow>,
    ) -> Result<Workflow, Refusal> {
        self.refuse_known(account, once).await?;
        self.launch_with(account, input, &|_| Ok(Vec::new()), once).await
    }

    /// Launches a workflow, and writes more in the same commit.
    pub(super) async fn launch_with(
        &self,
        account: AccountId,
        input: NewWorkflow,
        extra: &Extra<'_>,
        once: &Once<'_, Workflow>,
    ) -> Result<Workflow, Refusal> {
        let (template, _version) = self.load_template(account, input.template_id).await?;
        let (launch, by, documents) = checked(input)?;
        insist_for(TRIES_MAX, || async {
            let now = self.now();
            let id = WorkflowId::new(self.mint(now));
            let (number, mut writes) = self.next_number(account, id).await?;
            let launch = Launch { id, number, ..launch.clone() };
            let mut done = Workflow::launch(template.clone(), launch, (&by, now))?;
            if let Some(documents) = &documents {
                let (with, texts) = self.decide(done.workflow, documents, (&by, now))?;
                done.happened.extend(with.happened);
                done = Done { workflow: with.workflow, ..done };
                writes.extend(texts);
            }
            writes.extend(extra(&done.workflow)?);
            self.commit_workflow((0, done), writes, now, once).await
        })
        .await
    }

    /// Gives the next number of an account, and what keeps it.
    async fn next_number(
        &self,
        account: AccountId,
        workflow_id: WorkflowId,
    ) -> Result<(u32, Vec<Write>), Refusal> {
        let kind = SettingKind::WorkflowNumber;
        let row = self.views().setting(account, kind, LAST.to_owned()).await?;
        let (last, version) = match &row {
            Some(row) => (settings::read::<Last>(row)?.number, row.version),
            None => (0, 0),
        };
        let number = last.saturating_add(1);
        let last = settings::written(kind, LAST, &Last { number })?;
        let numbered = settings::written(kind, &number_name(number), &Numbered { workflow_id })?;
        let writes = [(version, last), (0, numbered)];
        let write = |(version, value)| Write::Setting(Guarded { version, value });
        Ok((number, writes.map(write).into()))
    }
}

/// Checks a launch: gives it without id and number, who launches, and the documents it begins with.
fn checked(input: NewWorkflow) -> Result<(Launch, String, Option<Action>), Refusal> {
    let mut flaws = Flaws::default();
    let by = flaws.take("by", action::email(&input.by));
    let mut roles = BTreeMap::new();
    for (id, user) in &input.roles {
        roles.insert(id.clone(), action::user(&mut flaws, &format!("roles.{id}"), user));
    }
    let mut signers = BTreeMap::new();
    for (name, person) in &input.signers {
        let path = format!("signers.{name}.");
        signers.insert(name.clone(), check::person(&mut flaws, &path, person, Reach::Either));
    }
    let launch = Launch {
        id: WorkflowId::new(0),
        number: 0,
        title: flaws.take("title", check::line(&input.title, check::LINE_CHARS_MAX)),
        use_defaults: !input.without_defaults,
        attributes: input.attributes,
        roles,
        signers,
        metadata: flaws.take("metadata", check::metadata(input.metadata)),
    };
    flaws.none()?;
    if input.documents.is_empty() {
        return Ok((launch, by, None));
    }
    let action = Action::AddDocuments { documents: input.documents, comment: None };
    let Act { action, .. } = action::checked(Act { by: None, action })?;
    Ok((launch, by, Some(action)))
}
