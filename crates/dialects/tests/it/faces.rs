//! Vendors' interfaces as we answer them: their samples are taken, what is shown is read by the vendor's reader, and no
//! body, however broken, panics.

use dialects::face::{Wanted, clickwrap, esaw, fintechos};
use dialects::vendor::{Ask, vendor};
use domain::call::Answer;
use domain::chain::Hash;
use domain::document::{Brief, Document, MediaType};
use domain::id::{DocumentId, SignerId};
use domain::request::{Request, SigningOrder, State};
use domain::signer::{self, Device, Evidence, Person, Role, SendTo, Signer, Via};
use domain::source::Vendor;
use domain::told::{Picture, SignerStage, Stage};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::catch::source;
use super::world::{BITS, noon, request, signer};

const MINIMAL: &str = include_str!("../../fixtures/clickwrap/_create_request_minimal.json");
const WITH_FIELDS: &str = include_str!("../../fixtures/clickwrap/_create_request_with_fields.json");

const SEND: &str = include_str!("../../fixtures/fintechos/esaw.v6.envelope-send.request.json");
const SIGN_REQUEST: &str = include_str!("../../fixtures/fintechos/_sign-request.json");

#[test]
fn clickwraps_samples_make_requests() {
    let wanted = clickwrap::wanted(1, "Jo", MINIMAL.as_bytes()).unwrap();
    assert_eq!((wanted.title.as_str(), wanted.sender.name.as_str()), ("My Request Name!", "Jo"));
    let [only] = &wanted.signers[..] else { panic!() };
    assert_eq!(only.foreign_id.as_deref(), Some("signer@example.com"));
    assert_eq!(only.person.name, "Test Test");
    assert_eq!(only.person.mobile.as_deref(), Some("+13171231234"));
    assert_eq!(only.send_to, SendTo { email: true, sms: true });
    let wanted = clickwrap::wanted(1, "Jo", WITH_FIELDS.as_bytes()).unwrap();
    assert_eq!(wanted.title, "Contract 123");
    assert_eq!(wanted.signers[0].person.mobile.as_deref(), Some("+13175551234"));
    assert_eq!(wanted.signers[0].send_to, SendTo { email: true, sms: false });
    assert_eq!(wanted.redirect_url.unwrap(), "https://yourapp.com/completed/eric%4Dpactsafe.com");
    let sample: Value = serde_json::from_str(WITH_FIELDS).unwrap();
    for name in ["contracts", "fields", "render_data"] {
        assert_eq!(wanted.metadata["clickwrap"][name], sample[name]);
    }
}

#[test]
fn what_has_the_wrong_type_is_told_by_its_place() {
    let body = json!({
        "name": 7, "contracts": [1], "signers": [
            {"signer_id": {}, "signer": {"email": ["a@example.com"]}, "send_to": {"email": "yes"}},
            5,
        ],
    });
    let flaws = clickwrap::wanted(1, "", body.to_string().as_bytes()).unwrap_err();
    let places: Vec<&str> = flaws.iter().map(|(place, _)| place.as_str()).collect();
    let expected = [
        "signers[1]",
        "signers[0].signer_id",
        "signers[0].signer.email",
        "signers[0].send_to.email",
        "name",
    ];
    assert_eq!(places, expected);
    assert!(clickwrap::wanted(1, "", b"[]").is_err());
    assert!(clickwrap::wanted(1, "", br#"{"name":"a","name":"b"}"#).is_err());
}

#[test]
fn a_place_of_ours_is_told_as_the_vendor_spells_it() {
    for (ours, theirs) in [
        ("title", "name"),
        ("signers[3].email", "signers[3].signer.email"),
        ("signers[3].mobile", "signers[3].signer.mobile_number"),
        ("signers[3].order", "signers[3].order"),
        ("sender.name", "from_name"),
    ] {
        assert_eq!(clickwrap::place(ours), theirs);
        assert_eq!(clickwrap::place(theirs), theirs);
    }
}

#[test]
fn only_filters_that_are_known_are_taken() {
    assert!(clickwrap::Filter::parse("status==sent").is_ok());
    assert!(clickwrap::Filter::parse(" status == Complete ").is_ok());
    for text in
        ["", "status", "status==", "status==done", "status!=sent", "created_time>=2020-10-14"]
    {
        assert!(clickwrap::Filter::parse(text).is_err(), "{text}");
    }
}

/// Any state of a signer in a request that was sent.
fn signer_state() -> impl Strategy<Value = signer::State> {
    let evidence = Evidence {
        name: "A".to_owned(),
        consent: "I agree".to_owned(),
        ip: None,
        user_agent: None,
        device: Device::Desktop,
        via: Via::Page,
    };
    let now = noon();
    select(vec![
        signer::State::Waiting,
        signer::State::Notified { notified_at: now },
        signer::State::Viewed { notified_at: now, viewed_at: now },
        signer::State::Signed { signed_at: now, evidence },
        signer::State::Declined { declined_at: now, reason: None },
        signer::State::Reassigned { reassigned_at: now, to: SignerId::new(BITS) },
    ])
}

fn any_signer() -> impl Strategy<Value = Signer> {
    let person = ("[A-Z][a-zé]{1,8}( [A-Z][a-z]{1,8}){0,2}", "[a-z]{1,8}@example\\.com");
    let more =
        (option::of("\\+1[0-9]{10}"), option::of("[A-Z]{1,5}"), option::of("[a-z0-9-]{1,20}"));
    (person, more, 1..9_u32, any::<(bool, bool)>(), signer_state()).prop_map(
        |((name, email), (mobile, label, foreign_id), order, (by_email, by_sms), state)| Signer {
            person: Person { name, email, mobile, label, ..Person::default() },
            order,
            send_to: SendTo { email: by_email, sms: by_sms },
            state,
            foreign_id,
            ..signer(BITS + u128::from(order), "", "")
        },
    )
}

/// Any request that was sent, whatever became of it.
fn any_request() -> impl Strategy<Value = Request> {
    let (sent_at, at) = (noon(), noon());
    let state = select(vec![
        State::Sent { sent_at },
        State::Completed { sent_at, completed_at: at },
        State::Expired { sent_at, expired_at: at },
        State::Cancelled { sent_at: Some(sent_at), cancelled_at: at, cancel_reason: None },
    ]);
    ("[A-Z][a-z é]{0,20}[a-z]", state, vec(any_signer(), 0..6)).prop_map(
        |(title, state, mut signers)| {
            for (id, signer) in (BITS..).zip(&mut signers) {
                signer.id = SignerId::new(id);
            }
            Request { signing_order: SigningOrder::Sequential, ..request(&title, state, signers) }
        },
    )
}

fn url(signer: &Signer) -> String {
    format!("https://sign.example.com/s/{}", signer.id)
}

/// Has a vendor's reader read answers.
fn read(which: Vendor, answers: &[Value]) -> Picture {
    let asked = ask(which, answers);
    let Ask::Known(picture) = asked else { panic!("{asked:?}") };
    *picture
}

fn ask(which: Vendor, answers: &[Value]) -> Ask {
    let fields = [("api_token", "tok"), ("base_url", "https://vendor.example.com/")];
    let answer = |body: &Value| Answer { status: 200, body: body.to_string(), ..Answer::default() };
    let answers: Vec<Answer> = answers.iter().map(answer).collect();
    vendor(which).ask(&source(which, &fields), "7", &answers).unwrap()
}

const fn stage(request: &Request) -> Stage {
    match request.state {
        State::Draft => Stage::Draft,
        State::Sent { .. } => Stage::Sent,
        State::Completed { .. } => Stage::Completed,
        State::Declined { .. } => Stage::Declined,
        State::Expired { .. } => Stage::Expired,
        State::Cancelled { .. } => Stage::Cancelled,
    }
}

const fn stage_of(signer: &Signer) -> Option<SignerStage> {
    match signer.state {
        signer::State::Notified { .. } => Some(SignerStage::Notified),
        signer::State::Viewed { .. } => Some(SignerStage::Viewed),
        signer::State::Signed { .. } => Some(SignerStage::Signed),
        // Clickwrap has no words for these.
        signer::State::Waiting
        | signer::State::Declined { .. }
        | signer::State::Reassigned { .. } => None,
    }
}

/// Gives how far eSignAnyWhere's reader must take a signer to be.
fn stage_at_esaw(request: &Request, signer: &Signer) -> Option<SignerStage> {
    let has_links = matches!(request.state, State::Sent { .. });
    match signer.state {
        signer::State::Waiting => has_links.then_some(SignerStage::Waiting),
        signer::State::Notified { .. } => has_links.then_some(SignerStage::Notified),
        signer::State::Viewed { .. } => Some(SignerStage::Viewed),
        signer::State::Signed { .. } => Some(SignerStage::Signed),
        signer::State::Declined { .. } => Some(SignerStage::Declined),
        signer::State::Reassigned { .. } => Some(SignerStage::Reassigned),
    }
}

#[test]
fn an_envelopes_id_is_that_of_its_request_in_either_case() {
    let request = request("A", State::Draft, vec![]);
    let id = esaw::envelope_id(&request);
    assert_eq!(id, "7bfa100a-f52c-4915-b25d-210e6bb82f48");
    assert_eq!(esaw::request_id(&id), Some(request.id));
    assert_eq!(esaw::request_id(&id.to_uppercase()), Some(request.id));
    assert_eq!(esaw::request_id(&request.id.to_string()), Some(request.id));
    for text in
        ["", "7bfa100af52c4915b25d210e6bb82f48", "7bfa100a-f52c-4915-b25d-210e6bb82f4", "+", "é"]
    {
        assert_eq!(esaw::request_id(text), None, "{text}");
    }
}

#[test]
fn the_sign_request_of_fintechos_becomes_a_request_with_callbacks() {
    let mut body: Value = serde_json::from_str(SIGN_REQUEST).unwrap();
    body["WorkstepConfigs"] = json!([
        {"Email": "ana@example.com", "FirstName": "Ana", "LastName": "Pop", "LanguageCode": "ro"},
        {"Email": "dan@example.com"},
    ]);
    let body = body.to_string();
    let key = fintechos::key(body.as_bytes()).unwrap().unwrap();
    assert_eq!(key.expose(), "72b2f349-b5c7-4df7-478d-efd8a7f4a6c9");
    let wanted = fintechos::wanted(body.as_bytes()).unwrap();
    assert_eq!(wanted.title, "signedContract");
    assert_eq!(wanted.sender.email, "john.doe@fintechos.com");
    let names: Vec<&str> = wanted.signers.iter().map(|s| s.person.name.as_str()).collect();
    assert_eq!(names, ["Ana Pop", "dan@example.com"]);
    assert_eq!(wanted.signing_order, SigningOrder::Sequential);
    assert_eq!(wanted.callbacks.finish_url, wanted.callbacks.status_url);
    assert!(wanted.callbacks.status_url.unwrap().contains("test=12345&asdf=abc&envelopeId="));
    assert_eq!(fintechos::place("callbacks.finish_url"), "WebhookUrl");
    assert_eq!(fintechos::place("signers[1].email"), "WorkstepConfigs[1].Email");
    assert_eq!(fintechos::place("signers"), "WorkstepConfigs");
}

/// The vendor's sample of an envelope, changed.
fn envelope(change: impl FnOnce(&mut Value)) -> Result<Wanted, Vec<String>> {
    let mut body: Value = serde_json::from_str(SEND).unwrap();
    body["CallbackConfiguration"]["ActivityActionCallbackConfiguration"] = Value::Null;
    change(&mut body);
    let wanted = esaw::wanted(body.to_string().as_bytes(), noon());
    wanted.map_err(|flaws| flaws.into_iter().map(|(place, _)| place).collect())
}

#[test]
fn the_envelope_of_esaws_sample_becomes_a_request() {
    let flaws = esaw::wanted(SEND.as_bytes(), noon()).unwrap_err();
    let events = "CallbackConfiguration.ActivityActionCallbackConfiguration.Url";
    assert_eq!(flaws.iter().map(|(place, _)| place.as_str()).collect::<Vec<_>>(), [events]);
    let wanted = envelope(|_| {}).unwrap();
    assert_eq!(wanted.title, "Example contract");
    assert_eq!(wanted.documents, [esaw::file_id("2f0a4f0e-7f0f-4c6e-9a55-2d0c5f6f9a01").unwrap()]);
    let parts: Vec<_> =
        wanted.signers.iter().map(|s| (s.person.name.as_str(), s.role, s.order)).collect();
    let expected = [("Ana Pop", Role::Signer, Some(1)), ("Archive Box", Role::Cc, None)];
    assert_eq!(parts, expected);
    assert_eq!(wanted.signing_order, SigningOrder::Parallel);
    assert_eq!(wanted.signers[0].person.locale.as_deref(), Some("en"));
    assert_eq!(wanted.expires_at, Some(noon().plus_millis(2_419_200_000)));
    assert_eq!(wanted.reminders.unwrap().days, [5, 8, 11, 14, 17, 20, 23, 25, 26]);
    let message = wanted.message.unwrap();
    assert!(
        message.starts_with("Dear Ana Pop\n\nPlease sign Example contract before 20"),
        "{message}"
    );
    assert_eq!(wanted.sender.name, "Example Ltd");
    assert_eq!(wanted.redirect_url.as_deref(), Some("https://app.example.com/signed"));
    assert!(wanted.callbacks.finish_url.unwrap().contains("/finish?envelope=##EnvelopeId##"));
    assert!(wanted.callbacks.status_url.unwrap().contains("/status?envelope=##EnvelopeId##"));
    assert_eq!(wanted.metadata["esaw"]["MetaData"], "internal-ref-4711");
}

#[test]
fn groups_sign_one_after_the_other() {
    let two = |first: Value, second: Value, mode: &str| {
        envelope(|body| {
            let mut other = body["Activities"][0].clone();
            other["Action"]["Sign"]["SigningGroup"] = second;
            other["Action"]["Sign"]["SequenceMode"] = json!(mode);
            body["Activities"][0]["Action"]["Sign"]["SigningGroup"] = first;
            body["Activities"][1] = other;
            body["EmailConfiguration"] = Value::Null;
        })
        .unwrap()
        .signing_order
    };
    let free = "NoSequenceEnforced";
    assert_eq!(two(json!("1"), json!("1"), free), SigningOrder::Parallel);
    assert_eq!(two(json!(1), json!(2), free), SigningOrder::Sequential);
    assert_eq!(two(Value::Null, Value::Null, free), SigningOrder::Parallel);
    assert_eq!(two(Value::Null, Value::Null, "SequenceEnforced"), SigningOrder::Sequential);
}

#[test]
fn what_an_envelope_asks_for_in_vain_is_told_by_its_place() {
    let sign = "/Activities/0/Action/Sign";
    let recipient = format!("{sign}/RecipientConfiguration");
    let cases = [
        ("", "AddDocumentTimestamp", json!(true)),
        ("/Documents/0", "FileId", json!("x")),
        ("", "Documents", json!([])),
        ("/Activities/0", "Action", json!({"Approve": {}})),
        ("/Activities/0", "Action", json!({"Sign": {}, "SendCopy": {}})),
        ("/Activities/0/VisibilityOptions/0", "IsHidden", json!(true)),
        (sign, "SequenceMode", json!("Other")),
        (sign, "SigningGroup", json!("first")),
        (&recipient, "AllowDelegation", json!(true)),
        (&recipient, "RequireViewContentBeforeFormFilling", json!(true)),
        (&recipient, "AuthenticationConfiguration", json!({"AccessCode": {"Code": "1234"}})),
        (&recipient, "NotificationChannel", json!("Sms")),
        (&format!("{sign}/Elements"), "TextBoxes", json!([{"ElementId": "a"}])),
        (
            &format!("{sign}/Elements/Signatures/0"),
            "AllowedSignatureTypes",
            json!({"Biometric": {}}),
        ),
        (&format!("{sign}/Elements/Signatures/0"), "DocumentNumber", json!(2)),
        ("", "MetaData", json!({})),
    ];
    for (at, name, value) in cases {
        let told = envelope(|body| body.pointer_mut(at).unwrap()[name] = value.clone());
        let place = format!("{at}/{name}").split('/').skip(1).fold(String::new(), |place, step| {
            match (place.is_empty(), step.parse::<u32>()) {
                (_, Ok(index)) => format!("{place}[{index}]"),
                (true, Err(_)) => step.to_owned(),
                (false, Err(_)) => format!("{place}.{step}"),
            }
        });
        let told = told.unwrap_err();
        assert!(told.contains(&place), "{place} is not among {told:?}");
    }
    let harmless = json!({"AccessCode": null, "SmsOneTimePassword": {}});
    let fine = |body: &mut Value| {
        *body.pointer_mut(&recipient).unwrap().get_mut("AllowDelegation").unwrap() = json!(false);
        body.pointer_mut(&recipient).unwrap()["AuthenticationConfiguration"] = harmless;
    };
    envelope(fine).unwrap();
}

#[test]
fn a_place_of_an_envelope_is_told_as_the_vendor_spells_it() {
    for (ours, theirs) in [
        ("title", "Name"),
        ("documents[1]", "Documents[1].FileId"),
        (
            "signers[0].email",
            "Activities[0].Action.*.RecipientConfiguration.ContactInformation.Email",
        ),
        ("signers[2].order", "Activities[2].Action.Sign.SigningGroup"),
        ("callbacks.status_url", "CallbackConfiguration.StatusUpdateCallbackUrl"),
        ("EnvelopeId", "EnvelopeId"),
    ] {
        assert_eq!(esaw::place(ours), theirs);
    }
}

#[test]
fn answers_about_files_have_the_members_of_the_samples() {
    let sample = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let names =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let id = DocumentId::new(0x2f0a_4f0e_7f0f_4c6e_9a55_2d0c_5f6f_9a01);
    let brief = Brief { id, name: "a.pdf".to_owned(), size_bytes: 7, sha256: Hash::default() };
    let request = Request { documents: vec![brief.clone()], ..request("A", State::Draft, vec![]) };
    let uploaded = Document::new(brief, request.account, MediaType::Pdf, noon());
    let theirs = include_str!("../../fixtures/fintechos/esaw.v6.file-upload.response.json");
    assert_eq!(esaw::uploaded(&uploaded), sample(theirs));
    let theirs = include_str!("../../fixtures/fintechos/esaw.v6.envelope-send.response.json");
    assert_eq!(esaw::sent(&request), sample(theirs));
    let theirs =
        sample(include_str!("../../fixtures/fintechos/esaw.v6.envelope-files.response.json"));
    let ours = esaw::files(&request);
    assert_eq!(names(&ours), names(&theirs));
    assert_eq!(names(&ours["AuditTrail"]), names(&theirs["AuditTrail"]));
    let mut members = names(&theirs["Documents"][0]);
    members.retain(|name| name != "PageCount");
    assert_eq!(names(&ours["Documents"][0]), members);
}

proptest! {
    #[test]
    fn what_esaws_interface_shows_is_read_as_it_is(request in any_request()) {
        let is_sent = matches!(request.state, State::Sent { .. });
        let mut answers = vec![esaw::envelope(&request)];
        if is_sent {
            answers.push(esaw::viewer_links(&request, url));
        }
        let is_over = |signer: &Signer| {
            matches!(signer.state, signer::State::Signed { .. } | signer::State::Reassigned { .. })
        };
        if is_sent && !request.signers.is_empty() && request.signers.iter().all(is_over) {
            // A request of ours is completed with its last signature, and never stands so.
            prop_assert!(matches!(ask(Vendor::Esaw, &answers), Ask::Later(..)));
            return Ok(());
        }
        let picture = read(Vendor::Esaw, &answers);
        prop_assert_eq!(picture.title.as_ref(), Some(&request.title));
        prop_assert_eq!(picture.stage, Some(stage(&request)));
        prop_assert_eq!(picture.sent_at, request.sent_at());
        prop_assert_eq!(picture.signers.len(), request.signers.len());
        for (read, ours) in picture.signers.iter().zip(&request.signers) {
            prop_assert_eq!(read.name.as_ref(), Some(&ours.person.name));
            prop_assert_eq!(read.email.as_ref(), Some(&ours.person.email));
            prop_assert_eq!(read.mobile.as_ref(), ours.person.mobile.as_ref());
            prop_assert_eq!(read.stage, stage_at_esaw(&request, ours));
            let has_link = is_sent && ours.has_turn();
            prop_assert_eq!(read.url.clone(), has_link.then(|| url(ours)));
        }
    }

    #[test]
    fn what_clickwraps_interface_shows_is_read_as_it_is(request in any_request(), wrapped: bool) {
        let shown = clickwrap::shown(&request, url);
        let shown = if wrapped { json!({"data": shown}) } else { shown };
        let picture = read(Vendor::Clickwrap, &[shown]);
        prop_assert_eq!(picture.title.as_ref(), Some(&request.title));
        prop_assert_eq!(picture.sender.map(|sender| sender.name), Some(request.sender.name.clone()));
        prop_assert_eq!(picture.stage, Some(stage(&request)));
        let is_shown = |signer: &&Signer| {
            signer.role == Role::Signer && !matches!(signer.state, signer::State::Reassigned { .. })
        };
        let signers: Vec<&Signer> = request.signers.iter().filter(is_shown).collect();
        prop_assert_eq!(picture.signers.len(), signers.len());
        for (read, ours) in picture.signers.iter().zip(signers) {
            let id = ours.foreign_id.clone().unwrap_or_else(|| ours.id.to_string());
            prop_assert_eq!(read.foreign_id.as_ref(), Some(&id));
            prop_assert_eq!(read.name.as_ref(), Some(&ours.person.name));
            prop_assert_eq!(read.email.as_ref(), Some(&ours.person.email));
            prop_assert_eq!(read.mobile.as_ref(), ours.person.mobile.as_ref());
            prop_assert_eq!(read.label.as_ref(), ours.person.label.as_ref());
            prop_assert_eq!(read.order, Some(ours.order));
            prop_assert_eq!(read.send_to, Some(ours.send_to));
            prop_assert_eq!(read.url.as_ref(), Some(&url(ours)));
            prop_assert_eq!(read.stage, stage_of(ours));
        }
    }

    #[test]
    fn a_sample_with_anything_at_any_place_is_taken_or_told_what_is_wrong(
        sample in select(vec![MINIMAL, WITH_FIELDS, SIGN_REQUEST, SEND]),
        at in 0..4_000_usize,
        odd in select(vec!["", "null", "7", "-1", "1e9", "\"\"", "\"\\u0000\"", "[]", "{}", "[[]]", "true", "\u{feff}"]),
    ) {
        let (before, behind) = sample.split_at(sample.floor_char_boundary(at));
        let rest = behind.split_once([',', '}']).map_or("", |(_, rest)| rest);
        for body in [format!("{before}{odd}{behind}"), format!("{before}{odd},{rest}")] {
            let body = body.as_bytes();
            let flaws = [
                clickwrap::wanted(7, "Jo", body).err(),
                fintechos::wanted(body).err(),
                fintechos::key(body).err(),
                fintechos::downloaded(body).err(),
                esaw::cancelled(body).err(),
                esaw::wanted(body, noon()).err(),
            ];
            for flaws in flaws.into_iter().flatten() {
                prop_assert!((1..=100).contains(&flaws.len()));
            }
        }
    }
}
