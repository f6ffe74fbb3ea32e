//! The first request: from draft to complete, told to five systems in five dialects, and shown as it happens.
//!
//! Invariant: endpoints of the story are gone when it has ended, however it ended, so that nothing fails for ever.
//! Left to others: what happens (`engine`), receiving it ([`crate::cli::loopback`]).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use dialects::dialect;
use domain::call::Outcome;
use domain::chain::Link;
use domain::delivery::{Attempt, Delivery};
use domain::endpoint::{Dialect, Ordering};
use domain::event::{Event, Kind};
use domain::facts::AboutRequest;
use domain::id::{AccountId, EndpointId, EventId, RequestId};
use domain::message::Reception;
use domain::request::{Request, Sender, SigningOrder};
use domain::retry::Profile;
use domain::secret::Secret;
use domain::signer::Via;
use domain::time::Timestamp;
use engine::endpoints::NewEndpoint;
use engine::requests::{NewPerson, NewRequest, NewSigner, SignInput};
use engine::{Engine, Once};
use store::{DeliveryFilter, Page, RequestFilter, TimelineEntry};
use tokio::time::{interval, timeout};

use crate::cli::loopback::Loopback;
use crate::screen::Screen;

/// Marks the endpoints of the story.
const MARK: &str = "the first request of `countersign dev`";
/// What is agreed to.
pub(crate) const CONSENT: &str = "I agree to sign electronically";
/// Who signs, one after the other.
pub(crate) const SIGNERS: [(&str, &str); 2] =
    [("Ada Lovelace", "ada@example.com"), ("Grace Hopper", "grace@example.com")];
/// A step may take so long, with all its deliveries.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);
/// Between two looks at the timeline.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// Rows of a page.
const PAGE: u32 = 200;

/// Tells whether nothing was ever asked for here.
pub(crate) async fn is_first(engine: &Engine, account: AccountId) -> anyhow::Result<bool> {
    let page = Page { limit: 1, after: None };
    let requests = engine.views().requests(account, RequestFilter::default(), page).await;
    Ok(requests.context("looking for requests")?.is_empty())
}

/// Deletes endpoints that a story left behind.
pub(crate) async fn tidy(engine: &Engine, account: AccountId) -> anyhow::Result<()> {
    let page = Page { limit: PAGE, after: None };
    for row in engine.views().endpoints(account, page).await.context("looking for endpoints")? {
        if row.endpoint.description.as_deref() == Some(MARK) {
            let deleted = engine.delete_endpoint(account, row.endpoint.id).await;
            deleted.context("deleting an endpoint of the story")?;
        }
    }
    Ok(())
}

/// Plays a request through.
pub(crate) async fn play(
    engine: &Engine,
    account: AccountId,
    screen: &mut Screen,
) -> anyhow::Result<()> {
    let receiver = Loopback::taking_all().await?;
    let told = tell(engine, account, &receiver, screen).await;
    tidy(engine, account).await?;
    told
}

async fn tell(
    engine: &Engine,
    account: AccountId,
    receiver: &Loopback,
    screen: &mut Screen,
) -> anyhow::Result<()> {
    let endpoints = register(engine, account, receiver).await?;
    let request = draft(engine, account, "The first request").await?;
    let (id, unkept) = (request.id, Once::<Request>::unkept());
    let mut teller = Teller::new(engine, account, id, endpoints);
    teller.catch_up(screen).await?;
    engine.send_request(account, id, &unkept).await.context("sending it")?;
    teller.catch_up(screen).await?;
    for signer in &request.signers {
        let of = (id, signer.id);
        engine.view_signer(account, of, &unkept).await.context("opening the page")?;
        teller.catch_up(screen).await?;
        let input = SignInput {
            name: signer.person.name.clone(),
            consent: CONSENT.to_owned(),
            device: None,
            ip: None,
            user_agent: None,
            via: Via::Api,
        };
        engine.sign_signer(account, of, input, &unkept).await.context("signing")?;
        teller.catch_up(screen).await?;
    }
    screen.gap()?;
    teller.conclude(screen)
}

/// Drafts a request of two people who sign one after the other.
pub(crate) async fn draft(
    engine: &Engine,
    account: AccountId,
    title: &str,
) -> anyhow::Result<Request> {
    let signers = SIGNERS.map(|(name, email)| NewSigner {
        person: NewPerson {
            name: name.to_owned(),
            email: email.to_owned(),
            ..NewPerson::default()
        },
        ..NewSigner::default()
    });
    let input = NewRequest {
        title: title.to_owned(),
        sender: Some(Sender {
            name: "Countersign".to_owned(),
            email: "dev@example.com".to_owned(),
        }),
        signing_order: SigningOrder::Sequential,
        signers: signers.into(),
        ..NewRequest::default()
    };
    engine.create_request(account, input, &Once::unkept()).await.context("drafting a request")
}

/// Registers an endpoint of each dialect that tells of requests.
async fn register(
    engine: &Engine,
    account: AccountId,
    receiver: &Loopback,
) -> anyhow::Result<BTreeMap<EndpointId, Dialect>> {
    let mut endpoints = BTreeMap::new();
    // Ironclad tells of workflows, and this is a request.
    let tells = |dialect: &Dialect| dialects::speaks(*dialect, Kind::RequestCompleted);
    for dialect in Dialect::ALL.into_iter().filter(tells) {
        let path = match dialect {
            Dialect::Standard | Dialect::Clickwrap | Dialect::Ironclad | Dialect::Insertsign => {
                dialect.as_str().to_owned()
            }
            Dialect::Fintechos | Dialect::Esaw => {
                format!("{}?envelope=##EnvelopeId##&action=##Action##", dialect.as_str())
            }
        };
        let input = NewEndpoint {
            url: receiver.url(&path),
            dialect,
            ordering: Ordering::Request,
            token: (dialect == Dialect::Clickwrap).then(|| Secret::new("a-secret-code")),
            description: Some(MARK.to_owned()),
            ..NewEndpoint::default()
        };
        let made = engine.create_endpoint(account, input, &Once::unkept()).await;
        let made =
            made.with_context(|| format!("registering an endpoint of {}", dialect.as_str()))?;
        endpoints.insert(made.id, dialect);
    }
    Ok(endpoints)
}

/// Shows a timeline as it grows.
struct Teller<'a> {
    engine: &'a Engine,
    account: AccountId,
    request: RequestId,
    endpoints: BTreeMap<EndpointId, Dialect>,
    /// What each event is.
    events: BTreeMap<EventId, (Kind, String)>,
    last: Option<Link>,
    told: usize,
    failed: usize,
}

impl<'a> Teller<'a> {
    fn new(
        engine: &'a Engine,
        account: AccountId,
        request: RequestId,
        endpoints: BTreeMap<EndpointId, Dialect>,
    ) -> Self {
        let events = BTreeMap::new();
        Self { engine, account, request, endpoints, events, last: None, told: 0, failed: 0 }
    }

    /// Shows what is new until every delivery has ended.
    async fn catch_up(&mut self, screen: &mut Screen) -> anyhow::Result<()> {
        let shown = timeout(STEP_TIME_MAX, async {
            let mut looks = interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                // Asked first: what ends in between is in the timeline by then.
                let is_quiet = self.is_quiet().await?;
                self.show(screen).await?;
                if is_quiet {
                    return Ok(());
                }
            }
        });
        shown.await.context("waiting for the deliveries of a step")?
    }

    async fn is_quiet(&self) -> anyhow::Result<bool> {
        let filter =
            DeliveryFilter { state: Some("pending".to_owned()), ..DeliveryFilter::default() };
        let page = Page { limit: PAGE, after: None };
        let pending = self.engine.views().deliveries(self.account, filter, page).await;
        let pending = pending.context("looking for deliveries")?;
        Ok(!pending.iter().any(|row| self.endpoints.contains_key(&row.delivery.endpoint)))
    }

    async fn show(&mut self, screen: &mut Screen) -> anyhow::Result<()> {
        let after = self.last.map(|link| u128::from(link.seq));
        let page = Page { limit: PAGE, after };
        let rows = self.engine.views().timeline(self.account, self.request, page).await;
        for TimelineEntry { link, at, event, attempt, .. } in
            rows.context("reading the timeline")?
        {
            self.last = Some(link);
            let line = match (event, attempt) {
                (Some(event), _) => self.event(screen, at, &event),
                (None, Some((delivery, attempt))) => self.attempt(screen, at, &delivery, &attempt),
                (None, None) => continue,
            };
            screen.line(line)?;
        }
        Ok(())
    }

    fn event(&mut self, screen: &Screen, at: Timestamp, event: &Event) -> String {
        let about = serde_json::from_str::<AboutRequest>(&event.data).ok();
        let signer = about.and_then(|about| about.signer).map(|signer| signer.person.name);
        self.events.insert(event.id, (event.kind, event.name.to_string()));
        let (at, signer) = (screen.faint(&time_of_day(at)), signer.unwrap_or_default());
        let line = format!("  {at}  {}  {signer}", screen.bold(&format!("{:18}", event.name)));
        line.trim_end().to_owned()
    }

    fn attempt(
        &mut self,
        screen: &Screen,
        at: Timestamp,
        delivery: &Delivery,
        attempt: &Attempt,
    ) -> String {
        let Some(which) = self.endpoints.get(&delivery.endpoint).copied() else {
            return self.message(screen, at, attempt);
        };
        let (kind, name) = match self.events.get(&delivery.event) {
            Some((kind, name)) => (Some(*kind), name.as_str()),
            None => (None, "an event"),
        };
        let words = dialect(which).words();
        let word = words.iter().find(|word| Some(word.kind) == kind).map_or(name, |word| word.name);
        let profile = Profile::named(which.as_str()).or_else(|| Profile::named("esaw"));
        let status = attempt.outcome.status();
        let good = profile.zip(status).is_some_and(|(profile, status)| profile.is_success(status));
        self.told += usize::from(good);
        self.failed += usize::from(!good);
        let ending = attempt.outcome.ending();
        let at = screen.faint(&time_of_day(at));
        let ending = screen.judged(good, &ending);
        let took = screen.faint(&format!("{} ms", attempt.took_ms));
        format!("  {at}    told {:10}  {word:22}  {ending}  {took}", which.as_str())
    }

    /// Tells of a message to a person: who carries it is none of the story's systems.
    fn message(&mut self, screen: &Screen, at: Timestamp, attempt: &Attempt) -> String {
        let good = matches!(&attempt.outcome, Outcome::Handed(handed) if handed.receipt.reception == Reception::Accepted);
        self.failed += usize::from(!good);
        let ending = screen.judged(good, if good { "handed over" } else { "not handed over" });
        let (at, took) =
            (screen.faint(&time_of_day(at)), screen.faint(&format!("{} ms", attempt.took_ms)));
        format!("  {at}    told {:10}  {:22}  {ending}  {took}", "a person", "a message")
    }

    /// Says what came of it.
    fn conclude(&self, screen: &mut Screen) -> anyhow::Result<()> {
        let Some(last) = self.last else { return Ok(()) };
        let hash = last.hash.to_string();
        let hash: String = hash.chars().take(12).collect();
        let (events, told) = (self.events.len(), self.told);
        screen.line(format!(
            "  {events} events, {told} webhooks delivered; {} entries in a hash chain that ends in {hash}…",
            last.seq
        ))?;
        ensure!(
            self.failed == 0,
            "{} webhooks and messages of the story did not arrive",
            self.failed
        );
        Ok(())
    }
}

/// Writes the time without its day.
fn time_of_day(at: Timestamp) -> String {
    at.to_string().get(11..23).unwrap_or_default().to_owned()
}
