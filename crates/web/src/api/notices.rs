//! Messages to people: whom each is for, and how far it has come.

use domain::id::NoticeId;
use domain::key::Scope;
use domain::notice::{Notice, Party};
use serde_json::{Value, json};

use crate::answer;
use crate::api::deliveries;
use crate::auth::{Caller, Path};
use crate::page::Query;
use crate::problem::Answer;

/// `GET /notices`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Deliveries)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.window();
    let request = query.take("request_id", "the id of a request");
    query.done()?;
    let rows = caller.engine().views().notices(caller.account(), request, window.page()).await?;
    Ok(answer::ok(&window.list(&rows, |notice| notice.id.bits(), shown)))
}

/// `GET /notices/{id}`.
pub(crate) async fn read(Path(id): Path<NoticeId>, caller: Caller) -> Answer {
    caller.may(Scope::Deliveries)?;
    let (notice, delivery) = caller.engine().notice(caller.account(), id).await?;
    let delivery = delivery.map(|(row, attempts)| deliveries::whole(&row, &attempts));
    let mut value = shown(&notice);
    if let Value::Object(members) = &mut value {
        members.insert("delivery".to_owned(), delivery.unwrap_or_default());
    }
    Ok(answer::ok(&value))
}

fn shown(notice: &Notice) -> Value {
    let (party, signer) = match notice.party {
        Party::Sender => ("sender", None),
        Party::Signer(id) => ("signer", Some(id)),
    };
    json!({
        "id": notice.id,
        "account_id": notice.account,
        "request_id": notice.request,
        "event_id": notice.event,
        "occasion": notice.occasion,
        "channel": notice.channel,
        "party": party,
        "signer_id": signer,
        "to": notice.to,
        "template": notice.template,
        "provider_id": notice.begun.as_ref().map(|begun| begun.provider),
        "message_id": notice.message_id(),
        "progress": {
            "stage": notice.progress.stage,
            "complained": notice.progress.complained,
            "opened": notice.progress.opened,
            "clicked": notice.progress.clicked,
            "unsubscribed": notice.progress.unsubscribed,
        },
        "created_at": notice.created_at,
    })
}
