//! Templates of URLs: what is filled in, and what stays as it was.

use domain::call::Method;
use domain::endpoint::{Dialect, Endpoint, Scope};
use domain::event::{Event, Kind};
use domain::facts::AboutRequest;
use domain::id::SignerId;
use domain::request::{Callbacks, Request, State};
use domain::signer::{self, Signer};
use proptest::collection::vec;
use proptest::prelude::*;
use url::form_urlencoded;

use super::world::{BITS, call, endpoint, event, header, noon, request, say, signer};

fn about(kind: Kind, who: Signer, callbacks: Callbacks) -> Event {
    let sent = State::Sent { sent_at: noon() };
    let request = Request { callbacks, ..request("NDA", sent, vec![who.clone()]) };
    event(
        kind,
        noon(),
        &AboutRequest { request, signer: Some(who), from_signer_id: None, heard: None },
    )
}

fn viewed_by(email: &str) -> Event {
    about(Kind::SignerViewed, signer(BITS, "John Doe", email), Callbacks::default())
}

fn at_url(dialect: Dialect, url: &str) -> Endpoint {
    Endpoint { url: url.to_owned(), ..endpoint(dialect) }
}

#[test]
fn esaw_fills_the_recipient_and_sends_no_body() {
    let url =
        "https://example.com/in?to=##RECIPIENTEMAIL##&order=##RecipientOrder##&id=##EnvelopeID##";
    let call = call(&viewed_by("john+nda@example.com"), &at_url(Dialect::Esaw, url));
    assert_eq!(
        call.url.as_str(),
        "https://example.com/in?to=john%2Bnda%40example.com&order=1&id=7bfa100a-f52c-4915-b25d-210e6bb82f48"
    );
    assert_eq!(
        (call.method, call.body.as_slice(), header(&call, "content-type")),
        (Method::Post, &b""[..], None)
    );
}

#[test]
fn fintechos_leaves_the_recipient_empty() {
    let url = "https://example.com/in?to=##RecipientEmail##&order=##RecipientOrder##&a=##Action##";
    let call = call(&viewed_by("john@example.com"), &at_url(Dialect::Fintechos, url));
    assert_eq!(call.url.as_str(), "https://example.com/in?to=&order=&a=workstepOpened");
}

#[test]
fn a_delegation_names_who_delegated() {
    let heir = signer(BITS + 2, "June", "june@example.com");
    let state = signer::State::Reassigned { reassigned_at: noon(), to: heir.id };
    let john = Signer { state, ..signer(BITS, "John", "john@example.com") };
    let sent = State::Sent { sent_at: noon() };
    let from_signer_id: Option<SignerId> = Some(john.id);
    let request = request("NDA", sent, vec![john, heir.clone()]);
    let data = AboutRequest { request, signer: Some(heir), from_signer_id, heard: None };
    let event = event(Kind::SignerReassigned, noon(), &data);
    let call = call(&event, &at_url(Dialect::Esaw, "https://example.com/?to=##RecipientEmail##"));
    assert_eq!(call.url.query(), Some("to=john%40example.com"));
}

#[test]
fn callbacks_tell_an_end_and_a_status_apart() {
    let callbacks = Callbacks {
        finish_url: Some("https://a.example/finish?a=##Action##".to_owned()),
        status_url: Some("https://b.example:8443/status?a=##Action##".to_owned()),
        ..Callbacks::default()
    };
    let at_origin = |url: &str| Endpoint { scope: Scope::Callback, ..at_url(Dialect::Esaw, url) };
    let (a, b) = (at_origin("https://a.example"), at_origin("https://b.example:8443"));
    for (kind, finishes, statuses) in [
        (Kind::SignerViewed, None, Some("https://b.example:8443/status?a=workstepOpened")),
        (Kind::RequestExpired, None, Some("https://b.example:8443/status?a=envelopeExpired")),
        (Kind::RequestCompleted, Some("https://a.example/finish?a=envelopeFinished"), None),
        (Kind::RequestDeclined, Some("https://a.example/finish?a=envelopeFinished"), None),
        (Kind::RequestSent, None, None),
    ] {
        let event = about(kind, signer(BITS, "John", "john@example.com"), callbacks.clone());
        let url = |endpoint| say(&event, endpoint).unwrap().map(|call| call.url.to_string());
        assert_eq!((url(&a).as_deref(), url(&b).as_deref()), (finishes, statuses), "{kind}");
        let nobody = about(kind, signer(BITS, "J", "j@example.com"), Callbacks::default());
        assert_eq!(say(&nobody, &a).unwrap(), None);
    }
}

#[test]
fn a_template_that_cannot_be_filled_is_unsayable() {
    let endpoint = at_url(Dialect::Esaw, "https://example.com/?a=##Wrong##");
    let error = say(&viewed_by("john@example.com"), &endpoint).unwrap_err();
    assert_eq!(error.to_string(), "the url of the call cannot be made");
}

proptest! {
    #[test]
    fn values_and_own_parameters_come_back(
        email: String,
        own in vec((any::<String>(), any::<String>()), 0..4),
        fragment in "[a-z]{0,5}",
    ) {
        let own_query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&own).finish();
        let head = format!("https://example.com/a%2Fb;c=1?{own_query}&to=");
        let url = format!("{head}##RecipientEmail##&x=##Action####EnvelopeId###{fragment}");
        prop_assert!(dialects::check_url(Dialect::Esaw, &url).is_ok());
        let said = call(&viewed_by(&email), &at_url(Dialect::Esaw, &url)).url;
        prop_assert!(said.as_str().starts_with(&head), "{said}");
        let mut expected = own;
        expected.push(("to".to_owned(), email));
        expected.push(("x".to_owned(), "workstepOpened7bfa100a-f52c-4915-b25d-210e6bb82f48".to_owned()));
        prop_assert_eq!(said.query_pairs().into_owned().collect::<Vec<_>>(), expected);
        prop_assert_eq!(said.fragment(), Some(fragment.as_str()));
    }

    #[test]
    fn own_bytes_stay_as_they_are(own in "[A-Za-z0-9_.~!$&()*+,;=:@/?%-]{0,40}") {
        let url = format!("https://example.com/in?{own}&a=##Action##");
        let said = call(&viewed_by("john@example.com"), &at_url(Dialect::Esaw, &url)).url;
        prop_assert_eq!(said.as_str(), format!("https://example.com/in?{own}&a=workstepOpened"));
    }

    #[test]
    fn no_template_panics(url: String, middle in "[a-zA-Z#/:?]{0,30}") {
        for which in Dialect::ALL {
            drop(dialects::check_url(which, &url));
            drop(dialects::check_url(which, &format!("https://example.com/{middle}")));
            drop(dialects::check_url(which, &format!("https://{middle}")));
        }
    }
}
