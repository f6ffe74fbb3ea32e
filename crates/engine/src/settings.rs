//! What an account sets, whatever it is: read, written, taken back.
//!
//! Invariants: who keeps a copy of what an account has set hears of every change, after it is on the disk; a row that
//! cannot be read is an error that names it.
//! Left to others: what each kind says (`providers`, `notice_rules`, `own_templates`, `branding`, `suppressions`).

use domain::delivery::Attempt;
use domain::id::{AccountId, NoticeId};
use domain::notice::Notice;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{
    Commit, DeliveryRow, Guarded, Reply, Setting, SettingKind, SettingRow, Version, Write,
};

use crate::Engine;
use crate::command::{Once, Refusal, insist};

impl Engine {
    /// Finds a notice, and its delivery with the attempts; there is none once it was forgotten.
    pub async fn notice(
        &self,
        account: AccountId,
        id: NoticeId,
    ) -> Result<(Notice, Option<(DeliveryRow, Vec<Attempt>)>), Refusal> {
        let found = self.views().notice(account, id).await?;
        let (notice, _version) = found.ok_or(Refusal::NotFound { what: "notice" })?;
        let lane = Self::notice_lane(account, notice.channel);
        let delivery = match self.views().notice_delivery(notice.clone(), lane).await? {
            Some(delivery) => self.views().delivery(account, delivery).await?,
            None => None,
        };
        Ok((notice, delivery))
    }

    /// Sets something, whatever was set before.
    pub(crate) async fn set(&self, account: AccountId, setting: Setting) -> Result<(), Refusal> {
        insist(|| {
            let setting = setting.clone();
            async move {
                let old = self.views().setting(account, setting.kind, setting.name.clone()).await?;
                let version = old.map_or(0, |row| row.version);
                self.write_setting(account, (version, setting), None).await
            }
        })
        .await
    }

    /// Takes back what was set; `what` names it where there is nothing to take back.
    pub(crate) async fn unset(
        &self,
        account: AccountId,
        (kind, name): (SettingKind, &str),
        what: &'static str,
    ) -> Result<(), Refusal> {
        insist(|| async move {
            let row = self.views().setting(account, kind, name.to_owned()).await?;
            let version = row.ok_or(Refusal::NotFound { what })?.version;
            let write = Write::SettingGone(kind, name.to_owned(), version);
            self.commit_setting(account, write, None).await
        })
        .await
    }

    /// Writes a setting that was made from a version; 0 for a new one. Keeps an answer in the same commit.
    pub(crate) async fn write_setting(
        &self,
        account: AccountId,
        (version, value): (Version, Setting),
        reply: Option<Reply>,
    ) -> Result<(), Refusal> {
        let write = Write::Setting(Guarded { version, value });
        self.commit_setting(account, write, reply).await
    }

    async fn commit_setting(
        &self,
        account: AccountId,
        write: Write,
        reply: Option<Reply>,
    ) -> Result<(), Refusal> {
        let key = reply.as_ref().map(|reply| (reply.key.clone(), reply.fingerprint));
        let key = key.map(|(key, fingerprint)| crate::Idempotency { key, fingerprint });
        let once = Once::<Setting> { key, ..Once::unkept() };
        let commit = Commit { writes: vec![write], reply, ..Commit::new(account, self.now()) };
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        self.settings_changed(account);
        Ok(())
    }
}

/// Reads what a setting says.
pub(crate) fn read<T: DeserializeOwned>(row: &SettingRow) -> Result<T, store::Error> {
    let Setting { kind, name, body, .. } = &row.setting;
    serde_json::from_str(body).map_err(|error| corrupt(*kind, name, &error.to_string()))
}

/// Writes down what is to be set, without secrets.
pub(crate) fn written<T: Serialize>(
    kind: SettingKind,
    name: &str,
    value: &T,
) -> Result<Setting, store::Error> {
    let body =
        serde_json::to_string(value).map_err(|error| corrupt(kind, name, &error.to_string()))?;
    Ok(Setting { kind, name: name.to_owned(), body, secrets: None })
}

/// Says that a row makes no sense.
pub(crate) fn corrupt(kind: SettingKind, name: &str, why: &str) -> store::Error {
    let detail = format!("the {} {name} makes no sense: {why}", kind.as_str());
    store::Error::Corrupt { table: "settings", detail }
}
