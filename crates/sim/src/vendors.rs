//! Vendors in the simulated world: stand-ins send the webhooks of their requests to sources, with mischief on the way, while
//! the store fails, the process crashes, and the vendors' interfaces are away, slow or talk nonsense.
//!
//! A vendor that gets no answer, or one that says later, sends again until it has one.
//!
//! Invariant: the plot follows from the seed alone.
//! Left to others: what vendors say (`dialects::stand_in`), what must hold ([`judge`]).

mod judge;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use dialects::stand_in::{
    Act, Ending, Key, Mischief, Part, Proof, Sending, StandIn, base_path, endings, page_missing,
};
use domain::chain::{Hash, sha256};
use domain::id::{EventId, SourceId};
use domain::secret::Secret;
use domain::source::Vendor;
use domain::time::{Clock as _, SECOND_MS};
use engine::endpoints::NewEndpoint;
use engine::feedback::Untaken;
use engine::intake::Came;
use engine::sources::NewSource;
use engine::{MovableClock as _, Once, Refusal};
use serde_json::{Value, json};

use crate::crew::{Crew, Trouble};
use crate::dice::Dice;
use crate::invariants::Broken;
use crate::plot::{Report, expected};
use crate::world::Mood;
use judge::Judge;

/// Requests at each vendor in a run, at most.
const REQUESTS_MAX: u64 = 3;
/// The code, the token and the password of all sources.
const SECRET: &str = "of-the-simulator";
/// Whoever hears of everything.
const OWN_HOST: &str = "own.example.net";

/// A source, and whose it is.
#[derive(Debug, Clone)]
struct Gate {
    id: SourceId,
    vendor: Vendor,
    url: String,
}

/// A request at a vendor, and what is still to be done about it.
#[derive(Debug)]
struct Played {
    gate: Gate,
    ending: Ending,
    stand_in: StandIn,
    acts: VecDeque<Act>,
    steps: usize,
    loses: bool,
}

struct Plot {
    crew: Crew,
    dice: Dice,
    judge: Judge,
    cast: Vec<Played>,
    crashes: u32,
}

/// Plays a run of so many steps with vendors, in a folder of its own, and checks what must hold.
pub async fn play_vendors(seed: u64, steps: u32, folder: &Path) -> Result<Report, Broken> {
    let folder: PathBuf = folder.join(format!("vendors-{seed}"));
    // What an earlier run of the seed has left would change this one.
    drop(fs::remove_dir_all(&folder));
    let mut dice = Dice::new(seed);
    let crew = Crew::start(folder.clone(), dice.next()).await;
    let crew = crew.map_err(|trouble| Broken::new(&trouble))?;
    let judge = Judge::new(crew.account);
    let mut plot = Plot { crew, dice, judge, cast: Vec::new(), crashes: 0 };
    let played = plot.play(steps).await;
    drop(plot);
    drop(fs::remove_dir_all(&folder));
    played
}

fn host(vendor: Vendor) -> String {
    format!("{}.example.net", vendor.as_str())
}

/// What a source of a vendor is told.
fn settings(vendor: Vendor) -> Value {
    let base = base_path(vendor).map(|path| format!("https://{}{path}", host(vendor)));
    match vendor {
        Vendor::Clickwrap => json!({"token": SECRET, "api_token": SECRET, "base_url": base}),
        Vendor::Ironclad | Vendor::Fintechos => json!({"api_token": SECRET, "base_url": base}),
        Vendor::Insertsign => json!({}),
        Vendor::Esaw => {
            json!({"user": "sim", "password": SECRET, "api_token": SECRET, "base_url": base})
        }
    }
}

fn proof(vendor: Vendor) -> Result<Proof, Broken> {
    Ok(match vendor {
        Vendor::Clickwrap => Proof::Token(Secret::new(SECRET)),
        Vendor::Ironclad => {
            let key = Key::known().map_err(|error| Broken::said(error.to_string()))?;
            Proof::Signature(Box::new(key))
        }
        Vendor::Insertsign | Vendor::Fintechos => Proof::Url,
        Vendor::Esaw => Proof::Basic { user: "sim".to_owned(), password: Secret::new(SECRET) },
    })
}

impl Plot {
    async fn play(&mut self, steps: u32) -> Result<Report, Broken> {
        let gates = self.register().await.map_err(|trouble| Broken::new(&trouble))?;
        for gate in &gates {
            for _ in 0..=self.dice.below(REQUESTS_MAX) {
                let played = self.cast_one(gate)?;
                self.cast.push(played);
            }
        }
        for _ in 0..steps {
            self.step().await?;
        }
        self.end().await
    }

    async fn register(&mut self) -> Result<Vec<Gate>, Trouble> {
        let engine = self.crew.engine()?;
        let account = self.crew.account;
        let url = format!("https://{OWN_HOST}/hook");
        let endpoint = NewEndpoint { url, ..NewEndpoint::default() };
        let made = engine.create_endpoint(account, endpoint, &Once::unkept()).await?;
        self.judge.hears(made.id);
        let mut gates = Vec::new();
        for vendor in Vendor::ALL {
            let name = vendor.as_str();
            let source = json!({"vendor": name, "name": name, "settings": settings(vendor)});
            let source: NewSource = serde_json::from_value(source).map_err(|error| {
                let detail = error.to_string();
                store::Error::Unusable { detail, source: None }
            })?;
            let source = engine.create_source(account, source, &Once::unkept()).await?;
            let url = engine.intake_url(account, source.id);
            gates.push(Gate { id: source.id, vendor, url });
        }
        Ok(gates)
    }

    /// Makes up a request at a vendor, and what will happen to its webhooks.
    fn cast_one(&mut self, gate: &Gate) -> Result<Played, Broken> {
        let vendor = gate.vendor;
        let ending = self.dice.pick(endings(vendor)).copied().unwrap_or(Ending::Completed);
        let part = Part {
            vendor,
            intake_url: gate.url.clone(),
            proof: proof(vendor)?,
            ending,
            began_at: self.crew.clock.now().plus_millis(-60 * SECOND_MS),
        };
        let stand_in = StandIn::new(part, &mut self.dice);
        let stand_in = stand_in.map_err(|error| Broken::said(error.to_string()))?;
        let mut mischief: Vec<Mischief> = Mischief::ALL.into();
        mischief.retain(|_| self.dice.percent(50));
        let acts = stand_in.acts(&mischief, &mut self.dice).into();
        let loses = mischief.contains(&Mischief::Lost);
        Ok(Played { gate: gate.clone(), ending, stand_in, acts, steps: 0, loses })
    }

    async fn step(&mut self) -> Result<(), Broken> {
        let result = match self.dice.below(100) {
            0..35 => {
                let at = usize::try_from(self.dice.below(self.cast.len() as u64)).unwrap_or(0);
                return self.act(at).await;
            }
            35..57 => self.crew.attempt().await.map(|_| ()),
            57..70 => self.crew.settle().await.map(|_| ()),
            70..78 => self.crew.lease().await.map(|_| ()),
            78..82 => self.crew.timers().await.map(|_| ()),
            82..89 => {
                self.pass_time();
                Ok(())
            }
            89..95 => {
                self.mood();
                Ok(())
            }
            95..98 => {
                let percent = if self.dice.percent(50) { 0 } else { self.dice.below(40) };
                self.crew.store_fails(percent);
                Ok(())
            }
            _ => {
                self.crashes += 1;
                self.crew.restart().await
            }
        };
        expected(result)?;
        self.judge.always(&self.crew).await
    }

    /// Does the next thing of a request at its vendor.
    async fn act(&mut self, at: usize) -> Result<(), Broken> {
        let Some(played) = self.cast.get_mut(at) else { return Ok(()) };
        let Some(act) = played.acts.pop_front() else { return Ok(()) };
        let sending = match act {
            Act::Happens => {
                played.steps += 1;
                let vendor = played.gate.vendor;
                let base = base_path(vendor).unwrap_or_default();
                let pages = played.stand_in.pages(played.steps).into_iter();
                let pages = pages.map(|page| (format!("{base}{}", page.path), page.body)).collect();
                self.crew.world.shows(&host(vendor), pages, &page_missing(vendor));
                return Ok(());
            }
            Act::Sends(sending) => sending,
        };
        let answer = self.deliver(&sending).await;
        let Some(played) = self.cast.get_mut(at) else { return Ok(()) };
        match answer {
            Ok(id) => self.judge.taken(played, &sending, id),
            Err(Untaken::Unproven(_) | Untaken::Refused(Refusal::NotFound { .. })) => {
                Judge::refused(played.gate.vendor, &sending)
            }
            // Whoever forges does not wait.
            Err(Untaken::Later(_) | Untaken::Refused(Refusal::Store(_)))
                if sending.how.must_be_taken() != Some(true) =>
            {
                Ok(())
            }
            Err(Untaken::Later(_) | Untaken::Refused(Refusal::Store(_))) => {
                played.acts.push_front(Act::Sends(sending));
                Ok(())
            }
            Err(untaken) => Err(Broken::said(format!("a webhook failed: {untaken:?}"))),
        }
    }

    async fn deliver(&self, sending: &Sending) -> Result<EventId, Untaken> {
        let engine = self.crew.engine().map_err(|_down| Untaken::Later("down".to_owned()))?;
        let call = &sending.call;
        let headers: Vec<(String, String)> =
            call.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let token = call.url.path().rsplit('/').next().unwrap_or_default();
        let query = call.url.query().unwrap_or_default();
        let came = Came { method: call.method, query, headers, body: &call.body };
        engine.take_arrival(token, came).await
    }

    fn pass_time(&mut self) {
        let seconds = [1, 10, 60, 600, 7_200, 43_200];
        let most = self.dice.pick(&seconds).copied().unwrap_or(1);
        let millis = self.dice.below(most * 1_000);
        self.crew.clock.advance(i64::try_from(millis).unwrap_or(SECOND_MS));
    }

    fn mood(&mut self) {
        let moods = [
            Mood::Well,
            Mood::Well,
            Mood::Status(500),
            Mood::Status(403),
            Mood::Later(120),
            Mood::Flapping(50),
            Mood::Down,
            Mood::Slow,
            Mood::Babbling,
        ];
        let mood = self.dice.pick(&moods).copied().unwrap_or(Mood::Well);
        let vendor = self.dice.pick(&Vendor::ALL).copied();
        if let Some(vendor) = vendor.filter(|_| self.dice.percent(85)) {
            self.crew.world.feels(&host(vendor), mood);
        } else if mood != Mood::Babbling {
            self.crew.world.feels(OWN_HOST, mood);
        }
    }

    /// Trouble stops; what is left happens, and everything must come to rest.
    async fn end(&mut self) -> Result<Report, Broken> {
        self.crew.store_fails(0);
        self.crew.world.heal();
        for at in 0..self.cast.len() {
            while self.cast.get(at).is_some_and(|played| !played.acts.is_empty()) {
                self.act(at).await?;
            }
        }
        let quiet = self.crew.pass_days(DAYS).await.map_err(|trouble| Broken::new(&trouble))?;
        if !quiet {
            return Err(Broken::said(format!(
                "something is due {DAYS} days after the last trouble"
            )));
        }
        self.judge.at_the_end(&self.crew, &self.cast).await?;
        let everything = self.crew.world.everything();
        let mut story = String::new();
        for (host, heard) in &everything {
            for call in heard {
                let body = Hash(sha256(&call.body));
                let line = writeln!(story, "{host} {} {} {body}", call.at, call.line);
                line.map_err(|error| Broken::said(error.to_string()))?;
            }
        }
        Ok(Report {
            acknowledged: self.judge.taken_count(),
            heard: everything.values().map(Vec::len).sum(),
            crashes: self.crashes,
            digest: Hash(sha256(story.as_bytes())),
        })
    }
}

/// After the last trouble, all is over within so many days: waits end after three, endpoints are probed for longer.
const DAYS: i64 = 40;
