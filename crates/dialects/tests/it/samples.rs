//! Samples are plausible, the same each time, and found by a dialect's words.

use domain::endpoint::Dialect;
use domain::event::{Event, Kind};
use domain::facts::AboutRequest;
use domain::signer::Signer;

use super::world::{ACCOUNT, EVENT, endpoint, noon, say};

#[test]
fn a_sample_is_the_same_each_time() {
    for kind in Kind::ALL {
        let sample = dialects::sample(*kind, ACCOUNT, EVENT, noon());
        assert_eq!(sample, dialects::sample(*kind, ACCOUNT, EVENT, noon()));
        assert_eq!((sample.kind, sample.at, sample.test), (*kind, noon(), true));
        assert_eq!(Kind::of(&sample.name), Some(*kind));
    }
}

#[test]
fn a_sample_stands_where_its_event_leads() {
    for (kind, status, signer) in [
        (Kind::RequestCreated, "draft", None),
        (Kind::RequestSent, "sent", None),
        (Kind::SignerNotified, "sent", Some("notified")),
        (Kind::SignerViewed, "sent", Some("viewed")),
        (Kind::SignerSigned, "sent", Some("signed")),
        (Kind::SignerDeclined, "declined", Some("declined")),
        (Kind::SignerReassigned, "sent", Some("notified")),
        (Kind::SignerAdded, "draft", Some("waiting")),
        (Kind::SignerRemoved, "draft", Some("waiting")),
        (Kind::RequestCompleted, "completed", None),
        (Kind::RequestDeclined, "declined", None),
        (Kind::RequestExpired, "expired", None),
        (Kind::RequestCancelled, "cancelled", None),
        (Kind::RequestArchived, "completed", None),
        (Kind::RequestUnarchived, "completed", None),
        (Kind::RequestDeleted, "completed", None),
        (Kind::RequestReminded, "sent", Some("notified")),
    ] {
        let sample = dialects::sample(kind, ACCOUNT, EVENT, noon());
        let about: AboutRequest = serde_json::from_str(&sample.data).unwrap();
        let found = about.signer.as_ref().map(Signer::status);
        assert_eq!((about.request.state.as_str(), found), (status, signer), "{kind}");
        let archived = matches!(kind, Kind::RequestArchived | Kind::RequestDeleted);
        assert_eq!(about.request.archived_at.is_some(), archived, "{kind}");
        assert_eq!(sample.request, Some(about.request.id));
        assert_eq!(about.from_signer_id.is_some(), kind == Kind::SignerReassigned);
    }
}

#[test]
fn a_sample_is_found_by_each_word_of_a_dialect() {
    let named = |which, name: &str| dialects::sample_named(which, name, ACCOUNT, EVENT, noon());
    for which in Dialect::ALL {
        for word in dialects::dialect(which).words() {
            let kinds: Vec<Kind> = dialects::dialect(which)
                .words()
                .iter()
                .filter(|other| other.name == word.name)
                .map(|other| other.kind)
                .collect();
            assert!(kinds.contains(&named(which, word.name).unwrap().kind));
        }
        assert_eq!(named(which, "no such word"), None);
    }
    assert_eq!(named(Dialect::Standard, "custom.a.b").unwrap().name, "custom.a.b");
    assert_eq!(named(Dialect::Esaw, "custom.a.b"), None);
    assert_eq!(named(Dialect::Standard, "test_event"), None);
}

#[test]
fn the_test_button_is_pressed_for_clickwrap_alone() {
    let event = dialects::sample_named(Dialect::Clickwrap, "test_event", ACCOUNT, EVENT, noon());
    let event = event.unwrap();
    assert_eq!(Kind::of(&event.name), Some(Kind::Custom));
    let real = Event { test: false, ..event.clone() };
    for (event, which, said) in [
        (&event, Dialect::Clickwrap, true),
        (&real, Dialect::Clickwrap, false),
        (&event, Dialect::Insertsign, false),
    ] {
        assert_eq!(say(event, &endpoint(which)).unwrap().is_some(), said);
    }
}
