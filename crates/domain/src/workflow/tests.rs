//! What becomes of a workflow by what is done with it.

mod random;

use serde_json::json;

use super::*;
use crate::chain::sha256;
use crate::event::Kind;
use crate::facts::AboutWorkflow;
use crate::id::WorkflowTemplateId;
use crate::request::{self, Request};
use crate::signer::{Device, Evidence, Via};
use crate::time::DAY_MS;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

fn by_ada() -> (&'static str, Timestamp) {
    (ADA, START)
}

fn user(email: &str) -> User {
    User { email: email.to_owned(), name: String::new() }
}

fn person(email: &str) -> Person {
    Person { name: email.to_owned(), email: email.to_owned(), ..Person::default() }
}

fn part(role_name: &str, order: u32) -> Part {
    Part { role_name: role_name.to_owned(), party: Party::Internal, order }
}

fn written(text: &str) -> Written {
    Written {
        name: format!("{text}.pdf"),
        media_type: "application/pdf".to_owned(),
        size_bytes: 7,
        sha256: Hash(sha256(text.as_bytes())),
    }
}

fn say(id: u128, text: &str) -> Say {
    Say {
        id: CommentId::new(id),
        text: text.to_owned(),
        is_external: false,
        replied_to: None,
        adds_participants: true,
    }
}

fn evidence() -> Evidence {
    Evidence {
        name: "Ada".to_owned(),
        consent: "I sign".to_owned(),
        ip: None,
        user_agent: None,
        device: Device::Desktop,
        via: Via::Api,
    }
}

fn template() -> Template {
    serde_json::from_value(json!({
        "id": WorkflowTemplateId::new(1), "account_id": AccountId::new(1), "name": "NDA",
        "attributes": [
            {"id": "counterpartyName", "name": "Counterparty", "type": "text", "required": true},
            {"id": "value", "name": "Value", "type": "number", "default": 7},
            {"id": "ends", "name": "Ends", "type": "date"},
        ],
        "roles": [{"id": "owner", "name": "Owner"}, {"id": "legal", "name": "Legal"}, {"id": "vp", "name": "VP"}],
        "approval_groups": [{"roles": ["legal"]}, {"roles": ["vp", "owner"]}],
        "documents": [{"id": "draft", "name": "Draft", "in_packet": true}],
        "signing_order": "sequential",
        "signers": [
            {"role_name": "Ours", "party": "internal", "order": 1},
            {"role_name": "Theirs", "party": "counterparty", "order": 2},
        ],
        "created_at": START, "updated_at": START,
    }))
    .unwrap()
}

fn launched() -> Done {
    let launch = Launch {
        id: WorkflowId::new(2),
        number: 1,
        use_defaults: true,
        title: "NDA with Acme".to_owned(),
        attributes: [("counterpartyName".to_owned(), json!("Acme"))].into(),
        roles: [("owner".to_owned(), user(ADA))].into(),
        signers: [("Ours".to_owned(), person(ADA)), ("Theirs".to_owned(), person(BOB))].into(),
        metadata: [].into(),
    };
    Workflow::launch(template(), launch, by_ada()).unwrap()
}

/// A workflow, the request that is its packet, and the log of it: event by event as text.
struct World {
    workflow: Workflow,
    request: Option<Request>,
    log: Vec<(Kind, String, Timestamp)>,
    minted: u128,
    now: Timestamp,
    /// How often a packet went out at the moment that was said before.
    fell_due: usize,
}

impl World {
    fn new() -> Self {
        let done = launched();
        let workflow = done.workflow.clone();
        let log = Vec::new();
        let mut world = Self { workflow, request: None, log, minted: 100, now: START, fell_due: 0 };
        world.note(done);
        world
    }

    fn mint(&mut self) -> u128 {
        self.minted += 1;
        self.minted
    }

    fn note(&mut self, done: Done) {
        for Happening { change, by, brief } in done.happened {
            let kind = change.kind();
            let about = AboutWorkflow { workflow: brief, by, change };
            self.log.push((kind, serde_json::to_string(&about).unwrap(), self.now));
        }
        self.workflow = done.workflow;
    }

    /// Does something with the workflow; tells whether it was refused, and why.
    fn act(
        &mut self,
        act: impl FnOnce(Workflow, (&'static str, Timestamp)) -> Result<Done, Refused>,
    ) -> Result<(), Refused> {
        self.now = self.now.plus_millis(1_000);
        let done = act(self.workflow.clone(), (ADA, self.now))?;
        self.note(done);
        Ok(())
    }

    fn send(&mut self) -> Result<(), Refused> {
        self.now = self.now.plus_millis(1_000);
        let id = RequestId::new(self.mint());
        let mut minted = self.minted;
        let mut mint = || {
            minted += 1;
            SignerId::new(minted)
        };
        let with = (ADA, self.now);
        let (done, draft) = self.workflow.clone().send_packet(id, &mut mint, with)?;
        self.minted = minted;
        self.note(done);
        self.request = Some(draft.send(self.now).unwrap().request);
        Ok(())
    }

    /// Takes the request on, and has the workflow hear of it; `false` if the request refuses.
    fn request(
        &mut self,
        step: impl FnOnce(Request, Timestamp) -> Result<request::Step, request::Refused>,
    ) -> bool {
        self.now = self.now.plus_millis(1_000);
        let Some(request) = self.request.clone() else { return false };
        let Ok(step) = step(request, self.now) else { return false };
        let with = (ADA, self.now);
        let done = self.workflow.clone().hear(&step.request, (&step.happened, None), with);
        self.request = Some(step.request);
        self.note(done);
        true
    }

    fn sign(&mut self) -> bool {
        let turn = self.request.as_ref().and_then(|r| r.signers.iter().find(|s| s.has_turn()));
        let Some(id) = turn.map(|signer| signer.id) else { return false };
        self.request(|request, now| request.sign(id, evidence(), now))
    }

    /// What the log says, read and applied from its beginning.
    fn replayed(&self) -> Workflow {
        let read = |(_, text, at): &(Kind, String, Timestamp)| {
            let about: AboutWorkflow = serde_json::from_str(text).unwrap();
            (about, *at)
        };
        let log: Vec<(AboutWorkflow, Timestamp)> = self.log.iter().map(read).collect();
        let changes = log.iter().map(|(about, at)| (&about.change, about.by.as_str(), *at));
        Workflow::replay(changes).unwrap()
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.log.iter().map(|(kind, _, _)| kind.as_str()).collect()
    }

    /// Does something, and gives the kinds of what happened.
    fn told(
        &mut self,
        act: impl FnOnce(Workflow, (&'static str, Timestamp)) -> Result<Done, Refused>,
    ) -> Vec<&'static str> {
        let before = self.log.len();
        self.act(act).unwrap();
        self.kinds().split_off(before)
    }

    fn approve_and_advance(&mut self) {
        for role in ["legal", "vp", "owner"] {
            self.act(|w, with| w.approve(role, with)).unwrap();
        }
        self.act(Workflow::advance).unwrap();
    }
}

#[test]
fn a_launch_goes_to_review_where_it_is_our_turn() {
    let world = World::new();
    let expected = ["launched", "step_updated", "changed_turn", "roles_assigned"];
    assert_eq!(world.kinds(), expected.map(|word| format!("workflow.{word}")));
    assert_eq!((world.workflow.step, world.workflow.turn), (Step::Review, Some(Party::Internal)));
    assert_eq!(world.workflow.attributes.get("value"), Some(&json!(7)));
    assert_eq!(world.replayed(), world.workflow);
}

#[test]
fn a_turn_after_nobodys_does_not_say_whose_it_was() {
    let mut world = World::new();
    let turns = |world: &World| -> Vec<(Option<Party>, Party)> {
        let changes = world.log.iter().filter(|(kind, ..)| *kind == Kind::WorkflowChangedTurn);
        let turn = |(_, text, _): &(Kind, String, Timestamp)| {
            let about: AboutWorkflow = serde_json::from_str(text).unwrap();
            let Change::ChangedTurn { from, to } = about.change else { panic!() };
            (from, to)
        };
        changes.map(turn).collect()
    };
    world.act(|w, with| w.change_turn(Party::Counterparty, with)).unwrap();
    world.act(|w, with| w.pause(None, with)).unwrap();
    assert_eq!(world.workflow.turn, None);
    world.act(|w, with| w.resume(None, with)).unwrap();
    let (ours, theirs) = (Party::Internal, Party::Counterparty);
    assert_eq!(turns(&world), [(None, ours), (Some(ours), theirs), (None, theirs)]);
    let refused = world.act(|w, with| w.change_turn(theirs, with)).unwrap_err();
    assert_eq!(refused, Refused::TurnIsTheirs { party: theirs });
}

#[test]
fn approvals_come_group_by_group_and_go_with_those_behind() {
    let mut world = World::new();
    let refused = world.act(|w, with| w.approve("vp", with)).unwrap_err();
    let open = vec!["legal".to_owned()];
    assert_eq!(refused, Refused::EarlierApprovals { role: "vp".to_owned(), open });
    for role in ["legal", "owner"] {
        world.act(|w, with| w.approve(role, with)).unwrap();
    }
    let refused = world.act(Workflow::advance).unwrap_err();
    assert_eq!(refused, Refused::ApprovalsMissing { open: vec!["vp".to_owned()] });
    let told = world.told(|w, with| w.reset_approval("legal", with));
    assert_eq!(told.len(), 3, "both approvals, and the update");
    assert!(world.workflow.approvals.is_empty());
}

#[test]
fn only_who_said_it_changes_it_and_what_is_removed_keeps_its_place() {
    let mut world = World::new();
    world.act(|w, with| w.comment(say(1, "hello <@bob@example.com>"), with)).unwrap();
    assert!(world.workflow.participants.contains(BOB));
    let reply = Say { replied_to: Some(CommentId::new(1)), ..say(2, "yes") };
    world.act(|w, (_, now)| w.comment(reply, (BOB, now))).unwrap();
    let refused = world.act(|w, with| w.edit_comment(CommentId::new(2), "no".into(), with));
    assert_eq!(refused, Err(Refused::NotTheAuthor { author: BOB.to_owned() }));
    world.act(|w, with| w.remove_comment(CommentId::new(1), with)).unwrap();
    let again = world.act(|w, with| w.react(CommentId::new(1), "tada".into(), with)).unwrap_err();
    assert!(matches!(again, Refused::NoSuch { what: "comment", .. }));
    let said: Vec<&str> = world.workflow.comments.iter().map(|c| c.text.as_str()).collect();
    assert_eq!(said, ["", "yes"]);
}

#[test]
fn signatures_of_the_request_take_the_workflow_to_the_archive() {
    let mut world = World::new();
    world.approve_and_advance();
    world.send().unwrap();
    assert_eq!(world.act(Workflow::revert), Err(Refused::PacketOut));
    let before = world.log.len();
    assert!(world.sign() && world.sign());
    let expected = [
        "signature_packet_signatures_collected",
        "updated",
        "signature_packet_signatures_collected",
        "signature_packet_fully_signed",
        "step_updated",
        "updated",
    ];
    assert_eq!(world.kinds().split_off(before), expected.map(|word| format!("workflow.{word}")));
    assert_eq!(world.workflow.step, Step::Archive);
}

#[test]
fn a_packet_that_is_declined_is_cancelled_and_leaves_no_signature() {
    let mut world = World::new();
    world.approve_and_advance();
    world.send().unwrap();
    assert!(world.sign());
    let last = world.request.as_ref().unwrap().signers[1].id;
    assert!(world.request(|request, now| request.decline(last, None, now)));
    assert_eq!(world.workflow.packet, Packet::NotSent);
    assert!(!world.workflow.signers.iter().any(Signatory::has_signed));
    assert!(world.kinds().contains(&"workflow.signature_packet_cancelled"));
}

#[test]
fn who_signed_on_paper_is_not_asked_again() {
    let mut world = World::new();
    world.approve_and_advance();
    let upload = |signed: Option<&str>| Upload {
        id: DocumentId::new(9),
        written: written("paper"),
        signed: signed.map(|name| [name.to_owned()].into()),
    };
    let told = world.told(|w, with| w.upload_signed(upload(Some("Theirs")), with));
    assert!(!told.contains(&"workflow.signature_packet_fully_signed"));
    world.send().unwrap();
    let asked = &world.request.as_ref().unwrap().signers;
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].person.label.as_deref(), Some("Ours"));
    assert!(world.sign());
    assert_eq!(world.workflow.step, Step::Archive);
}

#[test]
fn a_packet_needs_somebody_for_each_part() {
    let mut world = World::new();
    world.act(|w, with| w.add_signer(part("Witness", 3), None, with)).unwrap();
    world.approve_and_advance();
    assert_eq!(world.send(), Err(Refused::SignersMissing { roles: vec!["Witness".to_owned()] }));
    world.act(|w, with| w.reassign_signer("Witness", (person(BOB), None), with)).unwrap();
    world.send().unwrap();
}

#[test]
fn attributes_have_types() {
    let mut world = World::new();
    for (id, value) in [("value", json!("7")), ("ends", json!("2026-02-30")), ("none", json!(1))] {
        let set = [(id.to_owned(), value)].into();
        world.act(|w, with| w.set_attributes(set, [].into(), with)).unwrap_err();
    }
    let required = ["counterpartyName".to_owned()].into();
    world.act(|w, with| w.set_attributes([].into(), required, with)).unwrap_err();
    let set: BTreeMap<_, _> = [("ends".to_owned(), json!("2026-02-28"))].into();
    let told = world.told(|w, with| w.set_attributes(set.clone(), [].into(), with));
    assert_eq!(told, ["workflow.attribute_updated", "workflow.updated"]);
    assert!(world.told(|w, with| w.set_attributes(set, [].into(), with)).is_empty());
}

#[test]
fn a_template_is_told_all_its_flaws() {
    assert_eq!(template().check(), []);
    let mut bad = template();
    bad.name = String::new();
    bad.attributes[0].id = "a b".to_owned();
    bad.attributes[1].default = Some(json!("x"));
    bad.roles[1].id = "owner".to_owned();
    bad.approval_groups[0].roles = vec!["nobody".to_owned()];
    bad.signers[1].order = 0;
    let paths: Vec<String> = bad.check().into_iter().map(|invalid| invalid.path).collect();
    let expected = [
        "name",
        "roles[1]",
        "attributes[0].id",
        "attributes[1].default",
        "signers[1].order",
        "approval_groups[0].roles[0]",
    ];
    assert_eq!(paths, expected);
}

/// Takes a workflow through all that the catalogue knows.
fn whole_life() -> World {
    let mut world = World::new();
    let mut act = |act: &dyn Fn(Workflow, (&'static str, Timestamp)) -> Result<Done, Refused>| {
        world.act(act).unwrap();
    };
    let (comment, document) = (CommentId::new(1), DocumentId::new(1));
    act(&|w, with| w.set_attributes([("value".to_owned(), json!(1.5))].into(), [].into(), with));
    act(&|w, with| w.comment(say(1, "hello"), with));
    act(&|w, with| w.edit_comment(comment, "hello again".into(), with));
    act(&|w, with| w.react(comment, "grinning".into(), with));
    act(&|w, with| w.unreact(comment, "grinning".into(), with));
    act(&|w, with| w.remove_comment(comment, with));
    let two = |names: [&str; 2]| {
        let one = |(id, name): (usize, &str)| {
            (DocumentId::new(id as u128 + 1), "draft".to_owned(), written(name))
        };
        names.into_iter().enumerate().map(one).collect::<Vec<_>>()
    };
    act(&|w, with| w.add_documents(two(["a", "b"]), with));
    act(&|w, with| w.update_documents([(document, written("c"))].into(), with));
    act(&|w, with| w.rename_documents([(document, "d.pdf".to_owned())].into(), with));
    act(&|w, with| w.edit_document(document, written("e"), with));
    act(&|w, with| w.remove_documents(&[document].into(), with));
    act(&|w, with| w.invite(user(BOB), with));
    act(&|w, with| w.change_turn(Party::Counterparty, with));
    act(&|w, with| w.revoke(BOB, with));
    act(&|w, with| w.pause(Some(say(2, "wait")), with));
    act(&|w, with| w.resume(Some(say(3, "go")), with));
    act(&|w, with| w.add_signer(part("Witness", 3), Some(person("eve@example.com")), with));
    act(&|w, with| w.reassign_signer("Witness", (person(BOB), None), with));
    act(&|w, with| w.remove_signer("Witness", with));
    world.approve_and_advance();
    world.act(Workflow::revert).unwrap();
    world.act(Workflow::advance).unwrap();
    world.send().unwrap();
    assert!(world.request(|request, now| request.cancel(None, now)));
    let signed = Some(["Ours".to_owned()].into());
    let upload = Upload { id: DocumentId::new(9), written: written("paper"), signed };
    world.act(|w, with| w.upload_signed(upload, with)).unwrap();
    world.send().unwrap();
    assert!(world.sign());
    world.act(|w, with| w.complete(vec![RecordId::new(1)], with)).unwrap();
    world
}

#[test]
fn a_whole_life_tells_all_of_the_catalogue_but_giving_up() {
    let world = whole_life();
    let kinds = world.kinds();
    for kind in Kind::ALL.iter().filter(|kind| kind.as_str().starts_with("workflow.")) {
        let is_told = kinds.contains(&kind.as_str());
        assert_eq!(is_told, *kind != Kind::WorkflowCancelled, "{kind}");
    }
    assert_eq!(world.replayed(), world.workflow);
    assert_eq!(world.workflow.possible(), []);
}

#[test]
fn a_workflow_comes_back_from_its_json() {
    let workflow = whole_life().workflow;
    let text = serde_json::to_string(&workflow).unwrap();
    assert_eq!(serde_json::from_str::<Workflow>(&text).unwrap(), workflow);
}

#[test]
fn what_is_scheduled_is_told_before_and_ends_when_the_packet_goes_out() {
    let mut world = World::new();
    let new = |days: i64, reminder: NewReminder| NewSchedule {
        send_at: Some(START.plus_millis(days * DAY_MS)),
        reminder,
    };
    let early = world.act(|w, with| w.schedule_packet(new(9, NewReminder::Never), with));
    assert!(matches!(early, Err(Refused::Impossible { .. })), "{early:?}");
    world.approve_and_advance();
    let passed = world.act(|w, with| w.schedule_packet(new(2, NewReminder::DaysBefore(7)), with));
    assert_eq!(passed, Err(Refused::MomentPassed), "the reminder would have been last week");
    let nothing = world.act(|w, with| w.unschedule_packet(None, with));
    assert_eq!(nothing, Err(Refused::NotScheduled));
    let told = world.told(|w, with| w.schedule_packet(new(9, NewReminder::DaysBefore(2)), with));
    assert_eq!(told, ["workflow.updated"]);
    assert!(
        world
            .told(|w, with| w.schedule_packet(new(9, NewReminder::DaysBefore(2)), with))
            .is_empty()
    );
    let due = world.workflow.schedule.as_ref().unwrap().next();
    assert_eq!(due, START.plus_millis(7 * DAY_MS));
    assert!(world.told(|w, (_, now)| Ok(w.remind_of_schedule(now))).is_empty(), "too early");
    world.now = due;
    assert_eq!(world.told(|w, (_, now)| Ok(w.remind_of_schedule(now))), ["workflow.updated"]);
    assert!(world.told(|w, (_, now)| Ok(w.remind_of_schedule(now))).is_empty(), "once");
    let due = world.workflow.schedule.as_ref().unwrap().next();
    assert_eq!(due, START.plus_millis(9 * DAY_MS));
    world.send().unwrap();
    assert_eq!(world.workflow.schedule, None);
    assert_eq!(world.replayed(), world.workflow);
}

#[test]
fn turns_and_approvals_that_were_waited_for_are_remembered() {
    let mut world = World::new();
    world.act(|w, with| w.change_turn(Party::Counterparty, with)).unwrap();
    world.act(|w, with| w.approve("legal", with)).unwrap();
    world.act(|w, with| w.pause(None, with)).unwrap();
    let turn = |turn: &Turn| (turn.number, turn.party, turn.ended_at.is_some());
    let turns: Vec<_> = world.workflow.turns.iter().map(turn).collect();
    assert_eq!(turns, [(1, Party::Internal, true), (2, Party::Counterparty, true)]);
    world.act(|w, with| w.resume(None, with)).unwrap();
    let roles: BTreeMap<_, _> = [("owner".to_owned(), user(BOB))].into();
    world.act(|w, with| w.assign_roles(roles, with)).unwrap();
    world.act(|w, with| w.reset_approval("legal", with)).unwrap();
    world.act(|w, with| w.cancel((None, None), with)).unwrap();
    let of = |wanted: &str| -> Vec<String> {
        let requests = world.workflow.approval_requests.iter();
        let requests = requests.filter(|request| request.role == wanted);
        let json = |request| serde_json::to_value(request).unwrap()["end"].clone();
        requests.map(|request| json(request).as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("legal"), ["approved", "cancelled"]);
    assert_eq!(of("owner"), ["paused", "reassigned", "removed"]);
    assert_eq!(world.replayed(), world.workflow);
}
