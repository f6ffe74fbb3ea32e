//! Samples: a plausible event of every kind, for tests of endpoints, the catalogue and `countersign trigger`.
//!
//! Invariants: the same arguments give the same event; the data go through the types of [`domain::facts`] and the
//! transitions of [`domain::request`], so that a sample cannot drift from what really happens; samples are marked as tests.
//! Left to others: making one unlike a test (the catalogue clears the mark).

mod workflow;

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::call::Method;
use domain::contact::Contact;
use domain::endpoint;
use domain::event::{Event, Kind};
use domain::facts::{
    AboutArrival, AboutContact, AboutDelivery, AboutEndpoint, AboutForeign, AboutMail,
    AboutRequest, AboutSms, Arrival,
};
use domain::id::{
    AccountId, ContactId, DeliveryId, EndpointId, EventId, RequestId, SignerId, SourceId,
};
use domain::request::{Callbacks, Refused, Reminders, Request, Sender, SigningOrder, State, Step};
use domain::signer::{self, Device, Evidence, Person, Role, SendTo, Signer, Via};
use domain::time::{DAY_MS, SECOND_MS, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::clickwrap::{TEST_EVENT, TEST_EVENT_NAME};
use crate::{derive, dialect};

/// What a vendor says that we have no word for.
const FOREIGN_NAME: &str = "clickwrap.version_published";
const FOREIGN_WORD: &str = "version_published";
const FOREIGN_BODY: &str =
    r#"{"type":"webhook","event_type":"version_published","version":"1234abcd","contract":123}"#;

/// Gives the name of an event of a kind; of those that have none of their own, one that they could have.
fn name(kind: Kind) -> &'static str {
    if kind == Kind::Custom {
        "custom.invoice.paid"
    } else if kind == Kind::Foreign {
        FOREIGN_NAME
    } else {
        kind.as_str()
    }
}

/// Makes a plausible event of a kind, marked as a test.
///
/// The request it tells of is one that nobody stored.
pub fn sample(kind: Kind, account: AccountId, id: EventId, now: Timestamp) -> Event {
    let cast = Cast { account, id, now };
    let Told { request, data } = cast.tell(kind);
    Event {
        id,
        account,
        kind,
        name: Cow::Borrowed(name(kind)),
        at: now,
        request,
        order_key: request.map(|id| id.to_string()),
        key: None,
        data,
        test: true,
        callbacks: Vec::new(),
        link: None,
    }
}

/// Makes a plausible event by its name in a dialect; `None` if the dialect does not know the name.
///
/// A dialect that says custom events takes any custom name; `test_event` is what the test button of Clickwrap sends.
pub fn sample_named(
    which: endpoint::Dialect,
    name: &str,
    account: AccountId,
    id: EventId,
    now: Timestamp,
) -> Option<Event> {
    let custom =
        |name: String| Event { name: Cow::Owned(name), ..sample(Kind::Custom, account, id, now) };
    if which == endpoint::Dialect::Clickwrap && name == TEST_EVENT {
        return Some(Event { data: "{}".to_owned(), ..custom(TEST_EVENT_NAME.to_owned()) });
    }
    let dialect = dialect(which);
    if let Some(word) = dialect.words().iter().find(|word| word.name == name) {
        return Some(sample(word.kind, account, id, now));
    }
    (dialect.says_custom() && Kind::of(name) == Some(Kind::Custom)).then(|| custom(name.to_owned()))
}

/// Everything a sample is made from.
struct Cast {
    account: AccountId,
    id: EventId,
    now: Timestamp,
}

/// What a sample says, and the request it belongs to.
struct Told {
    request: Option<RequestId>,
    data: String,
}

impl Cast {
    /// Makes up what an event of a kind says.
    #[expect(clippy::too_many_lines, reason = "one arm names each kind")]
    fn tell(&self, kind: Kind) -> Told {
        let (now, yesterday) = (self.now, self.ago(DAY_MS));
        match kind {
            Kind::RequestCreated => of(&Request { created_at: now, ..self.draft() }),
            Kind::RequestSent => of(&self.sent(now)),
            Kind::SignerNotified => of_signer(&self.sent(now), &self.john()),
            Kind::SignerViewed => of_signer(&self.viewed(now), &self.john()),
            Kind::SignerSigned => of_signer(&self.signed(now), &self.john()),
            Kind::SignerDeclined => of_signer(&self.declined(), &self.john()),
            Kind::SignerReassigned => about(&self.reassigned()),
            Kind::SignerAdded => of_signer(&self.draft(), &self.jane()),
            Kind::SignerRemoved => of_signer(&self.draft(), &self.june()),
            Kind::RequestCompleted => of(&self.completed(now)),
            Kind::RequestDeclined => of(&self.declined()),
            Kind::RequestExpired => of(&self.expired()),
            Kind::RequestCancelled => of(&self.cancelled()),
            Kind::RequestArchived => of(&self.archived(now)),
            Kind::RequestUnarchived => of(&then(self.archived(yesterday), Request::unarchive)),
            Kind::RequestDeleted => of(&self.archived(yesterday)),
            Kind::RequestReminded => {
                let sent = self.sent(self.ago(3 * DAY_MS));
                of_signer(&then(sent, |request| request.remind(now)), &self.john())
            }
            Kind::ContactCreated => alone(&self.contact(now, now)),
            Kind::ContactUpdated => alone(&self.contact(yesterday, now)),
            Kind::ContactDeleted => alone(&self.contact(yesterday, yesterday)),
            Kind::EmailDelivered | Kind::EmailComplained => self.mail(None),
            Kind::EmailBounced => self.mail(Some("550 5.1.1 no such user")),
            Kind::SmsDelivered => self.sms(None),
            Kind::SmsFailed => self.sms(Some("the number is not in service")),
            Kind::EndpointFailing => alone(&self.endpoint("enabled", "failing", Some((1, 12)))),
            Kind::EndpointDisabled => {
                alone(&self.endpoint("disabled_by_system", "failing", Some((5, 60))))
            }
            Kind::EndpointEnabled => alone(&self.endpoint("enabled", "answered_probe", None)),
            Kind::DeliveryExhausted => alone(&self.delivery()),
            Kind::SourceReceived => alone(&Arrival {
                source_id: self.source_id(),
                method: Method::Post,
                query: "".into(),
                headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                body: Some(FOREIGN_BODY.into()),
                body_base64: None,
            }),
            Kind::SourceQuarantined => alone(&AboutArrival {
                source_id: self.source_id(),
                arrival_id: EventId::new(self.bits("arrival")),
                reason: "expected JSON: EOF while parsing a string at line 1 column 20".to_owned(),
            }),
            Kind::Foreign => alone(&AboutForeign {
                source_id: self.source_id(),
                arrival_id: EventId::new(self.bits("arrival")),
                word: FOREIGN_WORD.to_owned(),
                query: String::new(),
                body: Some(FOREIGN_BODY.to_owned()),
            }),
            Kind::WorkflowLaunched
            | Kind::WorkflowUpdated
            | Kind::WorkflowStepUpdated
            | Kind::WorkflowPaused
            | Kind::WorkflowResumed
            | Kind::WorkflowCompleted
            | Kind::WorkflowCancelled
            | Kind::WorkflowAttributeUpdated
            | Kind::WorkflowApprovalStatusChanged
            | Kind::WorkflowRolesAssigned
            | Kind::WorkflowChangedTurn
            | Kind::WorkflowCommentAdded
            | Kind::WorkflowCommentUpdated
            | Kind::WorkflowCommentRemoved
            | Kind::WorkflowCommentReactionAdded
            | Kind::WorkflowCommentReactionRemoved
            | Kind::WorkflowCounterpartyInviteSent
            | Kind::WorkflowCounterpartyInviteRevoked
            | Kind::WorkflowDocumentsAdded
            | Kind::WorkflowDocumentsRemoved
            | Kind::WorkflowDocumentsUpdated
            | Kind::WorkflowDocumentsRenamed
            | Kind::WorkflowDocumentEdited
            | Kind::WorkflowSignerAdded
            | Kind::WorkflowSignerRemoved
            | Kind::WorkflowSignerReassigned
            | Kind::WorkflowSignaturePacketSent
            | Kind::WorkflowSignaturePacketUploaded
            | Kind::WorkflowSignaturePacketSignaturesCollected
            | Kind::WorkflowSignaturePacketFullySigned
            | Kind::WorkflowSignaturePacketCancelled => self.tell_workflow(kind),
            Kind::Custom => alone(&json!({"invoice": "2026-0042", "amount": 1250, "paid": true})),
        }
    }

    /// Derives the bits of another id: the event's moment and counter, other chance.
    fn bits(&self, purpose: &str) -> u128 {
        let chance = derive::bits(purpose, self.account, &self.id.to_string()) >> 66;
        (self.id.bits() >> 62 << 62) | chance
    }

    fn source_id(&self) -> SourceId {
        SourceId::new(self.bits("source"))
    }

    fn request_id(&self) -> RequestId {
        RequestId::new(self.bits("sample request"))
    }

    fn ago(&self, millis: i64) -> Timestamp {
        self.now.plus_millis(-millis)
    }

    fn signer(&self, order: u32, person: Person) -> Signer {
        Signer {
            id: SignerId::new(self.bits(&person.email)),
            person,
            order,
            role: Role::Signer,
            send_to: SendTo::default(),
            state: signer::State::Waiting,
            reminders: 0,
            reminded_at: None,
            foreign_id: None,
            foreign_url: None,
        }
    }

    fn john(&self) -> Signer {
        self.signer(1, john())
    }

    fn jane(&self) -> Signer {
        self.signer(2, jane())
    }

    fn june(&self) -> Signer {
        self.signer(3, june())
    }

    /// A non-disclosure agreement, for John and then Jane to sign.
    fn draft(&self) -> Request {
        Request {
            id: self.request_id(),
            account: self.account,
            title: "NDA for Acme".to_owned(),
            message: Some("Please review and sign before our call.".to_owned()),
            documents: Vec::new(),
            sender: Sender {
                name: "Alex Miller".to_owned(),
                email: "alex.miller@acme.example".to_owned(),
            },
            signing_order: SigningOrder::Sequential,
            signers: vec![self.john(), self.jane()],
            progress: 0,
            expires_at: Some(self.now.plus_millis(14 * DAY_MS)),
            reminders: Reminders::default(),
            notices: BTreeMap::new(),
            callbacks: Callbacks::default(),
            redirect_url: None,
            metadata: BTreeMap::from([("deal".to_owned(), json!("D-1042"))]),
            origin: "native".to_owned(),
            workflow: None,
            foreign: None,
            created_at: self.ago(2 * DAY_MS),
            state: State::Draft,
            archived_at: None,
        }
    }

    fn sent(&self, at: Timestamp) -> Request {
        then(self.draft(), |request| request.send(at))
    }

    fn viewed(&self, at: Timestamp) -> Request {
        then(self.sent(self.ago(DAY_MS)), |request| request.view(self.john().id, at))
    }

    fn signed(&self, at: Timestamp) -> Request {
        let viewed = self.viewed(self.ago(3 * MINUTE_MS));
        then(viewed, |request| request.sign(self.john().id, evidence(JOHN), at))
    }

    fn completed(&self, at: Timestamp) -> Request {
        let signed = self.signed(self.ago(2 * MINUTE_MS));
        then(signed, |request| request.sign(self.jane().id, evidence(JANE), at))
    }

    fn archived(&self, at: Timestamp) -> Request {
        then(self.completed(self.ago(MINUTE_MS)), |request| request.archive(at))
    }

    fn declined(&self) -> Request {
        let reason = Some("The term in section 4 is too long.".to_owned());
        let viewed = self.viewed(self.ago(MINUTE_MS));
        then(viewed, |request| request.decline(self.john().id, reason, self.now))
    }

    fn expired(&self) -> Request {
        let sent = Request { expires_at: Some(self.now), ..self.sent(self.ago(DAY_MS)) };
        then(sent, |request| request.expire(self.now))
    }

    fn cancelled(&self) -> Request {
        let reason = Some("We agreed on other terms.".to_owned());
        then(self.sent(self.ago(DAY_MS)), |request| request.cancel(reason, self.now))
    }

    /// Hands John's part to June.
    fn reassigned(&self) -> AboutRequest {
        let (john, heir) = (self.john().id, self.june().id);
        let sent = self.sent(self.ago(DAY_MS));
        let request = then(sent, |request| request.reassign(john, (heir, june()), self.now));
        let signer = request.signer(heir).cloned();
        AboutRequest { request, signer, from_signer_id: Some(john), heard: None }
    }

    fn contact(&self, created_at: Timestamp, updated_at: Timestamp) -> AboutContact {
        let id = ContactId::new(self.bits("sample contact"));
        let metadata = BTreeMap::new();
        let (account, person) = (self.account, john());
        AboutContact { contact: Contact { id, account, person, metadata, created_at, updated_at } }
    }

    fn mail(&self, reason: Option<&str>) -> Told {
        let mail = AboutMail {
            to: john().email,
            subject: "NDA for Acme - Signature requested by Alex Miller".to_owned(),
            reason: reason.map(ToOwned::to_owned),
        };
        Told { request: Some(self.request_id()), ..alone(&mail) }
    }

    fn sms(&self, reason: Option<&str>) -> Told {
        let sms =
            AboutSms { to: "+447700900123".to_owned(), reason: reason.map(ToOwned::to_owned) };
        Told { request: Some(self.request_id()), ..alone(&sms) }
    }

    /// Makes up what happened to an endpoint; `failing` is for how many days and attempts.
    fn endpoint(&self, status: &str, reason: &str, failing: Option<(i64, u32)>) -> AboutEndpoint {
        AboutEndpoint {
            endpoint_id: EndpointId::new(self.bits("sample endpoint")),
            url: "https://hooks.acme.example/signatures".to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            failing_since: failing.map(|(days, _)| self.ago(days * DAY_MS)),
            failures: failing.map_or(0, |(_, failures)| failures),
        }
    }

    fn delivery(&self) -> AboutDelivery {
        AboutDelivery {
            delivery_id: DeliveryId::new(self.bits("sample delivery")),
            endpoint_id: EndpointId::new(self.bits("sample endpoint")),
            event_id: EventId::new(self.bits("sample event")),
            event_type: Kind::RequestCompleted.as_str().to_owned(),
            attempts: 10,
            reason: "attempts_used_up".to_owned(),
            last_status: Some(503),
        }
    }
}

const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(crate) const JOHN: &str = "John Doe";
pub(crate) const JANE: &str = "Jane Smith";

pub(crate) fn john() -> Person {
    person(JOHN, "john.doe@example.com", "CEO", "Example Ltd")
}

pub(crate) fn jane() -> Person {
    person(JANE, "jane.smith@example.org", "CFO", "Acme LLC")
}

fn june() -> Person {
    person("June Bell", "june.bell@example.com", "Counsel", "Example Ltd")
}

fn person(name: &str, email: &str, label: &str, company: &str) -> Person {
    Person {
        name: name.to_owned(),
        email: email.to_owned(),
        label: Some(label.to_owned()),
        company: Some(company.to_owned()),
        ..Person::default()
    }
}

pub(crate) fn evidence(name: &str) -> Evidence {
    Evidence {
        name: name.to_owned(),
        consent: "I have read the document and sign it electronically.".to_owned(),
        ip: Some("203.0.113.7".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".to_owned()),
        device: Device::Desktop,
        via: Via::Page,
    }
}

/// Takes a step; a refused one leaves the request as it was, and a test would see that.
fn then(request: Request, step: impl FnOnce(Request) -> Result<Step, Refused>) -> Request {
    step(request.clone()).map_or(request, |step| step.request)
}

fn of(request: &Request) -> Told {
    about(&AboutRequest {
        request: request.clone(),
        signer: None,
        from_signer_id: None,
        heard: None,
    })
}

/// Tells of a signer as the request has them, or as given if it has them no more.
fn of_signer(request: &Request, signer: &Signer) -> Told {
    let signer = Some(request.signer(signer.id).unwrap_or(signer).clone());
    about(&AboutRequest { request: request.clone(), signer, from_signer_id: None, heard: None })
}

fn about(about: &AboutRequest) -> Told {
    Told { request: Some(about.request.id), ..alone(about) }
}

/// Writes what cannot fail to be written: these types have only texts for keys.
fn alone(value: &impl Serialize) -> Told {
    let data = serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned());
    Told { request: None, data }
}
