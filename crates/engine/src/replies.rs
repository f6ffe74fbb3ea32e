//! Answers kept for idempotency keys of commands that have no commit of their own to put them in.

use domain::id::AccountId;
use store::{Commit, Fault, Reply};

use crate::Engine;
use crate::command::{Idempotency, Once, Refusal};

impl Engine {
    /// Keeps an answer; when the key was answered meanwhile, says so.
    pub async fn keep_reply(&self, account: AccountId, reply: Reply) -> Result<(), Refusal> {
        let key = Idempotency { key: reply.key.clone(), fingerprint: reply.fingerprint };
        let commit = Commit { reply: Some(reply), ..Commit::new(account, self.now()) };
        let once = Once { key: Some(key), answer: &unsaid };
        self.store().commit(commit).await.map(drop).map_err(|fault: Fault| once.refusal(fault))
    }
}

/// The answer is in the commit already.
fn unsaid(reply: &Reply) -> (u16, String) {
    (reply.status, reply.body.clone())
}
