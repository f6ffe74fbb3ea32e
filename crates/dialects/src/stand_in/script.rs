//! The request of a stand-in from its beginning to its end, by the rules that our own requests go by.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::event::{Event, Kind};
use domain::facts::AboutRequest;
use domain::id::{AccountId, Chance, EventId, Mint, RequestId, SignerId};
use domain::request::{
    Callbacks, Happening, Refused, Reminders, Request, Sender, SigningOrder, State, Step,
};
use domain::signer::{self, Role, SendTo, Signer};
use domain::source::Vendor;
use domain::time::{DAY_MS, Timestamp};

use super::{Ending, STEP_MS};
use crate::sample;

/// Plays a request of two people through; each step is a minute after the one before.
pub(super) fn play(
    (vendor, ending): (Vendor, Ending),
    of: (AccountId, Timestamp),
    mint: &mut Mint,
    chance: &mut dyn Chance,
) -> Vec<Step> {
    let draft = draft(vendor, of, mint, chance);
    let [first, second] = [0, 1].map(|at| draft.signers.get(at).map(|signer| signer.id));
    let (Some(first), Some(second)) = (first, second) else { return Vec::new() };
    let evidence = sample::evidence;
    let mut steps: Vec<Step> = Vec::new();
    let mut take = |step: &dyn Fn(Request, Timestamp) -> Result<Step, Refused>| {
        let at = of.1.plus_millis(i64::try_from(steps.len()).unwrap_or(0) * STEP_MS);
        let before = steps.last().map_or(&draft, |step| &step.request);
        // The script holds to the rules; a step that did not would be missed by every test.
        steps.extend(step(before.clone(), at));
    };
    take(&|request, at| request.send(at));
    take(&|request, at| request.view(first, at));
    take(&|request, at| request.sign(first, evidence(sample::JOHN), at));
    take(&|request, at| request.view(second, at));
    take(&|request, at| match ending {
        Ending::Completed => request.sign(second, evidence(sample::JANE), at),
        Ending::Declined => request.decline(second, None, at),
        Ending::Expired => Request { expires_at: Some(at), ..request }.expire(at),
        Ending::Cancelled => request.cancel(None, at),
    });
    steps
}

fn draft(
    vendor: Vendor,
    (account, now): (AccountId, Timestamp),
    mint: &mut Mint,
    chance: &mut dyn Chance,
) -> Request {
    let id = RequestId::new(mint.next(now, chance));
    let mut order = 0;
    let signers = [sample::john(), sample::jane()].map(|person| {
        order += 1;
        Signer {
            id: SignerId::new(mint.next(now, chance)),
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
    });
    Request {
        id,
        account,
        title: "NDA for Acme".to_owned(),
        message: None,
        documents: Vec::new(),
        sender: Sender {
            name: "Alex Miller".to_owned(),
            email: "alex.miller@acme.example".to_owned(),
        },
        signing_order: signing_order(vendor),
        signers: signers.into(),
        progress: 0,
        expires_at: Some(now.plus_millis(14 * DAY_MS)),
        reminders: Reminders::default(),
        notices: BTreeMap::new(),
        callbacks: Callbacks::default(),
        redirect_url: None,
        metadata: BTreeMap::new(),
        origin: "native".to_owned(),
        workflow: None,
        foreign: None,
        created_at: now,
        state: State::Draft,
        archived_at: None,
    }
}

/// Those that show no order ask all at once.
const fn signing_order(vendor: Vendor) -> SigningOrder {
    match vendor {
        Vendor::Clickwrap | Vendor::Insertsign => SigningOrder::Parallel,
        Vendor::Ironclad | Vendor::Fintechos | Vendor::Esaw => SigningOrder::Sequential,
    }
}

/// Makes an event of what happened.
pub(super) fn event(request: &Request, happening: &Happening, id: EventId, at: Timestamp) -> Event {
    let about = AboutRequest {
        request: request.clone(),
        signer: happening.signer.and_then(|id| request.signer(id)).cloned(),
        from_signer_id: None,
        heard: None,
    };
    let kind: Kind = happening.kind;
    Event {
        id,
        account: request.account,
        kind,
        name: Cow::Borrowed(kind.as_str()),
        at,
        request: Some(request.id),
        order_key: None,
        key: None,
        data: serde_json::to_string(&about).unwrap_or_default(),
        test: false,
        callbacks: Vec::new(),
        link: None,
    }
}
