//! Contract workflows: launched, acted on, looked at; and what they are launched from.
//!
//! Invariant: who uploads a signed packet says that others have signed, and needs a key that may act for signers.
//! Left to others: what is possible when (`domain::workflow`).

use axum::body::Body;
use axum::response::Response;
use domain::id::{DocumentId, WorkflowId, WorkflowTemplateId};
use domain::key::Scope;
use domain::workflow::{Template, Workflow};
use engine::Once;
use engine::workflows::{Act, Action, NewTemplate, NewWorkflow, TemplatePatch};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use crate::answer;
use crate::auth::{Caller, Path};
use crate::input::{BATCH_BYTES_MAX, Input};
use crate::page::{List, Query};
use crate::problem::Answer;

/// `POST /workflows`.
pub(crate) async fn launch(input: Input) -> Answer {
    input.may(Scope::Requests)?;
    let key = input.once().await?;
    let new: NewWorkflow = input.json("NewWorkflow")?;
    let show = |workflow: &Workflow| (201, answer::text(workflow));
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let workflow = engine.launch_workflow(account, new, &once).await?;
    Ok(answer::json(show(&workflow)))
}

/// `GET /workflows`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let names = query.names();
    query.done()?;
    let (after, limit) = names.page();
    let rows = caller.engine().workflows(caller.account(), after, limit).await?;
    let rows: Vec<(String, Workflow)> =
        rows.into_iter().map(|workflow| (workflow.id.to_string(), workflow)).collect();
    Ok(answer::ok(&names.list(&rows, |(name, _)| name, |(_, workflow)| workflow.brief())))
}

/// `GET /workflows/{id}`.
pub(crate) async fn read(Path(id): Path<WorkflowId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    Ok(answer::ok(&caller.engine().workflow(caller.account(), id).await?))
}

/// `DELETE /workflows/{id}`.
pub(crate) async fn delete(Path(id): Path<WorkflowId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    caller.engine().delete_workflow(caller.account(), id).await?;
    Ok(answer::nothing())
}

/// `POST /workflows/{id}/actions`.
pub(crate) async fn act(Path(id): Path<WorkflowId>, input: Input<BATCH_BYTES_MAX>) -> Answer {
    input.may(Scope::Requests)?;
    let key = input.once().await?;
    let act: Act = input.json("WorkflowAct")?;
    if matches!(act.action, Action::UploadSigned { .. }) {
        input.may(Scope::Signing)?;
    }
    let show = |workflow: &Workflow| (200, answer::text(workflow));
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let workflow = engine.act_on_workflow(account, id, act, &once).await?;
    Ok(answer::json(show(&workflow)))
}

/// `GET /workflows/{id}/documents/{did}/content`.
pub(crate) async fn download(Path(of): Path<(WorkflowId, DocumentId)>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let (document, text) = caller.engine().document_text(caller.account(), of).await?;
    Ok(file(&document.media_type, text))
}

/// Answers with the text of a document.
pub(crate) fn file(media_type: &str, text: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_str(media_type).ok();
    let headers = response.headers_mut();
    headers
        .insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    // Whoever wrote it chose its type; a browser is to save it, not to run it.
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer::unkept(response)
}

/// `POST /workflow-templates`.
pub(crate) async fn create_template(input: Input) -> Answer {
    input.may(Scope::Requests)?;
    let key = input.once().await?;
    let new: NewTemplate = input.json("NewWorkflowTemplate")?;
    let show = |template: &Template| (201, answer::text(template));
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let template = engine.create_workflow_template(account, new, &once).await?;
    Ok(answer::json(show(&template)))
}

/// `GET /workflow-templates`.
pub(crate) async fn list_templates(caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    Query::of(&caller.parts.uri).done()?;
    let rows = caller.engine().workflow_templates(caller.account()).await?;
    Ok(answer::ok(&List::whole(rows)))
}

/// `GET /workflow-templates/{id}`.
pub(crate) async fn read_template(Path(id): Path<WorkflowTemplateId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    Ok(answer::ok(&caller.engine().workflow_template(caller.account(), id).await?))
}

/// `PATCH /workflow-templates/{id}`.
pub(crate) async fn update_template(Path(id): Path<WorkflowTemplateId>, input: Input) -> Answer {
    input.may(Scope::Requests)?;
    let patch: TemplatePatch = input.json("WorkflowTemplatePatch")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    Ok(answer::ok(&engine.update_workflow_template(account, id, patch).await?))
}

/// `DELETE /workflow-templates/{id}`.
pub(crate) async fn delete_template(Path(id): Path<WorkflowTemplateId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    caller.engine().delete_workflow_template(caller.account(), id).await?;
    Ok(answer::nothing())
}
