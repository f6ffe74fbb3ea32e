//! From a checked action to what the workflow makes of it, and the texts that are written with that.

use std::collections::BTreeMap;

use domain::chain::{Hash, sha256};
use domain::id::{CommentId, DocumentId, RecordId};
use domain::secret::Secret;
use domain::signer::Person;
use domain::time::Timestamp;
use domain::workflow::{
    Change, Document, Done, NewReminder, NewSchedule, Part, Refused, Say, Upload, User, Workflow,
    Written,
};
use store::{Guarded, Setting, SettingKind, Write};

use super::action::{Action, NewDocument, NewName, NewUser, NewVersion, NewWord, decoded};
use crate::Engine;
use crate::check::{self, Flaws, Reach};
use crate::command::{Patch, Refusal};
use crate::requests::NewPerson;

/// Names the row that keeps a version of a document.
pub(super) fn text_name(document: &Document) -> String {
    format!("{}:{}", document.id, document.version)
}

impl Engine {
    /// Decides what an action comes to, and what is said beside it, and what else is written with it.
    pub(super) fn decide(
        &self,
        workflow: Workflow,
        action: &Action,
        with: (&str, Timestamp),
    ) -> Result<(Done, Vec<Write>), Refusal> {
        let Some(word) = action.said() else { return self.decide_silent(workflow, action, with) };
        let said = workflow.comment(self.word(word, with.1), with)?;
        let (done, writes) = self.decide_silent(said.workflow, action, with)?;
        let happened = [said.happened, done.happened].concat();
        Ok((Done { happened, ..done }, writes))
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each action")]
    fn decide_silent(
        &self,
        workflow: Workflow,
        action: &Action,
        with: (&str, Timestamp),
    ) -> Result<(Done, Vec<Write>), Refusal> {
        let mut texts: BTreeMap<DocumentId, &str> = BTreeMap::new();
        let before = workflow.documents.clone();
        let done = match action {
            Action::AddDocuments { documents, .. } => {
                let mut new = Vec::with_capacity(documents.len());
                for document in documents {
                    let id = DocumentId::new(self.mint(with.1));
                    texts.insert(id, &document.content_base64);
                    new.push((id, document.place.clone(), added(document)));
                }
                workflow.add_documents(new, with)
            }
            Action::UpdateDocuments { documents, .. } => {
                let new = documents.iter().map(|new| (new.document_id, rewritten(new))).collect();
                texts.extend(documents.iter().map(|n| (n.document_id, n.content_base64.as_str())));
                workflow.update_documents(new, with)
            }
            Action::EditDocument { document } => {
                texts.insert(document.document_id, &document.content_base64);
                workflow.edit_document(document.document_id, rewritten(document), with)
            }
            Action::RemoveDocuments { document_ids } => {
                workflow.remove_documents(document_ids, with)
            }
            Action::RenameDocuments { documents } => {
                let name = |new: &NewName| (new.document_id, new.name.clone());
                workflow.rename_documents(documents.iter().map(name).collect(), with)
            }
            Action::UploadSigned { document, role_names } => {
                let id = DocumentId::new(self.mint(with.1));
                texts.insert(id, &document.content_base64);
                let upload = Upload { id, written: added(document), signed: role_names.clone() };
                workflow.upload_signed(upload, with)
            }
            Action::Complete => {
                let record = RecordId::new(self.mint(with.1));
                workflow.complete(vec![record], with)
            }
            Action::Comment { comment } => workflow.comment(self.word(comment, with.1), with),
            Action::Pause { comment } => {
                let say = comment.as_ref().map(|comment| self.word(comment, with.1));
                workflow.pause(say, with)
            }
            Action::Resume { comment } => {
                let say = comment.as_ref().map(|comment| self.word(comment, with.1));
                workflow.resume(say, with)
            }
            Action::Cancel { comment, reason } => {
                let say = comment.as_ref().map(|comment| self.word(comment, with.1));
                workflow.cancel((say, reason.clone()), with)
            }
            Action::Update { .. }
            | Action::SetAttributes { .. }
            | Action::Approve { .. }
            | Action::ResetApproval { .. }
            | Action::EditComment { .. }
            | Action::RemoveComment { .. }
            | Action::React { .. }
            | Action::Unreact { .. }
            | Action::Invite { .. }
            | Action::RevokeInvite { .. }
            | Action::ChangeTurn { .. }
            | Action::AssignRoles { .. }
            | Action::AddSigner { .. }
            | Action::RemoveSigner { .. }
            | Action::ReassignSigner { .. }
            | Action::OrderPacket { .. }
            | Action::Advance
            | Action::Revert
            | Action::SendPacket
            | Action::SchedulePacket { .. }
            | Action::UnschedulePacket
            | Action::RemindSigner { .. }
            | Action::CancelPacket { .. } => plain(workflow, action, with),
        }?;
        let writes = text_writes(&done, &before, &texts);
        Ok((done, writes))
    }

    fn word(&self, word: &NewWord, now: Timestamp) -> Say {
        Say {
            id: CommentId::new(self.mint(now)),
            text: word.text.clone(),
            is_external: word.is_external,
            replied_to: word.replied_to,
            adds_participants: word.add_participants,
        }
    }
}

/// Decides on an action that needs no id and no text.
fn plain(workflow: Workflow, action: &Action, with: (&str, Timestamp)) -> Result<Done, Refused> {
    match action.clone() {
        Action::Update { title, metadata } => workflow.update(title, metadata, with),
        Action::SetAttributes { set, remove, .. } => workflow.set_attributes(set, remove, with),
        Action::Approve { role, advances } => {
            let done = workflow.approve(&role, with)?;
            if advances { done.and_advance(with) } else { Ok(done) }
        }
        Action::ResetApproval { role } => workflow.reset_approval(&role, with),
        Action::EditComment { comment_id, text } => workflow.edit_comment(comment_id, text, with),
        Action::RemoveComment { comment_id } => workflow.remove_comment(comment_id, with),
        Action::React { comment_id, emoji_id } => workflow.react(comment_id, emoji_id, with),
        Action::Unreact { comment_id, emoji_id } => workflow.unreact(comment_id, emoji_id, with),
        Action::Invite { counterparty } => workflow.invite(user(counterparty), with),
        Action::RevokeInvite { email } => workflow.revoke(&email, with),
        Action::ChangeTurn { to } => workflow.change_turn(to, with),
        Action::AssignRoles { roles } => {
            let roles = roles.into_iter().map(|(id, new)| (id, user(new))).collect();
            workflow.assign_roles(roles, with)
        }
        Action::AddSigner { part, person: new } => {
            let part = Part { role_name: part.role_name, party: part.party, order: part.order };
            workflow.add_signer(part, new.as_ref().map(person), with)
        }
        Action::RemoveSigner { role_name } => workflow.remove_signer(&role_name, with),
        Action::ReassignSigner { role_name, person: new, reason } => {
            workflow.reassign_signer(&role_name, (person(&new), reason), with)
        }
        Action::SchedulePacket { send_at, remind_days_before } => {
            let reminder = match remind_days_before {
                Patch::Keep => NewReminder::Keep,
                Patch::Clear => NewReminder::Never,
                Patch::Set(days) => NewReminder::DaysBefore(days),
            };
            workflow.schedule_packet(NewSchedule { send_at, reminder }, with)
        }
        Action::UnschedulePacket => workflow.unschedule_packet(None, with),
        // A packet that is out is its request's to remind of; here is only why there is none.
        Action::RemindSigner { role_name } => {
            workflow.asked(&role_name)?;
            Ok(Done { workflow, happened: Vec::new() })
        }
        Action::OrderPacket { document_ids } => workflow.order_packet(document_ids, with),
        Action::Advance => workflow.advance(with),
        Action::Revert => workflow.revert(with),
        Action::CancelPacket { .. } => workflow.void_packet(with),
        // These need more than the workflow, and are decided on before.
        Action::SendPacket
        | Action::AddDocuments { .. }
        | Action::UpdateDocuments { .. }
        | Action::EditDocument { .. }
        | Action::RemoveDocuments { .. }
        | Action::RenameDocuments { .. }
        | Action::UploadSigned { .. }
        | Action::Complete
        | Action::Comment { .. }
        | Action::Pause { .. }
        | Action::Resume { .. }
        | Action::Cancel { .. } => Ok(Done { workflow, happened: Vec::new() }),
    }
}

fn user(new: NewUser) -> User {
    User { email: new.email, name: new.name }
}

/// Gives a person who was checked before.
pub(super) fn person(new: &NewPerson) -> Person {
    check::person(&mut Flaws::default(), "", new, Reach::Either)
}

fn added(new: &NewDocument) -> Written {
    written(&new.name, new.media_type.as_deref(), &new.content_base64)
}

fn rewritten(new: &NewVersion) -> Written {
    written(&new.name, new.media_type.as_deref(), &new.content_base64)
}

fn written(name: &str, media_type: Option<&str>, base64: &str) -> Written {
    let text = decoded(base64).unwrap_or_default();
    Written {
        name: name.to_owned(),
        media_type: media_type.unwrap_or("application/octet-stream").to_owned(),
        size_bytes: u64::try_from(text.len()).unwrap_or(u64::MAX),
        sha256: Hash(sha256(&text)),
    }
}

/// Keeps the texts of what was written, and lets those go that stand for nothing any more.
fn text_writes(done: &Done, before: &[Document], texts: &BTreeMap<DocumentId, &str>) -> Vec<Write> {
    let mut writes = Vec::new();
    let changes = done.happened.iter().map(|happening| &happening.change);
    for change in changes {
        let (mut new, mut gone): (Vec<&Document>, Vec<DocumentId>) = (Vec::new(), Vec::new());
        if let Change::DocumentsAdded { documents } | Change::DocumentsUpdated { documents } =
            change
        {
            new.extend(documents);
        } else if let Change::DocumentEdited { document }
        | Change::SignaturePacketUploaded { document } = change
        {
            new.push(document);
        } else if let Change::DocumentsRemoved { document_ids } = change {
            gone.extend(document_ids);
        }
        gone.extend(new.iter().map(|document| document.id));
        for old in before.iter().filter(|old| gone.contains(&old.id)) {
            // A version is written once, and so its row is.
            writes.push(Write::SettingGone(SettingKind::DocumentText, text_name(old), 1));
        }
        for document in new {
            let Some(text) = texts.get(&document.id) else { continue };
            let value = Setting {
                kind: SettingKind::DocumentText,
                name: text_name(document),
                body: "{}".to_owned(),
                secrets: Some(Secret::new(*text)),
            };
            writes.push(Write::Setting(Guarded { version: 0, value }));
        }
    }
    writes
}
