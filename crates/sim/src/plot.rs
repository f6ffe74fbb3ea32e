//! What happens in a run: clients, moods, faults, crashes, days; then an end when all trouble has stopped.
//!
//! Invariant: the plot follows from the seed alone.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use domain::chain::{Hash, sha256};
use domain::endpoint::{Dialect, Ordering};
use domain::id::RequestId;
use domain::request::SigningOrder;
use domain::secret::Secret;
use domain::signer::Via;
use domain::time::{Clock, SECOND_MS};
use engine::endpoints::{NewEndpoint, NewProfile};
use engine::events::NewEvent;
use engine::requests::{NewPerson, NewRequest, NewSigner, SignInput};
use engine::{MovableClock, Once, Refusal};

use crate::crew::{Crew, Trouble};
use crate::dice::Dice;
use crate::invariants::{Broken, Watch};
use crate::world::Mood;

/// What a run came to. Two runs of one seed give equal reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Events that a client was told are kept.
    pub acknowledged: usize,
    /// Calls that reached a receiver.
    pub heard: usize,
    /// Crashes.
    pub crashes: u32,
    /// The digest of everything that was heard, in order.
    pub digest: Hash,
}

/// The clients' side of a run.
struct Plot {
    crew: Crew,
    dice: Dice,
    watch: Watch,
    requests: Vec<RequestId>,
    posted: u64,
    crashes: u32,
}

/// Profiles and dialects of the endpoints in a run.
const CAST: [(&str, Dialect, Ordering); 6] = [
    ("standard", Dialect::Standard, Ordering::None),
    ("ironclad", Dialect::Standard, Ordering::Request),
    ("ironclad-2026", Dialect::Standard, Ordering::None),
    ("clickwrap", Dialect::Clickwrap, Ordering::None),
    ("insertsign", Dialect::Insertsign, Ordering::None),
    ("esaw", Dialect::Esaw, Ordering::Request),
];

/// Plays a run of so many steps in a folder of its own, and checks what must hold.
pub async fn play(seed: u64, steps: u32, folder: &Path) -> Result<Report, Broken> {
    let folder: PathBuf = folder.join(format!("seed-{seed}"));
    // What an earlier run of the seed has left would change this one.
    drop(fs::remove_dir_all(&folder));
    let played = whole(seed, steps, folder.clone()).await;
    drop(fs::remove_dir_all(&folder));
    played
}

/// Plays a run of so many steps with two or three nodes on an empty database, and checks what must hold.
pub async fn play_several(seed: u64, steps: u32, url: Secret) -> Result<Report, Broken> {
    let mut dice = Dice::new(seed);
    let nodes = if dice.percent(50) { 2 } else { 3 };
    let crew = Crew::start_several(url, nodes, dice.next()).await;
    played(crew, dice, steps).await
}

async fn whole(seed: u64, steps: u32, folder: PathBuf) -> Result<Report, Broken> {
    let mut dice = Dice::new(seed);
    let crew = Crew::start(folder, dice.next()).await;
    played(crew, dice, steps).await
}

async fn played(crew: Result<Crew, Trouble>, dice: Dice, steps: u32) -> Result<Report, Broken> {
    let crew = crew.map_err(|trouble| Broken::new(&trouble))?;
    let watch = Watch::new(crew.account);
    let mut plot = Plot { crew, dice, watch, requests: Vec::new(), posted: 0, crashes: 0 };
    plot.register().await.map_err(|trouble| Broken::new(&trouble))?;
    for _ in 0..steps {
        plot.step().await?;
    }
    plot.end().await
}

/// A fault of the store is part of the plot; anything else is not.
pub(crate) fn expected(result: Result<(), Trouble>) -> Result<(), Broken> {
    match result {
        // Chance asks for what cannot be, and clients race themselves after lost answers.
        Ok(())
        | Err(
            Trouble::Store(_)
            | Trouble::Refused(
                Refusal::Store(_)
                | Refusal::Impossible { .. }
                | Refusal::NotFound { .. }
                | Refusal::Contended { .. },
            ),
        ) => Ok(()),
        Err(trouble @ (Trouble::Refused(_) | Trouble::Down)) => Err(Broken::new(&trouble)),
    }
}

impl Plot {
    async fn register(&mut self) -> Result<(), Trouble> {
        let engine = self.crew.engine()?;
        for (index, (profile, dialect, ordering)) in CAST.into_iter().enumerate() {
            let endpoint = NewEndpoint {
                url: format!("https://r{index}.example.net/hook?action=##Action##"),
                dialect,
                profile: Some(NewProfile::Named(profile.to_owned())),
                ordering,
                max_in_flight: self.crew.is_several().then_some(if index % 2 == 0 { 3 } else { 1 }),
                ..NewEndpoint::default()
            };
            let endpoint = NewEndpoint {
                url: if dialect == Dialect::Esaw {
                    endpoint.url
                } else {
                    format!("https://r{index}.example.net/hook")
                },
                ..endpoint
            };
            let made = engine.create_endpoint(self.crew.account, endpoint, &Once::unkept()).await?;
            self.watch.knows(made);
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<(), Broken> {
        if self.crew.is_several() {
            self.among_several().await?;
        }
        let result = match self.dice.below(100) {
            0..20 => self.post().await,
            20..28 => self.request().await,
            28..40 => self.sign().await,
            40..60 => self.crew.attempt().await.map(|_| ()),
            60..74 => self.crew.settle().await.map(|_| ()),
            74..82 => self.crew.lease().await.map(|_| ()),
            82..86 => self.crew.timers().await.map(|_| ()),
            86..92 => {
                self.pass_time();
                Ok(())
            }
            92..96 => {
                self.mood();
                Ok(())
            }
            96..98 => {
                self.weather();
                Ok(())
            }
            _ => self.crash().await,
        };
        expected(result)?;
        self.watch.always(&self.crew).await
    }

    /// What only several nodes do, and whose turn is next.
    async fn among_several(&mut self) -> Result<(), Broken> {
        match self.dice.below(100) {
            0..30 => self.crew.beat().await,
            30..33 => self.crew.pause(),
            33..35 => self.crew.resume(),
            35..60 => {
                self.crew.give_turn();
                expected(self.crew.begin().map(|_| ()))?;
                self.watch.keeps_to_its_bounds(&self.crew)?;
            }
            60..75 => {
                self.crew.give_turn();
                expected(self.crew.finish().await.map(|_| ()))?;
            }
            _ => {}
        }
        self.crew.give_turn();
        Ok(())
    }

    /// A client posts an event under a key of its own until it is told that it is kept.
    async fn post(&mut self) -> Result<(), Trouble> {
        self.posted += 1;
        let key = format!("k{}", self.posted);
        let engine = self.crew.engine()?;
        for _ in 0..3 {
            let event = NewEvent {
                name: "custom.sim".to_owned(),
                data: format!("{{\"n\":{}}}", self.posted),
                id: Some(key.clone()),
                order_key: Some(format!("o{}", self.posted % 3)),
            };
            match engine.post_event(self.crew.account, event, &Once::unkept()).await {
                Ok(noted) => {
                    self.watch.acknowledged(noted.id, Some(key));
                    return Ok(());
                }
                Err(Refusal::Store(_)) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok(())
    }

    async fn request(&mut self) -> Result<(), Trouble> {
        let signer = |n: u32| NewSigner {
            person: NewPerson {
                name: format!("Signer {n}"),
                email: format!("s{n}@example.net"),
                ..NewPerson::default()
            },
            order: Some(n),
            ..NewSigner::default()
        };
        let input = NewRequest {
            title: "A contract".to_owned(),
            signing_order: SigningOrder::Sequential,
            signers: vec![signer(1), signer(2)],
            expires_at: Some(self.crew.clock.now().plus_seconds(20 * 24 * 3_600)),
            send: true,
            ..NewRequest::default()
        };
        let engine = self.crew.engine()?;
        let request = engine.create_request(self.crew.account, input, &Once::unkept()).await?;
        self.requests.push(request.id);
        self.watch.requested(request.id);
        Ok(())
    }

    async fn sign(&mut self) -> Result<(), Trouble> {
        let Some(id) = self.dice.pick(&self.requests).copied() else { return Ok(()) };
        let engine = self.crew.engine()?;
        let found = engine.views().request(self.crew.account, id).await?;
        let Some((request, _)) = found else { return Ok(()) };
        let Some(signer) = request.signers.iter().find(|signer| signer.has_turn()) else {
            return Ok(());
        };
        let input = SignInput {
            name: "A Name".to_owned(),
            consent: "I agree.".to_owned(),
            device: None,
            ip: None,
            user_agent: None,
            via: Via::Api,
        };
        let of = (id, signer.id);
        engine.sign_signer(self.crew.account, of, input, &Once::unkept()).await?;
        self.watch.signed(id, signer.id);
        Ok(())
    }

    fn pass_time(&mut self) {
        let seconds = [1, 30, 600, 7_200, 86_400];
        let most = self.dice.pick(&seconds).copied().unwrap_or(1);
        let millis = self.dice.below(most * 1_000);
        self.crew.clock.advance(i64::try_from(millis).unwrap_or(SECOND_MS));
    }

    fn mood(&mut self) {
        let host = format!("r{}.example.net", self.dice.below(CAST.len() as u64));
        let moods = [
            Mood::Well,
            Mood::Status(500),
            Mood::Status(204),
            Mood::Status(302),
            Mood::Later(120),
            Mood::Flapping(50),
            Mood::Mumbling,
            Mood::Down,
        ];
        self.crew.world.feels(&host, self.dice.pick(&moods).copied().unwrap_or(Mood::Well));
    }

    fn weather(&mut self) {
        let percent = if self.dice.percent(50) { 0 } else { self.dice.below(40) };
        self.crew.store_fails(percent);
    }

    async fn crash(&mut self) -> Result<(), Trouble> {
        self.crashes += 1;
        self.watch.crashed(self.crew.under_way());
        self.crew.restart().await
    }

    /// Trouble stops; everything must come to rest within a bound known beforehand.
    async fn end(mut self) -> Result<Report, Broken> {
        self.crew.store_fails(0);
        self.crew.world.heal();
        // The longest profile is over after 3 days and 4 hours; requests expire after 20 days, and tell of it.
        let quiet = if self.crew.is_several() {
            self.crew.pass_days_together(40).await
        } else {
            self.crew.pass_days(40).await
        };
        let quiet = quiet.map_err(|trouble| Broken::new(&trouble))?;
        if !quiet {
            return Err(Broken::said("something is still due 40 days after the last trouble"));
        }
        self.watch.always(&self.crew).await?;
        self.watch.at_the_end(&self.crew).await?;
        let everything = self.crew.world.everything();
        let mut story = String::new();
        for (host, heard) in &everything {
            for call in heard {
                let body = Hash(sha256(&call.body));
                let line =
                    writeln!(story, "{host} {} {} {} {body}", call.at, call.event, call.taken);
                line.map_err(|error| Broken::said(error.to_string()))?;
            }
        }
        Ok(Report {
            acknowledged: self.watch.acknowledged_count(),
            heard: everything.values().map(Vec::len).sum(),
            crashes: self.crashes,
            digest: Hash(sha256(story.as_bytes())),
        })
    }
}
