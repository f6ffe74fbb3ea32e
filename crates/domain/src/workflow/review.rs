//! The course of a workflow: halted and going on, from step to step, filed or given up.
//!
//! Invariants: it is somebody's turn exactly while it is in review and not halted; a turn that begins after nobody's does
//! not say whose it was; a workflow leaves review when all have approved, and the signatures when all have signed.

use super::comments::Say;
use super::{Action, Change, Done, Packet, Party, Refused, State, Step, Transition, Workflow};
use crate::id::RecordId;
use crate::time::Timestamp;

impl Done {
    /// Goes to the signatures as well, if nobody's approval is missing any more.
    pub fn and_advance(self, with: (&str, Timestamp)) -> Result<Self, Refused> {
        if !self.workflow.approvals_missing().is_empty() {
            return Ok(self);
        }
        let Self { workflow, mut happened } = self;
        let next = workflow.advance(with)?;
        happened.extend(next.happened);
        Ok(Self { happened, ..next })
    }
}

impl Workflow {
    /// Halts it in review, with a word on why.
    pub fn pause(self, say: Option<Say>, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::Pause)?;
        let mut changes = self.word(say, (by, now))?;
        changes.push(Change::Paused);
        Ok(self.take(changes, (by, now)))
    }

    /// Goes on, with the turn of the side whose turn it was.
    pub fn resume(self, say: Option<Say>, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::Resume)?;
        let mut changes = self.word(say, (by, now))?;
        changes.push(Change::Resumed);
        if let State::Paused { paused_turn, .. } = self.state {
            changes.push(Change::ChangedTurn { from: None, to: paused_turn });
        }
        Ok(self.take(changes, (by, now)))
    }

    /// Gives it up, with a word on why. A packet that is with its signers is withdrawn before.
    pub fn cancel(
        self,
        (say, reason): (Option<Say>, Option<String>),
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Cancel)?;
        if matches!(self.packet, Packet::Sent { .. }) {
            return Err(Refused::PacketOut);
        }
        let mut changes = self.word(say, (by, now))?;
        changes.push(Change::Cancelled { reason });
        Ok(self.take(changes, (by, now)))
    }

    /// Goes to the next step: to the signatures when all have approved, to the archive when all have signed.
    pub fn advance(self, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        if self.step == Step::Sign && self.packet == Packet::NotSent {
            return Err(Refused::NotSigned);
        }
        self.must(Action::Advance)?;
        let transition = if self.step == Step::Review {
            let open = self.approvals_missing();
            if !open.is_empty() {
                return Err(Refused::ApprovalsMissing { open });
            }
            Transition::ReviewToSign
        } else {
            Transition::SignToArchive
        };
        Ok(self.take(vec![Change::StepUpdated { transition }], (by, now)))
    }

    /// Goes back to the step before. In review again, it is our turn, and signatures that were there are void.
    pub fn revert(self, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::Revert)?;
        if self.step == Step::Archive {
            let transition = Transition::RevertArchiveToSign;
            return Ok(self.take(vec![Change::StepUpdated { transition }], (by, now)));
        }
        let mut changes = Vec::new();
        if self.signers.iter().any(super::Signatory::has_signed) {
            changes.push(Change::SignaturePacketCancelled { reason: "reverted".to_owned() });
        }
        changes.push(Change::StepUpdated { transition: Transition::RevertSignToReview });
        changes.push(Change::ChangedTurn { from: None, to: Party::Internal });
        Ok(self.take(changes, (by, now)))
    }

    /// Files it, as at least one record.
    pub fn complete(
        self,
        record_ids: Vec<RecordId>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Complete)?;
        Ok(self.take(vec![Change::Completed { record_ids }], (by, now)))
    }

    fn word(&self, say: Option<Say>, with: (&str, Timestamp)) -> Result<Vec<Change>, Refused> {
        let change = say.map(|say| self.comment_change(say, with)).transpose()?;
        Ok(change.into_iter().collect())
    }
}
