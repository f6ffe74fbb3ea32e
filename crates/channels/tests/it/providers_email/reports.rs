//! What reports say.

use domain::message::{Fact, Progress};
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

#[test]
fn reports_say_what_happened_to_which_message() {
    let permanent = fixture!("resend/webhook.email.bounced.json");
    for (provider, came, facts, message_id) in [
        (
            ses(),
            through_sns(fixture!("ses/event.bounce.json"), "1"),
            vec![Fact::Bounced],
            "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000",
        ),
        (
            ses(),
            through_sns(fixture!("ses/event.delivery.json"), "1"),
            vec![Fact::Delivered],
            "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000",
        ),
        (
            ses(),
            through_sns(fixture!("ses/event.reject.json"), "1"),
            vec![Fact::Rejected],
            "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000",
        ),
        (
            ses(),
            signed_by_sns(fixture!("sns/notification.v2.json")),
            vec![Fact::Bounced],
            "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000",
        ),
        (
            sendgrid(),
            Came::with(fixture!("sendgrid/event-webhook.json"), &[]),
            vec![
                Fact::Accepted,
                Fact::Delivered,
                Fact::Delayed,
                Fact::Bounced,
                Fact::BouncedBlocked,
                Fact::Suppressed,
                Fact::Complained,
            ],
            "14c5d75ce93dfd64b469",
        ),
        (
            mailgun(),
            Came::with(fixture!("mailgun/webhook.delivered.json"), &[]),
            vec![Fact::Delivered],
            "20260702100000.1.ABCDEF0123456789@mg.example.com",
        ),
        (
            mailgun(),
            Came::with(fixture!("mailgun/webhook.failed-permanent.json"), &[]),
            vec![Fact::Bounced],
            "20260702100000.1.ABCDEF0123456789@mg.example.com",
        ),
        (
            mailgun(),
            Came::with(fixture!("mailgun/webhook.failed-temporary.json"), &[]),
            vec![Fact::Delayed],
            "20260702100000.1.ABCDEF0123456789@mg.example.com",
        ),
        (
            postmark(),
            Came::with(fixture!("postmark/webhook.bounce.json"), &[]),
            vec![Fact::Bounced],
            "0a129aee-e1cd-480d-b08d-4f48548ff48d",
        ),
        (
            postmark(),
            Came::with(fixture!("postmark/webhook.delivery.json"), &[]),
            vec![Fact::Delivered],
            "0a129aee-e1cd-480d-b08d-4f48548ff48d",
        ),
        (
            resend(),
            by_svix(permanent, "m1"),
            vec![Fact::Bounced],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
        (
            resend(),
            by_svix(&permanent.replace("Permanent", "Transient"), "m1"),
            vec![Fact::BouncedTransient],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
        (
            resend(),
            by_svix(fixture!("resend/webhook.email.delivered.json"), "m2"),
            vec![Fact::Delivered],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
        (
            resend(),
            by_svix(fixture!("resend/webhook.email.delivery_delayed.json"), "m3"),
            vec![Fact::Delayed],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
        (
            resend(),
            by_svix(fixture!("resend/webhook.email.sent.json"), "m4"),
            vec![Fact::Accepted],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
    ] {
        let reports = came.read(&provider).reports;
        assert_eq!(reports.iter().map(|report| report.fact).collect::<Vec<_>>(), facts);
        for report in &reports {
            assert_eq!(report.key.as_deref(), Some("ntf_01J8Z3"), "{report:?}");
            assert_eq!(report.message_id.as_deref(), Some(message_id), "{report:?}");
            assert_eq!(report.recipient.as_deref(), Some("ana.pop@example.net"), "{report:?}");
            assert!(report.at.is_some(), "{report:?}");
        }
        assert_eq!(came.read(&provider).reports, reports, "the same report has the same event id");
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
