//! An account's own e-mail and SMS services: taken on, changed, let go.
//!
//! Invariants: what is kept was checked as a whole, whichever part of it changed; secrets are apart from the rest, and
//! no refusal holds a value that was given.
//! Left to others: what each kind needs (`channels::provider`), which one is asked for a message (`notices`), seeing
//! whether messages arrive (`providers::test`).

mod form;
mod test;

use domain::id::{AccountId, ProviderId};
use domain::message::Channel;
use domain::provider::{OnUnknown, Provider, ProviderKind, Secrets};
use domain::secret::Secret;
use serde::{Deserialize, Serialize};
use store::{Setting, SettingKind, SettingRow, Version};

use crate::Engine;
use crate::command::{Once, Patch, Refusal, insist};
use crate::fields;
use crate::settings::{self, corrupt};

pub use crate::fields::{Field, Form, Given};

pub(crate) use test::Recent;
pub use test::{NewTest, Tested};

/// The most providers of an account.
pub(crate) const PROVIDERS_MAX: usize = 20;

/// A provider to be taken on.
#[derive(Debug, Clone, Deserialize)]
pub struct NewProvider {
    /// Which service.
    pub kind: ProviderKind,
    /// The account's name for it, unique: 1 to 64 of `a-z 0-9 - _`.
    pub name: String,
    /// The lower, the sooner it is asked: 0 to 65,535; 100 if absent.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Messages per second at most, 1 to 10,000.
    #[serde(default)]
    pub rate_limit: Option<u32>,
    /// What to do when an answer was lost.
    #[serde(default)]
    pub on_unknown: OnUnknown,
    /// Whether it is used; it is if absent.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// What else the kind needs, secrets too.
    #[serde(default)]
    pub settings: Given,
}

/// What changes in a provider. Its kind stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ProviderPatch {
    /// See [`NewProvider`].
    pub name: Option<String>,
    /// See [`NewProvider`].
    pub priority: Patch<u32>,
    /// See [`NewProvider`].
    pub rate_limit: Patch<u32>,
    /// See [`NewProvider`].
    pub on_unknown: Option<OnUnknown>,
    /// See [`NewProvider`].
    pub enabled: Option<bool>,
    /// Those that change, secrets too: absent ones stay, `null` takes one away.
    pub settings: Given,
}

/// A kind of provider, and what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Which one.
    #[serde(rename = "kind")]
    pub service: ProviderKind,
    /// What it carries.
    pub channel: Channel,
    /// Whether it is there in development alone.
    pub development_only: bool,
    /// What it needs, in the order in which people would fill it in.
    pub fields: Vec<Field>,
}

/// Lists the kinds of providers.
pub fn kinds() -> Vec<Kind> {
    ProviderKind::ALL.iter().map(|kind| form::kind(*kind)).collect()
}

impl Engine {
    /// Takes a provider on.
    pub async fn create_provider(
        &self,
        account: AccountId,
        input: NewProvider,
        once: &Once<'_, Provider>,
    ) -> Result<Provider, Refusal> {
        self.refuse_known(account, once).await?;
        let now = self.now();
        let base = (ProviderId::new(self.mint(now)), account, now);
        let provider = form::provider(base, input, self.guard(), self.clock_is_movable())?;
        let others = self.providers(account).await?;
        if others.len() >= PROVIDERS_MAX {
            let message =
                format!("an account has at most {PROVIDERS_MAX} providers; delete one first");
            return Err(Refusal::Impossible { message, possible: Vec::new() });
        }
        free(&provider, &others)?;
        let reply = once.reply(&provider);
        self.write_setting(account, (0, written(&provider)?), reply).await?;
        Ok(provider)
    }

    /// Changes a provider.
    pub async fn update_provider(
        &self,
        account: AccountId,
        id: ProviderId,
        patch: ProviderPatch,
    ) -> Result<Provider, Refusal> {
        insist(|| {
            let patch = patch.clone();
            async move {
                let (old, version) = self.load_provider(account, id).await?;
                let provider = form::patched(old, patch, self.guard(), self.now())?;
                free(&provider, &self.providers(account).await?)?;
                self.write_setting(account, (version, written(&provider)?), None).await?;
                Ok(provider)
            }
        })
        .await
    }

    /// Lets a provider go.
    pub async fn delete_provider(&self, account: AccountId, id: ProviderId) -> Result<(), Refusal> {
        self.unset(account, (SettingKind::Provider, &id.to_string()), "provider").await
    }

    /// Finds a provider.
    pub async fn provider(&self, account: AccountId, id: ProviderId) -> Result<Provider, Refusal> {
        Ok(self.load_provider(account, id).await?.0)
    }

    /// Lists an account's providers in the order in which they are asked, those that are off too.
    pub async fn providers(&self, account: AccountId) -> Result<Vec<Provider>, Refusal> {
        let rows = self.views().settings(account, SettingKind::Provider, String::new(), LIST_MAX);
        let providers: Result<Vec<_>, _> = rows.await?.iter().map(read).collect();
        let mut providers = providers?;
        providers.sort_by_key(|provider| (provider.priority, provider.id));
        Ok(providers)
    }

    async fn load_provider(
        &self,
        account: AccountId,
        id: ProviderId,
    ) -> Result<(Provider, Version), Refusal> {
        let row = self.views().setting(account, SettingKind::Provider, id.to_string()).await?;
        let row = row.ok_or(Refusal::NotFound { what: "provider" })?;
        Ok((read(&row)?, row.version))
    }
}

/// Reads a provider with its secrets.
pub(crate) fn read(row: &SettingRow) -> Result<Provider, store::Error> {
    let provider: Provider = settings::read(row)?;
    let secrets = match &row.setting.secrets {
        None => Secrets::default(),
        Some(sealed) => serde_json::from_str(sealed.expose())
            .ok()
            .and_then(|value| Secrets::reveal(&value))
            .ok_or_else(|| corrupt(row.setting.kind, &row.setting.name, "its secrets are none"))?,
    };
    Ok(Provider { secrets, ..provider })
}

fn written(provider: &Provider) -> Result<Setting, store::Error> {
    let setting = settings::written(SettingKind::Provider, &provider.id.to_string(), provider)?;
    Ok(Setting { secrets: Some(Secret::new(provider.secrets.expose().to_string())), ..setting })
}

/// Refuses a name that another provider has.
fn free(provider: &Provider, others: &[Provider]) -> Result<(), Refusal> {
    let same = |other: &&Provider| other.id != provider.id && other.name == provider.name;
    fields::free(others.iter().find(same).map(|other| (other.id, other.name.as_str())))
}

/// Rows that are read of a list that is never this long.
const LIST_MAX: u32 = 100;
