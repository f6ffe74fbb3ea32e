//! Documents that are signed: uploaded, listed, handed out, deleted.

use axum::extract::{FromRequestParts as _, Request as Incoming, State as Reached};
use domain::document::Document;
use domain::id::DocumentId;
use domain::key::Scope;
use engine::documents::file_name;

use crate::answer;
use crate::auth::{Caller, Path};
use crate::files::{self, Shown};
use crate::page::Query;
use crate::problem::Answer;
use crate::state::State;
use crate::uploads;

/// `POST /documents`.
pub(crate) async fn create(Reached(state): Reached<State>, incoming: Incoming) -> Answer {
    let (mut parts, body) = incoming.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &state).await?;
    caller.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let name = query.text("name");
    query.done()?;
    let name = name.map(|name| file_name(&name)).transpose()?;
    let show = |document: &Document| (201, answer::text(document));
    Ok(answer::json(uploads::take(&caller, body, name, &show).await?))
}

/// `GET /documents`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let names = query.names();
    query.done()?;
    let (after, limit) = names.page();
    let rows = caller.engine().documents(caller.account(), after, limit).await?;
    let rows: Vec<(String, Document)> =
        rows.into_iter().map(|document| (document.brief.id.to_string(), document)).collect();
    Ok(answer::ok(&names.list(&rows, |(name, _)| name, |(_, document)| document.clone())))
}

/// `GET /documents/{id}`.
pub(crate) async fn read(Path(id): Path<DocumentId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    Ok(answer::ok(&caller.engine().document(caller.account(), id).await?))
}

/// `GET /documents/{id}/content`.
pub(crate) async fn download(Path(id): Path<DocumentId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let (document, pieces) = caller.engine().document_content(caller.account(), id).await?;
    Ok(files::answer(&document, pieces, Shown::Attachment))
}

/// `DELETE /documents/{id}`.
pub(crate) async fn delete(Path(id): Path<DocumentId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    caller.engine().delete_document(caller.account(), id).await?;
    Ok(answer::nothing())
}
