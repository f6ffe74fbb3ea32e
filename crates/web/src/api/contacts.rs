//! People the account knows.

use domain::contact::Contact;
use domain::id::ContactId;
use domain::key::Scope;
use engine::Once;
use engine::contacts::{ContactPatch, NewContact};

use crate::answer;
use crate::auth::{Caller, Path};
use crate::input::Input;
use crate::page::Query;
use crate::problem::{Answer, Problem};

/// `POST /contacts`.
pub(crate) async fn create(input: Input) -> Answer {
    input.may(Scope::Contacts)?;
    let key = input.once().await?;
    let new: NewContact = input.json("NewContact")?;
    let show = |contact: &Contact| (201, answer::text(contact));
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let contact = engine.create_contact(account, new, &once).await?;
    Ok(answer::json(show(&contact)))
}

/// `GET /contacts`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Contacts)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.window();
    query.done()?;
    let rows = caller.engine().views().contacts(caller.account(), window.page()).await?;
    Ok(answer::ok(&window.list(&rows, |row| row.id.bits(), Contact::clone)))
}

/// `GET /contacts/{id}`.
pub(crate) async fn read(Path(id): Path<ContactId>, caller: Caller) -> Answer {
    caller.may(Scope::Contacts)?;
    let row = caller.engine().views().contact(caller.account(), id).await?;
    let (contact, _version) = row.ok_or_else(|| Problem::not_found("contact"))?;
    Ok(answer::ok(&contact))
}

/// `PATCH /contacts/{id}`.
pub(crate) async fn update(Path(id): Path<ContactId>, input: Input) -> Answer {
    input.may(Scope::Contacts)?;
    let patch: ContactPatch = input.json("ContactPatch")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    Ok(answer::ok(&engine.update_contact(account, id, patch).await?))
}

/// `DELETE /contacts/{id}`.
pub(crate) async fn delete(Path(id): Path<ContactId>, caller: Caller) -> Answer {
    caller.may(Scope::Contacts)?;
    drop(caller.engine().delete_contact(caller.account(), id).await?);
    Ok(answer::nothing())
}
