//! The sign step: who is to sign and how far they are, the packet sent, scheduled, withdrawn, its signers, and links to sign.
//!
//! Invariants: a link leads to the page of a request that is out, and only its own signer can act there; who uploads a signed
//! paper says that others have signed, and needs a key that may act for signers.
//! Left to others: shapes (`dialects::face::ironclad::signing`), what is possible (`domain::workflow`), the page (`signing`).

use domain::id::{RequestId, SignerId};
use domain::key::Scope;
use domain::request::Request;
use domain::workflow::{Packet, Refused, Signatory, Step, Workflow};
use engine::face::ironclad::Error;
use engine::face::ironclad::signing::{self as face, Assigned, Embedded, Recipient, Scheduled};
use engine::requests::NewPerson;
use engine::requests::visit::Usage;
use engine::workflows::{Act, Action};
use engine::{Once, Patch, Refusal};
use serde_json::json;

use super::act::{Deed, NOTHING, Show};
use super::parts::{file, filed, text};
use super::who::email_of;
use super::{Actor, Call, company, find, find_internal, people};
use crate::answer;
use crate::api::requests::signing_url;
use crate::auth::{Caller, Name, Path};
use crate::page::Query;
use crate::problem::{Answer, Halt};

/// The most bytes of a form with a signed paper: the most of a document, and what stands around it.
const UPLOAD_BYTES_MAX: usize = 1024 * 1024 + 64 * 1024;

/// Answers with the status of the packet.
const STATUS: &Show<'static> = &|workflow| (200, answer::text(&face::sign_status(workflow, None)));

/// `GET /workflows/{id}/signatures`.
pub(crate) async fn signatures(Name(id): Name, actor: Actor) -> Answer {
    let (workflow, request) = read(&id, &actor).await?;
    Ok(answer::ok(&face::signatures(&workflow, request.as_ref())))
}

/// `GET /workflows/{id}/sign-status`.
pub(crate) async fn status(Name(id): Name, actor: Actor) -> Answer {
    let (workflow, request) = read(&id, &actor).await?;
    Ok(answer::ok(&face::sign_status(&workflow, request.as_ref())))
}

/// `POST /workflows/{id}/sign-status/send-signature-request`.
pub(crate) async fn send(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let workflow = at_sign(call.caller(), &id, false).await?;
    call.act(key, Deed::of(&workflow, Action::SendPacket), STATUS).await
}

/// `POST /workflows/{id}/sign-status/scheduled-send`. What is scheduled already is said anew, so that a call can be repeated.
pub(crate) async fn schedule(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let Scheduled { notify_at, days_before, .. } = face::schedule(call.bytes(), true)?;
    let workflow = at_sign(call.caller(), &id, false).await?;
    let remind_days_before = days_before.map_or(Patch::Clear, Patch::Set);
    let action = Action::SchedulePacket { send_at: notify_at, remind_days_before };
    call.act(key, Deed::of(&workflow, action), STATUS).await
}

/// `PATCH /workflows/{id}/sign-status/scheduled-send`.
pub(crate) async fn reschedule(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let Scheduled { notify_at, days_before, is_reminder_gone } =
        face::schedule(call.bytes(), false)?;
    let workflow = at_sign(call.caller(), &id, false).await?;
    if workflow.schedule.is_none() {
        return Err(Error::state(Refused::NotScheduled.to_string()).into());
    }
    let kept = if is_reminder_gone { Patch::Clear } else { Patch::Keep };
    let remind_days_before = days_before.map_or(kept, Patch::Set);
    let action = Action::SchedulePacket { send_at: notify_at, remind_days_before };
    call.act(key, Deed::of(&workflow, action), STATUS).await
}

/// `DELETE /workflows/{id}/sign-status/scheduled-send`.
pub(crate) async fn unschedule(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let workflow = at_sign(call.caller(), &id, false).await?;
    call.act(key, Deed::of(&workflow, Action::UnschedulePacket), STATUS).await
}

/// `POST /workflows/{id}/sign-status/cancel-signature-request`.
pub(crate) async fn cancel(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let reason = Some(face::reason(call.bytes())?);
    let workflow = at_sign(call.caller(), &id, false).await?;
    call.act(key, Deed::of(&workflow, Action::CancelPacket { reason }), STATUS).await
}

/// `PATCH /workflows/{id}/sign-status/signers/{role}`.
pub(crate) async fn reassign(Path((id, role)): Path<(String, String)>, call: Call) -> Answer {
    let key = call.to_act().await?;
    let wanted = face::reassignment(call.bytes())?;
    let workflow = at_sign(call.caller(), &id, false).await?;
    must_have(&workflow, &role)?;
    let person = match wanted.to {
        Assigned::External { email, name } => NewPerson { email, name, ..NewPerson::default() },
        Assigned::Internal { user_id } => {
            let email = email_of(call.caller(), Some(&workflow), &user_id).await?;
            let unknown = || Error::invalid("assigned.userId", "there is no user with that id");
            let email = email.ok_or_else(unknown)?;
            let name = people(&workflow, "").name(&email);
            NewPerson { email, name, ..NewPerson::default() }
        }
    };
    let show = |workflow: &Workflow| {
        let part = workflow.signers.iter().find(|part| part.part.role_name == role);
        (
            200,
            part.map_or_else(String::new, |part| answer::text(&face::asked(workflow, part, None))),
        )
    };
    let reason = Some(wanted.reason);
    let action = Action::ReassignSigner { role_name: role.clone(), person, reason };
    call.act(key, Deed::of(&workflow, action), &show).await
}

/// `DELETE /workflows/{id}/sign-status/signers/{role}`.
pub(crate) async fn remove(Path((id, role)): Path<(String, String)>, call: Call) -> Answer {
    let key = call.to_act().await?;
    let workflow = at_sign(call.caller(), &id, false).await?;
    must_have(&workflow, &role)?;
    let action = Action::RemoveSigner { role_name: role };
    call.act(key, Deed::of(&workflow, action), NOTHING).await
}

/// `POST /workflows/{id}/sign-status/signers/{role}/remind`.
pub(crate) async fn remind(Path((id, role)): Path<(String, String)>, call: Call) -> Answer {
    let key = call.to_act().await?;
    let caller = call.caller();
    let workflow = at_sign(caller, &id, false).await?;
    must_have(&workflow, &role)?;
    let by = call.actor.email(Some(&workflow)).await?;
    let act = Act { by, action: Action::RemindSigner { role_name: role } };
    let once = Once { key, answer: NOTHING };
    let acted = caller.engine().act_on_workflow(caller.account(), workflow.id, act, &once).await;
    match acted {
        Ok(_) => Ok(answer::nothing()),
        Err(Refusal::TooSoon { .. }) => Err(face::reminded_already().into()),
        Err(refusal) => Err(refusal.into()),
    }
}

/// `POST /workflows/{id}/upload-signed`.
pub(crate) async fn upload(Name(id): Name, call: Call<UPLOAD_BYTES_MAX>) -> Answer {
    call.may(Scope::Signing)?;
    let key = call.to_act().await?;
    let parts = call.parts("attachment")?;
    let paper = file(&parts, "attachment").ok_or_else(face::no_attachment)?;
    let signed = text(&parts, "metadata")?.map(|body| face::signed_by(body)).transpose();
    let signed = signed.map_err(|error| error.about("metadata"))?.flatten();
    let workflow = find_internal(call.caller(), &id).await?;
    must_be_at_sign(&workflow, false)?;
    if signed.iter().flatten().any(|role| workflow.unsigned(role).is_err()) {
        return Err(face::no_such_signers().into());
    }
    let document = filed(String::new(), paper, "attachment")?;
    let company = company(call.caller()).await?;
    let show =
        |workflow: &Workflow| (200, answer::text(&face::uploaded(people(workflow, &company))));
    let action = Action::UploadSigned { document, role_names: signed };
    call.act(key, Deed::of(&workflow, action), &show).await
}

/// `POST /workflows/{id}/signatures/recipient-urls`.
pub(crate) async fn link(Name(id): Name, call: Call) -> Answer {
    let caller = call.may(Scope::Requests)?;
    let recipient = face::recipient(call.bytes())?;
    let workflow = at_sign(caller, &id, false).await?;
    let url = match recipient {
        Recipient::Signer { role_name } => {
            let (request, signer) = asked(&workflow, &role_name)?;
            signing_url(&caller.state, request, signer)
        }
        Recipient::Viewer { email } if !email.contains('@') => {
            return Err(Error::invalid("email", "expected a mail address").into());
        }
        Recipient::Viewer { email } => {
            let request = out(&workflow)?;
            page(caller, &caller.engine().viewing_token(caller.account(), request, &email))
        }
    };
    Ok(answer::json((201, json!({"url": url}).to_string())))
}

/// `POST /workflows/{id}/signatures/recipient-urls/embedded`.
pub(crate) async fn embedded(Name(id): Name, call: Call) -> Answer {
    let caller = call.may(Scope::Requests)?;
    let Embedded { role_name, frame, is_reusable } = face::embedded(call.bytes())?;
    let workflow = at_sign(caller, &id, false).await?;
    let of = asked(&workflow, &role_name)?;
    let usage = if is_reusable { Usage::Many } else { Usage::Once };
    let url = page(caller, &caller.engine().framed_token(caller.account(), of, &frame, usage));
    Ok(answer::json((201, json!({"url": url}).to_string())))
}

fn page(caller: &Caller, token: &str) -> String {
    format!("{}/s/{token}", caller.state.settings().public_url)
}

/// Finds a workflow that is where it is signed, and the request that is out, to be shown.
async fn read(id: &str, actor: &Actor) -> Result<(Workflow, Option<Request>), Halt> {
    let caller = actor.may(Scope::Requests)?;
    Query::of(&caller.parts.uri).done()?;
    let workflow = at_sign(caller, id, true).await?;
    let request = packet(caller, &workflow).await?;
    Ok((workflow, request))
}

/// Finds a workflow that is where it is signed.
async fn at_sign(caller: &Caller, id: &str, is_read: bool) -> Result<Workflow, Halt> {
    let workflow = find(caller, id).await?;
    must_be_at_sign(&workflow, is_read)?;
    Ok(workflow)
}

fn must_be_at_sign(workflow: &Workflow, is_read: bool) -> Result<(), Halt> {
    if workflow.step == Step::Sign {
        Ok(())
    } else {
        Err(face::not_at_sign(workflow.step, is_read).into())
    }
}

/// Loads the request that is out.
async fn packet(caller: &Caller, workflow: &Workflow) -> Result<Option<Request>, Halt> {
    let Packet::Sent { request_id, .. } = workflow.packet else { return Ok(None) };
    let found = caller.engine().views().request(caller.account(), request_id).await?;
    Ok(found.map(|(request, _version)| request))
}

/// Gives the request that is out.
fn out(workflow: &Workflow) -> Result<RequestId, Halt> {
    match workflow.packet {
        Packet::Sent { request_id, .. } => Ok(request_id),
        Packet::NotSent | Packet::Signed { .. } => Err(Error::state(NOT_OUT).into()),
    }
}

const NOT_OUT: &str = "there is no signature request out; send one first";

/// Gives whose page it is that a part is signed on.
fn asked(workflow: &Workflow, role: &str) -> Result<(RequestId, SignerId), Halt> {
    let part = workflow.signers.iter().find(|part| part.part.role_name == role);
    let part: &Signatory =
        part.ok_or_else(|| Error::invalid("roleName", "there is no signer with that role name"))?;
    let request = out(workflow)?;
    let signer = part.signer_id.ok_or_else(|| Error::state("the signer has signed on paper"))?;
    Ok((request, signer))
}

/// Refuses a path that names no part.
fn must_have(workflow: &Workflow, role: &str) -> Result<(), Halt> {
    let is_there = workflow.signers.iter().any(|part| part.part.role_name == role);
    if is_there { Ok(()) } else { Err(Error::not_found("signer", "signerRoleName").into()) }
}
