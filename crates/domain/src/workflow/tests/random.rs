//! Random commands at a workflow and at the request that is its packet.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::time::DAY_MS;

/// Something that somebody does. Numbers choose among what is there, and now and then what is not.
#[derive(Debug, Clone)]
enum Command {
    Update(u8),
    Attributes(u8, bool),
    Approve(u8),
    ResetApproval(u8),
    Comment(u8, bool),
    EditComment(u8, u8),
    RemoveComment(u8),
    React(u8, u8),
    Unreact(u8, u8),
    AddDocuments(u8),
    RemoveDocuments(u8),
    UpdateDocuments(u8, u8),
    RenameDocuments(u8, u8),
    EditDocument(u8, u8),
    OrderPacket(u8, u8),
    Invite(u8),
    Revoke(u8),
    Turn(bool),
    Assign(u8, u8),
    AddSigner(u8),
    RemoveSigner(u8),
    ReassignSigner(u8, u8),
    Pause(bool),
    Resume(bool),
    Advance,
    Revert,
    Send,
    Upload(u8),
    Void,
    Schedule(u8),
    Unschedule,
    Wait,
    Complete,
    Cancel,
    Sign,
    Decline,
    HandOver,
    CancelRequest,
    ExpireRequest,
    DeleteRequest,
}

const ROLES: [&str; 4] = ["legal", "vp", "owner", "nobody"];
const EMAILS: [&str; 3] = [ADA, BOB, "eve@example.com"];
const PARTS: [&str; 4] = ["Ours", "Theirs", "Witness", "Nobody"];

fn command() -> impl Strategy<Value = Command> {
    use Command::{
        AddDocuments, AddSigner, Advance, Approve, Assign, Attributes, Cancel, CancelRequest,
        Comment, Complete, Decline, DeleteRequest, EditComment, EditDocument, ExpireRequest,
        HandOver, Invite, OrderPacket, Pause, React, ReassignSigner, RemoveComment,
        RemoveDocuments, RemoveSigner, RenameDocuments, ResetApproval, Resume, Revert, Revoke,
        Schedule, Send, Sign, Turn, Unreact, Unschedule, Update, UpdateDocuments, Upload, Void,
        Wait,
    };
    let n = || 0..5_u8;
    prop_oneof![
        4 => prop_oneof![n().prop_map(Update), (n(), any::<bool>()).prop_map(|(a, b)| Attributes(a, b))],
        12 => n().prop_map(Approve),
        1 => n().prop_map(ResetApproval),
        14 => prop_oneof![
            (n(), any::<bool>()).prop_map(|(a, b)| Comment(a, b)),
            (n(), n()).prop_map(|(a, b)| EditComment(a, b)),
            n().prop_map(RemoveComment),
            (n(), n()).prop_map(|(a, b)| React(a, b)),
            (n(), n()).prop_map(|(a, b)| Unreact(a, b)),
            (n(), n()).prop_map(|(a, b)| Unreact(a, b)),
        ],
        10 => prop_oneof![
            n().prop_map(AddDocuments),
            n().prop_map(RemoveDocuments),
            (n(), n()).prop_map(|(a, b)| UpdateDocuments(a, b)),
            (n(), n()).prop_map(|(a, b)| RenameDocuments(a, b)),
            (n(), n()).prop_map(|(a, b)| EditDocument(a, b)),
            (n(), n()).prop_map(|(a, b)| OrderPacket(a, b)),
        ],
        4 => prop_oneof![
            n().prop_map(Invite),
            n().prop_map(Revoke),
            any::<bool>().prop_map(Turn),
            (n(), n()).prop_map(|(a, b)| Assign(a, b)),
        ],
        4 => prop_oneof![
            n().prop_map(AddSigner),
            n().prop_map(RemoveSigner),
            (n(), n()).prop_map(|(a, b)| ReassignSigner(a, b)),
        ],
        3 => prop_oneof![any::<bool>().prop_map(Pause), any::<bool>().prop_map(Resume)],
        10 => select(vec![Advance, Advance, Advance, Revert]),
        10 => prop_oneof![Just(Send), n().prop_map(Upload), Just(Void)],
        3 => prop_oneof![
            n().prop_map(Schedule),
            n().prop_map(Schedule),
            Just(Unschedule),
        ],
        4 => Just(Wait),
        12 => select(vec![Sign, Sign, Sign, Sign, Decline, HandOver, CancelRequest]),
        2 => select(vec![Complete, Complete, Cancel, ExpireRequest, DeleteRequest]),
    ]
}

fn at<'a>(all: &[&'a str], index: u8) -> &'a str {
    all[usize::from(index) % all.len()]
}

impl World {
    /// Carries a command out; the answer is `None` where there is no request to do something with.
    fn carry_out(&mut self, command: &Command) -> Option<Result<(), Refused>> {
        let id = self.mint();
        Some(match command {
            Command::Update(n) => {
                self.act(|w, with| w.update(Some(format!("title {n}")), None, with))
            }
            Command::Attributes(n, set) => {
                let id = at(&["value", "ends", "counterpartyName", "none"], *n).to_owned();
                let value = if *n == 0 { json!(f64::from(*n) / 3.0) } else { json!("2026-01-31") };
                let (set, remove) =
                    if *set { ([(id, value)].into(), [].into()) } else { ([].into(), [id].into()) };
                self.act(|w, with| w.set_attributes(set, remove, with))
            }
            Command::Approve(n) => self.act(|w, with| w.approve(at(&ROLES, *n), with)),
            Command::ResetApproval(n) => self.act(|w, with| w.reset_approval(at(&ROLES, *n), with)),
            Command::Comment(..)
            | Command::EditComment(..)
            | Command::RemoveComment(_)
            | Command::React(..)
            | Command::Unreact(..)
            | Command::AddDocuments(_)
            | Command::RemoveDocuments(_)
            | Command::UpdateDocuments(..)
            | Command::RenameDocuments(..)
            | Command::EditDocument(..)
            | Command::OrderPacket(..) => return self.carry_out_texts(command),
            Command::Invite(_)
            | Command::Revoke(_)
            | Command::Turn(_)
            | Command::Assign(..)
            | Command::AddSigner(_)
            | Command::RemoveSigner(_)
            | Command::ReassignSigner(..) => self.carry_out_people(command),
            Command::Pause(word) => {
                let say = word.then(|| say(id, "wait"));
                self.act(|w, with| w.pause(say, with))
            }
            Command::Resume(word) => {
                let say = word.then(|| say(id, "go"));
                self.act(|w, with| w.resume(say, with))
            }
            Command::Advance => self.act(Workflow::advance),
            Command::Revert => self.act(Workflow::revert),
            Command::Send => self.send(),
            Command::Upload(n) => {
                let signed = (*n < 4).then(|| [at(&PARTS, *n).to_owned()].into());
                let upload = Upload { id: DocumentId::new(id), written: written("p"), signed };
                self.act(|w, with| w.upload_signed(upload, with))
            }
            Command::Void => self.act(Workflow::void_packet),
            Command::Schedule(n) => self.schedule(*n),
            Command::Unschedule => self.act(|w, with| w.unschedule_packet(None, with)),
            Command::Wait => {
                self.fall_due();
                return None;
            }
            Command::Complete => self.act(|w, with| w.complete(vec![RecordId::new(id)], with)),
            Command::Cancel => self.act(|w, with| w.cancel((None, None), with)),
            Command::Sign
            | Command::Decline
            | Command::HandOver
            | Command::CancelRequest
            | Command::ExpireRequest
            | Command::DeleteRequest => {
                self.carry_out_request(command, id);
                return None;
            }
        })
    }

    fn schedule(&mut self, n: u8) -> Result<(), Refused> {
        let send_at = self.now.plus_millis(i64::from(n) * DAY_MS);
        let new = NewSchedule {
            send_at: (1..4).contains(&n).then_some(send_at),
            reminder: [NewReminder::Keep, NewReminder::Never, NewReminder::DaysBefore(1)]
                [usize::from(n % 3)],
        };
        self.act(|w, with| w.schedule_packet(new, with))
    }

    /// Waits for the next moment of what is scheduled, and does what is due then.
    fn fall_due(&mut self) {
        let Some(schedule) = self.workflow.schedule.clone() else { return };
        self.now = self.now.max(schedule.next());
        if schedule.send_at <= self.now {
            if self.send().is_ok() {
                self.fell_due += 1;
            } else {
                self.act(|w, with| w.unschedule_packet(Some("no".to_owned()), with)).unwrap();
            }
        } else {
            self.act(|w, (_, now)| Ok(w.remind_of_schedule(now))).unwrap();
        }
    }

    fn carry_out_texts(&mut self, command: &Command) -> Option<Result<(), Refused>> {
        let comment = |n: u8| CommentId::new(1_000 + u128::from(n / 3));
        let document = |n: u8| DocumentId::new(2_000 + u128::from(n));
        let done = if let Command::Comment(n, reply) = command {
            if self.workflow.comments.iter().any(|known| known.id == comment(*n)) {
                return None;
            }
            let replied_to = reply.then(|| comment((*n + 3) % 5));
            let text = format!("<@{}> é\u{2028}{n}", at(&EMAILS, *n));
            let say = Say { id: comment(*n), replied_to, is_external: *reply, ..say(0, &text) };
            self.act(|w, with| w.comment(say, with))
        } else if let Command::EditComment(n, m) = command {
            self.act(|w, with| w.edit_comment(comment(*n), format!("text {m}"), with))
        } else if let Command::RemoveComment(n) = command {
            self.act(|w, with| w.remove_comment(comment(*n), with))
        } else if let Command::React(n, m) = command {
            self.act(|w, with| w.react(comment(*n), format!("emoji{}", m / 4), with))
        } else if let Command::Unreact(n, m) = command {
            self.act(|w, with| w.unreact(comment(*n), format!("emoji{}", m / 4), with))
        } else if let Command::AddDocuments(n) = command {
            let place = if *n == 4 { "nowhere" } else { "draft" };
            let is_taken = self.workflow.document(document(*n)).is_ok();
            if is_taken {
                return None;
            }
            let new = vec![(document(*n), place.to_owned(), written("a"))];
            self.act(|w, with| w.add_documents(new, with))
        } else if let Command::RemoveDocuments(n) = command {
            self.act(|w, with| w.remove_documents(&[document(*n)].into(), with))
        } else if let Command::UpdateDocuments(n, m) = command {
            let new = [(document(*n), written(&m.to_string()))].into();
            self.act(|w, with| w.update_documents(new, with))
        } else if let Command::RenameDocuments(n, m) = command {
            let new = [(document(*n), format!("{m}.pdf"))].into();
            self.act(|w, with| w.rename_documents(new, with))
        } else if let Command::EditDocument(n, m) = command {
            self.act(|w, with| w.edit_document(document(*n), written(&m.to_string()), with))
        } else if let Command::OrderPacket(n, m) = command {
            self.act(|w, with| w.order_packet(vec![document(*n), document(*m)], with))
        } else {
            Ok(())
        };
        Some(done)
    }

    fn carry_out_people(&mut self, command: &Command) -> Result<(), Refused> {
        if let Command::Invite(n) = command {
            self.act(|w, with| w.invite(user(at(&EMAILS, *n)), with))
        } else if let Command::Revoke(n) = command {
            self.act(|w, with| w.revoke(at(&EMAILS, *n), with))
        } else if let Command::Turn(is_ours) = command {
            let to = if *is_ours { Party::Internal } else { Party::Counterparty };
            self.act(|w, with| w.change_turn(to, with))
        } else if let Command::Assign(n, m) = command {
            let roles = [(at(&ROLES, *n).to_owned(), user(at(&EMAILS, *m)))].into();
            self.act(|w, with| w.assign_roles(roles, with))
        } else if let Command::AddSigner(n) = command {
            let person = (*n < 3).then(|| person(at(&EMAILS, *n)));
            self.act(|w, with| w.add_signer(part(at(&PARTS, *n), 1), person, with))
        } else if let Command::RemoveSigner(n) = command {
            self.act(|w, with| w.remove_signer(at(&PARTS, *n), with))
        } else if let Command::ReassignSigner(n, m) = command {
            let person = person(at(&EMAILS, *m));
            self.act(|w, with| w.reassign_signer(at(&PARTS, *n), (person, None), with))
        } else {
            Ok(())
        }
    }

    fn carry_out_request(&mut self, command: &Command, id: u128) {
        let turn = self.request.as_ref().and_then(|r| r.signers.iter().find(|s| s.has_turn()));
        let turn = turn.map_or(SignerId::new(0), |signer| signer.id);
        if let Command::Sign = command {
            self.sign();
        } else if let Command::Decline = command {
            self.request(|request, now| request.decline(turn, None, now));
        } else if let Command::HandOver = command {
            let to = (SignerId::new(id), person("heir@example.com"));
            self.request(|request, now| request.reassign(turn, to, now));
        } else if let Command::CancelRequest = command {
            self.request(|request, now| request.cancel(None, now));
        } else if let Command::ExpireRequest = command {
            self.request(Request::expire);
        } else if self.request(|request, _| Ok(request.delete())) {
            self.request = None;
        }
    }

    /// What must hold whatever was done.
    fn check(&self) {
        let w = &self.workflow;
        let is_active = w.state == State::Active;
        assert_eq!(w.turn.is_some(), is_active && w.step == Step::Review, "whose turn it is");
        let turns = w.turns.iter().filter(|turn| turn.ended_at.is_none());
        assert!(turns.map(|turn| turn.party).eq(w.turn), "a turn that is not noted");
        let open = w.approval_requests.iter().filter(|request| request.end.is_none());
        let is_due = |request: &&ApprovalRequest| {
            w.turn.is_some() && !w.approvals.contains_key(&request.role)
        };
        assert!(open.clone().all(|request| is_due(&request)), "waited for in vain");
        let is_approved = w.step > Step::Review || w.approvals_missing().is_empty();
        assert_eq!(open.count() == 0, is_approved || w.turn.is_none(), "nobody is waited for");
        assert!(w.packet_documents().all(|signed| w.documents.contains(signed)), "lost paper");
        let groups = w.template.approval_groups.iter();
        let given = |role: &String| w.approvals.contains_key(role);
        let groups: Vec<(bool, bool)> =
            groups.map(|g| (g.roles.iter().any(given), g.roles.iter().all(given))).collect();
        for pair in groups.windows(2) {
            assert!(!pair[1].0 || pair[0].1, "an approval before its turn");
        }
        if w.step > Step::Review {
            assert!(groups.iter().all(|(_, all)| *all), "signed before it was approved");
        }
        if w.schedule.is_some() {
            assert!(is_active && w.step == Step::Sign, "scheduled out of its step");
            assert_eq!(w.packet, Packet::NotSent, "scheduled, and out already");
        }
        let all_signed = !w.signers.is_empty() && w.signers.iter().all(Signatory::has_signed);
        match w.packet {
            Packet::NotSent => assert!(!all_signed, "signed by all, and not noted"),
            Packet::Sent { request_id, .. } => {
                assert!(is_active && w.step == Step::Sign, "a packet out of its step");
                let request = self.request.as_ref().expect("a packet that is no request");
                assert_eq!((request.id, request.state.as_str()), (request_id, "sent"));
                for part in w.signers.iter().filter(|s| !s.has_signed()) {
                    let signer = request.signer(part.signer_id.expect("an id")).expect("a signer");
                    assert!(signer.is_open(), "a part that is closed in the request");
                }
            }
            Packet::Signed { .. } => {
                assert!(all_signed, "signed, but not by all");
                assert!(w.step >= Step::Sign);
            }
        }
        if let State::Completed { .. } = w.state {
            assert_eq!(w.step, Step::Archive);
        }
    }
}

/// The action that a command asks for.
fn action(command: &Command) -> Option<Action> {
    Some(match command {
        Command::Update(_) => Action::Update,
        Command::Attributes(..) => Action::Attributes,
        Command::Approve(_) | Command::ResetApproval(_) => Action::Approve,
        Command::Comment(..)
        | Command::EditComment(..)
        | Command::RemoveComment(_)
        | Command::React(..)
        | Command::Unreact(..) => Action::Comment,
        Command::AddDocuments(_)
        | Command::RemoveDocuments(_)
        | Command::UpdateDocuments(..)
        | Command::RenameDocuments(..)
        | Command::EditDocument(..)
        | Command::OrderPacket(..) => Action::Documents,
        Command::Invite(_) | Command::Revoke(_) => Action::Invite,
        Command::Turn(_) => Action::Turn,
        Command::Assign(..) => Action::Assign,
        Command::AddSigner(_) | Command::RemoveSigner(_) | Command::ReassignSigner(..) => {
            Action::Signers
        }
        Command::Pause(_) => Action::Pause,
        Command::Resume(_) => Action::Resume,
        Command::Advance => Action::Advance,
        Command::Revert => Action::Revert,
        Command::Send => Action::SendPacket,
        Command::Upload(_) => Action::UploadSigned,
        Command::Void => Action::CancelPacket,
        Command::Schedule(_) | Command::Unschedule => Action::SchedulePacket,
        Command::Complete => Action::Complete,
        Command::Cancel => Action::Cancel,
        Command::Sign
        | Command::Decline
        | Command::HandOver
        | Command::CancelRequest
        | Command::ExpireRequest
        | Command::DeleteRequest
        | Command::Wait => return None,
    })
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    vec(command(), 1..120)
}

/// Otherwise what follows would hold of little.
#[test]
fn random_commands_lead_everywhere() {
    let mut runner = TestRunner::deterministic();
    let (mut reached, mut fell_due) = (BTreeSet::new(), 0);
    for n in 0..300 {
        let mut world = World::new();
        if n % 2 == 0 {
            world.approve_and_advance();
        }
        for command in commands().new_tree(&mut runner).unwrap().current() {
            drop(world.carry_out(&command));
        }
        reached.extend(world.log.iter().map(|(kind, ..)| *kind));
        fell_due += world.fell_due;
    }
    assert!(fell_due > 0, "no packet was sent at its moment");
    let all = Kind::ALL.iter().filter(|kind| kind.as_str().starts_with("workflow."));
    let missed: Vec<&Kind> = all.filter(|kind| !reached.contains(*kind)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

proptest! {
    #[test]
    fn no_change_is_without_its_event_and_no_event_without_its_change(
        commands in commands(), is_approved in any::<bool>(),
    ) {
        let mut world = World::new();
        if is_approved {
            world.approve_and_advance();
        }
        for command in &commands {
            let (before, told) = (world.workflow.clone(), world.log.len());
            let possible = before.possible();
            let answer = world.carry_out(command);
            let is_told = world.log.len() > told;
            prop_assert_eq!(is_told, world.workflow != before, "{:?}", command);
            if let (Some(Ok(())), Some(action)) = (&answer, action(command)) {
                prop_assert!(possible.contains(&action), "{:?} was not said to be possible", command);
            }
            if let Some(Err(Refused::Impossible { action, possible: said, .. })) = &answer {
                prop_assert!(!possible.contains(action) && *said == possible, "{:?}", command);
            }
            if is_told && !matches!(command, Command::Complete | Command::Cancel) {
                let last = world.log.last().map(|(kind, ..)| *kind);
                prop_assert_eq!(last, Some(Kind::WorkflowUpdated));
            }
            world.check();
        }
        prop_assert_eq!(world.replayed(), world.workflow);
    }
}
