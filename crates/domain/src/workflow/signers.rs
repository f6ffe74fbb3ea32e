//! Who signs: parts added, removed, and given to somebody else.
//!
//! Invariant: a part that is signed stays with who signed it; while the packet is with its signers, nothing changes here but
//! by what happens to the request.

use super::{Action, Change, Done, Packet, Part, Refused, SIGNATORIES_MAX, Signatory, Workflow};
use crate::id::SignerId;
use crate::signer::Person;
use crate::time::Timestamp;

impl Workflow {
    /// Adds a part, and who has it if that is known.
    pub fn add_signer(
        self,
        part: Part,
        person: Option<Person>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must_change_signers()?;
        if self.signers.iter().any(|signer| signer.part.role_name == part.role_name) {
            return Err(Refused::Taken { what: "signer", id: part.role_name });
        }
        if self.signers.len() >= SIGNATORIES_MAX {
            return Err(Refused::Full { what: "signers", max: SIGNATORIES_MAX });
        }
        let signer = Signatory { part, person, signer_id: None, signed_at: None };
        Ok(self.take(vec![Change::SignerAdded { signer }], (by, now)))
    }

    /// Removes a part.
    pub fn remove_signer(
        self,
        role_name: &str,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must_change_signers()?;
        self.unsigned(role_name)?;
        let others = || self.signers.iter().filter(|signer| signer.part.role_name != role_name);
        if others().next().is_some() && others().all(Signatory::has_signed) {
            return Err(Refused::LastToSign { role: role_name.to_owned() });
        }
        let role_name = role_name.to_owned();
        Ok(self.take(vec![Change::SignerRemoved { role_name }], (by, now)))
    }

    /// Gives a part to somebody, and says why if anybody did.
    pub fn reassign_signer(
        self,
        role_name: &str,
        (person, reason): (Person, Option<String>),
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must_change_signers()?;
        if self.unsigned(role_name)?.person.as_ref() == Some(&person) {
            return Ok(self.unchanged());
        }
        let role_name = role_name.to_owned();
        let change = Change::SignerReassigned { role_name, person, signer_id: None, reason };
        Ok(self.take(vec![change], (by, now)))
    }

    /// Finds a part whose packet is out, and which is not signed.
    pub fn asked(&self, role_name: &str) -> Result<SignerId, Refused> {
        self.must(Action::RemindSigner)?;
        let missing = || Refused::NoSuch { what: "signer", id: role_name.to_owned() };
        self.unsigned(role_name)?.signer_id.ok_or_else(missing)
    }

    /// Finds a part that is not signed.
    pub fn unsigned(&self, role_name: &str) -> Result<&Signatory, Refused> {
        let found = self.signers.iter().find(|signer| signer.part.role_name == role_name);
        let signer =
            found.ok_or_else(|| Refused::NoSuch { what: "signer", id: role_name.to_owned() })?;
        if signer.has_signed() {
            return Err(Refused::HasSigned { role: role_name.to_owned() });
        }
        Ok(signer)
    }

    fn must_change_signers(&self) -> Result<(), Refused> {
        self.must(Action::Signers)?;
        match self.packet {
            Packet::NotSent | Packet::Signed { .. } => Ok(()),
            Packet::Sent { .. } => Err(Refused::PacketOut),
        }
    }
}
