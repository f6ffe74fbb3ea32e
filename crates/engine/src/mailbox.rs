//! The mailbox of development, as others may look at it.
//!
//! Invariant: outside development there is none.
//! Left to others: keeping messages (`channels::mailbox`), showing them (`web`).

use std::sync::Arc;

use channels::mailbox::{Kept, Mailbox};
use domain::id::{self, AccountId};
use domain::message::{Message, Receipt, Reception};
use domain::time::Timestamp;

use crate::Engine;

/// A message of the mailbox, to be shown.
#[derive(Debug, Clone)]
pub struct Letter {
    kept: Arc<Kept>,
}

impl Letter {
    /// Gives the 128 bits of its id.
    pub fn bits(&self) -> u128 {
        self.kept.id
    }

    /// Gives its id: 26 characters of base32.
    pub fn id(&self) -> String {
        id::encode(self.kept.id)
    }

    /// Gives whose it is.
    pub fn account(&self) -> AccountId {
        self.kept.account
    }

    /// Tells when it was put in.
    pub fn at(&self) -> Timestamp {
        self.kept.at
    }

    /// Gives the message.
    pub fn message(&self) -> &Message {
        &self.kept.message
    }

    /// Says into how many parts networks would cut it; `None` for a mail.
    pub fn segments(&self) -> Option<usize> {
        match self.message() {
            Message::Email(_) => None,
            Message::Sms(sms) => Some(templates::segments(&sms.text).count),
        }
    }
}

/// Which messages of the mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Only those of this account.
    pub account: Option<AccountId>,
    /// Only those to this address or number, in any case.
    pub to: Option<String>,
}

impl Engine {
    /// Gives the mailbox, in development alone.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        self.inner.mailbox.as_ref()
    }

    /// Keeps a message for the developer; where there is no mailbox, nobody carries it.
    pub(crate) fn keep_in_mailbox(
        &self,
        account: AccountId,
        message: &Message,
        at: Timestamp,
    ) -> Receipt {
        let Some(mailbox) = self.mailbox() else {
            let detail = "the mailbox is for development alone; enable another provider".to_owned();
            let reception = Reception::Later { after_s: None, provider: true };
            return Receipt { reception, message_id: None, detail };
        };
        let id = self.mint(at);
        mailbox.put(Kept { id, at, account, message: message.clone() });
        let (reception, detail) = (Reception::Accepted, String::new());
        Receipt { reception, message_id: Some(id::encode(id)), detail }
    }

    /// Lists messages of the mailbox, newest first, those older than the one with the id `before`; `None` outside of
    /// development.
    pub fn letters(
        &self,
        filter: &LetterFilter,
        limit: u32,
        before: Option<u128>,
    ) -> Option<Vec<Letter>> {
        let is_wanted = |kept: &Kept| {
            let to = filter.to.as_deref();
            filter.account.is_none_or(|account| account == kept.account)
                && to.is_none_or(|to| to.eq_ignore_ascii_case(kept.message.to()))
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let kept = self.mailbox()?.list(limit, before, is_wanted).into_iter();
        Some(kept.map(|kept| Letter { kept }).collect())
    }

    /// Finds a message of the mailbox; one of another account, where one is named, is not there.
    pub fn letter(&self, id: &str, account: Option<AccountId>) -> Option<Letter> {
        let kept = self.mailbox()?.find(id::decode(id)?)?;
        account.is_none_or(|account| account == kept.account).then_some(Letter { kept })
    }
}
