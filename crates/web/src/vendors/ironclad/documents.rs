//! Documents of a workflow: listed, added, put into the signature packet, and downloaded.

use domain::key::Scope;
use domain::workflow::Workflow;
use engine::face::ironclad::Error;
use engine::face::ironclad::documents as face;
use engine::workflows::{Action, NewDocument, NewVersion};

use super::act::{Deed, NOTHING, say};
use super::parts::{file, filed, text};
use super::{Actor, Call, company, find, find_internal, people};
use crate::answer;
use crate::api;
use crate::auth::{Name, Path};
use crate::input::BATCH_BYTES_MAX;
use crate::page::Query;
use crate::problem::{Answer, Halt};

/// The part that is the file.
const ATTACHMENT: &str = "attachment";

/// `GET /workflows/{id}/documents`.
pub(crate) async fn list(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    Query::of(&caller.parts.uri).done()?;
    let workflow = find(caller, &id).await?;
    let company = company(caller).await?;
    Ok(answer::ok(&face::all(people(&workflow, &company))))
}

/// `POST /workflows/{id}/documents/{attribute}`.
pub(crate) async fn add(
    Path((id, place)): Path<(String, String)>,
    call: Call<BATCH_BYTES_MAX>,
) -> Answer {
    let key = call.to_act().await?;
    let parts = call.parts(ATTACHMENT)?;
    let attachment = file(&parts, ATTACHMENT).ok_or_else(|| Error::missing(ATTACHMENT))?;
    let metadata = text(&parts, "metadata")?.ok_or_else(|| Error::missing("metadata"))?;
    let metadata = face::metadata(metadata).map_err(|error| error.about("metadata"))?;
    let workflow = find_internal(call.caller(), &id).await?;
    if !workflow.template.documents.iter().any(|known| known.id == place) {
        return Err(Error::not_found("attribute", "attributeId").into());
    }
    let comment = Some(say(metadata.comment));
    let document = filed(place, attachment, ATTACHMENT)?;
    let action = match metadata.key {
        None => Action::AddDocuments { documents: vec![document], comment },
        Some(key) => {
            let known = face::find(&workflow, &key).map(|document| document.id);
            let document_id = known.ok_or_else(|| Error::not_found("document", "key"))?;
            let NewDocument { name, media_type, content_base64, .. } = document;
            let version = NewVersion { document_id, name, media_type, content_base64 };
            Action::UpdateDocuments { documents: vec![version], comment }
        }
    };
    call.act(key, Deed::of(&workflow, action), NOTHING).await
}

/// `PATCH /workflows/{id}/signature-packet`.
pub(crate) async fn packet(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let workflow = find(call.caller(), &id).await?;
    let document_ids = face::packet(&workflow, call.bytes())?;
    let company = company(call.caller()).await?;
    let show = |workflow: &Workflow| (200, face::all(people(workflow, &company)).to_string());
    call.act(key, Deed::of(&workflow, Action::OrderPacket { document_ids }), &show).await
}

/// `GET /workflows/{id}/document/{key}/download`.
pub(crate) async fn download(Path((id, key)): Path<(String, String)>, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    let workflow = find(caller, &id).await?;
    let unknown = || Halt::from(Error::not_found("document", "key"));
    let document = face::find(&workflow, &key).ok_or_else(unknown)?;
    let of = (workflow.id, document.id);
    let (document, text) = caller.engine().document_text(caller.account(), of).await?;
    Ok(api::workflows::file(&document.media_type, text))
}
