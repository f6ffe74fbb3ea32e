//! The signature packet of a workflow, and the request that it is: whichever is acted on, both are committed together.
//!
//! Invariant: every step of a request that is a packet is heard by its workflow in the commit of that step, whoever takes it.

use domain::id::{RequestId, SignerId};
use domain::request::{Request, Step};
use domain::signer::Person;
use domain::time::Timestamp;
use domain::workflow::{Done, Packet, Workflow};
use store::{Commit, Reply, Version};

use super::action::Action;
use super::decide::person;
use crate::Engine;
use crate::command::{Once, Refusal};
use crate::requests::Course;

/// What becomes of a workflow beside the steps of the request that is its packet.
#[derive(Default)]
pub(crate) struct Beside<'a> {
    /// Who acts; else the signer whom a step is about, or who launched the workflow.
    pub(crate) by: Option<&'a str>,
    /// Why a part is handed over.
    pub(crate) reason: Option<&'a str>,
    /// What was decided already, from this version.
    pub(crate) given: Option<(Version, Done)>,
    /// What is done with the workflow after it heard of the steps.
    pub(crate) then: Option<&'a Then<'a>>,
    /// The answer to keep, from the workflow as it is then.
    pub(crate) reply: Option<&'a Keep<'a>>,
}

pub(crate) type Keep<'a> = dyn Fn(&Workflow) -> Option<Reply> + Send + Sync + 'a;
pub(crate) type Then<'a> = dyn Fn(Workflow) -> Result<Done, Refusal> + Send + Sync + 'a;

impl Engine {
    /// Has the workflow of a request hear of its steps, as a part of their commit. Gives the answer to keep, if there is one.
    pub(crate) async fn add_packet_steps(
        &self,
        commit: &mut Commit,
        steps: &[&Step],
        beside: Beside<'_>,
    ) -> Result<Option<Reply>, Refusal> {
        let Some(last) = steps.last() else { return Ok(None) };
        let Some(id) = last.request.workflow else { return Ok(None) };
        let (version, done) = match beside.given.clone() {
            Some(given) => given,
            None => match self.load_workflow(commit.account, id).await {
                Ok((workflow, version)) => (version, heard(workflow, steps, &beside, commit.at)),
                Err(Refusal::NotFound { .. }) => return Ok(None),
                Err(refusal) => return Err(refusal),
            },
        };
        let Done { mut workflow, mut happened } = done;
        if let Some(then) = beside.then {
            let done = then(workflow)?;
            workflow = done.workflow;
            happened.extend(done.happened);
        }
        if !happened.is_empty() {
            self.add_workflow(commit, (version, &workflow), &happened)?;
        }
        Ok(beside.reply.and_then(|reply| reply(&workflow)))
    }

    /// Carries an action out that the packet's request is acted on for; `None` for any other.
    pub(super) async fn act_on_packet(
        &self,
        (workflow, version): &(Workflow, Version),
        action: &Action,
        (by, now): (&str, Timestamp),
        once: &Once<'_, Workflow>,
    ) -> Result<Option<Workflow>, Refusal> {
        let reply = |workflow: &Workflow| once.reply(workflow);
        if let Action::SendPacket = action {
            return self.send_packet((workflow, *version), (by, now), once).await.map(Some);
        }
        let Packet::Sent { request_id, .. } = workflow.packet else { return Ok(None) };
        let then =
            |workflow: Workflow| self.decide(workflow, action, (by, now)).map(|decided| decided.0);
        let (reason, then): (Option<String>, Option<&Then<'_>>) = match action {
            Action::CancelPacket { reason } => (reason.clone(), None),
            Action::RemoveSigner { .. } => (None, Some(&then)),
            Action::Cancel { reason, .. } => (reason.clone(), Some(&then)),
            Action::ReassignSigner { role_name, person: new, reason } => {
                let before = self.packet_request(workflow, request_id).await?;
                let signer = workflow.asked(role_name)?;
                let heir = Person { label: Some(role_name.clone()), ..person(new) };
                let heir = (SignerId::new(self.mint(now)), heir);
                let last = before.0.clone().reassign(signer, heir, now)?;
                let reason = reason.as_deref();
                let beside =
                    Beside { by: Some(by), reason, reply: Some(&reply), ..Beside::default() };
                let course = Course { beside, ..Course::one(before, last, now) };
                return self.take_course(workflow, course, once).await.map(Some);
            }
            Action::RemindSigner { role_name } => {
                let before = self.packet_request(workflow, request_id).await?;
                let last = before.0.clone().remind_signer(workflow.asked(role_name)?, now)?;
                let beside = Beside { by: Some(by), reply: Some(&reply), ..Beside::default() };
                let course = Course { beside, ..Course::one(before, last, now) };
                return self.take_course(workflow, course, once).await.map(Some);
            }
            Action::Update { .. }
            | Action::SetAttributes { .. }
            | Action::Approve { .. }
            | Action::ResetApproval { .. }
            | Action::Comment { .. }
            | Action::EditComment { .. }
            | Action::RemoveComment { .. }
            | Action::React { .. }
            | Action::Unreact { .. }
            | Action::AddDocuments { .. }
            | Action::RemoveDocuments { .. }
            | Action::UpdateDocuments { .. }
            | Action::RenameDocuments { .. }
            | Action::OrderPacket { .. }
            | Action::EditDocument { .. }
            | Action::Invite { .. }
            | Action::RevokeInvite { .. }
            | Action::ChangeTurn { .. }
            | Action::AssignRoles { .. }
            | Action::AddSigner { .. }
            | Action::Pause { .. }
            | Action::Resume { .. }
            | Action::Advance
            | Action::Revert
            | Action::SendPacket
            | Action::SchedulePacket { .. }
            | Action::UnschedulePacket
            | Action::UploadSigned { .. }
            | Action::Complete => return Ok(None),
        };
        if let (Action::RemoveSigner { role_name }, true) = (action, then.is_some()) {
            workflow.unsigned(role_name)?;
        }
        let (request, at) = self.packet_request(workflow, request_id).await?;
        let last = request.clone().cancel(reason, now)?;
        let beside = Beside { by: Some(by), then, reply: Some(&reply), ..Beside::default() };
        let course = Course { beside, ..Course::one((request, at), last, now) };
        self.take_course(workflow, course, once).await.map(Some)
    }

    async fn send_packet(
        &self,
        (workflow, version): (&Workflow, Version),
        (by, now): (&str, Timestamp),
        once: &Once<'_, Workflow>,
    ) -> Result<Workflow, Refusal> {
        let reply = |workflow: &Workflow| once.reply(workflow);
        let id = RequestId::new(self.mint(now));
        let mut mint = || SignerId::new(self.mint(now));
        let (done, draft) = workflow.clone().send_packet(id, &mut mint, (by, now))?;
        self.must_have_room(workflow.account).await?;
        let created = draft.created();
        let last = created.request.clone().send(now)?;
        let beside =
            Beside { given: Some((version, done)), reply: Some(&reply), ..Beside::default() };
        let course =
            Course { before: None, earlier: vec![created], beside, ..Course::of(last, now) };
        self.take_course(workflow, course, once).await
    }

    async fn packet_request(
        &self,
        workflow: &Workflow,
        id: RequestId,
    ) -> Result<(Request, Version), Refusal> {
        let found = self.views().request(workflow.account, id).await?;
        found.ok_or(Refusal::NotFound { what: "request" })
    }

    /// Commits a course, and gives the workflow as it is then.
    async fn take_course(
        &self,
        workflow: &Workflow,
        course: Course<'_>,
        once: &Once<'_, Workflow>,
    ) -> Result<Workflow, Refusal> {
        let same = Once::<Request> { key: once.key.clone(), answer: &|_| (204, String::new()) };
        self.commit_course(course, &same).await?;
        self.workflow(workflow.account, workflow.id).await
    }
}

/// Lets a workflow hear of steps, one after the other.
fn heard(workflow: Workflow, steps: &[&Step], beside: &Beside<'_>, now: Timestamp) -> Done {
    let mut done = Done { workflow, happened: Vec::new() };
    for step in steps {
        let about = step.happened.iter().find_map(|happening| happening.signer);
        let signer = about.and_then(|id| step.request.signer(id));
        let signer = signer.map(|signer| signer.person.email.to_lowercase());
        let signer = signer.filter(|email| !email.is_empty());
        let by = beside.by.map(ToOwned::to_owned).or(signer);
        let by = by.unwrap_or_else(|| done.workflow.creator.clone());
        let next = done.workflow.hear(&step.request, (&step.happened, beside.reason), (&by, now));
        done.happened.extend(next.happened);
        done.workflow = next.workflow;
    }
    done
}
