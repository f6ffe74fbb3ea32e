//! What is said about a workflow.
//!
//! Source: <https://developer.ironcladapp.com/reference/create-a-comment-on-a-workflow> and its neighbours.

use std::collections::BTreeSet;

use domain::id::CommentId;
use domain::workflow::{Comment, Workflow};
use serde_json::{Value, json};

use super::{Error, People, comment_id, user_id};
use crate::face::form::{self, Form};
use crate::vendor::bounds;

/// Something that is to be said; unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// What; `<@ada@example.com>` names somebody.
    pub text: String,
    /// Whether those it names take part from then on.
    pub adds_users: bool,
    /// The id of what it answers.
    pub replied_to: Option<String>,
    /// Who says it, if the body says so.
    pub creator: Option<Creator>,
}

/// Somebody as bodies name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creator {
    /// By mail address, in lower case.
    Email(String),
    /// By the vendor's id.
    Id(String),
}

/// Reads the body that says something.
pub fn said(body: &[u8]) -> Result<Said, Error> {
    let read = form::read(body, |form| Said {
        text: form.text("comment").unwrap_or_default().to_owned(),
        adds_users: form.flag("addUsersToWorkflow").unwrap_or(false),
        replied_to: form.text("repliedToActivityFeedMessageId").map(str::to_owned),
        creator: creator(form),
    });
    let said = read.map_err(Error::flawed)?;
    if said.text.is_empty() { Err(Error::missing("comment")) } else { Ok(said) }
}

/// Reads `creator`: `{type: "email", email}` or `{type: "id", id}`.
pub(super) fn creator(form: &Form<'_>) -> Option<Creator> {
    let creator = form.inner("creator");
    let by_id = || creator.text("id").map(|id| Creator::Id(id.to_owned()));
    let named = creator.text("email").map_or_else(by_id, |email| {
        bounds::email(email).map(|email| Creator::Email(email.to_lowercase()))
    });
    if form.any("creator").is_some() && named.is_none() {
        form.flaw_at("creator", "expected a mail address or an id");
    }
    named
}

/// Finds a comment that was not removed.
pub fn find<'a>(workflow: &'a Workflow, id: &str) -> Option<&'a Comment> {
    there(workflow).find(|comment| comment_id(comment.id) == id)
}

/// Lists the comments that were not removed, oldest first.
pub fn there(workflow: &Workflow) -> impl Iterator<Item = &Comment> {
    workflow.comments.iter().filter(|comment| comment.removed_at.is_none())
}

/// Shows a comment.
pub fn shown(people: People<'_>, comment: &Comment) -> Value {
    let account = people.workflow.account;
    let mentioned = |email: &String| json!({"id": user_id(account, email), "displayName": people.name(email), "email": email});
    let reaction = |(emoji, reactors): (&String, _)| {
        let reactors: &BTreeSet<String> = reactors;
        let reactors: Vec<Value> = reactors.iter().map(|email| people.author(email)).collect();
        json!({"emojiId": emoji, "reactors": reactors})
    };
    let added = comment.added_participants.iter().map(|email| people.name(email));
    let mut shown = json!({
        "id": comment_id(comment.id),
        "author": people.author(&comment.author),
        "timestamp": comment.created_at,
        "commentMessage": comment.text,
        "isExternal": comment.is_external,
        "mentionedUserDetails": comment.mentions.iter().map(mentioned).collect::<Vec<_>>(),
        "addedParticipants": added.collect::<Vec<_>>(),
        "reactions": comment.reactions.iter().map(reaction).collect::<Vec<_>>(),
    });
    let answered = comment.replied_to.and_then(|id| author_of(people.workflow, id));
    if let (Some((id, author)), Some(shown)) = (answered, shown.as_object_mut()) {
        let answered = json!({"item": comment_id(id), "itemAuthor": people.author(author)});
        shown.insert("repliedTo".to_owned(), answered);
    }
    shown
}

fn author_of(workflow: &Workflow, id: CommentId) -> Option<(CommentId, &str)> {
    let comment = workflow.comments.iter().find(|comment| comment.id == id)?;
    Some((id, &comment.author))
}
