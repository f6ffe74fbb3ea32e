//! Who takes part: roles, the other side, and whose turn it is.

use std::collections::BTreeMap;

use super::launch::check_roles;
use super::{Action, COUNTERPARTIES_MAX, Change, Done, Party, Refused, User, Workflow};
use crate::time::Timestamp;

impl Workflow {
    /// Says who has which role. What is so already is passed over.
    pub fn assign_roles(
        self,
        roles: BTreeMap<String, User>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Assign)?;
        check_roles(&self.template, &roles)?;
        let is_new = |(id, user): &(String, User)| self.roles.get(id) != Some(user);
        let assignments: BTreeMap<_, _> = roles.into_iter().filter(is_new).collect();
        if assignments.is_empty() {
            return Ok(self.unchanged());
        }
        Ok(self.take(vec![Change::RolesAssigned { assignments }], (by, now)))
    }

    /// Asks somebody of the other side in.
    pub fn invite(self, counterparty: User, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::Invite)?;
        let mut known = self.counterparties.iter();
        let known = known.find(|known| known.user.email == counterparty.email);
        if known.is_some_and(|known| known.revoked_at.is_none()) {
            return Err(Refused::Taken { what: "counterparty", id: counterparty.email });
        }
        if known.is_none() && self.counterparties.len() >= COUNTERPARTIES_MAX {
            return Err(Refused::Full { what: "counterparties", max: COUNTERPARTIES_MAX });
        }
        Ok(self.take(vec![Change::CounterpartyInviteSent { counterparty }], (by, now)))
    }

    /// Revokes an invitation.
    pub fn revoke(self, counterparty: &str, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::Invite)?;
        let mut invited = self.counterparties.iter().filter(|known| known.revoked_at.is_none());
        if !invited.any(|known| known.user.email == counterparty) {
            return Err(Refused::NoSuch { what: "counterparty", id: counterparty.to_owned() });
        }
        let counterparty = counterparty.to_owned();
        Ok(self.take(vec![Change::CounterpartyInviteRevoked { counterparty }], (by, now)))
    }

    /// Gives the turn to a side.
    pub fn change_turn(self, to: Party, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::Turn)?;
        if self.turn == Some(to) {
            return Err(Refused::TurnIsTheirs { party: to });
        }
        let from = self.turn;
        Ok(self.take(vec![Change::ChangedTurn { from, to }], (by, now)))
    }
}
