//! Signature requests: load, let `domain` decide, commit.
//!
//! Invariants: a state, its events, its links and its timer are one commit; a request whose time has run out expires
//! before anything else is done with it.
//! Left to others: what is possible (`domain::request`), when the time runs out (`timers`).

mod draft;
pub mod short;
mod steps;
pub mod visit;
mod wanted;

use std::collections::BTreeMap;

use domain::id::{AccountId, DocumentId, RequestId, SignerId};
use domain::notice::Rules;
use domain::request::{Action, Callbacks, Reminders, Request, Sender, SigningOrder, State, Step};
use domain::signer::{Device, Evidence, Role, Via};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use store::Timer;

use self::draft::{With, draft, patched, reach_of};
pub(crate) use self::steps::Course;
use self::steps::{must_be_draft, token};
use crate::Engine;
use crate::check::{self, Flaws};
use crate::command::{Once, Patch, Refusal, insist};

/// The most open requests that are looked at to see whether there is room for one more: the highest limit there can be.
pub const OPEN_LOOKED_AT_MAX: u32 = 10_000;

/// An account has as many open requests as it may.
#[derive(Debug, Clone, Copy)]
struct Full {
    most: u32,
}

impl From<Full> for Refusal {
    fn from(Full { most }: Full) -> Self {
        let message = format!(
            "{most} requests of the account are with their signers, and no more may be; cancel or delete one, or wait"
        );
        Self::LimitReached { message }
    }
}

/// The most signers of a request, reassigned ones included.
const PARTS_MAX: usize = 200;

/// A request to be drafted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewRequest {
    /// What is to be signed, 1 to 200 characters.
    pub title: String,
    /// What the sender says to the signers, at most 4,000 characters.
    pub message: Option<String>,
    /// What is signed: at most 20 documents, each once.
    pub documents: Vec<DocumentId>,
    /// Who asks.
    pub sender: Option<Sender>,
    /// All at once, or one group after the other.
    pub signing_order: SigningOrder,
    /// Who is asked: at most 100; to be sent, at least one who signs.
    pub signers: Vec<NewSigner>,
    /// When it ends unsigned: in the future, at most 10 years away.
    pub expires_at: Option<Timestamp>,
    /// When signers are reminded: at most 10 days of 1 to 365.
    pub reminders: Option<Reminders>,
    /// Who is told what, where that differs from the account's rules.
    pub notices: Rules,
    /// URLs of this request's own that hear of its steps.
    pub callbacks: Option<Callbacks>,
    /// Where a signer goes afterwards.
    pub redirect_url: Option<String>,
    /// The account's own notes: at most 50 keys and 16 KiB.
    pub metadata: BTreeMap<String, Value>,
    /// Whether it is sent in the same step.
    pub send: bool,
}

/// One person's part in a request to be drafted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewSigner {
    /// Who it is.
    #[serde(flatten)]
    pub person: NewPerson,
    /// The place in a sequential request, 1 to 1,000; absent means the place in the list.
    pub order: Option<u32>,
    /// What the person is asked for.
    pub role: Role,
    /// Over which channels they are told.
    pub send_to: NewSendTo,
    /// The client's own id for the part; never read from input of the API, only from a vendor's client.
    #[serde(skip)]
    pub foreign_id: Option<String>,
}

/// Over which channels a person is to be told.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct NewSendTo {
    /// By e-mail; absent means yes.
    pub email: Option<bool>,
    /// By short message; absent means no.
    pub sms: Option<bool>,
}

/// A person as a client names them, unchecked. Absent and empty are the same.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewPerson {
    /// The full name, 1 to 200 characters.
    pub name: String,
    /// The mail address; may be empty only when the person is told by short message alone.
    pub email: String,
    /// The mobile number: at most 32 digits, `+`, `-`, spaces and parentheses.
    pub mobile: Option<String>,
    /// A word for the part, such as `CEO`, at most 200 characters.
    pub label: Option<String>,
    /// The company, at most 200 characters.
    pub company: Option<String>,
    /// The language to write in, such as `en` or `de-AT`.
    pub locale: Option<String>,
    /// Where the person lives, as the time zone database names it, such as `Europe/Vienna`.
    pub time_zone: Option<String>,
}

/// What changes in a draft.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RequestPatch {
    /// See [`NewRequest`].
    pub title: Option<String>,
    /// See [`NewRequest`].
    pub message: Patch<String>,
    /// All documents anew.
    pub documents: Option<Vec<DocumentId>>,
    /// See [`NewRequest`].
    pub sender: Patch<Sender>,
    /// See [`NewRequest`].
    pub signing_order: Option<SigningOrder>,
    /// All signers anew; each gets a new id.
    pub signers: Option<Vec<NewSigner>>,
    /// See [`NewRequest`].
    pub expires_at: Patch<Timestamp>,
    /// See [`NewRequest`].
    pub reminders: Patch<Reminders>,
    /// See [`NewRequest`]; all rules anew.
    pub notices: Patch<Rules>,
    /// See [`NewRequest`].
    pub callbacks: Patch<Callbacks>,
    /// See [`NewRequest`].
    pub redirect_url: Patch<String>,
    /// All notes anew.
    pub metadata: Patch<BTreeMap<String, Value>>,
}

/// What a signer, or somebody on their behalf, signs with.
#[derive(Debug, Clone, Deserialize)]
pub struct SignInput {
    /// The name as typed, 1 to 200 characters.
    #[serde(default)]
    pub name: String,
    /// The words that were agreed to, 1 to 10,000 characters.
    #[serde(default)]
    pub consent: String,
    /// The kind of device; absent means a guess from the user agent.
    #[serde(default)]
    pub device: Option<Device>,
    /// The address it came from.
    #[serde(default)]
    pub ip: Option<String>,
    /// The browser's name for itself, at most 512 characters.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// By which way; never read from input, [`Via::Api`] unless the caller sets it.
    #[serde(skip, default = "by_api")]
    pub via: Via,
}

const fn by_api() -> Via {
    Via::Api
}

impl Engine {
    /// Drafts a request and, if asked to, sends it in the same commit.
    pub async fn create_request(
        &self,
        account: AccountId,
        input: NewRequest,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        self.refuse_known(account, once).await?;
        let now = self.now();
        let send = input.send;
        let documents = self.briefs(account, &input.documents).await?;
        let mut mint = || self.mint(now);
        let id = RequestId::new(mint());
        let mut with = With { now, guard: self.guard(), mint: &mut mint, documents };
        let created = draft((account, id), input, &mut with)?.created();
        let (earlier, last) = if send {
            let sent = created.request.clone().send(now)?;
            self.room_to_send(account).await??;
            (vec![created], sent)
        } else {
            (Vec::new(), created)
        };
        // Two first ones of an account may both make the hidden endpoint that both need.
        insist(|| {
            let (earlier, last) = (earlier.clone(), last.clone());
            let course = Course { earlier, ..Course::of(last, now) };
            self.commit_course(course, once)
        })
        .await
    }

    /// Changes a draft.
    pub async fn update_request(
        &self,
        account: AccountId,
        id: RequestId,
        patch: RequestPatch,
    ) -> Result<Request, Refusal> {
        let documents =
            self.briefs(account, patch.documents.as_deref().unwrap_or_default()).await?;
        let decide = |request: Request, now: Timestamp| {
            must_be_draft(&request)?;
            let mut mint = || self.mint(now);
            let documents = documents.clone();
            let mut with = With { now, guard: self.guard(), mint: &mut mint, documents };
            let request = patched(request, patch.clone(), &mut with)?;
            Ok(Step { request, happened: Vec::new() })
        };
        self.step_request(account, id, &decide, &Once::unkept()).await
    }

    /// Sends a draft to its first signers.
    pub async fn send_request(
        &self,
        account: AccountId,
        id: RequestId,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let room = self.room_to_send(account).await?;
        let decide = |request: Request, now: Timestamp| {
            must_have_time(&request, now)?;
            let sent = request.send(now)?;
            room?;
            Ok(sent)
        };
        self.step_request(account, id, &decide, once).await
    }

    /// Refuses to send one more than the account may.
    pub(crate) async fn must_have_room(&self, account: AccountId) -> Result<(), Refusal> {
        Ok(self.room_to_send(account).await??)
    }

    /// Tells whether the account may send one more. Two that are sent at the very same moment may both find room for one.
    async fn room_to_send(&self, account: AccountId) -> Result<Result<(), Full>, Refusal> {
        let Some(most) = self.inner.open_requests_max else { return Ok(Ok(())) };
        let open = self.views().open_requests(account, OPEN_LOOKED_AT_MAX).await?;
        Ok(if open < most { Ok(()) } else { Err(Full { most }) })
    }

    /// Withdraws a request; the reason has at most 1,000 characters.
    pub async fn cancel_request(
        &self,
        account: AccountId,
        id: RequestId,
        reason: Option<String>,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let reason = check_reason(reason.as_deref())?;
        let decide = |request: Request, now: Timestamp| Ok(request.cancel(reason.clone(), now)?);
        self.step_request(account, id, &decide, once).await
    }

    /// Puts a request away.
    pub async fn archive_request(
        &self,
        account: AccountId,
        id: RequestId,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let decide = |request: Request, now: Timestamp| Ok(request.archive(now)?);
        self.step_request(account, id, &decide, once).await
    }

    /// Takes a request out again.
    pub async fn unarchive_request(
        &self,
        account: AccountId,
        id: RequestId,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let decide = |request: Request, _: Timestamp| Ok(request.unarchive()?);
        self.step_request(account, id, &decide, once).await
    }

    /// Reminds those whose turn it is, each at most once an hour.
    pub async fn remind_request(
        &self,
        account: AccountId,
        id: RequestId,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let decide = |request: Request, now: Timestamp| Ok(request.remind(now)?);
        self.step_request(account, id, &decide, once).await
    }

    /// Deletes a request; its log stays. Gives it as it was.
    pub async fn delete_request(
        &self,
        account: AccountId,
        id: RequestId,
    ) -> Result<Request, Refusal> {
        let decide = |request: Request, _: Timestamp| Ok(request.delete());
        self.step_request(account, id, &decide, &Once::unkept()).await
    }

    /// Notes that a signer opened the page; a second look changes nothing.
    pub async fn view_signer(
        &self,
        account: AccountId,
        of: (RequestId, SignerId),
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let (id, signer) = of;
        let decide = |request: Request, now: Timestamp| Ok(request.view(signer, now)?);
        self.step_request(account, id, &decide, once).await
    }

    /// Signs.
    pub async fn sign_signer(
        &self,
        account: AccountId,
        of: (RequestId, SignerId),
        input: SignInput,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let (id, signer) = of;
        let evidence = check_evidence(&input)?;
        let decide =
            |request: Request, now: Timestamp| Ok(request.sign(signer, evidence.clone(), now)?);
        self.step_request(account, id, &decide, once).await
    }

    /// Refuses to sign, which ends the request; the reason has at most 1,000 characters.
    pub async fn decline_signer(
        &self,
        account: AccountId,
        of: (RequestId, SignerId),
        reason: Option<String>,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let (id, signer) = of;
        let reason = check_reason(reason.as_deref())?;
        let decide =
            |request: Request, now: Timestamp| Ok(request.decline(signer, reason.clone(), now)?);
        self.step_request(account, id, &decide, once).await
    }

    /// Hands a part that is not signed yet to somebody else, who gets a new id and a new link.
    pub async fn reassign_signer(
        &self,
        account: AccountId,
        of: (RequestId, SignerId),
        person: NewPerson,
        once: &Once<'_, Request>,
    ) -> Result<Request, Refusal> {
        let (id, signer) = of;
        let new_id = SignerId::new(self.mint(self.now()));
        let decide = |request: Request, now: Timestamp| {
            if request.signers.len() >= PARTS_MAX {
                let message = format!("a request with {PARTS_MAX} signers takes no more");
                return Err(Refusal::Impossible { message, possible: Vec::new() });
            }
            let mut flaws = Flaws::default();
            let person = check::person(&mut flaws, "", &person, reach_of(request.signer(signer)));
            flaws.none()?;
            Ok(request.reassign(signer, (new_id, person), now)?)
        };
        self.step_request(account, id, &decide, once).await
    }

    /// Gives the token of a signer's link: the same each time, and known to nobody without the master key.
    pub fn signing_token(&self, request: RequestId, signer: SignerId) -> String {
        let subject = [signer.bits().to_be_bytes(), request.bits().to_be_bytes()].concat();
        token(self.master().derive("signing link", &subject))
    }

    /// Reminds those of a request who have not signed for as many days as it says.
    pub(crate) async fn remind_due(&self, timer: Timer) -> Result<(), Refusal> {
        let id = RequestId::new(timer.subject);
        let decide = |request: Request, now: Timestamp| Ok(request.remind_due(now)?);
        let request = self.step_request(timer.account, id, &decide, &Once::unkept()).await?;
        // Where nobody was due, the timer stood in the past: it is moved to where it belongs.
        Ok(self.set_timer(timer, request.next_reminder()).await?)
    }

    /// Lets a request expire whose time has run out, and clears or moves its timer in any case.
    pub(crate) async fn expire_request(&self, timer: Timer) -> Result<(), Refusal> {
        insist(|| self.try_expire(timer)).await
    }

    async fn try_expire(&self, timer: Timer) -> Result<(), Refusal> {
        let (id, now) = (RequestId::new(timer.subject), self.now());
        let found = self.views().request(timer.account, id).await?;
        let deadline = found.as_ref().and_then(|(request, _)| request.deadline());
        match found {
            Some((request, version)) if deadline.is_some_and(|deadline| deadline <= now) => {
                self.lapse(request, version, now).await?;
            }
            Some(_) | None => self.set_timer(timer, deadline).await?,
        }
        Ok(())
    }
}

/// Refuses to send a draft whose end has passed.
fn must_have_time(request: &Request, now: Timestamp) -> Result<(), Refusal> {
    let is_late = request.expires_at.is_some_and(|end| end <= now);
    if matches!(request.state, State::Draft) && is_late {
        let message = "a request whose expires_at has passed cannot send".to_owned();
        let possible = request.possible().into_iter().filter(|action| *action != Action::Send);
        return Err(Refusal::Impossible {
            message,
            possible: possible.map(Action::as_str).collect(),
        });
    }
    Ok(())
}

fn check_reason(reason: Option<&str>) -> Result<Option<String>, Refusal> {
    check::sole("reason", check::prose_or_none(reason, check::NOTE_CHARS_MAX))
}

fn check_evidence(input: &SignInput) -> Result<Evidence, Refusal> {
    let SignInput { name, consent, device, ip, user_agent, via } = input;
    let mut flaws = Flaws::default();
    let user_agent = check::line_or_none(user_agent.as_deref(), check::USER_AGENT_CHARS_MAX);
    let user_agent = flaws.take("user_agent", user_agent);
    let guess = || user_agent.as_deref().map(Device::of_user_agent).unwrap_or_default();
    let evidence = Evidence {
        name: flaws.take("name", check::line(name, check::LINE_CHARS_MAX)),
        consent: flaws.take("consent", check::prose(consent, check::CONSENT_CHARS_MAX)),
        ip: flaws.take("ip", check::ip_or_none(ip.as_deref())),
        device: device.unwrap_or_else(guess),
        user_agent,
        via: *via,
    };
    flaws.none()?;
    Ok(evidence)
}
