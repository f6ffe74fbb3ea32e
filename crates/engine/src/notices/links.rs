//! Which link a message holds: the built-in short one, or one by a service outside that is asked for it.
//!
//! Invariants: a service is asked once for each signer of a request, and what it said is on the disk before a message
//! holds it; it is told the link and nothing else; one that fails holds nobody up for longer than [`ASK_MS`], and is
//! left alone for a while.
//! Left to others: what is set (`shortener`), how services are spoken to (`channels::shorten`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use channels::Lane;
use channels::shorten::{self, build};
use domain::call::{ANSWER_BYTES_MAX, Ending, Outcome};
use domain::id::{AccountId, RequestId, SignerId};
use domain::notice::Notice;
use domain::secret::Secret;
use domain::time::{SECOND_MS, Timestamp};
use store::{Commit, Fault, Guarded, Setting, SettingKind, SettingRow, Write};
use tokio::sync::{OnceCell, Semaphore};
use tracing::warn;
use url::Url;

use super::desk::Desk;
use super::rest::Rest;
use crate::Engine;
use crate::settings;
use crate::shortener::Shortener;

/// What a message may wait for its link, in milliseconds.
const ASK_MS: i64 = 3 * SECOND_MS;
/// Calls of one account's shortener under way at most; Bitly takes five.
const AT_ONCE_MAX: usize = 4;
/// How often a link is written anew when somebody else was faster.
const TRIES_MAX: u32 = 5;

/// The short link, or why there is none.
type Shortened = Result<String, String>;
/// Where those who need the same link wait for one of them to have it.
type Place = Arc<OnceCell<Shortened>>;

/// How the accounts' shorteners fare, and what they are being asked.
#[derive(Debug, Default)]
pub(crate) struct Shorteners {
    lines: Mutex<BTreeMap<AccountId, Line>>,
    asked: Mutex<BTreeMap<(RequestId, SignerId), Place>>,
}

#[derive(Debug)]
struct Line {
    rest: Rest,
    turns: Arc<Semaphore>,
}

impl Default for Line {
    fn default() -> Self {
        Self { rest: Rest::default(), turns: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }
}

impl Shorteners {
    /// Hears that an account has set something else, which may fare better.
    pub(crate) fn changed(&self, account: AccountId) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }

    fn with<T>(&self, account: AccountId, act: impl FnOnce(&mut Line) -> T) -> T {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        act(lines.entry(account).or_default())
    }

    /// Gives the place of a signer's link; one where nobody waits is gone.
    fn place(&self, of: (RequestId, SignerId)) -> Place {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, place| Arc::strong_count(place) > 1);
        Arc::clone(asked.entry(of).or_default())
    }
}

impl Engine {
    /// Gives the link that a message to a signer holds; the note says why it is not a shortened one.
    pub(super) async fn link(
        &self,
        desk: &Desk,
        notice: &Notice,
        signer: SignerId,
    ) -> Result<(String, Option<String>), store::Error> {
        let own = self.short_link(notice.request, signer);
        let Some(service) = desk.shortener.service() else { return Ok((own, None)) };
        let place = self.inner.shorteners.place((notice.request, signer));
        let find = || self.find_link((notice, signer), (&desk.shortener, &service), &own);
        Ok(match place.get_or_try_init(find).await?.clone() {
            Ok(short) => (short, None),
            Err(why) => {
                let name = service.kind.as_str();
                (own, Some(format!("the link was not shortened by {name}: {why}")))
            }
        })
    }

    /// Finds the link that was made for a signer, or has one made and keeps it.
    async fn find_link(
        &self,
        (notice, signer): (&Notice, SignerId),
        (by, service): (&Shortener, &shorten::Shortener),
        own: &str,
    ) -> Result<Shortened, store::Error> {
        let (account, name) = (notice.account, format!("{}/{signer}", notice.request));
        let kept = self.views().setting(account, SettingKind::ShortLink, name.clone()).await?;
        if let Some(short) = kept.as_ref().and_then(|row| made(row, by)) {
            return Ok(Ok(short));
        }
        let short = match self.ask(account, service, own).await {
            Ok(short) => String::from(short),
            Err(why) => return Ok(Err(why)),
        };
        let setting = settings::written(SettingKind::ShortLink, &name, by)?;
        let setting = Setting { secrets: Some(Secret::new(short.clone())), ..setting };
        let mut version = kept.map_or(0, |row| row.version);
        for _ in 0..TRIES_MAX {
            let mut commit = Commit::new(account, self.now());
            let value = setting.clone();
            commit.writes.push(Write::Setting(Guarded { version, value }));
            match self.commit(commit).await {
                Err(Fault::Conflict { .. }) => {}
                Err(Fault::Store(error)) => return Err(error),
                // A setting refers to nothing that could be missing, taken or known.
                Ok(_)
                | Err(
                    Fault::UrlTaken { .. }
                    | Fault::Repeated(_)
                    | Fault::Missing { .. }
                    | Fault::Forgotten,
                ) => return Ok(Ok(short)),
            }
            let row = self.views().setting(account, SettingKind::ShortLink, name.clone()).await?;
            if let Some(short) = row.as_ref().and_then(|row| made(row, by)) {
                return Ok(Ok(short));
            }
            version = row.map_or(0, |row| row.version);
        }
        Ok(Err("its answer could not be kept".to_owned()))
    }

    /// Asks a service for a short link, within its bounds.
    async fn ask(
        &self,
        account: AccountId,
        service: &shorten::Shortener,
        own: &str,
    ) -> Result<Url, String> {
        let shorteners = &self.inner.shorteners;
        let began = self.now();
        let turns = shorteners.with(account, |line| Arc::clone(&line.turns));
        let _turn = turns.acquire().await.map_err(|closed| closed.to_string())?;
        let now = self.now();
        let left = u64::try_from(ASK_MS - now.millis_since(began)).unwrap_or(0);
        if left == 0 {
            return Err("it has too much to do at the moment".to_owned());
        }
        let may_ask = shorteners.with(account, |line| {
            let may_ask = line.rest.is_over(now);
            if may_ask {
                line.rest.asked(now);
            }
            may_ask
        });
        if !may_ask {
            return Err("it has failed, and is left alone for a while".to_owned());
        }
        let asked = self.ask_shortener(account, (service, own), Duration::from_millis(left)).await;
        if let Err(why) = &asked {
            warn!(%account, why, "a link was not shortened");
        }
        let now: Timestamp = self.now();
        shorteners.with(account, |line| line.rest.judge(asked.is_ok(), now));
        asked
    }

    async fn ask_shortener(
        &self,
        account: AccountId,
        (service, own): (&shorten::Shortener, &str),
        timeout: Duration,
    ) -> Result<Url, String> {
        let long = Url::parse(own).map_err(|error| format!("the link is no URL: {error}"))?;
        let key = self.master().derive("shortened link", b"name");
        let call = build(service, &long, &key).map_err(|no| no.detail)?;
        let lane = Lane {
            key: account.bits(),
            connections_max: AT_ONCE_MAX,
            timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let Ending { outcome, .. } = self.channel().attempt(call, lane).await;
        match outcome {
            Outcome::Answered(answer) => {
                shorten::read(service, &long, &key, &answer).map_err(|no| no.detail)
            }
            Outcome::Failed(failure) => {
                Err(format!("{}: {}", failure.reason.as_str(), failure.detail))
            }
            Outcome::Handed(_) | Outcome::Read(_) => {
                Err("it took the call for a message".to_owned())
            }
        }
    }
}

/// Gives the link that is kept, if it was made by what is set now.
fn made(row: &SettingRow, by: &Shortener) -> Option<String> {
    let of: Shortener = settings::read(row).ok()?;
    let is_same = Shortener { token: None, ..by.clone() } == of;
    row.setting.secrets.as_ref().filter(|_| is_same).map(|short| short.expose().to_owned())
}
