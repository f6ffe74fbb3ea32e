//! From what a client says of an endpoint to one that can be kept.
//!
//! Invariant: an endpoint is checked as a whole, so that a change of one part cannot make nonsense of another.
//! Left to others: secrets to sign with, and what follows from a change of status ([`super`]).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use channels::Guard;
use domain::call::Method;
use domain::endpoint::{
    Dialect, Endpoint, MAX_IN_FLIGHT_DEFAULT, Scope, Secrets, SigningSecret, Status,
    TIMEOUT_S_DEFAULT,
};
use domain::id::{AccountId, EndpointId};
use domain::retry::{Gone, Profile, Success, WAIT_S_MAX, WAITS_MAX};
use domain::secret::Secret;
use domain::subscription::Subscription;
use domain::time::Timestamp;

use super::{EndpointPatch, NewEndpoint, NewProfile};
use crate::check::{self, Checked, Flaws};
use crate::command::{Patch, Refusal};

const EVENTS_MAX: usize = 100;
const HEADERS_MAX: usize = 20;
const HEADER_NAME_CHARS_MAX: usize = 100;
const HEADER_VALUE_CHARS_MAX: usize = 2_048;
const TOKEN_CHARS_MAX: usize = 512;
const RATE_LIMIT_MAX: u32 = 10_000;
const IN_FLIGHT_MAX: u32 = 100;
const TIMEOUT_S_MAX: u32 = 30;

/// What a client has no say in.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) id: EndpointId,
    pub(super) account: AccountId,
    pub(super) signing: Vec<SigningSecret>,
    pub(super) created_at: Timestamp,
}

/// Checks all of an endpoint. `profile` is the one it had, if the client does not name one.
pub(super) fn endpoint(
    base: Base,
    input: NewEndpoint,
    profile: Option<Profile>,
    with: (&Guard, Timestamp),
) -> Result<Endpoint, Refusal> {
    let (guard, now) = with;
    let Base { id, account, signing, created_at } = base;
    let dialect = input.dialect;
    let mut flaws = Flaws::default();
    let wants = take_events(&mut flaws, dialect, input.events);
    let profile = profile.unwrap_or_else(|| default_profile(dialect));
    let limits = [
        ("rate_limit", input.rate_limit, RATE_LIMIT_MAX),
        ("max_in_flight", input.max_in_flight, IN_FLIGHT_MAX),
        ("timeout_s", input.timeout_s, TIMEOUT_S_MAX),
    ];
    let [rate_limit, max_in_flight, timeout_s] =
        limits.map(|(path, number, most)| flaws.take(path, check::within(number, 1, most)));
    if matches!(input.status, Status::DisabledBySystem | Status::Deleted) {
        flaws.note("status", "expected `enabled` or `disabled`");
    }
    let endpoint = Endpoint {
        id,
        account,
        url: flaws.take("url", url(&input.url, dialect, guard)),
        description: flaws.take(
            "description",
            check::prose_or_none(input.description.as_deref(), check::NOTE_CHARS_MAX),
        ),
        dialect,
        profile: take_profile(&mut flaws, profile, input.profile),
        wants,
        method: flaws.take("method", method(input.method, dialect)),
        signing: input.signing,
        ordering: input.ordering,
        rate_limit,
        max_in_flight: max_in_flight.unwrap_or(MAX_IN_FLIGHT_DEFAULT),
        timeout_s: timeout_s.unwrap_or(TIMEOUT_S_DEFAULT),
        status: input.status,
        scope: Scope::Registered,
        created_at,
        updated_at: now,
        secrets: Secrets {
            signing,
            token: flaws.take("token", token(input.token, dialect)),
            authorization: flaws.take("authorization", authorization(input.authorization)),
            headers: take_headers(&mut flaws, input.headers),
        },
    };
    flaws.none()?;
    Ok(endpoint)
}

/// Checks an endpoint with a change. The system's own stop stays unless the client says otherwise.
pub(super) fn patched(
    old: Endpoint,
    patch: EndpointPatch,
    with: (&Guard, Timestamp),
) -> Result<Endpoint, Refusal> {
    let dialect = patch.dialect.unwrap_or(old.dialect);
    let is_usual = old.profile == default_profile(old.dialect);
    let kept = (!is_usual || dialect == old.dialect).then_some(old.profile);
    let (profile, named) = match patch.profile {
        Patch::Keep => (kept, None),
        Patch::Clear => (None, None),
        Patch::Set(named) => (None, Some(named)),
    };
    let Secrets { signing, token, authorization, headers } = old.secrets;
    let base = Base { id: old.id, account: old.account, signing, created_at: old.created_at };
    let method = if dialect == old.dialect { Some(old.method) } else { None };
    let input = NewEndpoint {
        url: patch.url.unwrap_or(old.url),
        events: Some(patch.events.unwrap_or(old.wants.names)),
        dialect,
        profile: named,
        method: patch.method.or(method),
        token: patch.token.over(token),
        authorization: patch.authorization.over(authorization),
        headers: patch.headers.over(Some(headers.into_iter().collect())).unwrap_or_default(),
        ordering: patch.ordering.unwrap_or(old.ordering),
        rate_limit: patch.rate_limit.over(old.rate_limit),
        max_in_flight: patch.max_in_flight.over(Some(old.max_in_flight)),
        timeout_s: patch.timeout_s.over(Some(old.timeout_s)),
        status: patch.status.unwrap_or(Status::Enabled),
        description: patch.description.over(old.description),
        signing: patch.signing.unwrap_or(old.signing),
    };
    let status = old.status;
    let new = endpoint(base, input, profile, with)?;
    Ok(if patch.status.is_some() { new } else { Endpoint { status, ..new } })
}

/// Gives the profile of a dialect.
pub(crate) fn default_profile(dialect: Dialect) -> Profile {
    let name = match dialect {
        Dialect::Standard => "standard",
        Dialect::Clickwrap => "clickwrap",
        Dialect::Ironclad => "ironclad",
        Dialect::Insertsign => "insertsign",
        Dialect::Fintechos | Dialect::Esaw => "esaw",
    };
    Profile::named(name).unwrap_or(Profile {
        name: "custom".into(),
        waits_s: Vec::new().into(),
        jitter_percent: 0,
        success: Success::Any2xx,
        gone: Gone::Retry,
    })
}

/// Gives the verb that a dialect is usually said with.
pub(crate) fn default_method(dialect: Dialect) -> Method {
    dialects::dialect(dialect).methods().first().copied().unwrap_or_default()
}

/// Checks where an endpoint listens. Without placeholders the URL is kept in its usual form, so that one target has
/// one spelling.
fn url(text: &str, dialect: Dialect, guard: &Guard) -> Checked<String> {
    let text = text.trim();
    let url = check::target(text, dialect, guard)?;
    if dialects::dialect(dialect).has_placeholders() { Ok(text.to_owned()) } else { Ok(url.into()) }
}

fn method(method: Option<Method>, dialect: Dialect) -> Checked<Method> {
    let method = method.unwrap_or_else(|| default_method(dialect));
    let methods = dialects::dialect(dialect).methods();
    if methods.contains(&method) {
        Ok(method)
    } else {
        let names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
        Err(format!("expected {} in the {} dialect", names.join(" or "), dialect.as_str()))
    }
}

fn take_events(flaws: &mut Flaws, dialect: Dialect, events: Option<Vec<String>>) -> Subscription {
    let names = events.unwrap_or_else(|| vec!["*".to_owned()]);
    if names.is_empty() || names.len() > EVENTS_MAX {
        flaws.note("events", format!("expected 1 to {EVENTS_MAX} names, or `*` for everything"));
        return Subscription::default();
    }
    dialects::subscribe(dialect, &names).unwrap_or_else(|refused| {
        let acceptable = refused.acceptable.join(", ");
        for unknown in refused.unknown {
            let message = format!("expected one of {acceptable}");
            flaws.note(format!("events[{}]", unknown.index), message);
        }
        Subscription::default()
    })
}

/// Takes the profile that a client names, over the one it would be.
fn take_profile(flaws: &mut Flaws, usual: Profile, named: Option<NewProfile>) -> Profile {
    let (path, name, waits_s) = match named {
        None => return usual,
        Some(NewProfile::Named(name)) => ("profile", Some(name), None),
        Some(NewProfile::Waits { name, waits_s }) => ("profile.name", name, waits_s),
    };
    let profile = match name {
        None => usual,
        Some(name) => Profile::named(&name).unwrap_or_else(|| {
            flaws.note(path, format!("expected one of {}", Profile::NAMES.join(", ")));
            usual
        }),
    };
    let Some(waits_s) = waits_s else { return profile };
    if waits_s.len() > WAITS_MAX || waits_s.iter().any(|wait| !(1..=WAIT_S_MAX).contains(wait)) {
        let message =
            format!("expected at most {WAITS_MAX} waits, each of 1 to {WAIT_S_MAX} seconds");
        flaws.note("profile.waits_s", message);
        return profile;
    }
    profile.with_waits(waits_s)
}

fn token(token: Option<Secret>, dialect: Dialect) -> Checked<Option<Secret>> {
    let Some(token) = token else { return Ok(None) };
    if dialect != Dialect::Clickwrap {
        return Err("expected none: only the clickwrap dialect has a token".to_owned());
    }
    let text = token.expose();
    if (1..=TOKEN_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Some(token))
    } else {
        Err(format!("expected 1 to {TOKEN_CHARS_MAX} visible ASCII characters"))
    }
}

fn authorization(value: Option<Secret>) -> Checked<Option<Secret>> {
    value.map(header_value).transpose()
}

/// Checks the value of a header: visible ASCII, with single words apart.
fn header_value(value: Secret) -> Checked<Secret> {
    let text = value.expose();
    let fits = (1..=HEADER_VALUE_CHARS_MAX).contains(&text.len()) && text.trim() == text;
    if fits && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        Ok(value)
    } else {
        Err(format!(
            "expected 1 to {HEADER_VALUE_CHARS_MAX} visible ASCII characters, with spaces only between them"
        ))
    }
}

fn take_headers(flaws: &mut Flaws, headers: BTreeMap<String, Secret>) -> Vec<(String, Secret)> {
    if headers.len() > HEADERS_MAX {
        flaws.note("headers", format!("expected at most {HEADERS_MAX} headers"));
        return Vec::new();
    }
    let mut taken: BTreeMap<String, Secret> = BTreeMap::new();
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let is_known = name.len() <= HEADER_NAME_CHARS_MAX && dialects::header_allowed(&lower);
        if !is_known {
            flaws.note(
                "headers",
                format!(
                    "expected the name of a header that the service does not set itself, not `{}`",
                    shown(&name)
                ),
            );
            continue;
        }
        match (taken.entry(lower), header_value(value)) {
            (Entry::Occupied(_), _) => {
                flaws.note(format!("headers.{name}"), "expected each header once");
            }
            (Entry::Vacant(place), Ok(value)) => drop(place.insert(value)),
            (Entry::Vacant(_), Err(message)) => flaws.note(format!("headers.{name}"), message),
        }
    }
    taken.into_iter().collect()
}

/// Gives a name as far as a message can show it.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(HEADER_NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use channels::Schemes;
    use domain::event::Kind;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn told(refused: Result<Endpoint, Refusal>) -> Result<Endpoint, Vec<String>> {
        refused.map_err(|refusal| {
            let Refusal::Invalid(flaws) = refusal else { panic!("{refusal}") };
            flaws.into_iter().map(|flaw| flaw.path).collect()
        })
    }

    fn check(json: &str) -> Result<Endpoint, Vec<String>> {
        let input: NewEndpoint = serde_json::from_str(json).unwrap();
        let base = Base {
            id: EndpointId::new(1),
            account: AccountId::new(2),
            signing: Vec::new(),
            created_at: NOW,
        };
        told(endpoint(base, input, None, (&Guard::new(Vec::new(), Schemes::HttpsOnly), NOW)))
    }

    fn change(old: Endpoint, json: &str) -> Result<Endpoint, Vec<String>> {
        let patch: EndpointPatch = serde_json::from_str(json).unwrap();
        told(patched(old, patch, (&Guard::default(), NOW.plus_millis(1))))
    }

    #[test]
    fn what_is_absent_is_what_the_dialect_has() {
        let all = check(r#"{"url": "https://Example.com"}"#).unwrap();
        assert_eq!(all.url, "https://example.com/", "one target has one spelling");
        assert_eq!(
            (all.wants.kinds.len(), all.profile.name.as_ref()),
            (Kind::ALL.len() - 1, "standard")
        );
        assert_eq!((all.max_in_flight, all.timeout_s, all.rate_limit), (10, 15, None));
        let esaw = check(r#"{"url": "https://e.com/?x=##Action##", "dialect": "esaw"}"#).unwrap();
        assert_eq!(esaw.url, "https://e.com/?x=##Action##");
        assert_eq!(esaw.profile.name, "esaw");
    }

    #[test]
    fn every_flaw_is_told_with_its_place() {
        let json = r#"{
            "url": "http://example.com/", "events": ["request.sent", "request.lost"], "profile": "swift",
            "method": "GET", "token": "abc", "authorization": "a\nb",
            "headers": {"Host": "x", "X-A": "ä"}, "rate_limit": 0, "max_in_flight": 101, "timeout_s": 31,
            "status": "deleted"
        }"#;
        let mut paths = check(json).unwrap_err();
        paths.sort_unstable();
        let expected = [
            "authorization",
            "events[1]",
            "headers",
            "headers.X-A",
            "max_in_flight",
            "method",
            "profile",
            "rate_limit",
            "status",
            "timeout_s",
            "token",
            "url",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_acceptable_ones() {
        let mut flaws = Flaws::default();
        drop(take_events(&mut flaws, Dialect::Clickwrap, Some(vec!["request.sent".to_owned()])));
        let Err(Refusal::Invalid(flaws)) = flaws.none() else { panic!("a flaw") };
        assert!(flaws[0].message.contains("request_complete"), "{flaws:?}");
    }

    #[test]
    fn clickwrap_has_a_token_and_a_verb() {
        let json = r#"{"url": "https://e.com/", "dialect": "clickwrap", "method": "GET", "token": "s3cret"}"#;
        let endpoint = check(json).unwrap();
        assert_eq!(endpoint.method, Method::Get);
        assert_eq!(endpoint.secrets.token, Some(Secret::new("s3cret")));
        let moved = change(endpoint, r#"{"dialect": "standard"}"#);
        assert_eq!(moved, Err(vec!["token".to_owned()]));
    }

    #[test]
    fn waits_of_ones_own_stand_over_a_profile() {
        let profile = |json: &str| {
            check(&format!(r#"{{"url": "https://e.com/", "profile": {json}}}"#)).map(|e| e.profile)
        };
        let own = profile(r#"{"name": "insertsign", "waits_s": [1, 2]}"#).unwrap();
        assert_eq!((own.name.as_ref(), own.waits_s.as_ref()), ("custom", [1, 2].as_slice()));
        assert_eq!(own.success, Success::Only200);
        assert_eq!(profile(r#"{"name": "ironclad"}"#).unwrap().waits_s.len(), 12);
        assert_eq!(profile(r#"{"waits_s": [0]}"#), Err(vec!["profile.waits_s".to_owned()]));
        assert_eq!(profile(r#"{"name": "swift"}"#), Err(vec!["profile.name".to_owned()]));
    }

    #[test]
    fn headers_are_kept_in_lower_case_and_once() {
        let headers = |json: &str| {
            check(&format!(r#"{{"url": "https://e.com/", "headers": {json}}}"#))
                .map(|endpoint| endpoint.secrets.headers)
        };
        let kept = headers(r#"{"X-Tenant": "7"}"#).unwrap();
        assert_eq!(kept, [("x-tenant".to_owned(), Secret::new("7"))]);
        assert_eq!(headers(r#"{"X-A": "1", "x-a": "2"}"#), Err(vec!["headers.x-a".to_owned()]));
        assert_eq!(headers(r#"{"webhook-id": "1"}"#), Err(vec!["headers".to_owned()]));
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let old = check(
            r#"{"url": "https://e.com/", "events": ["request.sent"], "authorization": "Bearer x",
                "rate_limit": 5, "profile": "ironclad", "description": "mine"}"#,
        )
        .unwrap();
        let same = change(old.clone(), "{}").unwrap();
        assert_eq!(same, Endpoint { updated_at: NOW.plus_millis(1), ..old.clone() });
        let json =
            r#"{"rate_limit": null, "authorization": null, "profile": null, "description": null}"#;
        let cleared = change(old, json).unwrap();
        assert_eq!((cleared.rate_limit, cleared.secrets.authorization), (None, None));
        assert_eq!((cleared.profile.name.as_ref(), cleared.description), ("standard", None));
    }

    #[test]
    fn only_a_client_takes_back_what_the_system_did() {
        let old = check(r#"{"url": "https://e.com/"}"#).unwrap();
        let old = Endpoint { status: Status::DisabledBySystem, ..old };
        let kept = change(old.clone(), r#"{"description": "x"}"#).unwrap();
        assert_eq!(kept.status, Status::DisabledBySystem);
        assert_eq!(change(old, r#"{"status": "enabled"}"#).unwrap().status, Status::Enabled);
    }

    #[test]
    fn another_dialect_brings_its_own_profile_unless_one_was_chosen() {
        let json = r#"{"dialect": "insertsign"}"#;
        let usual = check(r#"{"url": "https://e.com/"}"#).unwrap();
        assert_eq!(change(usual, json).unwrap().profile.name, "insertsign");
        let chosen = check(r#"{"url": "https://e.com/", "profile": "ironclad"}"#).unwrap();
        assert_eq!(change(chosen, json).unwrap().profile.name, "ironclad");
    }
}
