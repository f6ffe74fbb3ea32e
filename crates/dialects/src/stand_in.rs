//! A vendor played by us: the webhooks of one whole request as the vendor would send them, what it would show when asked,
//! and the mischief that happens to webhooks on their way.
//!
//! The request goes through the rules of `domain`, and the vendor's own dialect says each step; so a stand-in says what
//! we know of the vendor, and nothing more. What a vendor has no word for, it does not send.
//!
//! Invariants: no IO, no clock; the same part and the same chance give the same acts; a webhook is never sent before what
//! it tells has happened, but for a forged one; a garbled one cannot be read as anything.
//! Left to others: carrying calls out, answering them (`app`), and what must come of it (`sim`, tests).

mod ironclad;
mod mischief;
mod pages;
mod proof;
mod script;

use std::sync::Arc;

use domain::call::Call;
use domain::endpoint::{Dialect, Endpoint};
use domain::event::Event;
use domain::id::{AccountId, Chance, EndpointId, EventId, Mint};
use domain::request::Request;
use domain::retry::{Gone, Profile, Success};
use domain::source::Vendor;
use domain::time::{SECOND_MS, Timestamp};
use url::Url;

use crate::{BadUrl, Target, Unsayable, check_url, dialect};

pub use ironclad::{BadKey, Key};
pub use mischief::{Act, How, Mischief, Sending};
pub use pages::{Page, base_path, page_missing};
pub use proof::Proof;

/// What is played.
#[derive(Debug)]
pub struct Part {
    /// Who is played.
    pub vendor: Vendor,
    /// Where its webhooks go: the intake URL of a source. Where the vendor fills in a URL, and this one has nothing to be
    /// filled in, it gets the query that a source's instructions tell to set.
    pub intake_url: String,
    /// What proves them.
    pub proof: Proof,
    /// How the request ends.
    pub ending: Ending,
    /// When it began; each step is a minute after the one before.
    pub began_at: Timestamp,
}

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Signed by all.
    Completed,
    /// Refused by one.
    Declined,
    /// Out of time.
    Expired,
    /// Withdrawn.
    Cancelled,
}

impl Ending {
    /// Every ending.
    pub const ALL: [Self; 4] = [Self::Completed, Self::Declined, Self::Expired, Self::Cancelled];

    /// Names the ending as the state of a request is named.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Lists the endings that a vendor tells of, or shows when it is asked, as far as we know.
pub const fn endings(vendor: Vendor) -> &'static [Ending] {
    match vendor {
        Vendor::Clickwrap => &[Ending::Completed, Ending::Expired, Ending::Cancelled],
        Vendor::Ironclad => &[Ending::Completed, Ending::Declined, Ending::Cancelled],
        Vendor::Insertsign => &[Ending::Completed],
        Vendor::Fintechos | Vendor::Esaw => &Ending::ALL,
    }
}

/// Why a part cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum Unplayable {
    /// The URL cannot be called.
    #[error("the URL of the source cannot be called")]
    Url(#[from] BadUrl),
    /// The vendor neither tells of such an ending nor shows it.
    #[error("{} tells of no request that is {}", vendor.as_str(), ending.as_str())]
    Ending {
        /// Who.
        vendor: Vendor,
        /// Which.
        ending: Ending,
    },
    /// The vendor does not prove itself so.
    #[error("{} does not prove its webhooks in this way", .0.as_str())]
    Proof(Vendor),
    /// A webhook cannot be written.
    #[error("a webhook cannot be written")]
    Unsayable(#[from] Unsayable),
}

/// A vendor played by us, with one request from its beginning to its end.
#[derive(Debug)]
pub struct StandIn {
    part: Part,
    foreign_id: String,
    /// Whether Clickwrap shows a request inside `data`: no page says, so it is left to chance.
    is_wrapped: bool,
    steps: Vec<Step>,
}

/// One step of the request, and what the vendor sends because of it.
#[derive(Debug)]
struct Step {
    after: Request,
    webhooks: Vec<Webhook>,
}

/// A webhook as it should arrive.
#[derive(Debug, Clone)]
struct Webhook {
    word: &'static str,
    call: Call,
}

/// A request of nobody's account is told of.
const NOBODY: AccountId = AccountId::new(0);
/// Between two steps of a request.
const STEP_MS: i64 = 60 * SECOND_MS;

impl StandIn {
    /// Plays a part through, without sending anything yet.
    pub fn new(part: Part, chance: &mut dyn Chance) -> Result<Self, Unplayable> {
        let (vendor, ending) = (part.vendor, part.ending);
        if !endings(vendor).contains(&ending) {
            return Err(Unplayable::Ending { vendor, ending });
        }
        if !part.proof.fits(vendor) {
            return Err(Unplayable::Proof(vendor));
        }
        let mut mint = Mint::default();
        let mut steps = Vec::new();
        let teller = Teller::new(&part)?;
        let moments = (0..).map(|at| part.began_at.plus_millis(at * STEP_MS));
        let script = script::play((vendor, ending), (NOBODY, part.began_at), &mut mint, chance);
        for (taken, at) in script.into_iter().zip(moments) {
            let mut webhooks = Vec::new();
            for happening in taken.happened {
                let id = EventId::new(mint.next(at, chance));
                let event = script::event(&taken.request, &happening, id, at);
                webhooks.extend(teller.tell(&event, &taken.request, chance)?);
            }
            steps.push(Step { after: taken.request, webhooks });
        }
        let foreign_id = steps.first().map(|step| pages::foreign_id(vendor, &step.after));
        let is_wrapped = chance.draw().is_multiple_of(2);
        Ok(Self { part, foreign_id: foreign_id.unwrap_or_default(), is_wrapped, steps })
    }

    /// Gives the vendor's id for the request.
    pub fn foreign_id(&self) -> &str {
        &self.foreign_id
    }

    /// Gives the request as it is at the vendor after so many steps; `None` before the first.
    pub fn request(&self, steps: usize) -> Option<&Request> {
        let at = steps.min(self.steps.len()).checked_sub(1)?;
        self.steps.get(at).map(|step| &step.after)
    }

    /// Counts the steps of the request.
    pub const fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Lists the pages that the vendor's interface shows after so many steps.
    pub fn pages(&self, steps: usize) -> Vec<Page> {
        let request = self.request(steps);
        let mut pages = match request {
            Some(request) => pages::of(self.part.vendor, request, self.is_wrapped),
            None => Vec::new(),
        };
        pages.extend(self.part.proof.page());
        pages
    }

    /// Lays out what happens and what is sent, in order, with some mischief.
    pub fn acts(&self, mischief: &[Mischief], chance: &mut dyn Chance) -> Vec<Act> {
        mischief::acts(&self.steps, &self.part.proof, mischief, chance)
    }
}

/// Says what happened as the vendor does.
struct Teller<'a> {
    part: &'a Part,
    endpoint: Endpoint,
    url: Arc<Url>,
}

impl<'a> Teller<'a> {
    fn new(part: &'a Part) -> Result<Self, Unplayable> {
        let which = part.vendor.dialect();
        let url = template(part.vendor, &part.intake_url);
        let checked = Arc::new(check_url(which, &url)?);
        let profile = Profile {
            name: "custom".into(),
            waits_s: Vec::new().into(),
            jitter_percent: 0,
            success: Success::Only200,
            gone: Gone::Retry,
        };
        let of = (NOBODY, EndpointId::new(1));
        let plain = Endpoint::plain(of, which, &url, profile, part.began_at);
        let secrets = part.proof.secrets();
        Ok(Self { part, endpoint: Endpoint { secrets, ..plain }, url: checked })
    }

    /// Says one event; `None` when the vendor has no word for it.
    fn tell(
        &self,
        event: &Event,
        request: &Request,
        chance: &mut dyn Chance,
    ) -> Result<Option<Webhook>, Unplayable> {
        let said = match self.part.vendor.dialect() {
            // What happens is told of a request here, and Ironclad tells of its workflow.
            Dialect::Ironclad => {
                ironclad::say(event, request, (&self.url, &self.part.proof), chance)?
            }
            which @ (Dialect::Standard
            | Dialect::Clickwrap
            | Dialect::Insertsign
            | Dialect::Fintechos
            | Dialect::Esaw) => {
                let now = event.at;
                let (endpoint, url) = (&self.endpoint, &self.url);
                let target = Target { endpoint, url, now, signer: None, rsa: None };
                dialect(which).render(event, &target)?.zip(word(which, event))
            }
        };
        Ok(said.map(|(call, word)| Webhook { word, call }))
    }
}

/// Finds the vendor's name for what happened.
fn word(which: Dialect, event: &Event) -> Option<&'static str> {
    let words = dialect(which).words();
    words.iter().find(|word| word.kind == event.kind).map(|word| word.name)
}

/// Adds what a vendor fills in, where a URL has nothing of it.
fn template(vendor: Vendor, url: &str) -> String {
    let query = match vendor {
        Vendor::Clickwrap | Vendor::Ironclad | Vendor::Insertsign => return url.to_owned(),
        Vendor::Fintechos => FINTECHOS_QUERY,
        Vendor::Esaw => ESAW_QUERY,
    };
    if url.contains("##") {
        return url.to_owned();
    }
    let glue = if url.contains('?') { '&' } else { '?' };
    format!("{url}{glue}{query}")
}

const FINTECHOS_QUERY: &str = "envelopeId=##EnvelopeId##&recipientEmail=##RecipientEmail##&recipientOrder=##RecipientOrder##&action=##Action##";
const ESAW_QUERY: &str = "envelopeId=##EnvelopeId##&action=##Action##";
