//! The law of dialects: a vendor's sample that is read, mirrored and said again is that sample; and what we say as a vendor
//! is read as what happened.

use dialects::vendor::{Received, vendor};
use dialects::{Word, dialect};
use domain::call::Method;
use domain::contact::Contact;
use domain::endpoint::{Dialect, Endpoint};
use domain::event::{Event, Kind};
use domain::facts::{AboutContact, AboutMail, AboutRequest};
use domain::id::{ContactId, SignerId, SourceId};
use domain::mirror::Hearing;
use domain::request::{Callbacks, Happening, Request};
use domain::signer::{Person, Signer};
use domain::source::Vendor;
use domain::time::Timestamp;
use domain::told::{About, Step, Told, Who};
use serde_json::Value;

use super::catch::{get, read, source};
use super::fixtures::{check, clickwrap_ids, insertsign_ids};
use super::world::{ACCOUNT, BITS, EVENT, REQUEST, TEMPLATE, call, endpoint, event, noon};

/// A mirror that hears what is told; it mints the ids given.
struct Mirror {
    request: Request,
    minted: Vec<u128>,
    heard: bool,
}

impl Mirror {
    fn new(minted: &[u128]) -> Self {
        let request = Request::mirror((ACCOUNT, REQUEST), SourceId::new(1), "", noon());
        Self { request, minted: minted.iter().rev().copied().collect(), heard: false }
    }

    fn hear(&mut self, told: &Told) -> Vec<Happening> {
        let About::Request { step, picture, .. } = &told.about else { panic!("{told:?}") };
        let (is_first, at) = (!self.heard, told.at.unwrap_or_else(noon));
        let hearing = Hearing { step: step.as_ref(), pictures: &[picture], is_first, at, now: at };
        let minted = &mut self.minted;
        let mut mint = || SignerId::new(minted.pop().unwrap_or(BITS + 99));
        let next = self.request.clone().hear(&hearing, &mut mint);
        (self.request, self.heard) = (next.request, true);
        next.happened
    }

    /// Hears it, and gives what happened that the dialect says by the vendor's own word.
    fn say(&mut self, which: Dialect, told: &Told) -> Event {
        let happened = self.hear(told);
        let says = |word: &Word, kind| word.name == told.word && word.kind == kind;
        let words = dialect(which).words();
        let said: Vec<&Happening> = happened
            .iter()
            .filter(|happening| words.iter().any(|word| says(word, happening.kind)))
            .collect();
        let [said] = said[..] else { panic!("{told:?} became {happened:?}") };
        let signer = said.signer.and_then(|id| self.request.signer(id)).cloned();
        let about = AboutRequest {
            request: self.request.clone(),
            signer,
            from_signer_id: None,
            heard: None,
        };
        event(said.kind, told.at.unwrap_or_else(noon), &about)
    }
}

#[test]
fn clickwraps_samples_are_said_again() {
    let request = "123456abcdef";
    for (sample, request, id, pointers) in [
        (
            include_str!("../../fixtures/clickwrap/request_sent.json"),
            request,
            "abcdef12345",
            &["/site", "/user"][..],
        ),
        (
            include_str!("../../fixtures/clickwrap/request_signed.json"),
            request,
            "abcdef12345",
            &["/site", "/updated_time"],
        ),
        (
            include_str!("../../fixtures/clickwrap/request_complete.json"),
            request,
            "abcdef12345",
            &["/site"],
        ),
        (
            include_str!("../../fixtures/clickwrap/request_expired.json"),
            "abcd1234",
            "1234abcd",
            &["/site"],
        ),
    ] {
        let told = read(Vendor::Clickwrap, sample).unwrap();
        let mut mirror = Mirror::new(&[BITS]);
        let event = mirror.say(Dialect::Clickwrap, &told);
        let mut ids = clickwrap_ids(request, id);
        if let Some(signer) = mirror.request.signers.first() {
            assert_eq!(signer.foreign_id.as_deref(), Some("a-signer-id"));
            ids.push((signer.id.to_string(), "a-signer-id"));
        }
        check(sample, &endpoint(Dialect::Clickwrap), &event, &ids, pointers);
    }
}

const JOHN: &str = "-NeD5nNcbr-nViVjjp";
const JANE: &str = "-exampleJCDqrO1ZzuAPJCDW";

/// Jane's id was minted when the sample says that she was added.
const MINTED: [u128; 2] = [BITS, (1_689_893_924_614 << 80) | 7];

/// Says the last of some samples, all of one request, and compares it.
fn check_insertsign(samples: &[&str], pointers: &[&str]) {
    let mut mirror = Mirror::new(&MINTED);
    let (sample, before) = samples.split_last().unwrap();
    for sample in before {
        mirror.hear(&read(Vendor::Insertsign, sample).unwrap());
    }
    let event = mirror.say(Dialect::Insertsign, &read(Vendor::Insertsign, sample).unwrap());
    let mut ids = insertsign_ids();
    for (signer, theirs) in mirror.request.signers.iter().zip([JOHN, JANE]) {
        assert_eq!(signer.foreign_id.as_deref(), Some(theirs));
        ids.push((signer.id.to_string(), theirs));
    }
    check(sample, &endpoint(Dialect::Insertsign), &event, &ids, pointers);
}

#[test]
fn insertsigns_requests_are_said_again() {
    let sender = "/data/request/sender/id";
    let sent = include_str!("../../fixtures/insertsign/request.sent.json");
    let timestamp = "/data/request/signers/-exampleJCDqrO1ZzuAPJCDW/timestamp";
    check_insertsign(&[sent], &[sender, timestamp]);
    let completed = include_str!("../../fixtures/insertsign/request.completed.json");
    check_insertsign(&[completed], &[sender]);
    let archived = include_str!("../../fixtures/insertsign/request.archived.json");
    check_insertsign(&[archived], &[sender]);
    check_insertsign(&[completed, archived], &[sender]);
    // Nothing but the event says that the deleted request had been put away.
    let deleted = include_str!("../../fixtures/insertsign/request.deleted.json");
    check_insertsign(&[archived, deleted], &[sender]);
    let signed = include_str!("../../fixtures/insertsign/signer.signed.json");
    check_insertsign(&[signed], &[]);
}

#[test]
fn insertsigns_contacts_and_mails_are_said_again() {
    let sample = include_str!("../../fixtures/insertsign/contact.created.json");
    let told = read(Vendor::Insertsign, sample).unwrap();
    let About::Contact { foreign_id, name, email, label, company } = told.about else { panic!() };
    let contact = Contact {
        id: ContactId::new(BITS),
        account: ACCOUNT,
        person: Person { name, email, label, company, ..Person::default() },
        metadata: [].into(),
        created_at: noon(),
        updated_at: noon(),
    };
    let mut ids = insertsign_ids();
    ids.remove(0);
    ids.push((contact.id.to_string(), &foreign_id));
    let about = event(Kind::ContactCreated, told.at.unwrap(), &AboutContact { contact });
    check(sample, &endpoint(Dialect::Insertsign), &about, &ids, &["/data/created_at"]);
    for sample in [
        include_str!("../../fixtures/insertsign/email.bounced.json"),
        include_str!("../../fixtures/insertsign/email.delivered.json"),
        include_str!("../../fixtures/insertsign/email.spammed.json"),
    ] {
        let told = read(Vendor::Insertsign, sample).unwrap();
        let About::Mail { kind, to, subject, .. } = told.about else { panic!() };
        let about = event(kind, told.at.unwrap(), &AboutMail { to, subject, reason: None });
        check(sample, &endpoint(Dialect::Insertsign), &about, &insertsign_ids(), &[]);
    }
}

#[test]
fn what_a_script_of_fintechos_sees_is_said_again() {
    for sample in [
        include_str!("../../fixtures/fintechos/automation-context.workstepOpened.json"),
        include_str!("../../fixtures/fintechos/automation-context.envelopeFinished.json"),
    ] {
        let told = read(Vendor::Fintechos, sample).unwrap();
        let event = Mirror::new(&[BITS]).say(Dialect::Fintechos, &told);
        check(sample, &endpoint(Dialect::Fintechos), &event, &[], &["/UserId"]);
    }
}

#[test]
fn callbacks_are_called_again() {
    let fixture = include_str!("../../fixtures/fintechos/esaw.callback-expansions.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let mut said = 0;
    for expansion in fixture["expansions"].as_array().unwrap() {
        let url =
            expansion["url"].as_str().unwrap().replace("{FTOSHook}", "https://hook.example.com");
        let (_, query) = url.split_once('?').unwrap();
        for (which, in_words_of) in
            [(Vendor::Esaw, Dialect::Esaw), (Vendor::Fintechos, Dialect::Fintechos)]
        {
            let told = vendor(which).read(&source(which, &[]), &get(query)).unwrap();
            let About::Request { foreign_id, .. } = &told.about else { continue };
            assert_eq!(foreign_id, "7bfa100a-f52c-4915-b25d-210e6bb82f48");
            // The order that nobody told is left out, as in the samples.
            let template = TEMPLATE.replace("##RecipientOrder##", "");
            let endpoint = Endpoint { url: template, ..endpoint(in_words_of) };
            let event = Mirror::new(&[BITS]).say(in_words_of, &told);
            assert_eq!(call(&event, &endpoint).url.as_str(), url);
            said += 1;
        }
    }
    assert_eq!(said, 14, "all but the delegation that waits for the sender");
}

/// Tells which kinds a step may be read from.
fn kinds(step: &Step) -> &'static [Kind] {
    match step {
        Step::Sent => &[Kind::RequestSent],
        Step::Notified(_) => &[Kind::SignerNotified],
        Step::Viewed(_) => &[Kind::SignerViewed],
        Step::Signed(_) => &[Kind::SignerSigned],
        Step::Declined(_) => &[Kind::SignerDeclined],
        Step::Reassigned(_) => &[Kind::SignerReassigned],
        Step::Completed => &[Kind::RequestCompleted],
        Step::Finished => &[Kind::RequestCompleted, Kind::RequestDeclined],
        Step::Expired => &[Kind::RequestExpired],
        Step::Cancelled => &[Kind::RequestCancelled],
        Step::Archived => &[Kind::RequestArchived],
        Step::Deleted => &[Kind::RequestDeleted],
    }
}

fn who(step: &Step) -> Option<&Who> {
    match step {
        Step::Notified(who) | Step::Viewed(who) | Step::Declined(who) | Step::Reassigned(who) => {
            Some(who)
        }
        Step::Signed(all) => all.first(),
        Step::Sent
        | Step::Completed
        | Step::Finished
        | Step::Expired
        | Step::Cancelled
        | Step::Archived
        | Step::Deleted => None,
    }
}

/// Says a sample of ours in a vendor's words, and reads it as the vendor's.
fn said_and_read(which: Vendor, kind: Kind, method: Method) -> (AboutRequest, Told) {
    let event = dialects::sample(kind, ACCOUNT, EVENT, noon());
    let endpoint = Endpoint { method, ..endpoint(which.dialect()) };
    let call = call(&event, &endpoint);
    let received = Received {
        method: call.method,
        query: call.url.query().unwrap_or_default(),
        headers: &[],
        body: &call.body,
        key: None,
    };
    let told = vendor(which).read(&source(which, &[]), &received).unwrap();
    let none = AboutRequest {
        request: Request::mirror((ACCOUNT, REQUEST), SourceId::new(1), "", Timestamp::MAX),
        signer: None,
        from_signer_id: None,
        heard: None,
    };
    (serde_json::from_str(&event.data).unwrap_or(none), told)
}

#[test]
fn what_we_say_as_a_vendor_is_read_as_what_happened() {
    // Ironclad tells of workflows, most of which is foreign: see `ironclad`.
    for which in Vendor::ALL.into_iter().filter(|which| *which != Vendor::Ironclad) {
        let dialect = dialect(which.dialect());
        for word in dialect.words() {
            for method in dialect.methods() {
                assert!(vendor(which).methods().contains(method));
                let (ours, told) = said_and_read(which, word.kind, *method);
                assert_eq!(told.word, word.name);
                match &told.about {
                    About::Request { foreign_id, step: Some(step), .. } => {
                        assert!(kinds(step).contains(&word.kind), "{which:?} {}", word.name);
                        let bits = format!("{:032x}", ours.request.id.bits());
                        let guid = foreign_id.replace('-', "");
                        assert!(*foreign_id == ours.request.id.to_string() || guid == bits);
                        let email = who(step).and_then(|who| who.email.as_deref());
                        let signer =
                            ours.signer.as_ref().map(|signer| signer.person.email.as_str());
                        let is_same = ours.from_signer_id.is_some() || email == signer;
                        assert!(email.is_none() || is_same, "{which:?} {}", word.name);
                    }
                    About::Contact { email, .. } => assert_eq!(email, "john.doe@example.com"),
                    About::Mail { kind, .. } => assert_eq!(*kind, word.kind),
                    About::Request { step: None, .. } | About::Test | About::Foreign { .. } => {
                        panic!("{which:?} {told:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_request_that_we_tell_of_looks_the_same_in_its_mirror() {
    let (ours, told) = said_and_read(Vendor::Insertsign, Kind::RequestCompleted, Method::Post);
    let mut mirror = Mirror::new(&[1, 2]);
    mirror.hear(&told);
    let (mirror, ours) = (mirror.request, ours.request);
    assert_eq!((mirror.state.as_str(), mirror.progress), ("completed", 100));
    assert_eq!((mirror.title, mirror.sender), (ours.title, ours.sender));
    assert_eq!(mirror.callbacks, Callbacks::default());
    let people = |request: &[Signer]| -> Vec<(String, String, &'static str)> {
        let person = |signer: &Signer| {
            (signer.person.name.clone(), signer.person.email.clone(), signer.status())
        };
        request.iter().map(person).collect()
    };
    assert_eq!(people(&mirror.signers), people(&ours.signers));
}
