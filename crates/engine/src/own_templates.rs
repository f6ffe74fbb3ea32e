//! An account's own words for messages: set, read, taken back.
//!
//! Invariants: a template that is kept can be used on every occasion; one that a rule of the account names stays.
//! Left to others: what a template may say (`templates`), how it looks filled in (`previews`).

use domain::id::AccountId;
use serde::{Deserialize, Serialize};
use store::SettingKind;
use templates::Template;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::Engine;
use crate::check::{self, Flaws};
use crate::command::Refusal;
use crate::settings;

/// The most templates of an account.
pub(crate) const TEMPLATES_MAX: u32 = 50;
/// The most bytes of a template, as JSON.
const TEMPLATE_BYTES_MAX: usize = 512 * 1024;

/// Templates that are laid out at the same moment: one may take all of a core for seconds.
static DESKS: Semaphore = Semaphore::const_new(2);

/// A template with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name: 1 to 64 of `a-z 0-9 - _`.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub template: Template,
}

impl Named {
    /// Lists its languages.
    pub fn locales(&self) -> impl Iterator<Item = &str> {
        self.template.locales.keys().map(String::as_str)
    }
}

impl Engine {
    /// Sets a template, whatever it was before.
    pub async fn set_template(
        &self,
        account: AccountId,
        name: &str,
        template: Template,
    ) -> Result<Named, Refusal> {
        let mut flaws = Flaws::default();
        if !check::is_template_name(name) {
            flaws.note("name", "expected 1 to 64 of a-z 0-9 - _");
        }
        flaws.none()?;
        let setting = settings::written(SettingKind::Template, name, &template)?;
        if setting.body.len() > TEMPLATE_BYTES_MAX {
            let mut flaws = Flaws::default();
            flaws.note("locales", format!("expected at most {TEMPLATE_BYTES_MAX} bytes as JSON"));
            flaws.none()?;
        }
        self.refuse_one_too_many(account, name).await?;
        let template = examined(template, "").await?;
        self.set(account, setting).await?;
        Ok(Named { name: name.to_owned(), template })
    }

    /// Takes a template back. One that a rule of the account names stays.
    pub async fn delete_template(&self, account: AccountId, name: &str) -> Result<(), Refusal> {
        let rules = self.notice_rules(account).await?;
        let user = rules.iter().find(|(_, rule)| rule.template.as_deref() == Some(name));
        if let Some((occasion, _)) = user {
            let occasion = occasion.as_str();
            let message =
                format!("the rule for `{occasion}` names this template; change that rule first");
            return Err(Refusal::Impossible { message, possible: Vec::new() });
        }
        self.unset(account, (SettingKind::Template, name), "template").await
    }

    /// Finds a template.
    pub async fn template(&self, account: AccountId, name: &str) -> Result<Named, Refusal> {
        let row = self.views().setting(account, SettingKind::Template, name.to_owned()).await?;
        let row = row.ok_or(Refusal::NotFound { what: "template" })?;
        Ok(Named { name: name.to_owned(), template: settings::read(&row)? })
    }

    /// Lists templates by name, those after `after`.
    pub async fn own_templates(
        &self,
        account: AccountId,
        after: String,
        limit: u32,
    ) -> Result<Vec<Named>, Refusal> {
        let rows = self.views().settings(account, SettingKind::Template, after, limit).await?;
        let named = |row: &store::SettingRow| {
            Ok(Named { name: row.setting.name.clone(), template: settings::read(row)? })
        };
        rows.iter().map(named).collect()
    }

    pub(crate) async fn has_template(
        &self,
        account: AccountId,
        name: &str,
    ) -> Result<bool, Refusal> {
        let kind = SettingKind::Template;
        Ok(self.views().setting(account, kind, name.to_owned()).await?.is_some())
    }

    async fn refuse_one_too_many(&self, account: AccountId, name: &str) -> Result<(), Refusal> {
        if self.has_template(account, name).await? {
            return Ok(());
        }
        let kind = SettingKind::Template;
        let known = self.views().settings(account, kind, String::new(), TEMPLATES_MAX).await?;
        if known.len() < usize::try_from(TEMPLATES_MAX).unwrap_or(usize::MAX) {
            return Ok(());
        }
        let message = format!("an account has at most {TEMPLATES_MAX} templates; delete one first");
        Err(Refusal::Impossible { message, possible: Vec::new() })
    }
}

/// Refuses a template that cannot be used; `path` leads to it and ends with a dot, or is empty.
pub(crate) async fn examined(template: Template, path: &str) -> Result<Template, Refusal> {
    let (template, found) = laid_out(move || {
        let found = templates::check(&template);
        (template, found)
    })
    .await?;
    let mut flaws = Flaws::default();
    for (place, what) in found {
        flaws.note(format!("{path}{place}"), what);
    }
    flaws.none()?;
    Ok(template)
}

/// Works on templates where nobody waits for it.
pub(crate) async fn laid_out<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let stopped = |_| Refusal::Store(store::Error::Closed);
    let desk = DESKS.acquire().await.map_err(|_closed| Refusal::Store(store::Error::Closed))?;
    let done = spawn_blocking(move || (work(), drop(desk))).await;
    done.map(|(made, ())| made).map_err(stopped)
}
