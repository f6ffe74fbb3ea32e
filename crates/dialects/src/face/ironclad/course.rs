//! What is sent to halt a workflow, to go on, to give it up, and to go back to review.
//!
//! Sources: <https://developer.ironcladapp.com/reference/cancel-a-workflow>,
//! <https://developer.ironcladapp.com/reference/pause-a-workflow>, and their neighbours.

use crate::face::form::{self, Form};
use crate::face::ironclad::Error;
use crate::vendor::bounds;

/// Something that is said on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// What; `<@ada@example.com>` names somebody. Unchecked.
    pub message: String,
    /// Whether those it names take part from then on.
    pub adds_users: bool,
}

/// Reads a body that must say something: `{comment: {message, addUsersToWorkflow?}}`.
pub fn word(body: &[u8]) -> Result<Word, Error> {
    let word = form::read(body, |form| read(&form.inner("comment"))).map_err(Error::flawed)?;
    word.ok_or_else(|| Error::missing("comment"))
}

/// Reads a comment; `None` where it says nothing.
pub(super) fn read(comment: &Form<'_>) -> Option<Word> {
    let message = comment.text("message")?.to_owned();
    let adds_users = comment.flag("addUsersToWorkflow").unwrap_or(false);
    Some(Word { message, adds_users })
}

/// Reads the body that takes a workflow back to review; gives the mail address of who wants that, if it says.
///
/// The vendor's description wants a `status` too and does not say what it is; without any body the call works, as observed.
pub fn reverting(body: &[u8]) -> Result<Option<String>, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    form::read(body, |form| user(form, "user")).map_err(Error::flawed)
}

/// Reads a user who is named by their mail address: `{type: "email", email}`.
pub(super) fn user(form: &Form<'_>, name: &str) -> Option<String> {
    let user = form.inner(name);
    let email = user.text("email").and_then(bounds::email).map(|email| email.to_lowercase());
    if form.any(name).is_some() && email.is_none() {
        user.flaw_at("email", "expected a mail address");
    }
    email
}
