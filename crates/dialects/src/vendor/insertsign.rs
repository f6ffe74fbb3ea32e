//! InsertSign, caught: its envelope with the request inside.
//!
//! Nothing proves who calls but the secret URL, nothing is said twice, and nobody can be asked: no interface is published.
//! Read leniently: `signers` as an object or a list, times as numbers or texts, ids opaque, unknown members passed over.
//! `signers[].timestamp` is a sort key and no time.
//!
//! Source: <https://insertsign.com/docs/integrations/webhooks>, one sample per event.

use domain::call::{Answer, Method};
use domain::event::Kind;
use domain::mirror::SIGNERS_MAX;
use domain::request::Sender;
use domain::signer::Device;
use domain::source::Source;
use domain::told::{About, Picture, Pictured, SignerStage, Stage, Step, Told, Who};
use serde_json::Value;

use crate::vendor::{Ask, Catch, Field, Received, Unaskable, Unreadable, Untrusted, bounds, json};

/// The vendor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Insertsign;

impl Catch for Insertsign {
    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn check(&self, _source: &Source) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Post]
    }

    fn prove(&self, _source: &Source, _received: &Received<'_>) -> Result<(), Untrusted> {
        Ok(())
    }

    /// There is no id, so what is said makes the key. Without its time, a second event of the kind would look the same.
    fn key(&self, _source: &Source, received: &Received<'_>) -> Option<String> {
        let envelope = json::object(received.body).ok()?;
        let data = envelope.get("data")?;
        let created_at = json::id(&envelope, "created_at")?;
        let of = |name| json::id(data, name).unwrap_or_default();
        let word = json::text(&envelope, "type")?;
        let (account, request, id) = (of("account_id"), of("request_id"), of("id"));
        let (to, signed_at) = (of("to"), of("signed_at"));
        Some(bounds::digest(&[word, &account, &request, &id, &created_at, &to, &signed_at]))
    }

    fn read(&self, _source: &Source, received: &Received<'_>) -> Result<Told, Unreadable> {
        let envelope = json::object(received.body)?;
        let word = bounds::word(json::text(&envelope, "type").unwrap_or_default(), "type")?;
        let at = json::moment(&envelope, "created_at");
        let data = envelope.get("data").unwrap_or(&Value::Null);
        let about = match word.as_str() {
            "request.sent" => request(data, Step::Sent)?,
            "request.completed" => request(data, Step::Completed)?,
            "request.archived" => request(data, Step::Archived)?,
            "request.deleted" => request(data, Step::Deleted)?,
            "signer.signed" => request(data, Step::Signed(vec![signed(data)?]))?,
            "contact.created" => contact(data)?,
            "email.delivered" => mail(data, Kind::EmailDelivered)?,
            "email.bounced" => mail(data, Kind::EmailBounced)?,
            "email.spammed" => mail(data, Kind::EmailComplained)?,
            _ => About::Foreign { request: json::id(data, "request_id") },
        };
        Ok(Told { word, at, about })
    }

    fn ask(&self, _: &Source, _: &str, _: &[Answer]) -> Result<Ask, Unaskable> {
        Err(Unaskable::NoInterface)
    }
}

fn request(data: &Value, step: Step) -> Result<About, Unreadable> {
    let foreign_id = bounds::must(json::id(data, "request_id").as_deref(), "data.request_id")?;
    let picture =
        data.get("request").map_or_else(Picture::default, |request| picture(request, &step));
    Ok(About::Request { foreign_id, step: Some(step), picture: Box::new(picture) })
}

fn picture(request: &Value, step: &Step) -> Picture {
    let turns = json::items(request, "signer_order").into_iter().take(SIGNERS_MAX);
    let turns: Vec<&str> = turns.filter_map(Value::as_str).collect();
    let signers = json::items(request, "signers").into_iter().take(SIGNERS_MAX);
    let signers = signers.map(|signer| pictured(signer, &turns)).collect();
    let sender = request.get("sender").and_then(|sender| {
        let name = json::line(sender, "name").unwrap_or_default();
        let email = json::email(sender, "email").unwrap_or_default();
        (!name.is_empty() || !email.is_empty()).then_some(Sender { name, email })
    });
    // What the event itself says happens by it, and was not there before.
    let says_more = matches!(step, Step::Archived | Step::Deleted);
    let stage = if says_more { stage(request) } else { None };
    let (title, sent_at) = (json::line(request, "title"), json::moment(request, "sent_date"));
    Picture { title, sender, signers, stage, sent_at, ..Picture::default() }
}

/// Where an archived request stood, `status` does not say any more; one that everybody has signed was complete.
fn stage(request: &Value) -> Option<Stage> {
    match json::state(request, "status").as_str() {
        "draft" => Some(Stage::Draft),
        "sent" => Some(Stage::Sent),
        "complete" | "completed" => Some(Stage::Completed),
        "declined" => Some(Stage::Declined),
        "expired" => Some(Stage::Expired),
        "cancelled" | "canceled" => Some(Stage::Cancelled),
        _ => (json::number(request, "progress") == Some(100)).then_some(Stage::Completed),
    }
}

fn pictured(signer: &Value, turns: &[&str]) -> Pictured {
    let foreign_id = json::id(signer, "id");
    let turn = turns.iter().position(|id| foreign_id.as_deref() == Some(*id));
    let stage = match json::state(signer, "status").as_str() {
        "signed" => Some(SignerStage::Signed),
        "declined" => Some(SignerStage::Declined),
        "viewed" => Some(SignerStage::Viewed),
        _ => None,
    };
    Pictured {
        foreign_id,
        name: json::line(signer, "name"),
        email: json::email(signer, "email"),
        label: json::line(signer, "label"),
        company: json::line(signer, "company"),
        order: turn.and_then(|turn| u32::try_from(turn + 1).ok()),
        stage,
        ..Pictured::default()
    }
}

fn signed(data: &Value) -> Result<Who, Unreadable> {
    let device = match json::state(data, "device").as_str() {
        "desktop" => Some(Device::Desktop),
        "mobile" => Some(Device::Mobile),
        "tablet" => Some(Device::Tablet),
        _ => None,
    };
    let who = Who {
        foreign_id: json::id(data, "id"),
        email: json::email(data, "email"),
        name: json::line(data, "name"),
        order: None,
        at: json::moment(data, "signed_at"),
        ip: json::text(data, "ip").and_then(bounds::ip),
        device,
    };
    if who.is_nobody() {
        return Err(Unreadable::new("data", "expected the `id` or the `email` of the signer"));
    }
    Ok(who)
}

fn contact(data: &Value) -> Result<About, Unreadable> {
    let email = json::email(data, "email");
    Ok(About::Contact {
        foreign_id: bounds::must(json::id(data, "id").as_deref(), "data.id")?,
        name: json::line(data, "name").unwrap_or_default(),
        email: email.ok_or_else(|| Unreadable::new("data.email", "expected a mail address"))?,
        label: json::line(data, "label"),
        company: json::line(data, "company"),
    })
}

fn mail(data: &Value, kind: Kind) -> Result<About, Unreadable> {
    let to = json::email(data, "to");
    Ok(About::Mail {
        kind,
        to: to.ok_or_else(|| Unreadable::new("data.to", "expected a mail address"))?,
        subject: json::line(data, "subject").unwrap_or_default(),
        request: json::id(data, "request_id"),
    })
}
