//! What reports say.

use domain::message::{Fact, Progress};
use domain::provider::Provider;
use serde_json::json;

use super::{Came, fixture, mailgun, parsed, postmark, resend, sendgrid, ses, signed_by_sns};

/// Puts an event of SES's into an envelope.
fn through_sns(event: &str, id: &str) -> Came {
    let envelope =
        json!({ "Type": "Notification", "MessageId": id, "Message": event, "SigningCertURL": "-" });
    Came::with(envelope.to_string(), &[])
}

fn by_svix(event: &str, id: &str) -> Came {
    Came::with(event, &[("svix-id", id)])
}

/// Checks what came in: the facts in their order, all of one message.
fn check(provider: &Provider, came: &Came, facts: &[Fact], message_id: &str) {
    let reports = came.read(provider).reports;
    assert_eq!(reports.iter().map(|report| report.fact).collect::<Vec<_>>(), facts);
    for report in &reports {
        assert_eq!(report.key.as_deref(), Some("ntf_01J8Z3"), "{report:?}");
        assert_eq!(report.message_id.as_deref(), Some(message_id), "{report:?}");
        assert_eq!(report.recipient.as_deref(), Some("ana.pop@example.net"), "{report:?}");
        assert!(report.at.is_some(), "{report:?}");
    }
    assert_eq!(came.read(provider).reports, reports, "the same report has the same event id");
}

#[test]
fn reports_of_ses_say_what_happened_to_which_message() {
    let id = "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000";
    for (came, fact) in [
        (through_sns(fixture!("ses/event.bounce.json"), "1"), Fact::Bounced),
        (through_sns(fixture!("ses/event.delivery.json"), "1"), Fact::Delivered),
        (through_sns(fixture!("ses/event.reject.json"), "1"), Fact::Rejected),
        (signed_by_sns(fixture!("sns/notification.v2.json")), Fact::Bounced),
    ] {
        check(&ses(), &came, &[fact], id);
    }
}

#[test]
fn reports_of_sendgrid_say_what_happened_to_which_message() {
    let facts = [
        Fact::Accepted,
        Fact::Delivered,
        Fact::Delayed,
        Fact::Bounced,
        Fact::BouncedBlocked,
        Fact::Suppressed,
        Fact::Complained,
    ];
    let came = Came::with(fixture!("sendgrid/event-webhook.json"), &[]);
    check(&sendgrid(), &came, &facts, "14c5d75ce93dfd64b469");
}

#[test]
fn reports_of_mailgun_say_what_happened_to_which_message() {
    for (event, fact) in [
        (fixture!("mailgun/webhook.delivered.json"), Fact::Delivered),
        (fixture!("mailgun/webhook.failed-permanent.json"), Fact::Bounced),
        (fixture!("mailgun/webhook.failed-temporary.json"), Fact::Delayed),
    ] {
        let id = "20260702100000.1.ABCDEF0123456789@mg.example.com";
        check(&mailgun(), &Came::with(event, &[]), &[fact], id);
    }
}

#[test]
fn reports_of_postmark_say_what_happened_to_which_message() {
    for (event, fact) in [
        (fixture!("postmark/webhook.bounce.json"), Fact::Bounced),
        (fixture!("postmark/webhook.delivery.json"), Fact::Delivered),
    ] {
        let id = "0a129aee-e1cd-480d-b08d-4f48548ff48d";
        check(&postmark(), &Came::with(event, &[]), &[fact], id);
    }
    let machine = fixture!("postmark/webhook.bounce.json").replace("HardBounce", "AutoResponder");
    assert_eq!(Came::with(machine, &[]).read(&postmark()).reports, []);
}

#[test]
fn reports_of_resend_say_what_happened_to_which_message() {
    let bounced = fixture!("resend/webhook.email.bounced.json");
    let transient = bounced.replace("Permanent", "Transient");
    for (event, fact) in [
        (bounced, Fact::Bounced),
        (transient.as_str(), Fact::BouncedTransient),
        (fixture!("resend/webhook.email.delivered.json"), Fact::Delivered),
        (fixture!("resend/webhook.email.delivery_delayed.json"), Fact::Delayed),
        (fixture!("resend/webhook.email.sent.json"), Fact::Accepted),
    ] {
        let id = "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794";
        check(&resend(), &by_svix(event, "m1"), &[fact], id);
    }
}

#[test]
fn one_text_of_ses_may_speak_of_several_recipients() {
    let mut event = parsed(fixture!("ses/event.bounce.json"));
    let recipients =
        json!([{ "emailAddress": "a@example.net" }, { "emailAddress": "b@example.net" }]);
    event["bounce"]["bouncedRecipients"] = recipients;
    let reports = through_sns(&event.to_string(), "m").read(&ses()).reports;
    let ids: Vec<_> = reports.iter().map(|report| report.event_id.as_str()).collect();
    assert_eq!(ids, ["m/0", "m/1"]);
}

#[test]
fn in_whatever_order_reports_come_the_end_is_the_same() {
    let resend_of = |event, id: &str| by_svix(event, id).read(&resend()).reports;
    let ses_of = |event, id: &str| through_sns(event, id).read(&ses()).reports;
    let postmark_of = |event: &str| Came::with(event, &[]).read(&postmark()).reports;
    let mailgun_of = |event: &str| Came::with(event, &[]).read(&mailgun()).reports;
    for (facts, stage) in [
        (
            [
                resend_of(fixture!("resend/webhook.email.sent.json"), "1"),
                resend_of(fixture!("resend/webhook.email.delivered.json"), "2"),
                resend_of(fixture!("resend/webhook.email.bounced.json"), "3"),
            ]
            .concat(),
            Fact::Bounced,
        ),
        (
            [
                ses_of(fixture!("ses/event.delivery.json"), "1"),
                ses_of(fixture!("ses/event.bounce.json"), "2"),
            ]
            .concat(),
            Fact::Bounced,
        ),
        (
            Came::with(fixture!("sendgrid/event-webhook.json"), &[]).read(&sendgrid()).reports,
            Fact::Bounced,
        ),
        (
            [
                postmark_of(fixture!("postmark/webhook.delivery.json")),
                postmark_of(fixture!("postmark/webhook.bounce.json")),
            ]
            .concat(),
            Fact::Bounced,
        ),
        (
            [
                mailgun_of(fixture!("mailgun/webhook.failed-temporary.json")),
                mailgun_of(fixture!("mailgun/webhook.delivered.json")),
            ]
            .concat(),
            Fact::Delivered,
        ),
    ] {
        let all = || facts.iter().map(|report| report.fact);
        let forwards = all().fold(Progress::default(), Progress::with);
        let backwards = all().rev().fold(Progress::default(), Progress::with);
        assert_eq!(forwards, backwards);
        assert_eq!(forwards.stage, Some(stage));
    }
}
