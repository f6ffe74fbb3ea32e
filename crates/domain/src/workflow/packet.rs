//! The signature packet: sent as a request, driven by what happens to that, or signed on paper and uploaded.
//!
//! Invariants: while the packet is out, it is one request, and only what happens there changes it; when the last part is
//! signed, by either way, the workflow goes to the archive in the same step; a packet that ends unsigned leaves no signature.
//! Left to others: keeping the request (`engine`).

use std::collections::{BTreeMap, BTreeSet};

use super::documents::Written;
use super::{
    Action, Change, Collected, DOCUMENTS_MAX, Done, Packet, Part, Refused, Signatory, Transition,
    Workflow,
};
use crate::event::Kind;
use crate::id::{DocumentId, RequestId, SignerId};
use crate::mirror::Mint;
use crate::notice::Rules;
use crate::request::{
    Callbacks, Happening as RequestHappening, Reminders, Request, Sender, State as RequestState,
};
use crate::signer::{self, Person, Role, SendTo, Signer};
use crate::time::Timestamp;

/// A packet that was signed elsewhere.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The id that the paper gets.
    pub id: DocumentId,
    /// The paper.
    pub written: Written,
    /// The parts that it is signed for; all of them if absent. Nobody looks at the paper.
    pub signed: Option<BTreeSet<String>>,
}

impl Workflow {
    /// Sends the packet: gives the draft of the request that it is, for those who have not signed yet.
    ///
    /// The caller sends the request in the same commit.
    pub fn send_packet(
        self,
        id: RequestId,
        mint: Mint<'_>,
        (by, now): (&str, Timestamp),
    ) -> Result<(Done, Request), Refused> {
        self.must(Action::SendPacket)?;
        let open: Vec<&Signatory> = self.signers.iter().filter(|s| !s.has_signed()).collect();
        if open.is_empty() {
            return Err(Refused::NobodyToSign);
        }
        let missing = open.iter().filter(|signer| signer.person.is_none());
        let roles: Vec<String> = missing.map(|signer| signer.part.role_name.clone()).collect();
        if !roles.is_empty() {
            return Err(Refused::SignersMissing { roles });
        }
        let mut signer_ids = BTreeMap::new();
        let mut signers = Vec::with_capacity(open.len());
        for signatory in open {
            let signer_id = mint();
            signer_ids.insert(signatory.part.role_name.clone(), signer_id);
            signers.push(signer_of(signatory, signer_id));
        }
        let request = Request { signers, ..self.draft(id, by, now) };
        let change = Change::SignaturePacketSent { request_id: id, signer_ids };
        Ok((self.take(vec![change], (by, now)), request))
    }

    fn draft(&self, id: RequestId, by: &str, now: Timestamp) -> Request {
        Request {
            id,
            account: self.account,
            title: self.title.clone(),
            message: None,
            documents: Vec::new(),
            sender: Sender { name: String::new(), email: by.to_owned() },
            signing_order: self.template.signing_order,
            signers: Vec::new(),
            progress: 0,
            expires_at: None,
            reminders: Reminders::default(),
            notices: Rules::default(),
            callbacks: Callbacks::default(),
            redirect_url: None,
            metadata: BTreeMap::new(),
            origin: "native".to_owned(),
            workflow: Some(self.id),
            foreign: None,
            created_at: now,
            state: RequestState::Draft,
            archived_at: None,
        }
    }

    /// Hears what happened to the request that is the packet, and why a part was handed over; `request` is as it was after
    /// that.
    ///
    /// Of any other request, and of a packet that is not out, it hears nothing.
    pub fn hear(
        self,
        request: &Request,
        (happened, reason): (&[RequestHappening], Option<&str>),
        (by, now): (&str, Timestamp),
    ) -> Done {
        let is_out =
            matches!(self.packet, Packet::Sent { request_id, .. } if request_id == request.id);
        if !is_out {
            return self.unchanged();
        }
        let mut changes = Vec::new();
        let mut signatures = Vec::new();
        for happening in happened {
            let signer = happening.signer.and_then(|id| request.signer(id));
            match (happening.kind, signer) {
                (Kind::SignerSigned, Some(signer)) => signatures.extend(self.collected(signer)),
                (Kind::SignerReassigned, Some(heir)) => {
                    changes.extend(self.handed_over(request, heir, reason));
                }
                (kind, _) => changes.extend(ended(kind)),
            }
        }
        if !signatures.is_empty() {
            changes.insert(0, Change::SignaturePacketSignaturesCollected { signatures });
        }
        self.take(changes, (by, now))
    }

    /// Notes a packet that was signed elsewhere, for some of its parts or for all that are open.
    pub fn upload_signed(
        self,
        upload: Upload,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::UploadSigned)?;
        if self.uploads.len() >= DOCUMENTS_MAX {
            return Err(Refused::Full { what: "uploads", max: DOCUMENTS_MAX });
        }
        let Upload { id, written, signed } = upload;
        for role_name in signed.iter().flatten() {
            self.unsigned(role_name)?;
        }
        let is_signed = |signer: &&Signatory| {
            !signer.has_signed()
                && signed.as_ref().is_none_or(|signed| signed.contains(&signer.part.role_name))
        };
        let signatures: Vec<Collected> =
            self.signers.iter().filter(is_signed).map(collected_of).collect();
        if signatures.is_empty() {
            return Err(Refused::NobodyToSign);
        }
        let open = self.signers.iter().filter(|signer| !signer.has_signed()).count();
        let is_full = signatures.len() == open;
        let document = written.first(id, SIGNED_PLACE.to_owned(), (by, now));
        let mut changes = vec![
            Change::SignaturePacketUploaded { document },
            Change::SignaturePacketSignaturesCollected { signatures },
        ];
        if is_full {
            changes.extend(FULLY_SIGNED);
        }
        Ok(self.take(changes, (by, now)))
    }

    /// Makes a packet void that is signed by all. One that is with its signers is withdrawn by cancelling its request.
    pub fn void_packet(self, (by, now): (&str, Timestamp)) -> Result<Done, Refused> {
        self.must(Action::CancelPacket)?;
        if matches!(self.packet, Packet::Sent { .. }) {
            return Err(Refused::PacketOut);
        }
        let change = Change::SignaturePacketCancelled { reason: "cancelled".to_owned() };
        Ok(self.take(vec![change], (by, now)))
    }

    fn collected(&self, signer: &Signer) -> Option<Collected> {
        let mut known = self.signers.iter();
        let signatory = known.find(|known| known.signer_id == Some(signer.id))?;
        let Person { name, email, .. } = signer.person.clone();
        Some(Collected { name, email, role_name: signatory.part.role_name.clone() })
    }

    /// Finds whose part somebody else has taken.
    fn handed_over(
        &self,
        request: &Request,
        heir: &Signer,
        reason: Option<&str>,
    ) -> Option<Change> {
        let is_from = |signer: &&Signer| matches!(signer.state, signer::State::Reassigned { to, .. } if to == heir.id);
        let from = request.signers.iter().find(is_from)?.id;
        let signatory = self.signers.iter().find(|known| known.signer_id == Some(from))?;
        Some(Change::SignerReassigned {
            role_name: signatory.part.role_name.clone(),
            person: heir.person.clone(),
            signer_id: Some(heir.id),
            reason: reason.map(str::to_owned),
        })
    }
}

/// Where papers stand that were signed elsewhere.
const SIGNED_PLACE: &str = "signed";

/// What follows when the last part is signed.
const FULLY_SIGNED: [Change; 2] = [
    Change::SignaturePacketFullySigned,
    Change::StepUpdated { transition: Transition::SignToArchive },
];

/// Tells what the end of a request is for its workflow.
fn ended(kind: Kind) -> Vec<Change> {
    if kind == Kind::RequestCompleted {
        return FULLY_SIGNED.into();
    }
    let reason = ENDS_UNSIGNED.iter().find(|(end, _)| *end == kind).map(|(_, reason)| *reason);
    let change = |reason: &str| Change::SignaturePacketCancelled { reason: reason.to_owned() };
    reason.map(change).into_iter().collect()
}

/// How a request ends that is not signed by all, and the word for that.
const ENDS_UNSIGNED: [(Kind, &str); 4] = [
    (Kind::RequestDeclined, "declined"),
    (Kind::RequestExpired, "expired"),
    (Kind::RequestCancelled, "cancelled"),
    (Kind::RequestDeleted, "deleted"),
];

fn collected_of(signer: &Signatory) -> Collected {
    let person = signer.person.clone().unwrap_or_default();
    let role_name = signer.part.role_name.clone();
    Collected { name: person.name, email: person.email, role_name }
}

/// Gives a part of the request; its label is the name of the part.
fn signer_of(signatory: &Signatory, id: SignerId) -> Signer {
    let Part { role_name, order, .. } = &signatory.part;
    let person = signatory.person.clone().unwrap_or_default();
    let send_to = SendTo { email: !person.email.is_empty(), sms: person.email.is_empty() };
    Signer {
        id,
        person: Person { label: Some(role_name.clone()), ..person },
        order: *order,
        role: Role::Signer,
        send_to,
        state: signer::State::Waiting,
        reminders: 0,
        reminded_at: None,
        foreign_id: None,
        foreign_url: None,
    }
}
