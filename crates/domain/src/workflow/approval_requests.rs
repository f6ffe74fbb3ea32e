//! Which approvals were waited for, from whom, and how that ended.
//!
//! Invariants: what is open is what could be approved now and is not; an entry that has ended stays as it is.
//!
//! Source of the endings: <https://developer.ironcladapp.com/reference/approval-requests>.

use serde::{Deserialize, Serialize};

use super::{Change, State, Step, Workflow};
use crate::time::Timestamp;

/// An approval that is waited for, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// Whose: a role of the template.
    pub role: String,
    /// Who had the role: a mail address; nobody if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// Since when it could be given.
    pub started_at: Timestamp,
    /// How it ended; absent while it is open.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub end: Option<ApprovalRequestEnd>,
}

/// How an approval request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", content = "ended_at", rename_all = "snake_case")]
pub enum ApprovalRequestEnd {
    /// The approval was given.
    Approved(Timestamp),
    /// The workflow was halted.
    Paused(Timestamp),
    /// The workflow was given up.
    Cancelled(Timestamp),
    /// It could not be given any more: one before it was taken back.
    Removed(Timestamp),
    /// Somebody else has the role.
    Reassigned(Timestamp),
}

/// The most approval requests that are remembered.
const REQUESTS_MAX: usize = 500;

impl Workflow {
    /// Notes what is waited for after a change.
    pub(super) fn follow_approvals(&mut self, change: &Change, by: &str, at: Timestamp) {
        let due = self.approvals_due();
        let approvals = &self.approvals;
        for request in self.approval_requests.iter_mut().filter(|request| request.end.is_none()) {
            let is_due = |(role, approver): &(String, Option<String>)| {
                *role == request.role && *approver == request.approver
            };
            if due.iter().any(is_due) {
                continue;
            }
            request.end = Some(if approvals.contains_key(&request.role) {
                request.approver.get_or_insert_with(|| by.to_owned());
                ApprovalRequestEnd::Approved(at)
            } else if matches!(change, Change::Cancelled { .. }) {
                ApprovalRequestEnd::Cancelled(at)
            } else if matches!(change, Change::Paused) {
                ApprovalRequestEnd::Paused(at)
            } else if matches!(change, Change::RolesAssigned { .. }) {
                ApprovalRequestEnd::Reassigned(at)
            } else {
                ApprovalRequestEnd::Removed(at)
            });
        }
        for (role, approver) in due {
            let is_it = |open: &ApprovalRequest| open.end.is_none() && open.role == role;
            if !self.approval_requests.iter().any(is_it) {
                let request = ApprovalRequest { role, approver, started_at: at, end: None };
                self.approval_requests.push(request);
            }
        }
        let surplus = self.approval_requests.len().saturating_sub(REQUESTS_MAX);
        self.approval_requests.drain(..surplus);
    }

    /// Lists the approvals that could be given now and are not, and who has the role.
    fn approvals_due(&self) -> Vec<(String, Option<String>)> {
        if self.step != Step::Review || self.state != State::Active {
            return Vec::new();
        }
        let is_open = |role: &&String| !self.approvals.contains_key(*role);
        let mut groups = self.template.approval_groups.iter();
        let group = groups.find(|group| group.roles.iter().any(|role| is_open(&role)));
        let open = group.into_iter().flat_map(|group| group.roles.iter().filter(is_open));
        let approver = |role: &String| self.roles.get(role).map(|user| user.email.clone());
        open.map(|role| (role.clone(), approver(role))).collect()
    }
}
