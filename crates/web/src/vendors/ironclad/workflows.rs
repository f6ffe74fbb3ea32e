//! Workflows: launched, at once or without waiting, listed and read.
//!
//! Invariant: what a list is asked for and does not know is refused, since more would be shown than is wanted.

use std::collections::BTreeMap;

use domain::id::WorkflowId;
use domain::key::Scope;
use domain::time::Timestamp;
use domain::workflow::{Template, Workflow};
use engine::face::ironclad::launch::{self as face, Asked, Launch, Outcome};
use engine::face::ironclad::{Error, placed, template_id, workflow};
use engine::problem::Problem as Page;
use engine::requests::NewPerson;
use engine::workflows::{BATCH_MAX, Job, NewDocument, NewUser, NewWorkflow};
use engine::{Once, Refusal};
use serde_json::{Value, json};

use super::parts::{file, filed, text};
use super::who::email_of_creator;
use super::{Actor, Call, Paged, company, find, people};
use crate::answer;
use crate::auth::{Caller, Name};
use crate::input::form::Part;
use crate::input::{BATCH_BYTES_MAX, BODY_BYTES_MAX};
use crate::page::Query;
use crate::problem::{Answer, Halt, Problem};

/// Workflows that are read at once.
const READ_AT_ONCE: u32 = 100;
/// Workflows that are looked through at most for a list; what is behind them is not counted, and not shown.
const LOOKED_THROUGH_MAX: usize = 10_000;
const STATUSES: [&str; 4] = ["active", "paused", "completed", "cancelled"];

/// `POST /workflows`.
pub(crate) async fn create(call: Call<BATCH_BYTES_MAX>) -> Answer {
    let caller = call.may(Scope::Requests)?;
    let key = call.once().await?;
    let (asked, parts) = match call.form("data")? {
        None if call.bytes().len() > BODY_BYTES_MAX => return Err(too_large()),
        None => (face::asked(call.bytes())?, Vec::new()),
        Some(parts) => {
            let data = text(&parts, "data")?.ok_or_else(|| Error::missing("data"))?;
            (face::asked(data).map_err(|error| error.about("data"))?, parts)
        }
    };
    let new = wanted(&call, asked, &parts).await?;
    let company = company(caller).await?;
    let base = caller.engine().public_url();
    let show = |made: &Workflow| (200, workflow::shown(people(made, &company), base).to_string());
    let once = Once { key, answer: &show };
    let made = caller.engine().launch_workflow(caller.account(), new, &once).await?;
    Ok(answer::json(show(&made)))
}

/// Refuses a body without files that is longer than such bodies are.
fn too_large() -> Halt {
    let detail = format!("the body is longer than {BODY_BYTES_MAX} bytes without files");
    Problem::new(Page::TooLarge, detail).with("bytes_max", BODY_BYTES_MAX).into()
}

/// `POST /workflows/async`.
pub(crate) async fn create_later(call: Call) -> Answer {
    let caller = call.may(Scope::Requests)?;
    let key = call.once().await?;
    let payload: Value = serde_json::from_slice(call.bytes()).unwrap_or_default();
    let new = wanted(&call, face::asked(call.bytes())?, &[]).await?;
    let base = caller.engine().public_url();
    let show = |job: &Job| {
        let url = workflow::api_url(base, &format!("async/{}", job.id));
        (200, json!({"asyncJobId": job.id, "asyncJobStatusUrl": url}).to_string())
    };
    let once = Once { key, answer: &show };
    let explain = |refusal: &Refusal| json!(explained(refusal));
    let (engine, account) = (caller.engine(), caller.account());
    let job = engine.launch_workflow_job(account, (new, payload), explain, &once).await?;
    Ok(answer::json(show(&job)))
}

/// `GET /workflows/async/{job}`.
pub(crate) async fn job(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    Query::of(&caller.parts.uri).done()?;
    let no_such = || Halt::from(Error::not_found("job", "asyncJobId"));
    let found = caller.engine().workflow_job(caller.account(), &id).await;
    let job = found.map_err(|refusal| there(refusal, no_such))?;
    let base = caller.engine().public_url();
    if let Some(error) = &job.error {
        return Ok(answer::ok(&face::job(&job.asked, Outcome::Refused(error), base)));
    }
    let id = job.workflow_id.unwrap_or(WorkflowId::new(0));
    let found = caller.engine().workflow(caller.account(), id).await;
    let made = found.map_err(|refusal| there(refusal, no_such))?;
    let company = company(caller).await?;
    let outcome = Outcome::Launched(people(&made, &company));
    Ok(answer::ok(&face::job(&job.asked, outcome, base)))
}

/// `GET /workflows/{id}`.
pub(crate) async fn read(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    // Nothing here refers to entities, so there is nothing to hydrate.
    query.one_of("hydrateEntities", &["true", "false"]);
    query.done()?;
    let workflow = find(caller, &id).await?;
    shown(caller, &workflow).await
}

/// Answers with a workflow.
pub(super) async fn shown(caller: &Caller, workflow: &Workflow) -> Answer {
    let company = company(caller).await?;
    let base = caller.engine().public_url();
    Ok(answer::ok(&workflow::shown(people(workflow, &company), base)))
}

/// `GET /workflows`.
pub(crate) async fn list(actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    let Listed { paged, statuses, template, since } = Listed::of(caller)?;
    let company = company(caller).await?;
    let base = caller.engine().public_url();
    let (mut list, mut count, mut looked_through) = (Vec::new(), 0_usize, 0_usize);
    let mut after = String::new();
    loop {
        let rows = caller.engine().workflows(caller.account(), after, READ_AT_ONCE).await?;
        for found in &rows {
            let is_wanted = statuses.iter().any(|status| status == found.state.as_str())
                && template.as_ref().is_none_or(|id| is_named(&found.template, id))
                && since.is_none_or(|since| found.updated_at >= since);
            if !is_wanted {
                continue;
            }
            if count >= paged.before() && list.len() < paged.size as usize {
                list.push(workflow::shown(people(found, &company), base));
            }
            count += 1;
        }
        looked_through += rows.len();
        after = rows.last().map(|last| last.id.to_string()).unwrap_or_default();
        if rows.len() < READ_AT_ONCE as usize || looked_through >= LOOKED_THROUGH_MAX {
            return Ok(paged.answer_with(count, &list));
        }
    }
}

/// What a list is asked for.
struct Listed {
    paged: Paged,
    statuses: Vec<String>,
    template: Option<String>,
    since: Option<Timestamp>,
}

impl Listed {
    fn of(caller: &Caller) -> Result<Self, Halt> {
        let mut query = Query::with_lists(&caller.parts.uri, &["status"]);
        let paged = Paged::of(&mut query);
        let statuses = query.text("status").unwrap_or_else(|| "active".to_owned());
        let statuses: Vec<String> =
            statuses.split(',').map(|word| word.trim().to_owned()).collect();
        let template = query.text("template");
        let since = query.text("lastUpdated");
        let filter = query.text("filter");
        query.one_of("hydrateEntities", &["true", "false"]);
        query.done()?;
        if let Some(unknown) = statuses.iter().find(|word| !STATUSES.contains(&word.as_str())) {
            let message = format!("there is no status {unknown}; expected {}", STATUSES.join(", "));
            return Err(Error::invalid("status", message).into());
        }
        if filter.is_some() {
            let message = "formulas are not known here; filter by status, template or lastUpdated";
            return Err(Error::invalid("filter", message).into());
        }
        let moment = |text: String| {
            let moment = text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok());
            moment.ok_or_else(|| {
                Error::invalid("lastUpdated", "expected a moment such as 2026-01-31T12:00:00Z")
            })
        };
        Ok(Self { paged, statuses, template, since: since.map(moment).transpose()? })
    }
}

/// Puts a launch together from what was asked for and the files that came beside.
async fn wanted<const BYTES_MAX: usize>(
    call: &Call<BYTES_MAX>,
    asked: Asked,
    parts: &[Part],
) -> Result<NewWorkflow, Halt> {
    let caller = call.caller();
    let mut query = Query::of(&caller.parts.uri);
    let use_defaults = query.one_of("useDefaultValues", &["true", "false"]);
    query.done()?;
    let use_defaults = use_defaults.is_some_and(|word| word == "true");
    let template = template(caller, &asked.template).await?;
    let by = match email_of_creator(caller, None, asked.creator).await? {
        Some(email) => Some(email),
        None => call.actor.email(None).await?,
    };
    let by = by.ok_or_else(|| Error::missing("creator"))?;
    let Launch { title, attributes, files, counterparty } =
        face::launch(&template, asked.attributes, use_defaults)?;
    let user = || NewUser { email: by.clone(), name: String::new() };
    if files.len() > BATCH_MAX {
        let message = format!("expected at most {BATCH_MAX} files");
        return Err(Error::invalid("attributes", message).into());
    }
    let owner = template.role(OWNER).map(|_| (OWNER.to_owned(), user()));
    let person = |name, email| NewPerson { name, email, ..NewPerson::default() };
    Ok(NewWorkflow {
        template_id: template.id,
        title,
        attributes,
        roles: owner.into_iter().collect(),
        signers: counterparty
            .map(|(part, name, email)| (part, person(name, email)))
            .into_iter()
            .collect(),
        metadata: BTreeMap::new(),
        without_defaults: !use_defaults,
        documents: files.into_iter().map(|file| document(file, parts)).collect::<Result<_, _>>()?,
        by,
    })
}

/// The role that whoever launches a workflow has.
const OWNER: &str = "owner";

async fn template(caller: &Caller, id: &str) -> Result<Template, Halt> {
    let all = caller.engine().workflow_templates(caller.account()).await?;
    let found = all.into_iter().find(|template| is_named(template, id));
    let unknown = || Error::invalid("template", "there is no template with that id");
    Ok(found.ok_or_else(unknown)?)
}

/// Tells whether an id is a template's: the vendor's form of it, or ours, which is where a new client has it from.
fn is_named(template: &Template, id: &str) -> bool {
    template_id(template.id) == id || template.id.to_string() == id
}

/// Makes a document of the part that is to stand at a place.
fn document((place, name): (String, String), parts: &[Part]) -> Result<NewDocument, Error> {
    let found = file(parts, &name).ok_or_else(|| {
        let message = format!("expected a part of the body that is called {name}, with a filename");
        Error::invalid(&place, message)
    })?;
    filed(place.clone(), found, &place)
}

fn there(refusal: Refusal, no_such: impl FnOnce() -> Halt) -> Halt {
    if matches!(refusal, Refusal::NotFound { .. }) { no_such() } else { refusal.into() }
}

/// Says in the vendor's words why a launch was refused.
fn explained(refusal: &Refusal) -> Error {
    if let Refusal::Invalid(flaws) = refusal
        && let Some(flaw) = flaws.first()
    {
        let (param, message) = placed(&flaw.path, &flaw.message);
        return Error { param, ..Error::invalid("", message) };
    }
    if let Refusal::NotFound { what } = refusal {
        return Error::not_found(what, "attributes");
    }
    Error::state(refusal.to_string())
}
