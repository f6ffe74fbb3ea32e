//! The service's own RSA key, with which Ironclad's dialect is signed: made when it is first needed, and kept sealed.
//!
//! Invariants: a service has one such key for good, however many nodes and accounts it has; it is on the disk before anything
//! is signed with it. It is kept with the oldest account, since whatever is set belongs to one.
//! Left to others: making and using it (`dialects::proof`), who may see its public half (`web`).

use std::sync::{Arc, PoisonError};

use dialects::proof::RsaKey;
use domain::endpoint::{Dialect, Endpoint};
use domain::id::AccountId;
use store::{Setting, SettingKind};

use crate::Engine;
use crate::command::{Refusal, insist};
use crate::settings::corrupt;

/// What the key is called among what is set.
const NAME: &str = "rsa";

/// What a call is to be signed with.
pub(crate) enum Needed {
    /// Nothing of the service's own.
    Nothing,
    /// This key.
    Key(Arc<RsaKey>),
    /// A key that cannot be had now.
    Unavailable,
}

impl Needed {
    pub(crate) fn key(&self) -> Option<&RsaKey> {
        match self {
            Self::Key(key) => Some(key),
            Self::Nothing | Self::Unavailable => None,
        }
    }
}

impl Engine {
    /// Gives the public half of the service's RSA key, as PEM.
    pub async fn verification_key(&self) -> Result<String, Refusal> {
        Ok(self.rsa_key().await?.public_pem())
    }

    /// Gives the RSA key where an endpoint's dialect signs with it.
    pub(crate) async fn rsa_needed(&self, endpoint: &Endpoint) -> Needed {
        if !signs_with_rsa(endpoint.dialect) {
            return Needed::Nothing;
        }
        self.rsa_key().await.map_or(Needed::Unavailable, Needed::Key)
    }

    /// Gives the service's RSA key; makes it if there is none.
    pub(crate) async fn rsa_key(&self) -> Result<Arc<RsaKey>, Refusal> {
        let known = self.inner.rsa.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(key) = known {
            return Ok(key);
        }
        // Boxed, so that whoever asks for a key that is known does not carry the room for making it.
        let key = Arc::new(Box::pin(insist(|| self.load_or_make())).await?);
        let mut known = self.inner.rsa.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::clone(&key));
        Ok(key)
    }

    async fn load_or_make(&self) -> Result<RsaKey, Refusal> {
        let accounts = self.views().accounts().await?;
        let owner: Option<AccountId> = accounts.iter().map(|account| account.id).min();
        let owner = owner.ok_or(Refusal::NotFound { what: "account" })?;
        let kind = SettingKind::ServiceKey;
        let bad = |detail: &str| Refusal::Store(corrupt(kind, NAME, detail));
        if let Some(row) = self.views().setting(owner, kind, NAME.to_owned()).await? {
            let secret = row.setting.secrets.ok_or_else(|| bad("it has no secret part"))?;
            return RsaKey::read(&secret).map_err(|error| bad(&error.to_string()));
        }
        let mut seed = [0; 32];
        self.with_chance(|chance| chance.fill(&mut seed));
        let secret = RsaKey::generate(&seed).ok_or_else(|| bad("no primes were found"))?;
        let key = RsaKey::read(&secret).map_err(|error| bad(&error.to_string()))?;
        let setting =
            Setting { kind, name: NAME.to_owned(), body: "{}".to_owned(), secrets: Some(secret) };
        self.write_setting(owner, (0, setting), None).await?;
        Ok(key)
    }
}

/// Tells whether a dialect signs with the service's RSA key.
pub(crate) const fn signs_with_rsa(dialect: Dialect) -> bool {
    match dialect {
        Dialect::Ironclad => true,
        Dialect::Standard
        | Dialect::Clickwrap
        | Dialect::Insertsign
        | Dialect::Fintechos
        | Dialect::Esaw => false,
    }
}
