//! Vendors are asked in their own way, and their answers are read in whatever spelling, and believed where that is sure.

use std::slice::from_ref;

use dialects::vendor::{Ask, Unaskable, vendor};
use domain::call::{Answer, Method};
use domain::request::SigningOrder;
use domain::signer::{Role, SendTo};
use domain::source::Vendor;
use domain::told::{Picture, Pictured, SignerStage, Stage};
use serde_json::{Value, json};

use super::catch::source;
use super::world::at;

const CLICKWRAP: &[(&str, &str)] = &[("api_token", "tok")];
const IRONCLAD: &[(&str, &str)] = &[("api_token", "tok"), ("as_user_email", "ann@example.com")];
const ESAW: &[(&str, &str)] =
    &[("api_token", "tok"), ("base_url", "https://esaw.example.com/Api/v6.0/")];

fn answer(status: u16, body: &Value) -> Answer {
    Answer { status, body: body.to_string(), ..Answer::default() }
}

fn ask(which: Vendor, fields: &[(&str, &str)], answers: &[Answer]) -> Ask {
    vendor(which).ask(&source(which, fields), "a/b", answers).unwrap()
}

/// Gives the URL of the call to make now, and its headers but `accept`.
fn call(asked: Ask) -> (String, Vec<(String, String)>) {
    let Ask::Call(call) = asked else { panic!("{asked:?}") };
    assert_eq!((call.method, call.body.len()), (Method::Get, 0));
    let headers = call.headers.iter().map(|(name, value)| (name.to_string(), value.clone()));
    (call.url.to_string(), headers.filter(|(name, _)| name != "accept").collect())
}

fn known(asked: Ask) -> Picture {
    let Ask::Known(picture) = asked else { panic!("{asked:?}") };
    *picture
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_call_carries_its_credentials_and_an_id_stays_one_part_of_the_path() {
    let (url, headers) = call(ask(Vendor::Clickwrap, CLICKWRAP, &[]));
    assert_eq!(url, "https://api.pactsafe.com/v1.1/requests/a%2Fb");
    assert_eq!(headers, [header("authorization", "Bearer tok")]);
    let (url, headers) = call(ask(Vendor::Ironclad, IRONCLAD, &[]));
    assert_eq!(url, "https://ironcladapp.com/public/api/v1/workflows/a%2Fb/signatures");
    let acting = header("x-as-user-email", "ann@example.com");
    assert_eq!(headers, [header("authorization", "Bearer tok"), acting]);
    for which in [Vendor::Esaw, Vendor::Fintechos] {
        let (url, headers) = call(ask(which, ESAW, &[]));
        assert_eq!(url, "https://esaw.example.com/Api/v6.0/envelope/a%2Fb");
        assert_eq!(headers, [header("apitoken", "tok")]);
    }
}

#[test]
fn a_vendor_that_cannot_be_asked_says_why() {
    let why = |which, fields: &[(&str, &str)], id: &str| {
        vendor(which).ask(&source(which, fields), id, &[]).unwrap_err()
    };
    assert_eq!(why(Vendor::Insertsign, &[], "a"), Unaskable::NoInterface);
    for which in [Vendor::Clickwrap, Vendor::Ironclad, Vendor::Fintechos, Vendor::Esaw] {
        assert_eq!(why(which, &[], "a"), Unaskable::Missing("api_token"));
        let broken = [("api_token", "a\nb"), ("base_url", "https://example.com")];
        assert_eq!(why(which, &broken, "a"), Unaskable::Unusable("api_token"));
        let nowhere = [("api_token", "t"), ("base_url", "mailto:a@example.com")];
        assert_eq!(why(which, &nowhere, "a"), Unaskable::Unusable("base_url"));
        for id in ["", ".", ".."] {
            assert_eq!(why(which, ESAW, id), Unaskable::Id);
        }
    }
    assert_eq!(why(Vendor::Esaw, &[("api_token", "t")], "a"), Unaskable::Missing("base_url"));
}

#[test]
fn only_what_is_sure_is_taken_for_the_vendors_word() {
    let cases = [
        (Vendor::Clickwrap, CLICKWRAP, json!({ "message": "not found" })),
        (Vendor::Ironclad, IRONCLAD, json!({ "code": "NOT_FOUND", "message": "no such workflow" })),
        (
            Vendor::Esaw,
            ESAW,
            serde_json::from_str(include_str!("../../fixtures/fintechos/esaw.error.response.json"))
                .unwrap(),
        ),
    ];
    for (which, fields, error) in cases {
        let ask = |answer: Answer| ask(which, fields, &[answer]);
        if which != Vendor::Ironclad {
            assert_eq!(ask(answer(404, &error)), Ask::Gone);
        }
        let page = Answer { status: 404, body: "<html>".to_owned(), ..Answer::default() };
        assert!(matches!(ask(page), Ask::Nonsense(_)));
        for status in [401, 403] {
            assert!(matches!(ask(answer(status, &error)), Ask::Refused(_)));
        }
        let busy = Answer { retry_after_s: Some(7), ..answer(429, &json!({})) };
        assert_eq!(ask(busy), Ask::Later("the vendor is busy", Some(7)));
        for status in [408, 500, 502, 503, 504] {
            assert!(matches!(ask(answer(status, &error)), Ask::Later(_, None)));
        }
        let cut = Answer { body_cut: true, ..answer(200, &json!({})) };
        for nonsense in [
            answer(200, &json!({})),
            answer(200, &json!([])),
            answer(200, &json!({ "signers": 1, "EnvelopeStatus": "Odd", "data": [] })),
            answer(301, &json!({})),
            answer(400, &json!({})),
            Answer { status: 200, body: "<html>".to_owned(), ..Answer::default() },
            cut,
        ] {
            assert!(matches!(ask(nonsense.clone()), Ask::Nonsense(_)), "{which:?} {nonsense:?}");
        }
    }
    let early = answer(400, &json!({ "code": "INVALID_STATE" }));
    assert!(matches!(ask(Vendor::Ironclad, IRONCLAD, &[early]), Ask::Later(_, None)));
}

#[test]
fn clickwrap_tells_of_signers_bare_or_wrapped() {
    let fragment = include_str!("../../fixtures/clickwrap/_get_request_fragment.json");
    let fragment: Value = serde_json::from_str(fragment).unwrap();
    let signer = Pictured {
        email: Some("info@example.com".to_owned()),
        mobile: Some("+13175551234".to_owned()),
        send_to: Some(SendTo { email: true, sms: true }),
        ..Pictured::default()
    };
    let picture = Picture { signers: vec![signer], ..Picture::default() };
    for body in [fragment.clone(), json!({ "data": fragment })] {
        assert_eq!(known(ask(Vendor::Clickwrap, CLICKWRAP, &[answer(200, &body)])), picture);
    }
    let whole = json!({ "data": {
        "name": "NDA", "status": "In Progress", "signers": [
            { "signer_id": "s1", "order": 2, "status": "signed", "request_url": "https://sign.example.com/1",
              "signer": { "email": "ann@example.com", "title": "CEO", "company_name": "Acme",
                          "additional_attributes": { "first_name": "Ann", "last_name": "Lee" } } },
            { "signer": "s2" },
        ] } });
    let picture = known(ask(Vendor::Clickwrap, CLICKWRAP, &[answer(200, &whole)]));
    let ann = Pictured {
        foreign_id: Some("s1".to_owned()),
        name: Some("Ann Lee".to_owned()),
        email: Some("ann@example.com".to_owned()),
        label: Some("CEO".to_owned()),
        company: Some("Acme".to_owned()),
        order: Some(2),
        url: Some("https://sign.example.com/1".to_owned()),
        stage: Some(SignerStage::Signed),
        ..Pictured::default()
    };
    let other = Pictured { foreign_id: Some("s2".to_owned()), ..Pictured::default() };
    assert_eq!(picture.signers, [ann, other]);
    assert_eq!((picture.title.as_deref(), picture.stage), (Some("NDA"), Some(Stage::Sent)));
}

#[test]
fn clickwrap_spells_a_state_in_several_ways() {
    for (status, stage) in [
        ("draft", Some(Stage::Draft)),
        ("Sent", Some(Stage::Sent)),
        ("open", Some(Stage::Sent)),
        ("in_progress", Some(Stage::Sent)),
        ("COMPLETE", Some(Stage::Completed)),
        ("completed", Some(Stage::Completed)),
        ("Expired", Some(Stage::Expired)),
        ("mysterious", None),
    ] {
        let body = json!({ "name": "NDA", "status": status });
        assert_eq!(
            known(ask(Vendor::Clickwrap, CLICKWRAP, &[answer(200, &body)])).stage,
            stage,
            "{status}"
        );
    }
}

fn signatures(statuses: &[&str]) -> Answer {
    let signers: Vec<Value> = statuses
        .iter()
        .enumerate()
        .map(|(at, status)| {
            json!({ "name": format!("N{at}"), "email": format!("n{at}@example.com"), "roleName": format!("R{at}"),
                    "signatureStatus": { "status": status }, "routingOrder": i64::try_from(at).unwrap() - 1 })
        })
        .collect();
    answer(
        200,
        &json!({ "workflowId": "w", "title": "MSA", "routing": "sequential", "signers": signers }),
    )
}

#[test]
fn ironclad_is_asked_for_signatures_and_then_for_the_workflow() {
    let first = signatures(&["pending", "viewed"]);
    let (url, _) = call(ask(Vendor::Ironclad, IRONCLAD, from_ref(&first)));
    assert_eq!(url, "https://ironcladapp.com/public/api/v1/workflows/a%2Fb");
    let workflow =
        answer(200, &json!({ "status": "active", "signatures": { "state": "in_progress" } }));
    let picture = known(ask(Vendor::Ironclad, IRONCLAD, &[first.clone(), workflow]));
    assert_eq!(picture.title.as_deref(), Some("MSA"));
    assert_eq!(picture.signing_order, Some(SigningOrder::Sequential));
    assert_eq!(picture.stage, Some(Stage::Sent));
    let second = Pictured {
        foreign_id: Some("R1".to_owned()),
        name: Some("N1".to_owned()),
        email: Some("n1@example.com".to_owned()),
        label: Some("R1".to_owned()),
        order: Some(1),
        stage: Some(SignerStage::Viewed),
        ..Pictured::default()
    };
    assert_eq!(picture.signers[1], second);
    assert_eq!(
        (picture.signers[0].order, picture.signers[0].stage),
        (None, Some(SignerStage::Waiting))
    );
    let denied = answer(403, &json!({ "code": "FORBIDDEN" }));
    let alone = known(ask(Vendor::Ironclad, IRONCLAD, &[first.clone(), denied]));
    assert_eq!(alone, picture, "the signers are known without the workflow");
    let busy = answer(503, &json!({}));
    assert!(matches!(ask(Vendor::Ironclad, IRONCLAD, &[first, busy]), Ask::Later(..)));
}

#[test]
fn an_ironclad_workflow_is_gone_when_it_is_not_found_itself() {
    let missing = answer(404, &json!({ "code": "NOT_FOUND" }));
    let (url, _) = call(ask(Vendor::Ironclad, IRONCLAD, from_ref(&missing)));
    assert!(url.ends_with("/workflows/a%2Fb"), "{url}");
    let both = |second| ask(Vendor::Ironclad, IRONCLAD, &[missing.clone(), second]);
    assert_eq!(both(missing.clone()), Ask::Gone);
    let unsigned = known(both(answer(200, &json!({ "title": "MSA", "status": "active" }))));
    assert_eq!((unsigned.title.as_deref(), unsigned.stage), (Some("MSA"), None));
    assert!(matches!(both(answer(403, &json!({}))), Ask::Refused(_)));
}

#[test]
fn an_ironclad_packet_stands_where_its_signers_and_its_workflow_say() {
    let active = json!({ "status": "active", "isCancelled": false });
    for (statuses, workflow, stage) in [
        (&["pending", "pending"][..], &active, Some(Stage::Draft)),
        (&["sent", "pending"], &active, Some(Stage::Sent)),
        (&["signed", "declined"], &active, Some(Stage::Sent)),
        (&["signed", "signed"], &active, Some(Stage::Completed)),
        (&["signed", "signed"], &json!({ "status": "cancelled" }), Some(Stage::Completed)),
        (&["signed", "sent"], &json!({ "isCancelled": true }), Some(Stage::Cancelled)),
        (&["pending"], &json!({ "signatures": { "state": "completed" } }), Some(Stage::Completed)),
        (&["odd"], &active, None),
    ] {
        let answers = [signatures(statuses), answer(200, workflow)];
        let picture = known(ask(Vendor::Ironclad, IRONCLAD, &answers));
        assert_eq!(picture.stage, stage, "{statuses:?} {workflow}");
    }
}

fn envelope(status: &str, activities: &Value) -> Answer {
    answer(200, &json!({ "EnvelopeStatus": status, "Name": "Contract", "Activities": activities }))
}

#[test]
fn an_esaw_envelope_is_completed_by_the_links_of_those_whose_turn_it_is() {
    let fixture = |text: &str| Answer { status: 200, body: text.to_owned(), ..Answer::default() };
    let first =
        fixture(include_str!("../../fixtures/fintechos/esaw.v6.envelope-get.response.json"));
    let links = fixture(include_str!(
        "../../fixtures/fintechos/esaw.v6.envelope-viewerlinks.response.json"
    ));
    let (url, _) = call(ask(Vendor::Esaw, ESAW, from_ref(&first)));
    assert_eq!(url, "https://esaw.example.com/Api/v6.0/envelope/a%2Fb/viewerlinks");
    let ana = Pictured {
        foreign_id: Some("6a2f7d5e-3f0a-4a4e-9d16-3b8f6c0a1b02".to_owned()),
        email: Some("ana.pop@example.com".to_owned()),
        url: Some("https://demo.esignanywhere.net/frontend/sign/example".to_owned()),
        stage: Some(SignerStage::Notified),
        ..Pictured::default()
    };
    let picture = Picture {
        title: Some("Example contract".to_owned()),
        signers: vec![ana],
        stage: Some(Stage::Sent),
        sent_at: Some(at("2026-07-02T10:00:00.000Z")),
        ..Picture::default()
    };
    assert_eq!(known(ask(Vendor::Esaw, ESAW, &[first.clone(), links])), picture);
    let without = known(ask(Vendor::Esaw, ESAW, &[first, answer(403, &json!({}))]));
    assert_eq!((without.signers[0].stage, without.signers[0].url.as_deref()), (None, None));
}

#[test]
fn an_esaw_envelope_that_is_over_needs_no_links() {
    let activities = json!([
        { "Id": "1", "Status": "Completed", "OpenedDate": "2026-07-02T10:00:00Z", "FinishedDate": "2026-07-02T10:05:00" },
        { "Id": "2", "Status": "Rejected", "FinishedDate": "2026-07-02T11:00:00Z" },
        { "Id": "3", "Status": "Delegated" },
        { "Id": "4", "Status": "Pending", "OpenedDate": "2026-07-02T12:00:00Z" },
        { "Id": "5", "Status": "Pending", "Action": { "SendCopy": { "RecipientConfiguration": {
            "ContactInformation": { "Email": "a@example.com", "GivenName": "Archive", "Surname": "Box" } } } } },
    ]);
    let picture = known(ask(Vendor::Esaw, ESAW, &[envelope("Rejected", &activities)]));
    assert_eq!(picture.stage, Some(Stage::Declined));
    let stages: Vec<_> = picture.signers.iter().map(|signer| (signer.stage, signer.at)).collect();
    let moment = |text: &str| Some(at(text));
    assert_eq!(
        stages,
        [
            (Some(SignerStage::Signed), moment("2026-07-02T10:05:00.000Z")),
            (Some(SignerStage::Declined), moment("2026-07-02T11:00:00.000Z")),
            (Some(SignerStage::Reassigned), None),
            (Some(SignerStage::Viewed), moment("2026-07-02T12:00:00.000Z")),
            (None, None),
        ]
    );
    let copy = &picture.signers[4];
    assert_eq!((copy.role, copy.name.as_deref()), (Some(Role::Cc), Some("Archive Box")));
    for (status, stage) in [
        ("Completed", Stage::Completed),
        ("CompletedWithWarnings", Stage::Completed),
        ("Canceled", Stage::Cancelled),
        ("cancelled", Stage::Cancelled),
        ("Expired", Stage::Expired),
        ("Draft", Stage::Draft),
    ] {
        let picture = known(ask(Vendor::Esaw, ESAW, &[envelope(status, &json!([]))]));
        assert_eq!(picture.stage, Some(stage), "{status}");
    }
}

#[test]
fn an_esaw_envelope_whose_end_is_not_stored_yet_is_asked_for_later() {
    let done = json!([{ "Id": "1", "Status": "Completed" }, { "Id": "2", "Status": "Delegated" }]);
    let links = answer(200, &json!({ "ViewerLinks": [] }));
    let asked = ask(Vendor::Esaw, ESAW, &[envelope("Active", &done), links.clone()]);
    assert!(matches!(asked, Ask::Later(..)), "{asked:?}");
    let refused = json!([{ "Id": "1", "Status": "Rejected" }]);
    let picture = known(ask(Vendor::Esaw, ESAW, &[envelope("InProgress", &refused), links]));
    assert_eq!(picture.signers[0].stage, Some(SignerStage::Declined));
}
