//! What is said about a workflow.

use domain::key::Scope;
use domain::workflow::{Comment, Workflow};
use engine::face::ironclad::Error;
use engine::face::ironclad::comments::{self as face, Said};
use engine::workflows::{Action, NewWord};

use super::act::{Deed, NOTHING, Show};
use super::who::email_of_creator;
use super::{Actor, Call, Paged, company, find, people};
use crate::answer;
use crate::auth::{Name, Path};
use crate::page::Query;
use crate::problem::{Answer, Halt};

/// `POST /workflows/{id}/comments`.
pub(crate) async fn create(Name(id): Name, call: Call) -> Answer {
    let company = company(call.may(Scope::Requests)?).await?;
    let show = |workflow: &Workflow| {
        let said = workflow.comments.last();
        let said = said.map(|comment| face::shown(people(workflow, &company), comment));
        (200, answer::text(&said))
    };
    say(&id, &call, &show).await
}

/// `POST /workflows/{id}/comment`, which the vendor keeps for older clients.
pub(crate) async fn create_without_answer(Name(id): Name, call: Call) -> Answer {
    say(&id, &call, NOTHING).await
}

async fn say(id: &str, call: &Call, show: &Show<'_>) -> Answer {
    let key = call.to_act().await?;
    let Said { text, adds_users, replied_to, creator } = face::said(call.bytes())?;
    let workflow = find(call.caller(), id).await?;
    let answers = |id: String| {
        let said = face::find(&workflow, &id).map(|comment| comment.id);
        said.ok_or_else(|| Error::not_found("comment", "repliedToActivityFeedMessageId"))
    };
    let comment = NewWord {
        text,
        is_external: false,
        replied_to: replied_to.map(answers).transpose()?,
        add_participants: adds_users,
    };
    let by = email_of_creator(call.caller(), Some(&workflow), creator).await?;
    let deed = Deed { by, ..Deed::of(&workflow, Action::Comment { comment }) };
    call.act(key, deed, show).await
}

/// `GET /workflows/{id}/comments`.
pub(crate) async fn list(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let paged = Paged::of(&mut query);
    query.done()?;
    let workflow = find(caller, &id).await?;
    let company = company(caller).await?;
    let all: Vec<&Comment> = face::there(&workflow).collect();
    Ok(paged.answer(&all, |comment| face::shown(people(&workflow, &company), comment)))
}

/// `GET /workflows/{id}/comments/{comment}`.
pub(crate) async fn read(Path((id, comment)): Path<(String, String)>, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    Query::of(&caller.parts.uri).done()?;
    let workflow = find(caller, &id).await?;
    let unknown = || Error {
        message: "commentId does not exist".to_owned(),
        ..Error::not_found("comment", "commentId")
    };
    let comment = face::find(&workflow, &comment).ok_or_else(|| Halt::from(unknown()))?;
    let company = company(caller).await?;
    Ok(answer::ok(&face::shown(people(&workflow, &company), comment)))
}
