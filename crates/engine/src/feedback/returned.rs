//! Mails that come back: posted to a provider's URL, or by SMTP to the return path of one mail of ours.
//!
//! Invariant: of a mail that came by SMTP only the address says which notice it is about, and proves itself; whatever
//! stands in the mail can neither name another one nor another account.
//! Left to others: the protocol (`web`), writing and proving return paths (`channels`), what follows (`report`).

use channels::{ReturnPaths, report};
use domain::id::NoticeId;
use domain::message::Report;
use domain::provider::ProviderKind;
use store::MasterKey;
use tracing::info;

use super::{Reporter, UNKNOWN, Untaken};
use crate::Engine;
use crate::command::Refusal;

/// Gives what writes the return paths of a service: the same for all its nodes, and for nobody without the master key.
pub fn return_paths(master: &MasterKey) -> ReturnPaths {
    ReturnPaths::new(&master.derive("return path", b""))
}

impl Engine {
    /// Takes a mail that came back to a provider's return path, and the address that it came to, if that is known. Only
    /// mail servers report so; the token alone proves it.
    pub async fn take_returned_mail(
        &self,
        token: &str,
        mail: &[u8],
        envelope_to: Option<&str>,
    ) -> Result<(), Untaken> {
        let provider = self.provider_of_token(token).await?;
        if provider.kind != ProviderKind::Smtp {
            return Err(UNKNOWN.into());
        }
        for report in report::read(mail, envelope_to) {
            self.hear(Reporter::of(&provider), &report).await?;
        }
        Ok(())
    }

    /// Tells whether an address is the return path of a mail of ours.
    pub fn is_return_path(&self, address: &str) -> bool {
        self.notice_of(address).is_some()
    }

    /// Takes a mail that came to a return path. `Ok` says that all it reports is on the disk, or that it reports nothing of
    /// ours, which is counted; after an error it may come again.
    pub async fn take_mail_at(&self, return_path: &str, mail: &[u8]) -> Result<(), Refusal> {
        let outcome = self.try_take_mail_at(return_path, mail).await;
        let word = match outcome {
            Ok(word) => word,
            Err(_) => "later",
        };
        self.metrics().returned_mail(word);
        outcome.map(|_word| ())
    }

    /// Gives what came of a mail, as the figures have it.
    async fn try_take_mail_at(
        &self,
        return_path: &str,
        mail: &[u8],
    ) -> Result<&'static str, Refusal> {
        let Some(id) = self.notice_of(return_path) else { return Ok("unknown") };
        let reports = report::read(mail, Some(return_path));
        if reports.is_empty() {
            info!(notice = %id, bytes = mail.len(), "a returned mail reports nothing that is understood");
            return Ok("unread");
        }
        let found = self.views().notice_of_anybody(id).await?;
        let Some(notice) = found.map(|(notice, _)| notice) else { return Ok("unknown") };
        let Some(begun) = &notice.begun else { return Ok("unknown") };
        let reporter =
            Reporter { account: notice.account, provider: begun.provider, channel: notice.channel };
        for report in reports {
            let report = Report { key: Some(id.to_string()), message_id: None, ..report };
            self.hear(reporter, &report).await?;
        }
        Ok("heard")
    }

    fn notice_of(&self, return_path: &str) -> Option<NoticeId> {
        self.inner.return_paths.key_of(return_path)?.parse().ok()
    }
}
