//! A connection that lives, and one exchange of HTTP/1.1 over it.
//!
//! Invariants: nothing drives a connection but the exchange it serves; between exchanges it lies still in the pool.
//! A message is called unsent only when not a byte of it was written. Whatever leaves it open where an answer ends
//! (too much of it, bytes that nobody asked for, a message that was not said to its end) closes the connection.
//! Left to others: what a head says (`head`), where a body ends (`framing`).

use std::fmt::{self, Debug, Formatter};
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use domain::call::{Answer, Failure};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::time::Instant;
use url::Url;

use crate::classify::{self, Fault, Stage};
use crate::conversation::{Notes, Side};
use crate::http::Progress;
use crate::http::answer::Body;
use crate::http::framing::Framing;
use crate::http::head::Head;
use crate::http::request::Message;
use crate::http::wire::Wire;

/// An open connection to one origin.
pub(crate) struct Live {
    wire: Wire,
    /// What came and is not understood yet.
    ahead: Vec<u8>,
    url: Arc<Url>,
    remote: SocketAddr,
    opened: Instant,
    keep_alive: Option<Duration>,
    standing: Standing,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing was said over it.
    Fresh,
    /// What comes next over it is unknown.
    Busy,
    /// The answer to the last message came to its end, and another message may follow.
    Idle,
}

/// Why an exchange brought no answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Nothing was sent; the message may go over another connection.
    Unsent {
        /// What was to be sent.
        message: Box<Message>,
        /// What it means if there is no other connection.
        failure: Failure,
    },
    /// It may have arrived.
    Failed(Failure),
}

/// A message on its way out.
struct Saying<'a> {
    rest: &'a [u8],
    flushed: bool,
    /// What came between. An answer may have been given all the same.
    trouble: Option<io::Error>,
}

impl Live {
    /// Takes a wire over which nothing was said.
    pub(crate) fn new(wire: Wire, url: Arc<Url>, remote: SocketAddr) -> Self {
        let (ahead, keep_alive, standing) = (Vec::new(), None, Standing::Fresh);
        Self { wire, ahead, url, remote, opened: Instant::now(), keep_alive, standing }
    }

    /// Gives when it was opened.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// Gives the address at the other end.
    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Gives how long the receiver said it keeps the connection, if it did.
    pub(crate) fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive
    }

    /// Tells whether the connection leads to where a URL points.
    pub(crate) fn leads_to(&self, url: &Arc<Url>) -> bool {
        Arc::ptr_eq(&self.url, url)
            || (self.url.scheme() == url.scheme()
                && self.url.host_str() == url.host_str()
                && self.url.port_or_known_default() == url.port_or_known_default())
    }

    /// Sends a message and reads its answer.
    pub(crate) async fn exchange(
        &mut self,
        message: Message,
        progress: &mut Progress,
    ) -> Result<Answer, Broken> {
        progress.stage = Stage::Asking;
        if self.standing != Standing::Fresh && !self.becomes_idle() {
            let failure = classify::asking(Fault::Closed);
            return Err(Broken::Unsent { message: Box::new(message), failure });
        }
        self.standing = Standing::Busy;
        let mut saying = Saying { rest: message.bytes(), flushed: false, trouble: None };
        let head = self.head(&mut saying, &progress.notes).await;
        let head = head.map_err(|fault| Broken::Failed(classify::asking(fault)))?;
        let Head { status, framing, stays_open, keep_alive, retry_after_s, kept } = head;
        progress.stage = Stage::Reading(status);
        let body = Body::of(progress.answer_bytes_max);
        let body = self.body(&mut saying, framing, body).await;
        let body = body.map_err(|fault| Broken::Failed(classify::reading(status, fault)))?;
        if stays_open && saying.is_said() && !body.is_cut() {
            self.standing = Standing::Idle;
            self.ahead.shrink_to(READ_BYTES);
        }
        self.keep_alive = keep_alive;
        let (body, body_cut) = body.into_text();
        progress.notes.body(Side::Provider, &body);
        Ok(Answer { status, retry_after_s, body, body_cut, headers: kept })
    }

    /// Lays the connection still, and tells whether another message can be sent over it.
    ///
    /// Looks for what comes after the answer (a close, or bytes nobody asked for), and makes the connection forget whom to
    /// wake, so that whoever takes it from the pool does not wake this task.
    ///
    /// A task that has used up its turn of the runtime would see nothing, and take that for stillness: whoever calls has
    /// waited for something just before.
    pub(crate) fn becomes_idle(&mut self) -> bool {
        self.standing == Standing::Idle
            && self.ahead.is_empty()
            && self.poll_more(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Says a message, and reads the head of its answer. Answers of which more are to come do not count.
    async fn head(&mut self, saying: &mut Saying<'_>, notes: &Notes) -> Result<Head, Fault> {
        let (mut looked_at_bytes, mut before_bytes) = (0, 0);
        poll_fn(|cx| {
            self.poll_say(cx, saying);
            loop {
                // A head becomes whole, or plain nonsense, at the end of a line.
                let news = self.ahead.get(looked_at_bytes..).unwrap_or_default();
                let line_ended = news.contains(&b'\n');
                looked_at_bytes = self.ahead.len();
                if line_ended && let Some((head, length)) = Head::read(&self.ahead, notes)? {
                    self.ahead.drain(..length);
                    match head.status {
                        SWITCHING_PROTOCOLS => {
                            return Poll::Ready(Err(Fault::Unasked(head.status)));
                        }
                        100..=199 => {
                            before_bytes += length;
                            looked_at_bytes = 0;
                        }
                        _ => return Poll::Ready(Ok(head)),
                    }
                    if before_bytes <= HEAD_BYTES_MAX {
                        continue;
                    }
                }
                if before_bytes + self.ahead.len() > HEAD_BYTES_MAX {
                    return Poll::Ready(Err(Fault::TooLarge));
                }
                if let Err(fault) = ready!(self.poll_more(cx)) {
                    // What has no end of a line may be plain nonsense all the same.
                    Head::read(&self.ahead, notes)?;
                    return Poll::Ready(Err(saying.trouble.take().map_or(fault, Fault::Io)));
                }
            }
        })
        .await
    }

    /// Reads a body to its end, or until more came than is kept; says what is left of the message meanwhile.
    async fn body(
        &mut self,
        saying: &mut Saying<'_>,
        mut framing: Framing,
        mut body: Body,
    ) -> Result<Body, Fault> {
        let read = poll_fn(|cx| {
            self.poll_say(cx, saying);
            loop {
                let taken = framing.take(&self.ahead, &mut body)?;
                self.ahead.drain(..taken);
                if framing.is_over() || body.is_cut() {
                    return Poll::Ready(Ok(()));
                }
                match ready!(self.poll_more(cx)) {
                    Err(Fault::Closed) if framing == Framing::UntilClose => {
                        return Poll::Ready(Ok(()));
                    }
                    Err(fault) => return Poll::Ready(Err(fault)),
                    Ok(()) => {}
                }
            }
        });
        read.await.map(|()| body)
    }

    /// Reads what comes next.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.ahead.reserve(READ_BYTES);
        let read = pin!(self.wire.read_buf(&mut self.ahead)).poll(cx);
        read.map(|read| match read {
            Ok(0) => Err(Fault::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::Io(error)),
        })
    }

    /// Says as much of a message as the connection takes.
    fn poll_say(&mut self, cx: &mut Context<'_>, saying: &mut Saying<'_>) {
        while saying.trouble.is_none() && !saying.is_said() {
            let mut wire = Pin::new(&mut self.wire);
            let said = if saying.rest.is_empty() {
                wire.poll_flush(cx).map_ok(|()| saying.flushed = true)
            } else {
                wire.as_mut().poll_write(cx, saying.rest).map(|written| match written? {
                    0 => Err(io::ErrorKind::WriteZero.into()),
                    written => {
                        saying.rest = saying.rest.get(written..).unwrap_or_default();
                        Ok(())
                    }
                })
            };
            match said {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => saying.trouble = Some(error),
                Poll::Pending => return,
            }
        }
    }
}

impl Saying<'_> {
    /// Tells whether all of it is on its way.
    const fn is_said(&self) -> bool {
        self.flushed && self.rest.is_empty()
    }
}

impl Debug for Live {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Without the URL, whose query may carry a secret.
        f.debug_struct("Live").field("remote", &self.remote).finish_non_exhaustive()
    }
}

/// What is made room for at least with each read. Most answers are far shorter.
const READ_BYTES: usize = 2 * 1024;

/// The largest head of an answer, with those before it of which more were to come.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The one informational status after which no answer follows.
const SWITCHING_PROTOCOLS: u16 = 101;
