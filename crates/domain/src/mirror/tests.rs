//! What becomes of a mirror by what is told of it.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::time::DAY_MS;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn who(email: &str) -> Who {
    Who { email: Some(email.to_owned()), ..Who::default() }
}

fn pictured(email: &str, order: u32) -> Pictured {
    Pictured { email: Some(email.to_owned()), order: Some(order), ..Pictured::default() }
}

/// A mirror, and all that happened to it.
struct Mirror {
    request: Request,
    happened: Vec<Happening>,
    heard: u32,
    ids: u128,
}

impl Mirror {
    fn new() -> Self {
        let of = (AccountId::new(1), RequestId::new(2));
        let request = Request::mirror(of, SourceId::new(3), "env-1", START);
        Self { request, happened: Vec::new(), heard: 0, ids: 0 }
    }

    fn hear(&mut self, step: Option<&Step>, picture: &Picture) -> Vec<Kind> {
        let at = START.plus_millis(i64::from(self.heard) * 1_000);
        let hearing =
            Hearing { step, pictures: &[picture], is_first: self.heard == 0, at, now: at };
        self.heard += 1;
        let ids = &mut self.ids;
        let mut mint = || {
            *ids += 1;
            SignerId::new(*ids)
        };
        let next = self.request.clone().hear(&hearing, &mut mint);
        self.request = next.request;
        self.happened.extend(next.happened.clone());
        next.happened.into_iter().map(|happening| happening.kind).collect()
    }

    fn told(&mut self, step: &Step) -> Vec<Kind> {
        self.hear(Some(step), &Picture::default())
    }

    fn count(&self, kind: Kind) -> usize {
        self.happened.iter().filter(|happening| happening.kind == kind).count()
    }
}

fn two(order: SigningOrder) -> Picture {
    Picture {
        signing_order: Some(order),
        signers: vec![pictured("a@example.com", 1), pictured("b@example.com", 2)],
        stage: Some(Stage::Sent),
        ..Picture::default()
    }
}

#[test]
fn signers_are_told_at_their_turn_as_in_a_request_of_our_own() {
    let mut mirror = Mirror::new();
    let kinds = mirror.hear(Some(&Step::Sent), &two(SigningOrder::Sequential));
    assert_eq!(kinds, [Kind::RequestSent, Kind::SignerNotified]);
    let kinds = mirror.told(&Step::Signed(vec![who("A@example.com")]));
    assert_eq!(kinds, [Kind::SignerSigned, Kind::SignerNotified]);
    assert_eq!(mirror.request.progress, 50);
    let kinds = mirror.told(&Step::Signed(vec![who("b@example.com")]));
    assert_eq!(kinds, [Kind::SignerSigned], "the vendor says when all have signed");
    assert_eq!(mirror.told(&Step::Completed), [Kind::RequestCompleted]);
    assert_eq!(mirror.told(&Step::Expired), []);
}

#[test]
fn nobody_is_told_before_the_vendor_shows_their_turn() {
    let mut mirror = Mirror::new();
    let mut picture = two(SigningOrder::Parallel);
    picture.signers[0].stage = Some(SignerStage::Notified);
    picture.signers[1].stage = Some(SignerStage::Waiting);
    let kinds = mirror.hear(Some(&Step::Sent), &picture);
    assert_eq!(kinds, [Kind::RequestSent, Kind::SignerNotified]);
    picture.signers[0].stage = Some(SignerStage::Signed);
    assert_eq!(mirror.hear(None, &picture), [Kind::SignerSigned]);
    picture.signers[1].stage = Some(SignerStage::Notified);
    assert_eq!(mirror.hear(None, &picture), [Kind::SignerNotified]);
}

#[test]
fn what_was_before_anybody_listened_is_taken_in_silently() {
    let mut mirror = Mirror::new();
    let mut picture = two(SigningOrder::Parallel);
    picture.signers[0].stage = Some(SignerStage::Signed);
    let kinds = mirror.hear(Some(&Step::Viewed(who("b@example.com"))), &picture);
    assert_eq!(kinds, [Kind::SignerViewed]);
    assert_eq!(mirror.hear(None, &picture), []);
    assert_eq!(mirror.request.progress, 50);
}

/// What a vendor shows when all have signed.
fn signed_by_all() -> Picture {
    let mut picture = two(SigningOrder::Parallel);
    picture.signers.iter_mut().for_each(|signer| signer.stage = Some(SignerStage::Signed));
    picture.stage = Some(Stage::Completed);
    picture
}

#[test]
fn what_was_taken_in_silently_happens_when_it_is_told_after_all() {
    let mut mirror = Mirror::new();
    let picture = signed_by_all();
    let kinds = mirror.hear(Some(&Step::Viewed(who("a@example.com"))), &picture);
    assert_eq!(kinds, [], "they have signed since");
    assert_eq!(mirror.request.state.as_str(), "completed");
    assert_eq!(mirror.hear(None, &picture), []);
    let signed = Step::Signed(vec![who("b@example.com")]);
    assert_eq!(mirror.hear(Some(&signed), &picture), [Kind::SignerSigned]);
    assert_eq!(mirror.hear(Some(&signed), &picture), []);
    let kinds = mirror.hear(Some(&Step::Completed), &picture);
    assert_eq!(kinds, [Kind::SignerSigned, Kind::RequestCompleted]);
    assert_eq!(mirror.hear(Some(&Step::Completed), &picture), []);
    let mut mirror = Mirror::new();
    let nobody = Step::Signed(vec![Who::default()]);
    assert_eq!(mirror.hear(Some(&nobody), &picture), [Kind::SignerSigned]);
    assert_eq!(mirror.hear(Some(&nobody), &picture), [Kind::SignerSigned], "one at a time");
    assert_eq!(mirror.hear(Some(&nobody), &picture), []);
    assert_eq!(mirror.hear(Some(&Step::Finished), &picture), [Kind::RequestCompleted]);
}

#[test]
fn who_hears_late_that_it_was_sent_hears_all_that_came_of_it() {
    let mut mirror = Mirror::new();
    let kinds = mirror.hear(Some(&Step::Sent), &signed_by_all());
    let signed = Kind::SignerSigned;
    assert_eq!(kinds, [Kind::RequestSent, signed, signed, Kind::RequestCompleted]);
    assert_eq!(mirror.told(&Step::Completed), []);
}

#[test]
fn nobody_is_reminded_of_days_that_passed_before_it_was_heard() {
    let picture = two(SigningOrder::Parallel);
    let now = START.plus_millis(4 * DAY_MS);
    let hearing =
        Hearing { step: Some(&Step::Sent), pictures: &[&picture], is_first: true, at: START, now };
    let mirror = Mirror::new().request.hear(&hearing, &mut || SignerId::new(1)).request;
    assert_eq!(mirror.next_reminder(), Some(START.plus_millis(7 * DAY_MS)));
}

#[test]
fn a_lost_signature_is_told_with_the_end() {
    let mut mirror = Mirror::new();
    mirror.hear(Some(&Step::Sent), &two(SigningOrder::Parallel));
    let kinds = mirror.told(&Step::Completed);
    assert_eq!(kinds, [Kind::SignerSigned, Kind::SignerSigned, Kind::RequestCompleted]);
    assert_eq!(mirror.told(&Step::Signed(vec![who("a@example.com")])), []);
}

#[test]
fn an_id_that_the_vendor_shows_nowhere_belongs_to_whom_it_must() {
    let id = |id: &str, name: &str| {
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        Step::Signed(vec![Who { foreign_id: Some(id.to_owned()), name, ..Who::default() }])
    };
    let picture = || {
        let mut picture = two(SigningOrder::Parallel);
        picture.signers[1].name = Some("Bernd".to_owned());
        picture
    };
    let signed = |mirror: &Mirror| -> Vec<bool> {
        mirror.request.signers.iter().map(Signer::has_signed).collect()
    };
    let mut mirror = Mirror::new();
    mirror.hear(Some(&Step::Sent), &picture());
    assert_eq!(mirror.hear(Some(&id("s2", "bernd")), &picture()), [Kind::SignerSigned]);
    assert_eq!(signed(&mirror), [false, true], "by the name");
    assert_eq!(mirror.hear(Some(&id("s1", "")), &picture()), [Kind::SignerSigned]);
    assert_eq!(signed(&mirror), [true, true], "by being the last");

    let mut mirror = Mirror::new();
    mirror.hear(Some(&Step::Sent), &picture());
    let mut shown = picture();
    shown.signers[0].stage = Some(SignerStage::Signed);
    assert_eq!(mirror.hear(Some(&id("s1", "")), &shown), [Kind::SignerSigned]);
    assert_eq!(mirror.hear(Some(&id("s1", "")), &shown), []);
    assert_eq!(signed(&mirror), [true, false], "by what the vendor shows");

    let mut mirror = Mirror::new();
    assert_eq!(mirror.told(&id("s2", "Bernd")), [Kind::SignerSigned]);
    mirror.hear(None, &picture());
    assert_eq!(mirror.request.signers.len(), 2, "by the name, though it came first");
    assert_eq!(mirror.request.signers[0].person.email, "b@example.com");
}

#[test]
fn an_end_that_may_be_a_refusal_makes_no_signature() {
    let mut mirror = Mirror::new();
    mirror.hear(Some(&Step::Sent), &two(SigningOrder::Parallel));
    assert_eq!(mirror.told(&Step::Signed(vec![who("a@example.com")])), [Kind::SignerSigned]);
    assert_eq!(mirror.told(&Step::Finished), [Kind::RequestCompleted]);
    assert_eq!(mirror.count(Kind::SignerSigned), 1);
    assert_eq!(mirror.told(&Step::Signed(vec![who("b@example.com")])), [Kind::SignerSigned]);
}

#[test]
fn an_expired_request_may_come_back_to_life() {
    let mut mirror = Mirror::new();
    mirror.hear(Some(&Step::Sent), &two(SigningOrder::Parallel));
    assert_eq!(mirror.told(&Step::Expired), [Kind::RequestExpired]);
    assert_eq!(mirror.told(&Step::Viewed(who("a@example.com"))), [Kind::SignerViewed]);
    assert_eq!(mirror.request.state.as_str(), "sent");
    assert_eq!(mirror.told(&Step::Expired), [Kind::RequestExpired], "and expire again");
}

#[test]
fn what_comes_late_brings_no_expired_request_back_to_life() {
    let mut mirror = Mirror::new();
    mirror.hear(Some(&Step::Sent), &two(SigningOrder::Parallel));
    let expired = Picture { stage: Some(Stage::Expired), ..two(SigningOrder::Parallel) };
    assert_eq!(mirror.hear(Some(&Step::Expired), &expired), [Kind::RequestExpired]);
    mirror.hear(Some(&Step::Notified(Who::default())), &expired);
    assert_eq!(mirror.request.state.as_str(), "expired", "the vendor shows it");
    let late = Hearing {
        step: Some(&Step::Sent),
        pictures: &[],
        is_first: false,
        at: START,
        now: START.plus_millis(DAY_MS),
    };
    let next = mirror.request.hear(&late, &mut || SignerId::new(9));
    assert_eq!(next.request.state.as_str(), "expired", "it was told of before");
}

#[test]
fn a_vendor_that_names_nobody_is_followed_signer_by_signer() {
    let mut mirror = Mirror::new();
    let nobody = Who::default;
    assert_eq!(mirror.told(&Step::Viewed(nobody())), [Kind::SignerViewed]);
    assert_eq!(mirror.told(&Step::Viewed(nobody())), [], "nobody else is known");
    assert_eq!(mirror.told(&Step::Signed(vec![nobody()])), [Kind::SignerSigned]);
    assert_eq!(mirror.told(&Step::Finished), [Kind::RequestCompleted]);
    let mut mirror = Mirror::new();
    assert_eq!(
        mirror.told(&Step::Declined(nobody())),
        [Kind::SignerDeclined, Kind::RequestDeclined]
    );
    assert_eq!(mirror.told(&Step::Finished), []);
}

/// What a vendor tells of a request that two people sign.
fn story() -> Vec<Step> {
    let (a, b) = (|| who("a@example.com"), || who("b@example.com"));
    vec![
        Step::Sent,
        Step::Viewed(a()),
        Step::Signed(vec![a()]),
        Step::Viewed(b()),
        Step::Signed(vec![b()]),
        Step::Completed,
    ]
}

proptest! {
    #[test]
    fn in_whatever_order_and_however_often_it_comes_each_thing_happens_once(
        order in Just(story()).prop_shuffle(),
        again in subsequence(story(), 0..=6),
        picture in select(vec![Picture::default(), two(SigningOrder::Parallel), signed_by_all()]),
    ) {
        let mut mirror = Mirror::new();
        for step in order.iter().chain(&again) {
            mirror.hear(Some(step), &picture);
        }
        prop_assert_eq!(mirror.request.state.as_str(), "completed");
        prop_assert_eq!(mirror.request.progress, 100);
        prop_assert_eq!(mirror.request.signers.len(), 2);
        prop_assert!(mirror.request.signers.iter().all(Signer::has_signed));
        prop_assert_eq!(mirror.count(Kind::RequestSent), 1);
        prop_assert_eq!(mirror.count(Kind::SignerSigned), 2);
        prop_assert_eq!(mirror.count(Kind::RequestCompleted), 1);
        prop_assert!(mirror.count(Kind::SignerViewed) <= 2);
    }
}
