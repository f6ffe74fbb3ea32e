//! The built-in mailbox of development: messages are kept for the developer to look at, and go nowhere.
//!
//! Invariants: in memory only, within [`MESSAGES_MAX`] and [`BYTES_MAX`]; the oldest go first.
//! Left to others: showing them (`web`), when a message is put in (`engine`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::AccountId;
use domain::message::Message;
use domain::time::Timestamp;

/// The most messages that are kept.
pub const MESSAGES_MAX: usize = 1_000;
/// The most bytes that are kept, of all messages together.
pub const BYTES_MAX: usize = 32 * 1024 * 1024;

/// A message as it was put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its id: 128 bits, higher than those before.
    pub id: u128,
    /// When it was put in.
    pub at: Timestamp,
    /// Whose it is.
    pub account: AccountId,
    /// What it says.
    pub message: Message,
}

/// The mailbox. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Mailbox {
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Oldest first.
    kept: VecDeque<Arc<Kept>>,
    bytes: usize,
}

impl Mailbox {
    /// Keeps a message; the oldest go where there is no room. One that alone has more than [`BYTES_MAX`] is not kept.
    pub fn put(&self, kept: Kept) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.bytes += bytes(&kept.message);
        shelf.kept.push_back(Arc::new(kept));
        while shelf.kept.len() > MESSAGES_MAX || shelf.bytes > BYTES_MAX {
            let Some(oldest) = shelf.kept.pop_front() else { break };
            shelf.bytes -= bytes(&oldest.message);
        }
    }

    /// Lists up to `limit` messages that are wanted, newest first; those older than `before` where one is named.
    pub fn list(
        &self,
        limit: usize,
        before: Option<u128>,
        is_wanted: impl Fn(&Kept) -> bool,
    ) -> Vec<Arc<Kept>> {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let newest_first = shelf.kept.iter().rev();
        let older = newest_first.filter(|kept| before.is_none_or(|before| kept.id < before));
        older.filter(|kept| is_wanted(kept)).take(limit).cloned().collect()
    }

    /// Finds a message.
    pub fn find(&self, id: u128) -> Option<Arc<Kept>> {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.kept.iter().find(|kept| kept.id == id).cloned()
    }
}

fn bytes(message: &Message) -> usize {
    match message {
        Message::Email(mail) => {
            let html = mail.html.as_ref().map_or(0, String::len);
            mail.to.address.len() + mail.subject.len() + mail.text.len() + html
        }
        Message::Sms(sms) => sms.to.len() + sms.text.len(),
    }
}

#[cfg(test)]
mod tests {
    use domain::message::Sms;

    use super::*;

    fn kept(id: u128, text: String) -> Kept {
        let (key, from, to) = (String::new(), "Acme".to_owned(), "+431234567".to_owned());
        let message = Message::Sms(Sms { key, from, to, text });
        Kept { id, at: Timestamp::from_millis(0), account: AccountId::new(1), message }
    }

    fn ids(mailbox: &Mailbox, limit: usize, before: Option<u128>) -> Vec<u128> {
        mailbox.list(limit, before, |_| true).iter().map(|kept| kept.id).collect()
    }

    #[test]
    fn the_newest_comes_first_and_the_oldest_goes_first() {
        let mailbox = Mailbox::default();
        for id in 1..=1_002 {
            mailbox.put(kept(id, "Hello".to_owned()));
        }
        assert_eq!(ids(&mailbox, 2, None), [1_002, 1_001]);
        assert_eq!(ids(&mailbox, 9, Some(5)), [4, 3]);
        assert!(mailbox.find(2).is_none() && mailbox.find(3).is_some());
    }

    #[test]
    fn large_messages_leave_room_for_fewer() {
        let mailbox = Mailbox::default();
        for id in 1..=5 {
            mailbox.put(kept(id, "x".repeat(10 * 1024 * 1024)));
        }
        assert_eq!(ids(&mailbox, 9, None), [5, 4, 3]);
        mailbox.put(kept(6, "x".repeat(BYTES_MAX + 1)));
        assert!(ids(&mailbox, 9, None).is_empty());
    }
}
