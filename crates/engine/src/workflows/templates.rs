//! Workflow templates: made, changed, let go. Nothing that is under way is changed by that.

use domain::id::{AccountId, WorkflowTemplateId};
use domain::request::SigningOrder;
use domain::workflow::{
    ApprovalGroup, Attribute, DocumentPlace, Invalid, Part, RoleSpec, Template,
};
use serde::Deserialize;
use store::{Commit, Guarded, SettingKind, Version, Write};

use crate::Engine;
use crate::command::{Flaw, Once, Refusal, insist};
use crate::settings;

/// The most templates of an account.
const TEMPLATES_MAX: usize = 200;
/// Rows that are read of a list that is never this long.
const LIST_MAX: u32 = 500;
/// The most bytes of a template as JSON: a launch tells all of it in one event.
const TEMPLATE_BYTES_MAX: usize = 96 * 1024;

/// A workflow template to be made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewTemplate {
    /// What it is called, 1 to 200 characters.
    pub name: String,
    /// What is to be known of the contract, at most 100.
    pub attributes: Vec<Attribute>,
    /// Who has a say in it, at most 100.
    pub roles: Vec<RoleSpec>,
    /// Whose approval is needed, one group after the other.
    pub approval_groups: Vec<ApprovalGroup>,
    /// What documents it has, at most 100 places.
    pub documents: Vec<DocumentPlace>,
    /// All at once, or by their order.
    pub signing_order: SigningOrder,
    /// Who signs, at most 50.
    pub signers: Vec<Part>,
}

/// What changes in a workflow template; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TemplatePatch {
    /// See [`NewTemplate`].
    pub name: Option<String>,
    /// See [`NewTemplate`].
    pub attributes: Option<Vec<Attribute>>,
    /// See [`NewTemplate`].
    pub roles: Option<Vec<RoleSpec>>,
    /// See [`NewTemplate`].
    pub approval_groups: Option<Vec<ApprovalGroup>>,
    /// See [`NewTemplate`].
    pub documents: Option<Vec<DocumentPlace>>,
    /// See [`NewTemplate`].
    pub signing_order: Option<SigningOrder>,
    /// See [`NewTemplate`].
    pub signers: Option<Vec<Part>>,
}

impl Engine {
    /// Makes a workflow template.
    pub async fn create_workflow_template(
        &self,
        account: AccountId,
        input: NewTemplate,
        once: &Once<'_, Template>,
    ) -> Result<Template, Refusal> {
        self.refuse_known(account, once).await?;
        let now = self.now();
        let template = Template {
            id: WorkflowTemplateId::new(self.mint(now)),
            account,
            name: input.name,
            attributes: input.attributes,
            roles: input.roles,
            approval_groups: input.approval_groups,
            documents: input.documents,
            signing_order: input.signing_order,
            signers: input.signers,
            created_at: now,
            updated_at: now,
        };
        if self.workflow_templates(account).await?.len() >= TEMPLATES_MAX {
            let message = format!(
                "an account has at most {TEMPLATES_MAX} workflow templates; delete one first"
            );
            return Err(Refusal::Impossible { message, possible: Vec::new() });
        }
        self.keep_template((0, &template), once).await?;
        Ok(template)
    }

    /// Changes a workflow template.
    pub async fn update_workflow_template(
        &self,
        account: AccountId,
        id: WorkflowTemplateId,
        patch: TemplatePatch,
    ) -> Result<Template, Refusal> {
        insist(|| async {
            let (old, version) = self.load_template(account, id).await?;
            let patch = patch.clone();
            let template = Template {
                name: patch.name.unwrap_or(old.name),
                attributes: patch.attributes.unwrap_or(old.attributes),
                roles: patch.roles.unwrap_or(old.roles),
                approval_groups: patch.approval_groups.unwrap_or(old.approval_groups),
                documents: patch.documents.unwrap_or(old.documents),
                signing_order: patch.signing_order.unwrap_or(old.signing_order),
                signers: patch.signers.unwrap_or(old.signers),
                updated_at: self.now(),
                ..old
            };
            self.keep_template((version, &template), &Once::unkept()).await?;
            Ok(template)
        })
        .await
    }

    /// Lets a workflow template go.
    pub async fn delete_workflow_template(
        &self,
        account: AccountId,
        id: WorkflowTemplateId,
    ) -> Result<(), Refusal> {
        let what = "workflow template";
        self.unset(account, (SettingKind::WorkflowTemplate, &id.to_string()), what).await
    }

    /// Finds a workflow template.
    pub async fn workflow_template(
        &self,
        account: AccountId,
        id: WorkflowTemplateId,
    ) -> Result<Template, Refusal> {
        Ok(self.load_template(account, id).await?.0)
    }

    /// Lists an account's workflow templates, oldest first.
    pub async fn workflow_templates(&self, account: AccountId) -> Result<Vec<Template>, Refusal> {
        let kind = SettingKind::WorkflowTemplate;
        let rows = self.views().settings(account, kind, String::new(), LIST_MAX).await?;
        let read: Result<Vec<_>, _> = rows.iter().map(settings::read).collect();
        Ok(read?)
    }

    pub(super) async fn load_template(
        &self,
        account: AccountId,
        id: WorkflowTemplateId,
    ) -> Result<(Template, Version), Refusal> {
        let kind = SettingKind::WorkflowTemplate;
        let row = self.views().setting(account, kind, id.to_string()).await?;
        let row = row.ok_or(Refusal::NotFound { what: "workflow template" })?;
        Ok((settings::read(&row)?, row.version))
    }

    async fn keep_template(
        &self,
        (version, template): (Version, &Template),
        once: &Once<'_, Template>,
    ) -> Result<(), Refusal> {
        let wrong = template.check();
        if !wrong.is_empty() {
            let flaw = |Invalid { path, message }| Flaw { path, message };
            return Err(Refusal::Invalid(wrong.into_iter().take(FLAWS_MAX).map(flaw).collect()));
        }
        let name = template.id.to_string();
        let value = settings::written(SettingKind::WorkflowTemplate, &name, template)?;
        if value.body.len() > TEMPLATE_BYTES_MAX {
            let message = format!("expected at most {TEMPLATE_BYTES_MAX} bytes in all");
            return Err(Refusal::Invalid(vec![Flaw::new("", message)]));
        }
        let writes = vec![Write::Setting(Guarded { version, value })];
        let reply = once.reply(template);
        let commit = Commit { writes, reply, ..Commit::new(template.account, self.now()) };
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        Ok(())
    }
}

/// The most flaws that are told.
const FLAWS_MAX: usize = 100;
