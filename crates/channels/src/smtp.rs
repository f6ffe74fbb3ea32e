//! Mails by SMTP, over any mail server.
//!
//! Invariants: sending cannot fail, every ending is a receipt; no address is dialled that the guard did not vet; one
//! deadline spans a mail, from the name to the last reply; before the last dot is written a mail is surely not taken,
//! and a reply lost after it is `Unknown`; nobody logs in over a connection that others can read, unless the settings
//! say so by a loud name.
//! Left to others: choosing a provider and what follows (`engine`), reports (`report`).

mod client;
mod reply;
mod settings;

use std::fmt::{self, Debug, Formatter};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::id::ProviderId;
use domain::message::{Mail, Receipt, Reception};
use domain::provider::Provider;
use domain::time::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};

use crate::conversation::Notes;
use crate::http::dial::Dialler;
use crate::http::{BuildError, Options, Progress};
use crate::mime;
use crate::provider::Field;
use crate::reception::one_line;
use crate::return_path::ReturnPaths;
use crate::smtp::client::{Client, Envelope, Trouble};
use crate::smtp::settings::Settings;

/// Hands mails to mail servers. Cannot fail: every ending is a receipt.
#[async_trait]
pub trait Mailer: Send + Sync + Debug {
    /// Hands a mail over once, within the timeout. `now` becomes the mail's date; a repetition has the same `Message-ID`.
    ///
    /// Dropping the future closes the connection it used.
    async fn send(
        &self,
        provider: &Provider,
        mail: &Mail,
        now: Timestamp,
        timeout: Duration,
    ) -> Handover {
        self.send_noted(provider, mail, (now, timeout), &Notes::default()).await
    }

    /// Does the same, at a moment and within a timeout, and notes what is said on both sides; if notes are taken, over a
    /// connection of its own, from the greeting on.
    async fn send_noted(
        &self,
        provider: &Provider,
        mail: &Mail,
        when: (Timestamp, Duration),
        notes: &Notes,
    ) -> Handover;
}

/// How handing a mail over ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// What became of the mail. Its `message_id` is the mail's `Message-ID`, without brackets.
    pub receipt: Receipt,
    /// The vetted address that was dialled, if it came to that.
    pub remote: Option<SocketAddr>,
}

/// Lists what a mail server needs to be used, in the order in which people would fill it in.
pub fn fields() -> &'static [Field] {
    &settings::FIELDS
}

/// Looks at a provider's settings as a whole, after each field was checked; gives what is wrong as the field's name and
/// what is expected there.
pub fn check(provider: &Provider) -> Vec<(&'static str, String)> {
    settings::check(provider)
}

/// Speaks SMTP.
#[derive(Debug)]
pub struct Smtp {
    dialler: Dialler,
    return_paths: ReturnPaths,
    idle: Mutex<Vec<Idle>>,
}

/// A connection between two mails.
struct Idle {
    provider: ProviderId,
    /// Of the provider: other settings want another connection.
    updated_at: Timestamp,
    client: Client,
    until: Instant,
}

impl Debug for Idle {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl Smtp {
    /// Makes a mailer without connections, with a guard, a resolver and extra authorities as the HTTP client has them.
    pub fn new(options: Options, return_paths: ReturnPaths) -> Result<Self, BuildError> {
        let Options { guard, resolver, authorities, .. } = options;
        let dialler = Dialler::new(guard, resolver, &authorities, None)?;
        Ok(Self { dialler, return_paths, idle: Mutex::default() })
    }

    /// Takes the connection that was used last, and lets go of those that lay too long.
    fn take(&self, provider: &Provider, now: Instant) -> Option<Client> {
        // Declared before the lock, so that sockets are closed after it is given back.
        let stale: Vec<Idle>;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        stale = idle.extract_if(.., |idle| idle.until <= now).collect();
        let at = idle.iter().rposition(|idle| {
            idle.provider == provider.id && idle.updated_at == provider.updated_at
        });
        let taken = at.map(|at| idle.remove(at).client);
        drop(idle);
        drop(stale);
        taken
    }

    fn keep(&self, provider: &Provider, client: Client) {
        let (id, updated_at) = (provider.id, provider.updated_at);
        let until = Instant::now() + IDLE_MAX;
        let kept = Idle { provider: id, updated_at, client, until };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(kept);
        } else {
            drop(idle);
            drop(kept);
        }
    }

    async fn carry_out(
        &self,
        provider: &Provider,
        settings: &Settings<'_>,
        envelope: &Envelope<'_>,
        state: &mut State,
    ) -> Result<String, Trouble> {
        let is_noted = state.progress.notes.are_taken();
        let kept = match is_noted {
            true => None,
            false => self.take(provider, state.progress.started()),
        };
        let mut client = match alive(kept).await {
            Some(client) => {
                state.progress.reuses(client.remote());
                client
            }
            None => Box::pin(Client::open(&self.dialler, settings, &mut state.progress)).await?,
        };
        let ended = client.send(envelope, &mut state.handed_over).await;
        let is_usable = match &ended {
            Ok(_) => true,
            Err(trouble) => trouble.leaves_connection(),
        };
        if is_usable && !is_noted {
            self.keep(provider, client);
        }
        ended
    }
}

/// How far a mail has come. Lives outside of what the deadline cuts off, so that it can tell afterwards.
struct State {
    progress: Progress,
    handed_over: bool,
}

#[async_trait]
impl Mailer for Smtp {
    async fn send_noted(
        &self,
        provider: &Provider,
        mail: &Mail,
        when: (Timestamp, Duration),
        notes: &Notes,
    ) -> Handover {
        let (now, timeout) = when;
        let settings = match Settings::of(provider) {
            Ok(settings) => settings,
            Err(flaw) => return undone(Reception::Later { after_s: None, provider: true }, &flaw),
        };
        let Some(mail) = settings::in_ascii(mail) else {
            let flaw = "the mail has an address that is none, or is not in ASCII before its @";
            return undone(Reception::Refused { suppressed: false }, flaw);
        };
        let message_id = format!("{}@{}", mail.key, domain_of(&mail.from.address));
        let text = mime::write(&mail, &message_id, now);
        let return_path = match settings.return_path {
            Some(domain) => self.return_paths.write(&mail.key, domain),
            None => mail.from.address.clone(),
        };
        let envelope = Envelope {
            return_path: &return_path,
            to: &mail.to.address,
            key: &mail.key,
            text: &text,
        };
        let progress = Progress::new(Instant::now(), timeout, notes);
        let deadline = progress.deadline;
        let mut state = State { progress, handed_over: false };
        let ended =
            timeout_at(deadline, self.carry_out(provider, &settings, &envelope, &mut state)).await;
        let receipt = match ended {
            Ok(Ok(said)) => Receipt {
                reception: Reception::Accepted,
                message_id: Some(message_id),
                detail: one_line(&said),
            },
            Ok(Err(trouble)) => trouble.receipt(state.handed_over),
            Err(_elapsed) => {
                Trouble::Lost(state.progress.stage.timed_out()).receipt(state.handed_over)
            }
        };
        Handover { receipt, remote: state.progress.remote }
    }
}

/// Gives a connection that was idle, if the server still answers.
async fn alive(kept: Option<Client>) -> Option<Client> {
    let mut client = kept?;
    let is_alive = timeout(ALIVE_MAX, client.is_alive()).await == Ok(true);
    is_alive.then_some(client)
}

fn undone(reception: Reception, detail: &str) -> Handover {
    let receipt = Receipt { reception, message_id: None, detail: detail.to_owned() };
    Handover { receipt, remote: None }
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
}

/// Most servers wait for five minutes; some for less, and what they closed shows when it is asked.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Over all providers; with more, the newcomer is closed.
const IDLE_CONNECTIONS_MAX: usize = 32;

/// A server that is there answers at once; one that is not leaves time to dial it anew.
const ALIVE_MAX: Duration = Duration::from_secs(5);
