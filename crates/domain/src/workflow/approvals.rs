//! Approvals: given group by group, and taken back.
//!
//! Invariant: where an approval is given, those of all earlier groups are.

use super::{Action, Change, Done, Refused, Workflow};
use crate::time::Timestamp;

impl Workflow {
    /// Gives the approval of a role. One that is given already stays.
    pub fn approve(self, role: &str, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::Approve)?;
        let group = self.group_of(role)?;
        let open = self.open_before(group);
        if !open.is_empty() {
            return Err(Refused::EarlierApprovals { role: role.to_owned(), open });
        }
        if self.approvals.contains_key(role) {
            return Ok(self.unchanged());
        }
        let change = self.approval(role, true);
        Ok(self.take(vec![change], (by, now)))
    }

    /// Takes the approval of a role back, and with it those of later groups, the last first.
    pub fn reset_approval(self, role: &str, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::Approve)?;
        let group = self.group_of(role)?;
        if !self.approvals.contains_key(role) {
            return Ok(self.unchanged());
        }
        let later = self.template.approval_groups.iter().skip(group + 1).rev();
        let later = later.flat_map(|group| group.roles.iter().rev());
        let given = later.filter(|role| self.approvals.contains_key(*role)).map(String::as_str);
        let changes = given.chain([role]).map(|role| self.approval(role, false)).collect();
        Ok(self.take(changes, (by, now)))
    }

    /// Lists the roles whose approval is missing.
    pub(super) fn approvals_missing(&self) -> Vec<String> {
        self.open_before(self.template.approval_groups.len())
    }

    fn open_before(&self, group: usize) -> Vec<String> {
        let roles = self.template.approval_groups.iter().take(group).flat_map(|group| &group.roles);
        roles.filter(|role| !self.approvals.contains_key(*role)).cloned().collect()
    }

    fn group_of(&self, role: &str) -> Result<usize, Refused> {
        let mut groups = self.template.approval_groups.iter();
        let found = groups.position(|group| group.roles.iter().any(|known| known == role));
        found.ok_or_else(|| Refused::NoSuch { what: "approval", id: role.to_owned() })
    }

    fn approval(&self, role: &str, is_approved: bool) -> Change {
        let name = self.template.role(role).map(|role| role.name.clone()).unwrap_or_default();
        Change::ApprovalStatusChanged {
            approval_id: role.to_owned(),
            approval_name: name,
            is_approved,
        }
    }
}
