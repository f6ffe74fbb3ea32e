//! Whom an account has told what: what differs from the default, by occasion.
//!
//! Invariant: a rule names templates that are there when it is set.
//! Left to others: what the default is, and whom it reaches (`domain::notice`).

use domain::id::AccountId;
use domain::notice::{Occasion, Rule, Rules};
use store::SettingKind;

use crate::Engine;
use crate::check::Flaws;
use crate::command::Refusal;
use crate::settings;

impl Engine {
    /// Gives the rules that an account has set; an occasion that is absent is as it is by default.
    pub async fn notice_rules(&self, account: AccountId) -> Result<Rules, Refusal> {
        let kind = SettingKind::NoticeRule;
        let rows = self.views().settings(account, kind, String::new(), LIST_MAX).await?;
        let mut rules = Rules::new();
        for row in &rows {
            let occasion = Occasion::named(&row.setting.name)
                .ok_or_else(|| settings::corrupt(kind, &row.setting.name, "no such occasion"))?;
            rules.insert(occasion, settings::read(row)?);
        }
        Ok(rules)
    }

    /// Sets the rule for an occasion, whatever it was before.
    pub async fn set_notice_rule(
        &self,
        account: AccountId,
        occasion: Occasion,
        rule: Rule,
    ) -> Result<Rule, Refusal> {
        let mut flaws = Flaws::default();
        if let Some(channels) = &rule.channels {
            let mut once = channels.clone();
            once.sort_unstable();
            once.dedup();
            if channels.is_empty() {
                flaws.note("channels", "expected at least one; set `off` to tell nobody");
            } else if once.len() != channels.len() {
                flaws.note("channels", "expected each channel once");
            }
        }
        if let Some(name) = &rule.template
            && !self.has_template(account, name).await?
        {
            flaws.note("template", "there is no template of that name; make it first");
        }
        flaws.none()?;
        let setting = settings::written(SettingKind::NoticeRule, occasion.as_str(), &rule)?;
        self.set(account, setting).await?;
        Ok(rule)
    }

    /// Takes back the rule for an occasion, so that it is as it is by default.
    pub async fn delete_notice_rule(
        &self,
        account: AccountId,
        occasion: Occasion,
    ) -> Result<(), Refusal> {
        let named = (SettingKind::NoticeRule, occasion.as_str());
        self.unset(account, named, "rule for this occasion").await
    }
}

/// Rows that are read of a list that is never this long.
const LIST_MAX: u32 = 100;
