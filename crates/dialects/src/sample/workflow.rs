//! A plausible workflow, taken through all that the catalogue knows of.
//!
//! Invariant: every sample comes of the commands of [`domain::workflow`], in an order in which they are possible.

use domain::chain::{Hash, sha256};
use domain::event::Kind;
use domain::facts::AboutWorkflow;
use domain::id::{
    CommentId, DocumentId, RecordId, RequestId, SignerId, WorkflowId, WorkflowTemplateId,
};
use domain::request::{self, Request, SigningOrder};
use domain::time::Timestamp;
use domain::workflow::{
    ApprovalGroup, Attribute, AttributeKind, DocumentPlace, Done, Happening, Launch, Part, Party,
    Refused, RoleSpec, Say, Template, Upload, User, Workflow, Written,
};
use serde_json::json;

use super::{Cast, MINUTE_MS, Told, alone, evidence, jane, john, june};

/// A workflow, the request that is its packet, and what happened to it last.
struct Life<'a> {
    cast: &'a Cast,
    workflow: Workflow,
    request: Option<Request>,
    happened: Vec<Happening>,
}

impl Cast {
    /// Makes up what an event of a workflow says.
    pub(super) fn tell_workflow(&self, kind: Kind) -> Told {
        let template = self.template();
        let Ok(launched) = Workflow::launch(template, self.launch(), (ALEX, self.now)) else {
            return alone(&json!({}));
        };
        let Done { workflow, happened } = launched;
        let mut life = Life { cast: self, workflow, request: None, happened };
        life.review();
        life.people();
        if kind == Kind::WorkflowCancelled {
            let reason = Some("We agreed on other terms.".to_owned());
            life.act(|workflow, with| workflow.cancel((None, reason), with));
        }
        life.sign();
        let mut happened = life.happened.into_iter().rev();
        let found = happened.find(|happening| happening.change.kind() == kind);
        found.map_or_else(
            || alone(&json!({})),
            |Happening { change, by, brief }| alone(&AboutWorkflow { workflow: brief, by, change }),
        )
    }

    fn launch(&self) -> Launch {
        Launch {
            id: WorkflowId::new(self.bits("sample workflow")),
            number: 1,
            use_defaults: true,
            title: "NDA with Example Ltd".to_owned(),
            attributes: [("counterpartyName".to_owned(), json!("Example Ltd"))].into(),
            roles: [("owner".to_owned(), user(ALEX, "Alex Miller"))].into(),
            signers: [(OURS.to_owned(), jane()), (THEIRS.to_owned(), john())].into(),
            metadata: [("deal".to_owned(), json!("D-1042"))].into(),
        }
    }

    fn template(&self) -> Template {
        let attribute = |id: &str, name: &str, kind| Attribute {
            id: id.to_owned(),
            name: name.to_owned(),
            kind,
            required: false,
            default: None,
            choices: Vec::new(),
        };
        let role = |id: &str, name: &str| RoleSpec { id: id.to_owned(), name: name.to_owned() };
        let part = |name: &str, party, order| Part { role_name: name.to_owned(), party, order };
        Template {
            id: WorkflowTemplateId::new(self.bits("sample workflow template")),
            account: self.account,
            name: "Non-disclosure agreement".to_owned(),
            attributes: vec![
                attribute("counterpartyName", "Counterparty", AttributeKind::Text),
                attribute("term", "Term in months", AttributeKind::Number),
            ],
            roles: vec![role("owner", "Owner"), role("legal", "Legal")],
            approval_groups: vec![ApprovalGroup { roles: vec!["legal".to_owned()] }],
            documents: vec![DocumentPlace {
                id: "draft".to_owned(),
                name: "Draft".to_owned(),
                in_packet: true,
            }],
            signing_order: SigningOrder::Sequential,
            signers: vec![part(THEIRS, Party::Counterparty, 1), part(OURS, Party::Internal, 2)],
            created_at: self.now,
            updated_at: self.now,
        }
    }

    fn say(&self, text: &str) -> Say {
        Say {
            id: CommentId::new(self.bits(text)),
            text: text.to_owned(),
            is_external: false,
            replied_to: None,
            adds_participants: true,
        }
    }

    fn document_ids(&self) -> [DocumentId; 2] {
        ["sample document", "another sample document"].map(|name| DocumentId::new(self.bits(name)))
    }
}

impl Life<'_> {
    /// Does something; what is refused changes nothing, and a test would see that.
    fn act(&mut self, act: impl FnOnce(Workflow, With<'_>) -> Result<Done, Refused>) {
        if let Ok(done) = act(self.workflow.clone(), (ALEX, self.cast.now)) {
            self.workflow = done.workflow;
            self.happened.extend(done.happened);
        }
    }

    fn review(&mut self) {
        let cast = self.cast;
        let term = [("term".to_owned(), json!(24))];
        self.act(|w, with| w.set_attributes(term.into(), [].into(), with));
        let text = "Shorter, <@june.bell@example.com>?";
        let comment = cast.say(text).id;
        self.act(|w, with| w.comment(cast.say(text), with));
        self.act(|w, with| w.react(comment, "grinning".to_owned(), with));
        self.act(|w, with| w.unreact(comment, "grinning".to_owned(), with));
        let text = "Two years are enough.".to_owned();
        self.act(|w, with| w.edit_comment(comment, text, with));
        self.act(|w, with| w.remove_comment(comment, with));
        let [nda, annex] = cast.document_ids();
        let place = || "draft".to_owned();
        let new =
            vec![(nda, place(), written("nda.docx")), (annex, place(), written("annex.docx"))];
        self.act(|w, with| w.add_documents(new, with));
        let again = [(nda, written("nda-2.docx")), (annex, written("annex-2.docx"))];
        self.act(|w, with| w.update_documents(again.into(), with));
        let names = [(nda, "NDA.docx".to_owned()), (annex, "Annex.docx".to_owned())];
        self.act(|w, with| w.rename_documents(names.into(), with));
        self.act(|w, with| w.edit_document(nda, written("NDA.docx"), with));
        self.act(|w, with| w.remove_documents(&[annex].into(), with));
        self.act(|w, with| w.pause(None, with));
        self.act(|w, with| w.resume(None, with));
    }

    fn people(&mut self) {
        let email = john().email;
        let invited = user(&email, "John Doe");
        self.act(|w, with| w.invite(invited, with));
        self.act(|w, with| w.revoke(&email, with));
        let witness = || "Witness".to_owned();
        let part = Part { role_name: witness(), party: Party::Internal, order: 3 };
        self.act(|w, with| w.add_signer(part, None, with));
        self.act(|w, with| w.reassign_signer(&witness(), (june(), None), with));
        self.act(|w, with| w.remove_signer(&witness(), with));
        self.act(|w, with| w.change_turn(Party::Counterparty, with));
        self.act(|w, with| w.approve("legal", with));
        self.act(Workflow::advance);
    }

    fn sign(&mut self) {
        self.send();
        self.request(|request, now| request.cancel(None, now));
        let upload = Upload {
            id: DocumentId::new(self.cast.bits("sample paper")),
            written: written("signed.pdf"),
            signed: Some([OURS.to_owned()].into()),
        };
        self.act(|w, with| w.upload_signed(upload, with));
        self.send();
        let john = self.request.as_ref().and_then(|request| request.signers.first());
        let john = john.map_or(SignerId::new(0), |signer| signer.id);
        self.request(|request, now| request.sign(john, evidence("John Doe"), now));
        let record = RecordId::new(self.cast.bits("sample record"));
        self.act(|w, with| w.complete(vec![record], with));
    }

    fn send(&mut self) {
        let cast = self.cast;
        let id = RequestId::new(cast.bits("sample packet"));
        let mut count = 0;
        let mut mint = || {
            count += 1;
            SignerId::new(cast.bits(&format!("sample signer {count}")))
        };
        let with = (ALEX, cast.now);
        let Ok((done, draft)) = self.workflow.clone().send_packet(id, &mut mint, with) else {
            return;
        };
        self.act(|_, _| Ok(done));
        self.request = draft.send(cast.ago(MINUTE_MS)).ok().map(|step| step.request);
    }

    /// Takes the packet's request a step on.
    fn request(
        &mut self,
        step: impl FnOnce(Request, Timestamp) -> Result<request::Step, request::Refused>,
    ) {
        let step = self.request.clone().and_then(|request| step(request, self.cast.now).ok());
        let Some(step) = step else { return };
        self.act(|w, with| Ok(w.hear(&step.request, (&step.happened, None), with)));
        self.request = Some(step.request);
    }
}

type With<'a> = (&'a str, Timestamp);

const ALEX: &str = "alex.miller@acme.example";
const OURS: &str = "Acme Signer";
const THEIRS: &str = "Counterparty Signer";

fn user(email: &str, name: &str) -> User {
    User { email: email.to_owned(), name: name.to_owned() }
}

fn written(name: &str) -> Written {
    Written {
        name: name.to_owned(),
        media_type: "application/octet-stream".to_owned(),
        size_bytes: 20_480,
        sha256: Hash(sha256(name.as_bytes())),
    }
}
