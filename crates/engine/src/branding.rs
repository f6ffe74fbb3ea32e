//! How an account's mails look.
//!
//! Left to others: what the looks are made of (`templates`).

use domain::id::AccountId;
use serde::Deserialize;
use store::SettingKind;
use templates::{Branding, Color};

use crate::Engine;
use crate::check::{self, Flaws};
use crate::command::Refusal;
use crate::settings;

/// How mails are to look.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewBranding {
    /// The account's name as people know it, at most 200 characters; empty for none.
    pub name: Option<String>,
    /// The colour of the button and of links, `#rrggbb`; absent means the default.
    pub color: Option<String>,
    /// A picture to stand for the name: an absolute URL of at most 2,048 characters.
    pub logo_url: Option<String>,
    /// What stands below every mail, at most 1,000 characters.
    pub footer: Option<String>,
}

impl Engine {
    /// Gives the looks that an account has set, if it has.
    pub async fn branding(&self, account: AccountId) -> Result<Option<Branding>, Refusal> {
        let row = self.views().setting(account, SettingKind::Branding, NAME.to_owned()).await?;
        Ok(row.map(|row| settings::read(&row)).transpose()?)
    }

    /// Sets the looks, whatever they were before.
    pub async fn set_branding(
        &self,
        account: AccountId,
        input: NewBranding,
    ) -> Result<Branding, Refusal> {
        let mut flaws = Flaws::default();
        let name = check::line_or_none(input.name.as_deref(), check::LINE_CHARS_MAX);
        let color = check::filled(input.color.as_deref()).map_or(Ok(Color::default()), |text| {
            text.parse().map_err(|bad: templates::NotAColor| bad.to_string())
        });
        let footer = check::prose_or_none(input.footer.as_deref(), check::NOTE_CHARS_MAX);
        let branding = Branding {
            name: flaws.take("name", name).unwrap_or_default(),
            color: flaws.take("color", color),
            logo_url: flaws.take("logo_url", check::web_url_or_none(input.logo_url.as_deref())),
            footer: flaws.take("footer", footer),
        };
        flaws.none()?;
        self.set(account, settings::written(SettingKind::Branding, NAME, &branding)?).await?;
        Ok(branding)
    }

    /// Takes the looks back, so that they are as they are by default.
    pub async fn delete_branding(&self, account: AccountId) -> Result<(), Refusal> {
        self.unset(account, (SettingKind::Branding, NAME), "branding").await
    }
}

/// There is one, so its name is always the same.
const NAME: &str = "branding";
