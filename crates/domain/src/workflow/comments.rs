//! What is said about a workflow: comments, replies, mentions, reactions.
//!
//! Invariant: only who said something changes or removes it; what was removed says nothing, but keeps its place, so that
//! replies still have what they answer.

use std::collections::BTreeSet;

use super::{Action, COMMENTS_MAX, Change, Comment, Done, REACTIONS_MAX, Refused, Workflow};
use crate::id::CommentId;
use crate::time::Timestamp;

/// Something that is to be said.
#[derive(Debug, Clone)]
pub struct Say {
    /// The id it gets.
    pub id: CommentId,
    /// What, 1 to 4,000 characters; `<@ada@example.com>` names somebody.
    pub text: String,
    /// Whether the other side sees it.
    pub is_external: bool,
    /// What it answers.
    pub replied_to: Option<CommentId>,
    /// Whether those it names take part from then on.
    pub adds_participants: bool,
}

impl Workflow {
    /// Says something.
    pub fn comment(self, say: Say, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::Comment)?;
        let change = self.comment_change(say, (by, now))?;
        Ok(self.take(vec![change], (by, now)))
    }

    /// Makes the change of saying something, where that is possible.
    pub(super) fn comment_change(
        &self,
        say: Say,
        (by, now): (&str, Timestamp),
    ) -> Result<Change, Refused> {
        if self.comments.len() >= COMMENTS_MAX {
            return Err(Refused::Full { what: "comments", max: COMMENTS_MAX });
        }
        if let Some(id) = say.replied_to {
            self.said(id)?;
        }
        let mentions = mentions(&say.text);
        let is_new = |email: &String| say.adds_participants && !self.participants.contains(email);
        let added_participants = mentions.iter().filter(|email| is_new(email)).cloned().collect();
        let comment = Comment {
            id: say.id,
            author: by.to_owned(),
            text: say.text,
            is_external: say.is_external,
            replied_to: say.replied_to,
            mentions,
            added_participants,
            reactions: [].into(),
            created_at: now,
            edited_at: None,
            removed_at: None,
        };
        Ok(Change::CommentAdded { comment })
    }

    /// Changes what one said. The same text again changes nothing.
    pub fn edit_comment(
        self,
        id: CommentId,
        text: String,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Comment)?;
        let comment = self.own(id, by)?;
        if comment.text == text {
            return Ok(self.unchanged());
        }
        let is_external = comment.is_external;
        let mentions = mentions(&text);
        let change = Change::CommentUpdated { comment_id: id, text, mentions, is_external };
        Ok(self.take(vec![change], (by, now)))
    }

    /// Removes what one said.
    pub fn remove_comment(
        self,
        id: CommentId,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Comment)?;
        let is_external = self.own(id, by)?.is_external;
        Ok(self.take(vec![Change::CommentRemoved { comment_id: id, is_external }], (by, now)))
    }

    /// Reacts to what somebody said. A reaction that is there already stays.
    pub fn react(
        self,
        id: CommentId,
        emoji_id: String,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Comment)?;
        let comment = self.said(id)?;
        if has_reacted(comment, &emoji_id, by) {
            return Ok(self.unchanged());
        }
        if comment.reactions.len() >= REACTIONS_MAX && !comment.reactions.contains_key(&emoji_id) {
            return Err(Refused::Full { what: "reactions to a comment", max: REACTIONS_MAX });
        }
        let change = Change::CommentReactionAdded { comment_id: id, emoji_id };
        Ok(self.take(vec![change], (by, now)))
    }

    /// Takes one's own reaction back. One that is not there stays away.
    pub fn unreact(
        self,
        id: CommentId,
        emoji_id: String,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Comment)?;
        if !has_reacted(self.said(id)?, &emoji_id, by) {
            return Ok(self.unchanged());
        }
        let change = Change::CommentReactionRemoved { comment_id: id, emoji_id };
        Ok(self.take(vec![change], (by, now)))
    }

    /// Finds what was said and not removed.
    fn said(&self, id: CommentId) -> Result<&Comment, Refused> {
        let mut said = self.comments.iter().filter(|comment| comment.removed_at.is_none());
        let found = said.find(|comment| comment.id == id);
        found.ok_or_else(|| Refused::NoSuch { what: "comment", id: id.to_string() })
    }

    fn own(&self, id: CommentId, by: &str) -> Result<&Comment, Refused> {
        let comment = self.said(id)?;
        if comment.author == by {
            Ok(comment)
        } else {
            Err(Refused::NotTheAuthor { author: comment.author.clone() })
        }
    }
}

fn has_reacted(comment: &Comment, emoji_id: &str, by: &str) -> bool {
    comment.reactions.get(emoji_id).is_some_and(|reactors| reactors.contains(by))
}

/// Finds the mail addresses in `<@…>`, in lower case.
fn mentions(text: &str) -> BTreeSet<String> {
    let named = text.split("<@").skip(1).filter_map(|rest| rest.split_once('>'));
    let named = named.map(|(email, _)| email.to_lowercase());
    named.filter(|email| is_address(email)).take(MENTIONS_MAX).collect()
}

fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '<' && c != '@';
    parts.is_some_and(|(name, host)| {
        !name.is_empty()
            && !host.is_empty()
            && text.len() <= ADDRESS_BYTES_MAX
            && name.chars().chain(host.chars()).all(is_plain)
    })
}

/// The most people whom a comment names.
const MENTIONS_MAX: usize = 50;
/// The most bytes of a mail address: RFC 5321, section 4.5.3.1.3.
const ADDRESS_BYTES_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named_is_found() {
        let text = "<@Ada@example.com> and <@bob@example.com>, not <@nobody> nor <@x y@z> or <@a@b";
        assert!(mentions(text).iter().eq(["ada@example.com", "bob@example.com"]));
    }
}
