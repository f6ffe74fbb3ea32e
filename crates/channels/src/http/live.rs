//! A connection that lives, and one exchange over it.
//!
//! Invariant: nothing drives a connection but the exchange it serves; between exchanges it lies still in the pool.

use std::fmt::{self, Debug, Formatter};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use domain::call::{Answer, Failure, Reason};
use http_body_util::Full;
use hyper::Error as HyperError;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use url::Url;

use crate::classify::{self, Stage};
use crate::conversation::Side;
use crate::http::Progress;
use crate::http::answer::{self, Body};
use crate::http::request::Message;
use crate::http::wire::Wire;

/// An open connection to one origin.
pub(crate) struct Live {
    sender: SendRequest<Full<Bytes>>,
    /// Gone as soon as it has ended.
    connection: Option<Connection<TokioIo<Wire>, Full<Bytes>>>,
    url: Arc<Url>,
    remote: SocketAddr,
    keep_alive: Option<Duration>,
    whole: bool,
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

impl Live {
    /// Speaks HTTP over a wire.
    pub(crate) async fn new(
        wire: Wire,
        url: Arc<Url>,
        remote: SocketAddr,
    ) -> Result<Self, HyperError> {
        let (sender, connection) = Builder::new()
            .max_buf_size(BUFFER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(wire))
            .await?;
        Ok(Self {
            sender,
            connection: Some(connection),
            url,
            remote,
            keep_alive: None,
            whole: true,
        })
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
        // Until the answer is whole, what comes next over this connection is unknown.
        self.whole = false;
        let mut asked = pin!(self.sender.try_send_request(message));
        let response = match self.drive(|cx| asked.as_mut().poll(cx)).await {
            Ok(response) => response,
            Err(mut error) => {
                let unsent = error.take_message();
                let failure = classify::asking(&error.into_error());
                return Err(match unsent {
                    Some(message) => Broken::Unsent { message: Box::new(message), failure },
                    None => Broken::Failed(failure),
                });
            }
        };
        let (head, incoming) = response.into_parts();
        let status = head.status.as_u16();
        if head.status.is_informational() {
            let detail = format!("status {status} came, for which nobody asked");
            return Err(Broken::Failed(Failure { reason: Reason::AnswerMalformed, detail }));
        }
        progress.stage = Stage::Reading(status);
        progress.notes.head(head.status, &head.headers);
        let body = self
            .read(incoming, progress.answer_bytes_max)
            .await
            .map_err(|error| Broken::Failed(classify::reading(status, &error)))?;
        self.whole = !body.is_cut();
        self.keep_alive = answer::keep_alive(&head.headers);
        let (body, body_cut) = body.into_text();
        progress.notes.body(Side::Provider, &body);
        let retry_after_s = answer::retry_after_s(&head.headers);
        Ok(Answer { status, retry_after_s, body, body_cut, headers: answer::kept(&head.headers) })
    }

    /// Reads a body to its end, or until more came than is kept.
    async fn read(&mut self, mut incoming: Incoming, bytes_max: usize) -> Result<Body, HyperError> {
        let mut body = Body::of(bytes_max);
        while !incoming.is_end_stream() && !body.is_cut() {
            match self.drive(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
                Some(Ok(frame)) => {
                    if let Some(chunk) = frame.data_ref() {
                        body.push(chunk);
                    }
                }
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        Ok(body)
    }

    /// Lays the connection still, and tells whether another message can be sent over it.
    pub(crate) fn becomes_idle(&mut self) -> bool {
        if !self.whole {
            return false;
        }
        // Looks for what comes after the answer (a close, or bytes nobody asked for), and makes the connection forget whom to wake: whoever takes it from
        // the pool polls it again, and sending over it would otherwise wake this task to no end.
        self.poll_connection(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Waits for something that the connection brings about.
    async fn drive<T>(&mut self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        poll_fn(|cx| {
            // First the waiter, to say what it waits for; else the connection would wake this task to hear it.
            if let Poll::Ready(output) = poll(cx) {
                return Poll::Ready(output);
            }
            self.poll_connection(cx);
            poll(cx)
        })
        .await
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) {
        // Dropping an ended connection hands an unsent message back. What it ended with reaches the waiter.
        if self
            .connection
            .as_mut()
            .is_some_and(|connection| Pin::new(connection).poll(cx).is_ready())
        {
            self.connection = None;
        }
    }
}

impl Debug for Live {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Without the URL, whose query may carry a secret.
        f.debug_struct("Live").field("remote", &self.remote).finish_non_exhaustive()
    }
}

/// The most that is read ahead, and with it the largest head of an answer.
const BUFFER_BYTES_MAX: usize = 32 * 1024;

/// The most headers an answer may have.
const HEADERS_MAX: usize = 100;
