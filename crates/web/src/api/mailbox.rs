//! What the built-in mailbox keeps.
//!
//! Invariant: outside development there is no mailbox, and an account sees its own messages alone.

use domain::key::Scope;
use domain::message::Message;
use engine::mailbox::{Letter, LetterFilter};
use engine::problem::Problem as Page;
use serde_json::{Map, Value, json};

use crate::answer;
use crate::auth::{Caller, Path};
use crate::page::Query;
use crate::problem::{Answer, Problem};

/// `GET /mailbox`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Admin)?;
    let mut query = Query::of(&caller.parts.uri);
    let (window, to) = (query.window(), query.text("to"));
    query.done()?;
    let filter = LetterFilter { account: Some(caller.account()), to };
    let page = window.page();
    let letters = caller.engine().letters(&filter, page.limit, page.after).ok_or_else(absent)?;
    let show = |letter: &Letter| {
        let mut shown = shown(letter);
        shown.remove("html");
        Value::Object(shown)
    };
    Ok(answer::ok(&window.list(&letters, Letter::bits, show)))
}

/// `GET /mailbox/{id}`.
pub(crate) async fn read(Path(id): Path<String>, caller: Caller) -> Answer {
    caller.may(Scope::Admin)?;
    caller.engine().mailbox().ok_or_else(absent)?;
    let letter = caller.engine().letter(&id, Some(caller.account()));
    let letter = letter.ok_or_else(|| Problem::not_found("message"))?;
    Ok(answer::ok(&shown(&letter)))
}

/// Makes the problem of a mailbox outside development.
pub(crate) fn absent() -> Problem {
    Problem::new(Page::DevelopmentOnly, "there is a mailbox in development only")
}

fn shown(letter: &Letter) -> Map<String, Value> {
    let message = match letter.message() {
        Message::Email(mail) => json!({
            "from": mail.from.address, "from_name": mail.from.name, "reply_to": mail.reply_to,
            "to": mail.to.address, "to_name": mail.to.name, "subject": mail.subject,
            "text": mail.text, "html": mail.html, "tag": mail.tag, "channel": "email",
        }),
        Message::Sms(sms) => json!({
            "from": sms.from, "to": sms.to, "text": sms.text, "segments": letter.segments(), "channel": "sms",
        }),
    };
    let mut shown = Map::from_iter([
        ("id".to_owned(), json!(letter.id())),
        ("account_id".to_owned(), json!(letter.account())),
        ("at".to_owned(), json!(letter.at())),
        ("notice_id".to_owned(), json!(letter.message().key())),
    ]);
    if let Value::Object(members) = message {
        shown.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
    }
    shown
}
