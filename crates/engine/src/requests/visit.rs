//! Who opens the page of a request: a signer by their link, a signer in another site's frame, or somebody who only looks.
//!
//! A signing link is known by its hash. The other links are their own proof: they name a request and what may be done there,
//! and a proof that we wrote that; so making one writes nothing.
//!
//! Invariants: a link is known to nobody without the master key, and proofs are compared in constant time; reading one changes
//! nothing; one that may be used once is used when a row that only one commit can write is there, and what it is used for goes
//! on under another link, so that it is of no use to who finds it later.
//! Left to others: what the page shows (`web`), what is possible there (`domain::request`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::chain::sha256;
use domain::id::{self, AccountId, EventId, RequestId, SignerId};
use domain::request::Request;
use domain::secret::Secret;
use domain::time::DAY_MS;
use store::{Commit, Guarded, SignerLink, Version, Write};

use super::steps::TOKEN_CHARS;
use crate::Engine;
use crate::command::{Once, Refusal, insist};
use crate::doorway::half;

/// How long a link into a frame leads anywhere.
const FRAMED_LIFE_MS: i64 = DAY_MS;
/// The characters of each number in a token.
const PART_CHARS: usize = 26;
/// The most characters of a frame's origin: a scheme, a host and a port.
const FRAME_CHARS_MAX: usize = 300;

/// Somebody at the page of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Whose request it is.
    pub account: AccountId,
    /// The request.
    pub request: Request,
    /// As it was when it had this version.
    pub version: Version,
    /// The signer who opens the page; absent for somebody who only looks.
    pub signer: Option<SignerId>,
    /// The origin in whose frames the page may be shown; nowhere if absent.
    pub frame: Option<String>,
    /// What the link is still good for.
    pub pass: Pass,
}

/// What a link is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Whatever its holder may do.
    Open,
    /// To be used once, and then to go on under another one.
    Once,
    /// Nothing: it was used.
    Used,
    /// Nothing: its time is over.
    Outdated,
}

/// How often a link into a frame may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Until its time is over.
    Many,
    /// By the first who opens the document.
    Once,
}

/// What a token says.
struct Said {
    kind: char,
    account: AccountId,
    request: RequestId,
    /// The signer, or a number that follows from who looks.
    whom: u128,
    /// An id that was minted for the link: it says when that was.
    minted: u128,
    frame: String,
}

/// Kinds of links: to look, to sign in a frame, to do so once.
const VIEW: char = 'v';
const MANY: char = 'm';
const ONCE: char = 'o';

impl Engine {
    /// Gives the token of a page for somebody who only looks, known by their mail address.
    pub fn viewing_token(&self, account: AccountId, request: RequestId, email: &str) -> String {
        let subject = [&request.bits().to_be_bytes()[..], email.as_bytes()].concat();
        let whom = half(self.master().derive("viewer", &subject));
        let said = Said { kind: VIEW, account, request, whom, minted: 0, frame: String::new() };
        self.written(&said)
    }

    /// Gives the token of a signer's page that may be shown in frames of one origin, for a day.
    ///
    /// The origin is a scheme, a host and perhaps a port, as browsers write them.
    pub fn framed_token(
        &self,
        account: AccountId,
        (request, signer): (RequestId, SignerId),
        frame: &str,
        usage: Usage,
    ) -> String {
        let kind = match usage {
            Usage::Many => MANY,
            Usage::Once => ONCE,
        };
        let minted = self.mint(self.now());
        let whom = signer.bits();
        self.written(&Said { kind, account, request, whom, minted, frame: frame.to_owned() })
    }

    /// Finds whose page a token opens; `None` if that is nobody's, or the request is gone.
    pub async fn visit(&self, token: &str) -> Result<Option<Visit>, Refusal> {
        if token.len() == TOKEN_CHARS {
            return self.visit_by_link(token).await;
        }
        let Some(said) = self.read_link(token) else { return Ok(None) };
        let found = self.views().request(said.account, said.request).await?;
        let Some((request, version)) = found else { return Ok(None) };
        let signer = (said.kind != VIEW).then(|| SignerId::new(said.whom));
        if signer.is_some_and(|signer| request.signer(signer).is_none()) {
            return Ok(None);
        }
        let pass = self.pass(&said, token).await?;
        let frame = Some(said.frame).filter(|frame| !frame.is_empty());
        Ok(Some(Visit { account: said.account, request, version, signer, frame, pass }))
    }

    /// Uses a link that may be used once; gives the token under which its holder goes on, or `None` if it was used before.
    pub async fn use_link(&self, token: &str) -> Result<Option<String>, Refusal> {
        insist(|| async {
            let Some(visit) = self.visit(token).await? else { return Ok(None) };
            let (Pass::Once, Some(signer), Some(frame)) = (visit.pass, visit.signer, visit.frame)
            else {
                return Ok(None);
            };
            let (account, request) = (visit.account, visit.request.id);
            let link = SignerLink { hash: used(token), request, signer };
            let mut commit = Commit::new(account, self.now());
            // The version lets one of two who come at once through, and the other find the link used.
            let value = Box::new(Guarded { version: visit.version, value: visit.request });
            commit.writes.push(Write::Request(value, vec![link]));
            let unkept = Once::<Request>::unkept();
            self.commit(commit).await.map_err(|fault| unkept.refusal(fault))?;
            Ok(Some(self.framed_token(account, (request, signer), &frame, Usage::Many)))
        })
        .await
    }

    async fn visit_by_link(&self, token: &str) -> Result<Option<Visit>, Refusal> {
        let Some((account, link)) = self.views().link(sha256(token.as_bytes())).await? else {
            return Ok(None);
        };
        let found = self.views().request(account, link.request).await?;
        let known = found.filter(|(request, _)| request.signer(link.signer).is_some());
        let signer = Some(link.signer);
        let visit = |(request, version)| Visit {
            account,
            request,
            version,
            signer,
            frame: None,
            pass: Pass::Open,
        };
        Ok(known.map(visit))
    }

    async fn pass(&self, said: &Said, token: &str) -> Result<Pass, Refusal> {
        let ends_at = EventId::new(said.minted).minted_at().plus_millis(FRAMED_LIFE_MS);
        Ok(if said.kind == VIEW {
            Pass::Open
        } else if ends_at <= self.now() {
            Pass::Outdated
        } else if said.kind == MANY {
            Pass::Open
        } else if self.views().link(used(token)).await?.is_some() {
            Pass::Used
        } else {
            Pass::Once
        })
    }

    fn written(&self, said: &Said) -> String {
        let Said { kind, account, request, whom, minted, frame } = said;
        let numbers = [account.bits(), request.bits(), *whom, *minted];
        let mut subject = kind.to_string().into_bytes();
        subject.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        subject.extend(frame.as_bytes());
        let proof = half(self.master().derive("page", &subject));
        let numbers: String = numbers.into_iter().chain([proof]).map(id::encode).collect();
        format!("{kind}{numbers}{}", URL_SAFE_NO_PAD.encode(frame))
    }

    /// Reads a token that is its own proof; `None` if it is not ours.
    fn read_link(&self, token: &str) -> Option<Said> {
        let kind = token.chars().next().filter(|kind| [VIEW, MANY, ONCE].contains(kind))?;
        let number = |at: usize| {
            let from = 1 + at * PART_CHARS;
            id::decode(token.get(from..from + PART_CHARS)?)
        };
        let frame = token.get(1 + 5 * PART_CHARS..)?;
        if frame.len() > FRAME_CHARS_MAX * 4 / 3 + 2 {
            return None;
        }
        let frame = String::from_utf8(URL_SAFE_NO_PAD.decode(frame).ok()?).ok()?;
        let said = Said {
            kind,
            account: AccountId::new(number(0)?),
            request: RequestId::new(number(1)?),
            whom: number(2)?,
            minted: number(3)?,
            frame,
        };
        let is_ours = Secret::new(token) == Secret::new(self.written(&said));
        is_ours.then_some(said)
    }
}

/// Gives the hash of the row that says that a link was used.
fn used(token: &str) -> [u8; 32] {
    sha256(format!("used {token}").as_bytes())
}
