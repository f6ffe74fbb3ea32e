//! From what a client sends to a draft that can be kept.
//!
//! Invariant: a draft is bounded as a whole, so that an event that tells all of it fits into its own bound, signatures
//! included.
//! Left to others: sending it (`domain::request`), keeping it ([`super::steps`]).

use std::mem;

use channels::Guard;
use domain::document::Brief;
use domain::endpoint::Dialect;
use domain::id::{AccountId, RequestId, SignerId};
use domain::request::{CallbackDialect, Callbacks, Request, State};
use domain::signer::{self, Role, SendTo, Signer};
use domain::time::Timestamp;

use super::{NewRequest, NewSendTo, NewSigner, RequestPatch};
use crate::check::{self, Checked, Flaws, Reach};
use crate::command::Refusal;

/// The most signers of a draft.
const SIGNERS_MAX: usize = 100;
/// The last place of a sequential request.
const ORDER_MAX: u32 = 1_000;
/// The most bytes of a draft as JSON: half of what an event may say, the rest is for evidence.
const DRAFT_BYTES_MAX: usize = 128 * 1024;

/// What a draft is made with, beside the input.
pub(super) struct With<'a> {
    /// The present moment.
    pub(super) now: Timestamp,
    /// Which addresses may be called.
    pub(super) guard: &'a Guard,
    /// Mints the ids of signers.
    pub(super) mint: &'a mut (dyn FnMut() -> u128 + Send),
    /// What is said of the documents that the input names.
    pub(super) documents: Vec<Brief>,
}

/// Checks a new request.
pub(super) fn draft(
    ids: (AccountId, RequestId),
    input: NewRequest,
    with: &mut With<'_>,
) -> Result<Request, Refusal> {
    let NewRequest { title, message, sender, signing_order, signers, .. } = &input;
    let mut flaws = Flaws::default();
    if input.send && !signers.iter().any(|signer| signer.role == Role::Signer) {
        flaws.note("signers", "expected somebody to sign, since the request is to be sent");
    }
    let (account, id) = ids;
    let request = Request {
        id,
        account,
        title: flaws.take("title", check::line(title, check::LINE_CHARS_MAX)),
        message: flaws
            .take("message", check::prose_or_none(message.as_deref(), check::MESSAGE_CHARS_MAX)),
        documents: mem::take(&mut with.documents),
        sender: check::sender(&mut flaws, &sender.clone().unwrap_or_default()),
        signing_order: *signing_order,
        signers: take_signers(&mut flaws, signers, with.mint),
        progress: 0,
        expires_at: flaws.take("expires_at", check::future(input.expires_at, with.now)),
        reminders: flaws
            .take("reminders.days", check::reminders(input.reminders.unwrap_or_default())),
        notices: flaws.take("notices", check::rules(input.notices)),
        callbacks: take_callbacks(&mut flaws, &input.callbacks.unwrap_or_default(), with.guard),
        redirect_url: flaws
            .take("redirect_url", check::web_url_or_none(input.redirect_url.as_deref())),
        metadata: flaws.take("metadata", check::metadata(input.metadata)),
        origin: "native".to_owned(),
        workflow: None,
        foreign: None,
        created_at: with.now,
        state: State::Draft,
        archived_at: None,
    };
    bound(&mut flaws, &request);
    flaws.none()?;
    Ok(request)
}

/// Checks a change, and gives the draft with it.
pub(super) fn patched(
    old: Request,
    patch: RequestPatch,
    with: &mut With<'_>,
) -> Result<Request, Refusal> {
    let mut flaws = Flaws::default();
    let mut new = old;
    if let Some(title) = patch.title {
        new.title = flaws.take("title", check::line(&title, check::LINE_CHARS_MAX));
    }
    patch.message.then(|message| {
        let message = check::prose_or_none(message.as_deref(), check::MESSAGE_CHARS_MAX);
        new.message = flaws.take("message", message);
    });
    if patch.documents.is_some() {
        new.documents = mem::take(&mut with.documents);
    }
    patch.sender.then(|sender| {
        new.sender = check::sender(&mut flaws, &sender.unwrap_or_default());
    });
    if let Some(order) = patch.signing_order {
        new.signing_order = order;
    }
    if let Some(signers) = patch.signers {
        new.signers = take_signers(&mut flaws, &signers, with.mint);
    }
    patch.expires_at.then(|at| {
        new.expires_at = flaws.take("expires_at", check::future(at, with.now));
    });
    patch.reminders.then(|reminders| {
        let reminders = check::reminders(reminders.unwrap_or_default());
        new.reminders = flaws.take("reminders.days", reminders);
    });
    patch.notices.then(|rules| {
        new.notices = flaws.take("notices", check::rules(rules.unwrap_or_default()));
    });
    patch.callbacks.then(|callbacks| {
        new.callbacks = take_callbacks(&mut flaws, &callbacks.unwrap_or_default(), with.guard);
    });
    patch.redirect_url.then(|url| {
        new.redirect_url = flaws.take("redirect_url", check::web_url_or_none(url.as_deref()));
    });
    patch.metadata.then(|notes| {
        new.metadata = flaws.take("metadata", check::metadata(notes.unwrap_or_default()));
    });
    bound(&mut flaws, &new);
    flaws.none()?;
    Ok(new)
}

fn bound(flaws: &mut Flaws, request: &Request) {
    let fits = serde_json::to_vec(request).is_ok_and(|json| json.len() <= DRAFT_BYTES_MAX);
    if !fits {
        flaws.note("", format!("expected at most {DRAFT_BYTES_MAX} bytes in all"));
    }
}

fn take_signers(
    flaws: &mut Flaws,
    signers: &[NewSigner],
    mint: &mut (dyn FnMut() -> u128 + Send),
) -> Vec<Signer> {
    if signers.len() > SIGNERS_MAX {
        flaws.note("signers", format!("expected at most {SIGNERS_MAX} signers"));
        return Vec::new();
    }
    let mut taken = Vec::with_capacity(signers.len());
    for (index, signer) in signers.iter().enumerate() {
        let path = format!("signers[{index}].");
        let order = check::within(signer.order, 1, ORDER_MAX);
        let order = flaws.take(format!("{path}order"), order);
        let send_to = send_to(signer.send_to);
        taken.push(Signer {
            id: SignerId::new(mint()),
            person: check::person(flaws, &path, &signer.person, reach(send_to)),
            order: order.or_else(|| u32::try_from(index + 1).ok()).unwrap_or(ORDER_MAX),
            role: signer.role,
            send_to,
            state: signer::State::Waiting,
            reminders: 0,
            reminded_at: None,
            foreign_id: signer.foreign_id.clone(),
            foreign_url: None,
        });
    }
    taken
}

fn send_to(input: NewSendTo) -> SendTo {
    let usual = SendTo::default();
    SendTo { email: input.email.unwrap_or(usual.email), sms: input.sms.unwrap_or(usual.sms) }
}

const fn reach(send_to: SendTo) -> Reach {
    match (send_to.email, send_to.sms) {
        (true, false) => Reach::Email,
        (false, true) => Reach::Sms,
        (true, true) => Reach::Both,
        (false, false) => Reach::Either,
    }
}

/// Gives the ways by which somebody who takes a part over must be reachable.
pub(super) fn reach_of(signer: Option<&Signer>) -> Reach {
    reach(signer.map(|signer| signer.send_to).unwrap_or_default())
}

/// Gives the dialect in which callbacks are made.
pub(super) const fn dialect_of(callbacks: &Callbacks) -> Dialect {
    match callbacks.dialect {
        CallbackDialect::Esaw => Dialect::Esaw,
        CallbackDialect::Fintechos => Dialect::Fintechos,
    }
}

fn take_callbacks(flaws: &mut Flaws, callbacks: &Callbacks, guard: &Guard) -> Callbacks {
    let dialect = dialect_of(callbacks);
    let Callbacks { finish_url, status_url, .. } = callbacks;
    Callbacks {
        finish_url: flaws
            .take("callbacks.finish_url", template_or_none(finish_url.as_deref(), dialect, guard)),
        status_url: flaws
            .take("callbacks.status_url", template_or_none(status_url.as_deref(), dialect, guard)),
        dialect: callbacks.dialect,
    }
}

/// Checks a URL with placeholders that is called; empty is absent.
fn template_or_none(
    text: Option<&str>,
    dialect: Dialect,
    guard: &Guard,
) -> Checked<Option<String>> {
    check::filled(text)
        .map(|text| check::target(text, dialect, guard).map(|_| text.to_owned()))
        .transpose()
}

#[cfg(test)]
mod tests {
    use domain::signer::SendTo;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn check(json: &str) -> Result<Request, Vec<String>> {
        let input: NewRequest = serde_json::from_str(json).unwrap();
        with(|with| draft((AccountId::new(1), RequestId::new(2)), input, with))
    }

    fn change(old: Request, json: &str) -> Result<Request, Vec<String>> {
        let patch: RequestPatch = serde_json::from_str(json).unwrap();
        with(|with| patched(old, patch, with))
    }

    fn with(
        act: impl FnOnce(&mut With<'_>) -> Result<Request, Refusal>,
    ) -> Result<Request, Vec<String>> {
        let mut next = 100;
        let mut mint = || {
            next += 1;
            next
        };
        let guard = Guard::default();
        let documents = Vec::new();
        match act(&mut With { now: NOW, guard: &guard, mint: &mut mint, documents }) {
            Ok(request) => Ok(request),
            Err(Refusal::Invalid(flaws)) => Err(flaws.into_iter().map(|flaw| flaw.path).collect()),
            Err(other) => panic!("{other}"),
        }
    }

    fn full() -> Request {
        let json = r#"{
            "title": " Lease ", "message": "Please", "sender": {"name": "Jo", "email": "jo@example.com"},
            "signers": [
                {"name": "Ada", "email": "ada@example.com"},
                {"name": "Bob", "mobile": "+44 7700 900123", "send_to": {"email": false, "sms": true}, "order": 7}
            ],
            "metadata": {"case": 7}, "callbacks": {"status_url": "https://example.com/?a=##Action##"}
        }"#;
        check(json).unwrap()
    }

    #[test]
    fn what_is_absent_is_what_it_is_by_default() {
        let request = full();
        assert_eq!(request.title, "Lease");
        assert_eq!(request.reminders.days, [3, 7, 14]);
        assert_eq!(request.signers.iter().map(|signer| signer.order).collect::<Vec<_>>(), [1, 7]);
        let told: Vec<SendTo> = request.signers.iter().map(|signer| signer.send_to).collect();
        assert_eq!(told, [SendTo::default(), SendTo { email: false, sms: true }]);
        assert_eq!((request.origin.as_str(), &request.state), ("native", &State::Draft));
    }

    #[test]
    fn every_flaw_is_told_with_its_place() {
        let json = r#"{
            "title": "", "signers": [{"name": "Ada", "email": "ada"}, {"email": "b@c.de", "order": 0}],
            "expires_at": "2001-01-01T00:00:00Z", "reminders": {"days": [0]},
            "callbacks": {"finish_url": "https://10.0.0.1/", "status_url": "https://e.com/##Who##"},
            "redirect_url": "javascript:1", "send": true
        }"#;
        let expected = [
            "title",
            "signers[0].email",
            "signers[1].order",
            "signers[1].name",
            "expires_at",
            "reminders.days",
            "callbacks.finish_url",
            "callbacks.status_url",
            "redirect_url",
        ];
        assert_eq!(check(json), Err(expected.map(str::to_owned).into()));
    }

    #[test]
    fn to_be_sent_a_request_needs_somebody_to_sign() {
        assert!(check(r#"{"title": "a"}"#).is_ok());
        let copies = r#"{"title": "a", "send": true, "signers": [{"name": "A", "email": "a@b.cd", "role": "cc"}]}"#;
        assert_eq!(check(copies), Err(vec!["signers".to_owned()]));
    }

    #[test]
    fn a_draft_is_bounded_as_a_whole() {
        let signer = |n: usize| {
            let company = "\u{1f58b}".repeat(200);
            format!(
                r#"{{"name":"{company}","email":"a{n}@b.cd","label":"{company}","company":"{company}"}}"#
            )
        };
        let signers: Vec<String> = (0..100).map(signer).collect();
        let json = format!(r#"{{"title":"a","signers":[{}]}}"#, signers.join(","));
        assert_eq!(check(&json), Err(vec![String::new()]));
        let signers = vec![r#"{"name":"A","email":"a@b.cd"}"#; 101].join(",");
        let json = format!(r#"{{"title":"a","signers":[{signers}]}}"#);
        assert_eq!(check(&json), Err(vec!["signers".to_owned()]));
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name_and_null_clears() {
        let old = full();
        assert_eq!(change(old.clone(), "{}"), Ok(old.clone()));
        let json = r#"{"message": null, "title": "New", "metadata": null, "callbacks": null}"#;
        let new = change(old.clone(), json).unwrap();
        assert_eq!((new.title.as_str(), &new.message), ("New", &None));
        assert!(new.metadata.is_empty() && new.callbacks.is_empty());
        assert_eq!(new.signers, old.signers);
        assert_eq!(change(old, r#"{"title": ""}"#), Err(vec!["title".to_owned()]));
    }
}
