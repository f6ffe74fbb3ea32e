//! What clients may do with a workflow, as they say it, and the checks of that.
//!
//! Invariant: what comes out of [`checked`] is within every bound; mail addresses of users are in lower case.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::id::{CommentId, DocumentId};
use domain::time::Timestamp;
use domain::workflow::{ORDER_MAX, Party, REMIND_DAYS_MAX, User, is_id};
use serde::Deserialize;
use serde_json::Value;

use crate::check::{self, Checked, Flaws, Reach};
use crate::command::{Patch, Refusal};
use crate::requests::NewPerson;

/// The most bytes of a document.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// The most documents of one batch.
pub const BATCH_MAX: usize = 20;
/// The most characters of a comment.
const COMMENT_CHARS_MAX: usize = 4_000;
/// The most characters of a media type.
const MEDIA_TYPE_CHARS_MAX: usize = 100;

/// An action, and who does it.
#[derive(Debug, Clone, Deserialize)]
pub struct Act {
    /// Who does it: a mail address. If absent, who launched the workflow.
    #[serde(default)]
    pub by: Option<String>,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
}

/// Something that is done with a workflow.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Change title or notes; what is absent stays.
    Update {
        /// See `NewWorkflow`.
        #[serde(default)]
        title: Option<String>,
        /// See `NewWorkflow`.
        #[serde(default)]
        metadata: Option<BTreeMap<String, Value>>,
    },
    /// Set and remove attributes, by the template's ids.
    SetAttributes {
        /// Those set.
        #[serde(default)]
        set: BTreeMap<String, Value>,
        /// Those removed.
        #[serde(default)]
        remove: BTreeSet<String>,
        /// What is said with that; for vendors' interfaces.
        #[serde(skip)]
        comment: Option<NewWord>,
    },
    /// Give the approval of a role.
    Approve {
        /// Which role.
        role: String,
        /// Whether the workflow goes to the signatures with the last one; for vendors' interfaces.
        #[serde(skip)]
        advances: bool,
    },
    /// Take it back.
    ResetApproval {
        /// Which role.
        role: String,
    },
    /// Say something.
    Comment {
        /// What.
        #[serde(flatten)]
        comment: NewWord,
    },
    /// Change what one said.
    EditComment {
        /// Which comment.
        comment_id: CommentId,
        /// What it says now.
        text: String,
    },
    /// Remove what one said.
    RemoveComment {
        /// Which comment.
        comment_id: CommentId,
    },
    /// React to what somebody said.
    React {
        /// Which comment.
        comment_id: CommentId,
        /// With what, such as `grinning`: 1 to 64 of `a-z A-Z 0-9 _ -`.
        emoji_id: String,
    },
    /// Take a reaction back.
    Unreact {
        /// Which comment.
        comment_id: CommentId,
        /// Which reaction.
        emoji_id: String,
    },
    /// Add documents, at most 20.
    AddDocuments {
        /// Which.
        documents: Vec<NewDocument>,
        /// What is said with that; for vendors' interfaces.
        #[serde(skip)]
        comment: Option<NewWord>,
    },
    /// Remove documents.
    RemoveDocuments {
        /// Which.
        document_ids: BTreeSet<DocumentId>,
    },
    /// Write new versions of documents, at most 20.
    UpdateDocuments {
        /// Which.
        documents: Vec<NewVersion>,
        /// What is said with that; for vendors' interfaces.
        #[serde(skip)]
        comment: Option<NewWord>,
    },
    /// Rename documents.
    RenameDocuments {
        /// Which.
        documents: Vec<NewName>,
    },
    /// Say which documents are signed, in which order.
    OrderPacket {
        /// Which; documents that are not named are not signed.
        document_ids: Vec<DocumentId>,
    },
    /// Work on one document.
    EditDocument {
        /// Which, and its text.
        #[serde(flatten)]
        document: NewVersion,
    },
    /// Ask somebody of the other side in.
    Invite {
        /// Who.
        #[serde(flatten)]
        counterparty: NewUser,
    },
    /// Revoke that.
    RevokeInvite {
        /// Whose: a mail address.
        email: String,
    },
    /// Give the turn to a side.
    ChangeTurn {
        /// Which side.
        to: Party,
    },
    /// Say who has which role, by the template's ids.
    AssignRoles {
        /// Who has what.
        roles: BTreeMap<String, NewUser>,
    },
    /// Add a part to be signed.
    AddSigner {
        /// Which.
        #[serde(flatten)]
        part: NewPart,
        /// Who has it.
        #[serde(default)]
        person: Option<NewPerson>,
    },
    /// Remove a part. A packet that is out is withdrawn before.
    RemoveSigner {
        /// Which.
        role_name: String,
    },
    /// Give a part to somebody else, also while the packet is out.
    ReassignSigner {
        /// Which.
        role_name: String,
        /// Who has it now.
        person: NewPerson,
        /// Why, at most 1,000 characters.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Halt it in review.
    Pause {
        /// Why.
        #[serde(default)]
        comment: Option<NewWord>,
    },
    /// Go on.
    Resume {
        /// Why.
        #[serde(default)]
        comment: Option<NewWord>,
    },
    /// Go to the next step.
    Advance,
    /// Go back to the step before.
    Revert,
    /// Send the signature packet.
    SendPacket,
    /// Have the signature packet sent at a moment, or say anew when; what is absent stays.
    SchedulePacket {
        /// When, at most 10 years away; has to be there where nothing is scheduled yet.
        #[serde(default)]
        send_at: Option<Timestamp>,
        /// How many days before that the account is told of it, 1 to 7; `null` means not at all.
        #[serde(default)]
        remind_days_before: Patch<u8>,
    },
    /// Have it wait for somebody to send it again.
    UnschedulePacket,
    /// Remind somebody who is asked to sign, at most once an hour.
    RemindSigner {
        /// Which part.
        role_name: String,
    },
    /// Withdraw the signature packet.
    CancelPacket {
        /// Why, at most 1,000 characters.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Upload a packet that was signed elsewhere.
    UploadSigned {
        /// The paper.
        #[serde(flatten)]
        document: NewDocument,
        /// The parts that it is signed for; all of them if absent.
        #[serde(default)]
        role_names: Option<BTreeSet<String>>,
    },
    /// File it.
    Complete,
    /// Give it up. A packet that is out is withdrawn before.
    Cancel {
        /// Why, as something that is said.
        #[serde(default)]
        comment: Option<NewWord>,
        /// Why, at most 1,000 characters.
        #[serde(default)]
        reason: Option<String>,
    },
}

impl Action {
    /// Gives what is said beside an action that says nothing itself.
    pub(super) const fn said(&self) -> Option<&NewWord> {
        if let Self::SetAttributes { comment, .. }
        | Self::AddDocuments { comment, .. }
        | Self::UpdateDocuments { comment, .. } = self
        {
            comment.as_ref()
        } else {
            None
        }
    }
}

/// Something that is to be said.
#[derive(Debug, Clone, Deserialize)]
pub struct NewWord {
    /// What, 1 to 4,000 characters; `<@ada@example.com>` names somebody.
    pub text: String,
    /// Whether the other side sees it.
    #[serde(default)]
    pub is_external: bool,
    /// What it answers.
    #[serde(default)]
    pub replied_to: Option<CommentId>,
    /// Whether those it names take part from then on.
    #[serde(default)]
    pub add_participants: bool,
}

/// A document to be added.
#[derive(Debug, Clone, Deserialize)]
pub struct NewDocument {
    /// The place it takes, by the template's ids; of a signed packet none.
    #[serde(default)]
    pub place: String,
    /// The name of the file, 1 to 200 characters.
    pub name: String,
    /// What kind of file it is; `application/octet-stream` if absent.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The text in Base64: at most 1 MiB of it.
    pub content_base64: String,
}

/// A new version of a document.
#[derive(Debug, Clone, Deserialize)]
pub struct NewVersion {
    /// Which one.
    pub document_id: DocumentId,
    /// See [`NewDocument`].
    pub name: String,
    /// See [`NewDocument`].
    #[serde(default)]
    pub media_type: Option<String>,
    /// See [`NewDocument`].
    pub content_base64: String,
}

/// Another name of a document.
#[derive(Debug, Clone, Deserialize)]
pub struct NewName {
    /// Which one.
    pub document_id: DocumentId,
    /// The name of the file, 1 to 200 characters.
    pub name: String,
}

/// Somebody who acts in workflows.
#[derive(Debug, Clone, Deserialize)]
pub struct NewUser {
    /// The mail address.
    pub email: String,
    /// The name, at most 200 characters.
    #[serde(default)]
    pub name: String,
}

/// A part to be signed.
#[derive(Debug, Clone, Deserialize)]
pub struct NewPart {
    /// Its name, 1 to 200 characters.
    pub role_name: String,
    /// Of which side.
    pub party: Party,
    /// Its place in a sequential packet, 1 to 1,000.
    #[serde(default = "first")]
    pub order: u32,
}

const fn first() -> u32 {
    1
}

/// Checks an action, and gives it as it is to be carried out.
pub(super) fn checked(act: Act) -> Result<Act, Refusal> {
    let Act { by, mut action } = act;
    let mut flaws = Flaws::default();
    let by = by.map(|by| flaws.take("by", email(&by)));
    check_action(&mut flaws, &mut action);
    flaws.none()?;
    Ok(Act { by, action })
}

#[expect(clippy::too_many_lines, reason = "one arm for each action")]
fn check_action(flaws: &mut Flaws, action: &mut Action) {
    match action {
        Action::Update { title, metadata } => {
            *title = title
                .take()
                .map(|text| flaws.take("title", check::line(&text, check::LINE_CHARS_MAX)));
            *metadata = metadata.take().map(|notes| flaws.take("metadata", check::metadata(notes)));
        }
        Action::Comment { comment } => check_word(flaws, "", comment),
        Action::EditComment { text, .. } => {
            *text = flaws.take("text", check::prose(text, COMMENT_CHARS_MAX));
        }
        Action::React { emoji_id, .. } | Action::Unreact { emoji_id, .. } => {
            if !is_id(emoji_id) {
                flaws.note("emoji_id", "expected 1 to 64 of `a-z A-Z 0-9 _ -`");
            }
        }
        Action::AddDocuments { documents, comment } => {
            check_said(flaws, comment);
            batch(flaws, documents.len());
            for (at, new) in documents.iter_mut().enumerate() {
                let path = format!("documents[{at}].");
                file(flaws, &path, (&mut new.name, &mut new.media_type, &new.content_base64));
            }
        }
        Action::UpdateDocuments { documents, comment } => {
            check_said(flaws, comment);
            batch(flaws, documents.len());
            for (at, new) in documents.iter_mut().enumerate() {
                let path = format!("documents[{at}].");
                file(flaws, &path, (&mut new.name, &mut new.media_type, &new.content_base64));
            }
        }
        Action::EditDocument { document: new } => {
            file(flaws, "", (&mut new.name, &mut new.media_type, &new.content_base64));
        }
        Action::UploadSigned { document: new, .. } => {
            file(flaws, "", (&mut new.name, &mut new.media_type, &new.content_base64));
        }
        Action::RenameDocuments { documents } => {
            batch(flaws, documents.len());
            for (at, NewName { name, .. }) in documents.iter_mut().enumerate() {
                let line = check::line(name, check::LINE_CHARS_MAX);
                *name = flaws.take(format!("documents[{at}].name"), line);
            }
        }
        Action::Invite { counterparty } => check_user(flaws, "", counterparty),
        Action::RevokeInvite { email: address } => {
            *address = flaws.take("email", email(address));
        }
        Action::AssignRoles { roles } => {
            for (id, user) in roles {
                check_user(flaws, &format!("roles.{id}."), user);
            }
        }
        Action::AddSigner { part, person } => {
            let name = check::line(&part.role_name, check::LINE_CHARS_MAX);
            part.role_name = flaws.take("role_name", name);
            let order = check::within(Some(part.order), 1, ORDER_MAX);
            part.order = flaws.take("order", order).unwrap_or(1);
            if let Some(person) = person {
                check::person(flaws, "person.", person, Reach::Either);
            }
        }
        Action::ReassignSigner { person, reason, .. } => {
            check::person(flaws, "person.", person, Reach::Either);
            check_reason(flaws, reason);
        }
        Action::SchedulePacket { remind_days_before, .. } => {
            if let Patch::Set(days) = remind_days_before
                && !(1..=REMIND_DAYS_MAX).contains(days)
            {
                let message = format!("expected 1 to {REMIND_DAYS_MAX} days, or null");
                flaws.note("remind_days_before", message);
            }
        }
        Action::SetAttributes { comment, .. }
        | Action::Pause { comment }
        | Action::Resume { comment } => check_said(flaws, comment),
        Action::CancelPacket { reason } => check_reason(flaws, reason),
        Action::Cancel { comment, reason } => {
            check_said(flaws, comment);
            check_reason(flaws, reason);
        }
        Action::Approve { .. }
        | Action::ResetApproval { .. }
        | Action::RemoveComment { .. }
        | Action::RemoveDocuments { .. }
        | Action::OrderPacket { .. }
        | Action::ChangeTurn { .. }
        | Action::RemoveSigner { .. }
        | Action::Advance
        | Action::Revert
        | Action::SendPacket
        | Action::UnschedulePacket
        | Action::RemindSigner { .. }
        | Action::Complete => {}
    }
}

/// Refuses a moment that is not in the future.
pub(super) fn must_come(action: &Action, now: Timestamp) -> Result<(), Refusal> {
    if let Action::SchedulePacket { send_at, .. } = action {
        check::sole("send_at", check::future(*send_at, now))?;
    }
    Ok(())
}

fn batch(flaws: &mut Flaws, count: usize) {
    if !(1..=BATCH_MAX).contains(&count) {
        flaws.note("documents", format!("expected 1 to {BATCH_MAX} documents"));
    }
}

fn check_word(flaws: &mut Flaws, path: &str, word: &mut NewWord) {
    word.text = flaws.take(format!("{path}text"), check::prose(&word.text, COMMENT_CHARS_MAX));
}

fn check_said(flaws: &mut Flaws, word: &mut Option<NewWord>) {
    if let Some(word) = word {
        check_word(flaws, "comment.", word);
    }
}

fn check_reason(flaws: &mut Flaws, reason: &mut Option<String>) {
    let checked = check::prose_or_none(reason.as_deref(), check::NOTE_CHARS_MAX);
    *reason = flaws.take("reason", checked);
}

fn check_user(flaws: &mut Flaws, path: &str, user: &mut NewUser) {
    user.email = flaws.take(format!("{path}email"), email(&user.email));
    let name = check::line_or_none(Some(&user.name), check::LINE_CHARS_MAX);
    user.name = flaws.take(format!("{path}name"), name).unwrap_or_default();
}

/// Checks name, media type and text of a file.
fn file(flaws: &mut Flaws, path: &str, new: (&mut String, &mut Option<String>, &String)) {
    let (name, media_type, content) = new;
    *name = flaws.take(format!("{path}name"), check::line(name, check::LINE_CHARS_MAX));
    if media_type.as_deref().is_some_and(|text| !is_media_type(text)) {
        flaws.note(format!("{path}media_type"), "expected a media type such as application/pdf");
    }
    if decoded(content).is_none_or(|text| text.len() > DOCUMENT_BYTES_MAX) {
        let message = format!("expected Base64 of at most {DOCUMENT_BYTES_MAX} bytes");
        flaws.note(format!("{path}content_base64"), message);
    }
}

/// Tells whether a text is a media type, without parameters, that a document can have.
pub fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.len() <= MEDIA_TYPE_CHARS_MAX
        && text.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub))
}

pub(super) fn decoded(base64: &str) -> Option<Vec<u8>> {
    STANDARD.decode(base64).ok()
}

/// Checks the mail address of somebody who acts, and gives it in lower case.
pub(super) fn email(text: &str) -> Checked<String> {
    check::email(text).map(|email| email.to_lowercase())
}

/// Checks somebody who acts.
pub(super) fn user(flaws: &mut Flaws, path: &str, user: &NewUser) -> User {
    let mut user = user.clone();
    check_user(flaws, &format!("{path}."), &mut user);
    User { email: user.email, name: user.name }
}
