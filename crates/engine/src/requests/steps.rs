//! From a request's steps to one commit: the new state, its events, its links, its timer, its callbacks.
//!
//! Invariants: an event tells the request as it was after its step; the store never sees a signer's token, only its hash;
//! a timer stands exactly while a request can expire.
//! Left to others: who hears of the events (`store`), what callbacks say (`dialects`).

use std::borrow::Cow;
use std::collections::BTreeSet;

use domain::chain::sha256;
use domain::endpoint::{
    Dialect, Endpoint, MAX_IN_FLIGHT_DEFAULT, Ordering, Scope, Secrets, Signing, Status,
    TIMEOUT_S_DEFAULT,
};
use domain::event::{DATA_BYTES_MAX, Event, Kind};
use domain::facts::{AboutRequest, Heard};
use domain::id::{self, AccountId, EndpointId, EventId, RequestId, SignerId};
use domain::request::{Action, Happening, Refused, Request, State, Step};
use domain::signer::{self, Role};
use domain::subscription::Subscription;
use domain::time::Timestamp;
use store::{Audience, Commit, Guarded, Said, SignerLink, TimerKind, Version, Write};

use super::draft::dialect_of;
use crate::Engine;
use crate::command::{Flaw, Once, Refusal, insist};
use crate::endpoints::{default_method, default_profile};
use crate::workflows::Beside;

/// How a command decides: from the request as it is loaded, at that moment.
pub(super) type Decide<'a> = dyn Fn(Request, Timestamp) -> Result<Step, Refusal> + Send + Sync + 'a;

/// Steps of one request that become true together.
pub(crate) struct Course<'a> {
    /// The request as it was, with its version; absent for a new one.
    pub(crate) before: Option<(Request, Version)>,
    /// The steps in order.
    pub(crate) earlier: Vec<Step>,
    /// The last step.
    pub(crate) last: Step,
    /// The present moment.
    pub(crate) now: Timestamp,
    /// How a mirror came to know of it.
    pub(crate) heard: Option<Heard>,
    /// What else is written with it.
    pub(crate) more: Vec<Write>,
    /// What becomes of the workflow whose packet the request is.
    pub(crate) beside: Beside<'a>,
}

impl Course<'_> {
    /// Takes one step on from a request.
    pub(crate) fn one(before: (Request, Version), last: Step, now: Timestamp) -> Self {
        Self { before: Some(before), ..Self::of(last, now) }
    }

    /// Takes one step, of a request that is new.
    pub(crate) fn of(last: Step, now: Timestamp) -> Self {
        let (earlier, more) = (Vec::new(), Vec::new());
        Self { before: None, earlier, last, now, heard: None, more, beside: Beside::default() }
    }
}

/// The hidden endpoints that hear of a request's steps.
#[derive(Debug, Clone, Copy, Default)]
struct Hearers {
    finish: Option<EndpointId>,
    status: Option<EndpointId>,
}

impl Engine {
    /// Loads a request, lets `decide` take it on, and commits; starts over when somebody else was faster.
    pub(super) async fn step_request(
        &self,
        account: AccountId,
        id: RequestId,
        decide: &Decide<'_>,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        self.refuse_known(account, once).await?;
        insist(|| self.try_step(account, id, decide, once)).await
    }

    async fn try_step(
        &self,
        account: AccountId,
        id: RequestId,
        decide: &Decide<'_>,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let now = self.now();
        let (mut request, mut version) = self.load_request(account, id).await?;
        if is_overdue(&request, now) {
            self.lapse(request, version, now).await?;
            (request, version) = self.load_request(account, id).await?;
        }
        let last = decide(request.clone(), now)?;
        if last.happened.is_empty() && last.request == request {
            return Ok(request);
        }
        self.commit_course(Course::one((request, version), last, now), once).await
    }

    async fn load_request(
        &self,
        account: AccountId,
        id: RequestId,
    ) -> Result<(Request, Version), Refusal> {
        self.views().request(account, id).await?.ok_or(Refusal::NotFound { what: "request" })
    }

    /// Lets an overdue request expire, as of the moment its time ran out.
    pub(super) async fn lapse(
        &self,
        request: Request,
        version: Version,
        now: Timestamp,
    ) -> Result<Request, Refusal> {
        let ended_at = request.deadline().unwrap_or(now);
        let last = request.clone().expire(ended_at)?;
        let course = Course::one((request, version), last, now);
        self.commit_course(course, &Once::unkept()).await
    }

    /// Commits the steps, and gives the request as it is after the last one.
    pub(crate) async fn commit_course(
        &self,
        course: Course<'_>,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let Course { before, earlier, last, now, heard, more, beside } = course;
        let request = &last.request;
        let mut commit = Commit { writes: more, ..Commit::new(request.account, now) };
        let kinds: Vec<Kind> =
            earlier.iter().chain([&last]).flat_map(|step| &step.happened).map(|h| h.kind).collect();
        let hearers = self.hearers(request, &kinds, &mut commit).await?;
        for step in earlier.iter().chain([&last]) {
            for happening in &step.happened {
                let id = EventId::new(self.mint(now));
                let event = event(id, step, (happening, heard.as_ref()), now)?;
                let event = Event { callbacks: hearers.of(happening.kind, request), ..event };
                self.add_notices(&mut commit, (&step.request, happening, event.id), now).await?;
                commit.events.push(Said { event, audience: Audience::Subscribers });
            }
        }
        let version = before.as_ref().map_or(0, |(_, version)| *version);
        let gone = kinds.contains(&Kind::RequestDeleted);
        let was = before.as_ref().map(|(request, _)| request);
        let is = (!gone).then_some(request);
        commit.writes.extend(self.document_writes(was, is, now).await?);
        commit.writes.push(if gone {
            Write::RequestGone(request.id, version)
        } else {
            let told = earlier.iter().chain([&last]).flat_map(|step| told(&step.happened));
            let before = before.as_ref().map(|(request, _)| request);
            let links = self.links(request, new_signers(before, request).chain(told));
            Write::Request(Box::new(Guarded { version, value: request.clone() }), links)
        });
        let deadline_before = before.as_ref().and_then(|(request, _)| request.deadline());
        let deadline = if gone { None } else { request.deadline() };
        if deadline != deadline_before {
            commit.writes.push(Write::Timer(TimerKind::Expiry, request.id.bits(), deadline));
        }
        let reminder_before = before.as_ref().and_then(|(request, _)| request.next_reminder());
        let reminder = if gone { None } else { request.next_reminder() };
        if reminder != reminder_before {
            commit.writes.push(Write::Timer(TimerKind::Reminder, request.id.bits(), reminder));
        }
        let keeps_own = beside.reply.is_some();
        let steps: Vec<&Step> = earlier.iter().chain([&last]).collect();
        let reply = self.add_packet_steps(&mut commit, &steps, beside).await?;
        commit.reply = if keeps_own { reply } else { once.reply(request) };
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        Ok(last.request)
    }

    /// Gives a signing link and a short link to each of these signers; the store keeps those that it has.
    fn links(&self, request: &Request, signers: impl Iterator<Item = SignerId>) -> Vec<SignerLink> {
        let signers: BTreeSet<SignerId> = signers.collect();
        let texts = |signer| {
            let texts =
                [self.signing_token(request.id, signer), self.short_code(request.id, signer)];
            texts.map(|text| SignerLink {
                hash: sha256(text.as_bytes()),
                request: request.id,
                signer,
            })
        };
        signers.into_iter().flat_map(texts).collect()
    }

    /// Finds the hidden endpoints that hear of any of the kinds; one that is not there is made in the commit.
    async fn hearers(
        &self,
        request: &Request,
        kinds: &[Kind],
        commit: &mut Commit,
    ) -> Result<Hearers, Refusal> {
        let mut hearers = Hearers::default();
        if request.callbacks.is_empty() {
            return Ok(hearers);
        }
        let dialect = dialect_of(&request.callbacks);
        let spoken = |finish| {
            kinds.iter().any(|kind| is_finish(*kind) == finish && dialects::speaks(dialect, *kind))
        };
        let finish = request.callbacks.finish_url.as_deref().filter(|_| spoken(true));
        let status = request.callbacks.status_url.as_deref().filter(|_| spoken(false));
        let finish = finish.and_then(|url| origin(dialect, url));
        let status = status.and_then(|url| origin(dialect, url));
        if let Some(origin) = &finish {
            hearers.finish = Some(self.hearer(dialect, origin, commit).await?);
        }
        hearers.status = match (&status, &finish) {
            (Some(origin), Some(same)) if origin == same => hearers.finish,
            (Some(origin), _) => Some(self.hearer(dialect, origin, commit).await?),
            (None, _) => None,
        };
        Ok(hearers)
    }

    async fn hearer(
        &self,
        dialect: Dialect,
        origin: &str,
        commit: &mut Commit,
    ) -> Result<EndpointId, Refusal> {
        let (account, now) = (commit.account, commit.at);
        let found = self.views().callback_endpoint(account, dialect, origin.to_owned()).await?;
        if let Some(row) = found {
            return Ok(row.endpoint.id);
        }
        let id = EndpointId::new(self.mint(now));
        let endpoint = callback_endpoint((account, id), dialect, origin, now);
        commit.writes.push(Write::Endpoint(Guarded { version: 0, value: endpoint }));
        Ok(id)
    }
}

impl Hearers {
    /// Lists who hears of a kind.
    fn of(self, kind: Kind, request: &Request) -> Vec<EndpointId> {
        if request.callbacks.is_empty() || !dialects::speaks(dialect_of(&request.callbacks), kind) {
            return Vec::new();
        }
        let hearer = if is_finish(kind) { self.finish } else { self.status };
        hearer.into_iter().collect()
    }
}

/// Tells whether a request's time has run out though nobody noted it yet.
pub(super) fn is_overdue(request: &Request, now: Timestamp) -> bool {
    request.deadline().is_some_and(|deadline| deadline <= now)
}

/// Tells whether the finish callback hears of a kind, rather than the status callback.
const fn is_finish(kind: Kind) -> bool {
    matches!(kind, Kind::RequestCompleted | Kind::RequestDeclined)
}

/// Gives scheme, host and port of a callback.
fn origin(dialect: Dialect, url: &str) -> Option<String> {
    Some(dialects::check_url(dialect, url).ok()?.origin().ascii_serialization())
}

fn callback_endpoint(
    ids: (AccountId, EndpointId),
    dialect: Dialect,
    origin: &str,
    now: Timestamp,
) -> Endpoint {
    let (account, id) = ids;
    let kinds = Kind::ALL.iter().copied();
    let kinds = kinds.filter(|kind| *kind != Kind::Custom && dialects::speaks(dialect, *kind));
    Endpoint {
        id,
        account,
        url: origin.to_owned(),
        description: None,
        dialect,
        profile: default_profile(dialect),
        wants: Subscription {
            names: vec!["*".to_owned()],
            kinds: kinds.collect(),
            custom: Vec::new(),
        },
        method: default_method(dialect),
        signing: Signing::Hmac,
        ordering: Ordering::None,
        rate_limit: None,
        max_in_flight: MAX_IN_FLIGHT_DEFAULT,
        timeout_s: TIMEOUT_S_DEFAULT,
        status: Status::Enabled,
        scope: Scope::Callback,
        created_at: now,
        updated_at: now,
        secrets: Secrets::default(),
    }
}

/// Lists whose turn has come, or who is reminded: a link is promised to them, also where the request is older than links
/// are.
fn told(happened: &[Happening]) -> impl Iterator<Item = SignerId> {
    let is_told = |h: &&Happening| matches!(h.kind, Kind::SignerNotified | Kind::RequestReminded);
    happened.iter().filter(is_told).filter_map(|happening| happening.signer)
}

/// Finds the signers who can act now and could not before, and those who get a copy.
fn new_signers(before: Option<&Request>, request: &Request) -> impl Iterator<Item = SignerId> {
    let before = before.filter(|before| before.sent_at().is_some());
    let is_sent = matches!(request.state, State::Sent { .. });
    let open = request
        .signers
        .iter()
        .filter(move |signer| is_sent && (signer.is_open() || signer.role == Role::Cc));
    open.map(|signer| signer.id)
        .filter(move |id| before.is_none_or(|before| before.signer(*id).is_none()))
}

/// Writes down one thing that happened in a step.
fn event(
    id: EventId,
    step: &Step,
    (happening, heard): (&Happening, Option<&Heard>),
    now: Timestamp,
) -> Result<Event, Refusal> {
    let Step { request, .. } = step;
    let moved = happening.signer.filter(|_| happening.kind == Kind::SignerReassigned);
    let from_signer_id = moved.and_then(|new| reassigned_from(request, new));
    let about = AboutRequest {
        request: request.clone(),
        signer: happening.signer.and_then(|id| request.signer(id)).cloned(),
        from_signer_id,
        heard: heard.cloned(),
    };
    let data = serde_json::to_string(&about).map_err(|error| store::Error::Corrupt {
        table: "requests",
        detail: format!("{} cannot be written as JSON: {error}", request.id),
    })?;
    if data.len() > DATA_BYTES_MAX {
        let message = format!(
            "expected less text: an event about the request would exceed {DATA_BYTES_MAX} bytes"
        );
        return Err(Refusal::Invalid(vec![Flaw::new("", message)]));
    }
    Ok(Event {
        id,
        account: request.account,
        kind: happening.kind,
        name: Cow::Borrowed(happening.kind.as_str()),
        at: now,
        request: Some(request.id),
        order_key: Some(request.id.to_string()),
        key: None,
        data,
        test: false,
        callbacks: Vec::new(),
        link: None,
    })
}

fn reassigned_from(request: &Request, new: SignerId) -> Option<SignerId> {
    let is_from =
        |state: &signer::State| matches!(state, signer::State::Reassigned { to, .. } if *to == new);
    request.signers.iter().find(|signer| is_from(&signer.state)).map(|signer| signer.id)
}

/// Refuses what only a draft allows.
pub(super) fn must_be_draft(request: &Request) -> Result<(), Refused> {
    match request.state {
        State::Draft => Ok(()),
        State::Sent { .. }
        | State::Completed { .. }
        | State::Declined { .. }
        | State::Expired { .. }
        | State::Cancelled { .. } => Err(Refused::Impossible {
            action: Action::Update,
            status: request.state.as_str(),
            possible: request.possible(),
        }),
    }
}

/// Writes 256 bits as 52 characters.
pub(super) fn token(bytes: [u8; 32]) -> String {
    let [high, low] = [0, 16].map(|from| {
        let half = bytes.iter().skip(from).take(16);
        id::encode(half.fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte)))
    });
    high + &low
}

/// The characters of a [`token`].
pub(super) const TOKEN_CHARS: usize = 52;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::request::{Callbacks, Reminders, Sender, SigningOrder};
    use domain::signer::{Person, SendTo, Signer};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn draft(signers: u128) -> Request {
        let signer = |n| Signer {
            id: SignerId::new(n),
            person: Person { name: "Ada".to_owned(), ..Person::default() },
            order: 1,
            role: Role::Signer,
            send_to: SendTo::default(),
            state: signer::State::Waiting,
            reminders: 0,
            reminded_at: None,
            foreign_id: None,
            foreign_url: None,
        };
        Request {
            id: RequestId::new(1),
            account: AccountId::new(2),
            title: "Lease".to_owned(),
            message: None,
            documents: Vec::new(),
            sender: Sender::default(),
            signing_order: SigningOrder::Parallel,
            signers: (1..=signers).map(signer).collect(),
            progress: 0,
            expires_at: None,
            reminders: Reminders::default(),
            notices: BTreeMap::new(),
            callbacks: Callbacks::default(),
            redirect_url: None,
            metadata: BTreeMap::new(),
            origin: "native".to_owned(),
            workflow: None,
            foreign: None,
            created_at: NOW,
            state: State::Draft,
            archived_at: None,
        }
    }

    fn reassigned() -> (Request, Step) {
        let sent = draft(2).send(NOW).unwrap().request;
        let to = (SignerId::new(9), Person::default());
        let step = sent.clone().reassign(SignerId::new(1), to, NOW).unwrap();
        (sent, step)
    }

    #[test]
    fn an_event_tells_the_request_after_its_step() {
        let step = draft(1).send(NOW).unwrap();
        let told: Vec<Event> = step
            .happened
            .iter()
            .map(|h| event(EventId::new(3), &step, (h, None), NOW).unwrap())
            .collect();
        let names: Vec<&str> = told.iter().map(|event| event.name.as_ref()).collect();
        assert_eq!(names, ["request.sent", "signer.notified"]);
        let about: AboutRequest = serde_json::from_str(&told[1].data).unwrap();
        assert_eq!(about.request, step.request);
        assert_eq!(about.signer.map(|signer| signer.id), Some(SignerId::new(1)));
        assert_eq!(told[1].order_key, Some(RequestId::new(1).to_string()));
    }

    #[test]
    fn a_reassignment_says_whose_part_it_was() {
        let (_, step) = reassigned();
        let event = event(EventId::new(3), &step, (&step.happened[0], None), NOW).unwrap();
        let about: AboutRequest = serde_json::from_str(&event.data).unwrap();
        assert_eq!(about.from_signer_id, Some(SignerId::new(1)));
        assert_eq!(about.signer.map(|signer| signer.id), Some(SignerId::new(9)));
    }

    #[test]
    fn an_event_that_would_be_too_long_is_refused() {
        let mut request = draft(1);
        request.message = Some("x".repeat(DATA_BYTES_MAX));
        let step = request.created();
        let refused = event(EventId::new(3), &step, (&step.happened[0], None), NOW);
        assert!(matches!(refused, Err(Refusal::Invalid(_))), "{refused:?}");
    }

    #[test]
    fn links_go_to_those_who_can_act_and_could_not_before() {
        let links = |before: Option<&Request>, after: &Request| -> Vec<u128> {
            new_signers(before, after).map(SignerId::bits).collect()
        };
        let drafted = draft(2);
        let sent = drafted.clone().send(NOW).unwrap().request;
        assert!(links(None, &drafted).is_empty());
        assert_eq!(links(Some(&drafted), &sent), [1, 2]);
        assert_eq!(links(None, &sent), [1, 2]);
        let (before, step) = reassigned();
        assert_eq!(links(Some(&before), &step.request), [9]);
        assert!(
            links(Some(&before), &before.clone().cancel(None, NOW).unwrap().request).is_empty()
        );
    }

    #[test]
    fn who_gets_a_copy_has_a_link_from_the_start() {
        let mut drafted = draft(2);
        drafted.signers[1].role = Role::Cc;
        let step = drafted.clone().send(NOW).unwrap();
        let links: Vec<u128> =
            new_signers(Some(&drafted), &step.request).map(SignerId::bits).collect();
        assert_eq!(links, [1, 2]);
        assert!(told(&step.happened).eq([SignerId::new(1)]));
    }

    #[test]
    fn the_finish_callback_hears_of_the_end_and_the_status_callback_of_the_rest() {
        let callbacks = Callbacks {
            finish_url: Some("https://a.example.com/f".to_owned()),
            status_url: Some("https://b.example.com/s".to_owned()),
            ..Callbacks::default()
        };
        let request = Request { callbacks, ..draft(1) };
        let (a, b) = (EndpointId::new(1), EndpointId::new(2));
        let hearers = Hearers { finish: Some(a), status: Some(b) };
        assert_eq!(hearers.of(Kind::RequestCompleted, &request), [a]);
        assert_eq!(hearers.of(Kind::SignerSigned, &request), [b]);
        assert!(hearers.of(Kind::RequestArchived, &request).is_empty(), "esaw has no word for it");
        assert!(hearers.of(Kind::SignerSigned, &draft(1)).is_empty());
    }

    #[test]
    fn an_origin_keeps_its_port_and_nothing_behind_it() {
        let url = "https://Hooks.example.com:8443/a?b=##EnvelopeId##";
        let expected = "https://hooks.example.com:8443";
        assert_eq!(origin(Dialect::Esaw, url).as_deref(), Some(expected));
        assert_eq!(
            origin(Dialect::Esaw, "https://a.example.com:443/x").as_deref(),
            Some("https://a.example.com")
        );
    }

    #[test]
    fn a_token_is_whole_and_depends_on_every_byte() {
        let zeros = token([0; 32]);
        assert_eq!(zeros.len(), TOKEN_CHARS);
        for at in 0..32 {
            let mut bytes = [0; 32];
            bytes[at] = 1;
            assert_ne!(token(bytes), zeros, "byte {at}");
        }
    }

    #[test]
    fn a_deadline_is_overdue_from_its_very_moment() {
        let request = Request { expires_at: Some(NOW), ..draft(1) };
        assert!(!is_overdue(&request, NOW), "a draft has no deadline");
        let sent = request.send(NOW.plus_millis(-5)).unwrap().request;
        assert!(is_overdue(&sent, NOW) && !is_overdue(&sent, NOW.plus_millis(-1)));
    }
}
