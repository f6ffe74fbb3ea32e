//! Hot calls on a connection: read, answered, and read again, until something else comes.
//!
//! It is hyper's part of the work, for the plainest of calls: what comes by the thousand shall not cost more than it must.
//!
//! Invariants: a connection that idles, or does not take its answer, is closed in bounded time; of a call that is not
//! whole in that time, or that is no hot one, all bytes are handed on; one that was begun is answered when the service stops,
//! and not answered when its caller is gone.
//! Left to others: whose turn it is to be served (`serve`), which calls are read here (`read`).

use std::mem;
use std::pin::{Pin, pin};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::response::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE};
use http_body_util::BodyExt as _;
use httpdate::fmt_http_date;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::read::{Call, Found, find};
use crate::state::State;

/// Room for a call, before its length is known.
const ROOM_BYTES: usize = 4 * 1024;
/// The rest of a call may take so long to come; hyper waits for those that take longer, and answers those that never come.
const PART_TIME_MAX: Duration = Duration::from_secs(1);

/// A connection on which hot calls come.
pub(crate) struct Talk<'a> {
    pub(crate) stream: &'a mut TcpStream,
    pub(crate) state: &'a State,
    /// Says that the service stops.
    pub(crate) stopped: &'a mut watch::Receiver<()>,
    /// How long it may idle between two calls, and a call may take to come.
    pub(crate) idle_max: Duration,
    /// How long an answer may take to be taken.
    pub(crate) write_max: Duration,
}

impl Talk<'_> {
    /// Answers hot calls; gives what came that is none, or nothing once the connection is over.
    #[expect(
        clippy::disallowed_methods,
        reason = "the timer bounds a socket, no step waits for it"
    )]
    pub(crate) async fn go_on(mut self) -> Option<Vec<u8>> {
        let mut said = Vec::with_capacity(ROOM_BYTES);
        let mut answer = Vec::new();
        let mut date = Date::default();
        let mut idle = pin!(sleep(self.idle_max));
        loop {
            let call = match self.next_call(&mut said, idle.as_mut()).await? {
                Ok(call) => call,
                Err(Other) => return Some(said),
            };
            let response = self.answered(call, &mut said).await?;
            let closes =
                self.stopped.has_changed().is_err() || response.headers().contains_key(CONNECTION);
            answer.clear();
            answer.shrink_to(ROOM_BYTES);
            write(&mut answer, response, date.now(), closes).await?;
            timeout(self.write_max, self.stream.write_all(&answer)).await.ok()?.ok()?;
            if closes {
                drop(self.stream.shutdown().await);
                return None;
            }
        }
    }

    /// Waits for a whole call; `None` once the connection is over.
    async fn next_call(
        &mut self,
        said: &mut Vec<u8>,
        mut idle: Pin<&mut Sleep>,
    ) -> Option<Result<Call, Other>> {
        // The timer goes off now and then, and is set anew: that costs less than setting it for each call.
        let mut until = Instant::now() + self.idle_max;
        let mut in_part = false;
        loop {
            // Empty lines between calls are nothing; some clients leave one behind each.
            if said.chunks(2).all(|pair| pair == b"\r\n") {
                said.clear();
            }
            let room = match find(said) {
                Found::Call(call, taken) => {
                    said.drain(..taken);
                    // A large call leaves no large buffer behind.
                    said.shrink_to(ROOM_BYTES);
                    return Some(Ok(call));
                }
                Found::Part(whole) => {
                    if !mem::replace(&mut in_part, true) {
                        until = Instant::now() + PART_TIME_MAX;
                        idle.as_mut().reset(until);
                    }
                    whole - said.len()
                }
                Found::Other if said.is_empty() => ROOM_BYTES,
                Found::Other => return Some(Err(Other)),
            };
            said.reserve(room);
            tokio::select! {
                biased;
                got = self.stream.read_buf(said) => match got {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(_gone) => return None,
                },
                // A call that was begun is waited for.
                _ = self.stopped.changed(), if said.is_empty() => break,
                () = &mut idle => {
                    if Instant::now() >= until {
                        break;
                    }
                    idle.as_mut().reset(until);
                }
            }
        }
        // A call in part is somebody else's to wait for, or to refuse.
        (!said.is_empty()).then_some(Err(Other))
    }

    /// Answers a call; `None` if the caller went away meanwhile.
    async fn answered(&mut self, call: Call, said: &mut Vec<u8>) -> Option<Response> {
        let Call { hot, request } = call;
        let mut answering = pin!(hot.answer(request, self.state.clone()));
        said.reserve(ROOM_BYTES);
        loop {
            tokio::select! {
                biased;
                response = &mut answering => return Some(response),
                got = self.stream.read_buf(said), if said.is_empty() => {
                    if got.ok()? == 0 {
                        return None;
                    }
                }
            }
        }
    }
}

/// What has come is no hot call.
struct Other;

/// Writes an answer as hyper does; `None` if it cannot be had.
async fn write(answer: &mut Vec<u8>, response: Response, date: &str, closes: bool) -> Option<()> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let reason = parts.status.canonical_reason().unwrap_or("<none>");
    for part in ["HTTP/1.1 ", parts.status.as_str(), " ", reason, "\r\n"] {
        answer.extend_from_slice(part.as_bytes());
    }
    for (name, value) in parts.headers.iter().filter(|(name, _)| **name != CONNECTION) {
        push(answer, name.as_str(), value.as_bytes());
    }
    if closes {
        push(answer, CONNECTION.as_str(), b"close");
    }
    push(answer, CONTENT_LENGTH.as_str(), body.len().to_string().as_bytes());
    push(answer, DATE.as_str(), date.as_bytes());
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    Some(())
}

fn push(answer: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        answer.extend_from_slice(part);
    }
}

/// The date of an answer, written once for all of a second.
#[derive(Debug, Default)]
struct Date {
    second: u64,
    text: String,
}

impl Date {
    #[expect(
        clippy::disallowed_methods,
        reason = "what an answer is dated with is the system's time"
    )]
    fn now(&mut self) -> &str {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.second || self.text.is_empty() {
            (self.second, self.text) = (second, fmt_http_date(now));
        }
        &self.text
    }
}
