//! Mails that come back: a small SMTP server that takes what other servers report of our mails, and nothing else.
//!
//! Invariants: a mail is answered with 250 only once all that it reports is on the disk; there are never more sessions
//! than [`SESSIONS_MAX`], and none lasts longer than [`SESSION_TIME_MAX`] and what the store takes; when the service
//! stops, who is between two commands is told, and a mail that has come whole is still written down.
//! Left to others: the protocol, without a socket (`session`), what a mail reports (`engine::feedback`).

mod command;
mod data;
mod reply;
mod session;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, warn};
use url::Url;

use crate::returned::reply::{KEPT, LATER, Reply, STOPPING, TOO_BUSY, TOO_SLOW};
use crate::returned::session::{Next, Returned, Session};
use crate::serve::accept;

/// The most sessions at once; others are told to come again.
const SESSIONS_MAX: usize = 64;
/// How long a session may last, its waits for the store apart.
const SESSION_TIME_MAX: Duration = Duration::from_mins(5);
/// How long sessions may take to end when the service stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// What is read at once.
const READ_BYTES: usize = 16 * 1024;

/// Takes mails until `shutdown`, then finishes those that have come whole.
pub async fn serve_returned_mails(
    listener: TcpListener,
    engine: Engine,
    shutdown: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(SESSIONS_MAX));
    let (stop, stopped) = watch::channel(());
    let mut sessions = JoinSet::new();
    let accepting = async {
        loop {
            while sessions.try_join_next().is_some() {}
            let Some((stream, peer)) = accept(&listener).await else { continue };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                turn_away(&stream);
                continue;
            };
            let (engine, stopped) = (engine.clone(), stopped.clone());
            sessions.spawn(async move {
                if let Err(error) = converse(stream, &engine, stopped).await {
                    debug!(%peer, %error, "a connection for mails broke");
                }
                drop(permit);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = shutdown => {}
    }
    drop(listener);
    drop(stopped);
    drop(stop);
    let finished = timeout(STOP_TIME_MAX, async { while sessions.join_next().await.is_some() {} });
    if finished.await.is_err() {
        warn!(sessions = sessions.len(), "mails under way took too long and were cut off");
    }
}

/// Says without waiting that there is no room; a connection that is new has room for as much.
fn turn_away(stream: &TcpStream) {
    if let Err(error) = stream.try_write(TOO_BUSY.to_string().as_bytes()) {
        debug!(%error, "a connection was gone before it was turned away");
    }
}

/// Holds a session from the greeting to its end.
async fn converse(
    mut stream: TcpStream,
    engine: &Engine,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let mut session = Session::new(host(engine.public_url()));
    let mut deadline = Instant::now() + SESSION_TIME_MAX;
    say(&mut stream, &session.greeting(), deadline).await?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = tokio::select! {
            biased;
            _ = stopped.changed() => return say(&mut stream, &STOPPING, deadline).await,
            read = timeout_at(deadline, stream.read(&mut buffer)) => read,
        };
        let Ok(count) = read else {
            // The time for reading is over; a moment more is for saying so.
            let moment = Instant::now() + STOP_TIME_MAX;
            return say(&mut stream, &TOO_SLOW, moment).await;
        };
        let mut rest = buffer.get(..count?).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        while !rest.is_empty() {
            let (taken, next) = session.take(rest, |address| engine.is_return_path(address));
            rest = rest.get(taken..).unwrap_or_default();
            let reply = match next {
                None => continue,
                Some(Next::Say(reply)) => reply,
                Some(Next::Keep(returned)) => {
                    let began = Instant::now();
                    let reply = keep(engine, &returned).await;
                    deadline += began.elapsed();
                    reply
                }
            };
            say(&mut stream, &reply, deadline).await?;
            if reply.closes {
                return stream.shutdown().await;
            }
        }
    }
}

/// Writes down what a mail reports, to each of the return paths that it came to.
async fn keep(engine: &Engine, returned: &Returned) -> Reply {
    for return_path in &returned.to {
        if let Err(error) = engine.take_mail_at(return_path, &returned.mail).await {
            warn!(%error, "a returned mail is to come again");
            return LATER;
        }
    }
    KEPT
}

async fn say(stream: &mut TcpStream, reply: &Reply, deadline: Instant) -> io::Result<()> {
    let text = reply.to_string();
    let written = timeout_at(deadline, stream.write_all(text.as_bytes())).await;
    written.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}

/// Gives the name that the service is known by.
fn host(public_url: &str) -> String {
    let url = Url::parse(public_url).ok();
    url.as_ref().and_then(Url::host_str).unwrap_or("localhost").to_owned()
}
