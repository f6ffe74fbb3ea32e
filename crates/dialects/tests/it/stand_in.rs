//! Stand-ins: what they send is proven and read as the vendor's, what they forge is not, what they garble cannot be read;
//! and what their interface shows is what happened.

use std::collections::BTreeMap;

use dialects::stand_in::{
    Act, Ending, How, Key, Mischief, Part, Proof, Sending, StandIn, base_path, endings,
    page_missing,
};
use dialects::vendor::{Ask, Received, Untrusted, vendor};
use domain::call::Answer;
use domain::id::Chance;
use domain::request::{Request, State};
use domain::secret::Secret;
use domain::signer;
use domain::source::{Source, Vendor};
use domain::told::{About, Picture, SignerStage, Stage};

use super::catch::source;
use super::world::noon;

/// Chance from a seed.
struct Seed(u64);

impl Chance for Seed {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

const URL: &str = "https://sign.example.com/in/0123456789abcdef";

/// How a vendor may prove itself, and the fields of a source that wants it.
fn proofs(which: Vendor) -> Vec<(Proof, Vec<(&'static str, String)>)> {
    let key = || Key::known().unwrap();
    let none = || (Proof::Url, Vec::new());
    match which {
        Vendor::Clickwrap => {
            let token = Proof::Token(Secret::new("s3cret"));
            vec![none(), (token, vec![("token", "s3cret".to_owned())])]
        }
        Vendor::Ironclad => {
            let fields = vec![("verification_key", key().public())];
            vec![(Proof::Signature(Box::new(key())), fields)]
        }
        Vendor::Insertsign | Vendor::Fintechos => vec![none()],
        Vendor::Esaw => {
            let basic = Proof::Basic { user: "ann".to_owned(), password: Secret::new("pa:ss") };
            let fields = [("user", "ann"), ("password", "pa:ss")];
            vec![none(), (basic, fields.map(|(name, text)| (name, text.to_owned())).into())]
        }
    }
}

fn play(which: Vendor, proof: Proof, ending: Ending, chance: &mut Seed) -> StandIn {
    let part = Part { vendor: which, intake_url: URL.to_owned(), proof, ending, began_at: noon() };
    StandIn::new(part, chance).unwrap()
}

/// Plays every vendor with every proof to every ending.
fn each(mut look: impl FnMut(Vendor, &Source, &StandIn, &mut Seed)) {
    for which in Vendor::ALL {
        for ending in endings(which) {
            for (at, (proof, fields)) in (1..).zip(proofs(which)) {
                let fields: Vec<(&str, &str)> =
                    fields.iter().map(|(name, text)| (*name, text.as_str())).collect();
                let base =
                    format!("https://vendor.example{}", base_path(which).unwrap_or_default());
                let asking = [("api_token", "tok"), ("base_url", base.as_str())];
                let source = source(which, &[fields, asking.into()].concat());
                let mut chance = Seed(at);
                let stand_in = play(which, proof, *ending, &mut chance);
                look(which, &source, &stand_in, &mut chance);
            }
        }
    }
}

fn sendings(acts: Vec<Act>) -> Vec<Sending> {
    acts.into_iter()
        .filter_map(|act| match act {
            Act::Happens => None,
            Act::Sends(sending) => Some(sending),
        })
        .collect()
}

/// Hands a sending in as it comes, and gives what came of it: whether it was at the right URL and proven, and what it tells.
fn came(which: Vendor, source: &Source, sending: &Sending) -> (bool, Option<(String, About)>) {
    let call = &sending.call;
    let headers: Vec<(String, String)> =
        call.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let received = Received {
        method: call.method,
        query: call.url.query().unwrap_or_default(),
        headers: &headers,
        body: &call.body,
        key: None,
    };
    let proven = match vendor(which).prove(source, &received) {
        Ok(()) => call.url.as_str().starts_with(URL),
        Err(Untrusted::Forged(_)) => false,
        Err(Untrusted::KeyNeeded { .. }) => panic!("the source has the key"),
    };
    let told = vendor(which).read(source, &received).ok().map(|told| (told.word, told.about));
    (proven, told)
}

#[test]
fn what_is_sent_is_proven_and_read_and_what_is_forged_or_garbled_is_not() {
    let mut seen = BTreeMap::new();
    each(|which, source, stand_in, chance| {
        for seed in 0..20 {
            chance.0 = seed;
            for sending in sendings(stand_in.acts(&Mischief::ALL, chance)) {
                *seen.entry(sending.how.as_str()).or_insert(0) += 1;
                let (proven, told) = came(which, source, &sending);
                match sending.how {
                    How::Plain | How::Again | How::Late => {
                        let (word, about) = told.unwrap();
                        assert!(proven, "{which:?} {word}");
                        assert_eq!(word, sending.word);
                        let About::Request { foreign_id, step: Some(_), .. } = about else {
                            panic!("{which:?} {about:?}");
                        };
                        assert_eq!(foreign_id, stand_in.foreign_id());
                    }
                    How::Forged => assert!(!proven, "{which:?} {:?}", sending.call.headers),
                    How::Garbled => {
                        // A signature covers the body, so that nobody has to read it.
                        assert!(told.is_none() || !proven, "{which:?} {told:?}");
                    }
                }
            }
        }
    });
    assert_eq!(
        seen.keys().copied().collect::<Vec<_>>(),
        ["", "again", "forged", "garbled", "late"]
    );
}

#[test]
fn without_mischief_each_step_is_told_when_it_has_happened_and_again_from_the_same_chance() {
    each(|which, _, stand_in, chance| {
        let acts = stand_in.acts(&[], chance);
        assert_eq!(acts.first(), Some(&Act::Happens));
        let happened = acts.iter().filter(|act| **act == Act::Happens).count();
        assert_eq!((happened, stand_in.steps()), (5, 5));
        let plain = sendings(acts);
        assert!(plain.iter().all(|sending| sending.how == How::Plain), "{which:?}");
        let all = &Mischief::ALL;
        assert_eq!(stand_in.acts(all, &mut Seed(7)), stand_in.acts(all, &mut Seed(7)));
        assert_ne!(stand_in.acts(all, &mut Seed(7)), stand_in.acts(all, &mut Seed(8)));
    });
    let words = |which, ending| {
        let (proof, _) = proofs(which).pop().unwrap();
        let mut chance = Seed(1);
        let acts = play(which, proof, ending, &mut chance).acts(&[], &mut chance);
        sendings(acts).into_iter().map(|sending| sending.word).collect::<Vec<_>>()
    };
    let signed = "workflow_signature_packet_signatures_collected";
    assert_eq!(
        words(Vendor::Ironclad, Ending::Completed),
        [
            "workflow_signature_packet_sent",
            signed,
            signed,
            "workflow_signature_packet_fully_signed"
        ]
    );
    assert_eq!(
        words(Vendor::Esaw, Ending::Declined),
        [
            "sendSignNotification",
            "workstepOpened",
            "workstepFinished",
            "sendSignNotification",
            "workstepOpened",
            "workstepRejected",
            "envelopeFinished"
        ]
    );
    assert_eq!(words(Vendor::Clickwrap, Ending::Cancelled), ["request_sent", "request_signed"]);
}

/// Asks until something is known.
fn asked(which: Vendor, source: &Source, stand_in: &StandIn, steps: usize) -> Ask {
    let mut answers: Vec<Answer> = Vec::new();
    loop {
        let ask = vendor(which).ask(source, stand_in.foreign_id(), &answers).unwrap();
        let Ask::Call(call) = ask else { return ask };
        let path = call.url.path().strip_prefix(base_path(which).unwrap()).unwrap();
        let page = stand_in.pages(steps).into_iter().find(|page| page.path == path);
        let (status, body) =
            page.map_or_else(|| (404, page_missing(which)), |page| (200, page.body));
        answers.push(Answer { status, body, ..Answer::default() });
    }
}

fn shows(picture: &Picture, request: &Request) {
    let stage = match request.state {
        State::Draft => Stage::Draft,
        State::Sent { .. } => Stage::Sent,
        State::Completed { .. } => Stage::Completed,
        State::Declined { .. } => Stage::Declined,
        State::Expired { .. } => Stage::Expired,
        State::Cancelled { .. } => Stage::Cancelled,
    };
    // That one has refused, Ironclad shows of the signer alone.
    let refused = picture.signers.iter().any(|one| one.stage == Some(SignerStage::Declined));
    assert!(picture.stage == Some(stage) || refused, "{picture:?} of {request:?}");
    assert_eq!(picture.title.as_deref(), Some(request.title.as_str()));
    for (shown, signer) in picture.signers.iter().zip(&request.signers) {
        assert_eq!(shown.name.as_deref(), Some(signer.person.name.as_str()));
        assert_eq!(shown.email.as_deref(), Some(signer.person.email.as_str()));
        let is_signed = matches!(signer.state, signer::State::Signed { .. });
        assert_eq!(shown.stage == Some(SignerStage::Signed), is_signed, "{shown:?}");
    }
    assert_eq!(picture.signers.len(), request.signers.len());
}

#[test]
fn the_interface_shows_the_request_as_it_is_after_each_step() {
    each(|which, source, stand_in, _| {
        if base_path(which).is_none() {
            return;
        }
        assert_eq!(asked(which, source, stand_in, 0), Ask::Gone, "{which:?}");
        for steps in 1..=stand_in.steps() {
            let ask = asked(which, source, stand_in, steps);
            let Ask::Known(picture) = ask else { panic!("{which:?} {ask:?}") };
            shows(&picture, stand_in.request(steps).unwrap());
        }
    });
}

#[test]
fn a_key_is_read_as_it_is_written_and_nothing_else_is_one() {
    assert!(Key::known().unwrap().public().starts_with("-----BEGIN RSA PUBLIC KEY-----\n"));
    let public = Key::known().unwrap().public();
    for text in
        ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", &public]
    {
        assert!(Key::read(text).is_err(), "{text}");
    }
}
