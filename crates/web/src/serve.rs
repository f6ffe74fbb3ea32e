//! The server: connections accepted, bounded, timed, and at the end waited for.
//!
//! Invariants: a connection without a whole head, or one that does not take its answer, is closed in bounded time; a head
//! that makes no sense is answered with a 4xx; there are never more than [`CONNECTIONS_MAX`]; a call that was begun is
//! finished when the service stops, within [`STOP_TIME_MAX`].
//! Left to others: the time a body may take (`input`).

use std::convert::Infallible;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tracing::{debug, warn};

use crate::hot::{Hot, Talk};
use crate::state::State;

/// The most connections at once; others wait to be accepted.
const CONNECTIONS_MAX: usize = 10_000;
/// How long a head may take to arrive, and how long a connection may idle between two calls.
const HEAD_TIME_MAX: Duration = Duration::from_secs(75);
/// How long a client may take no byte of its answer.
const WRITE_TIME_MAX: Duration = Duration::from_secs(30);
/// The most bytes of an answer that is written in one piece.
const PIECE_BYTES: usize = 1024;
/// How long somebody who was not understood may go on talking before the connection is cut.
const PARTING_TIME_MAX: Duration = Duration::from_secs(2);
/// How much of that is taken.
const PARTING_BYTES_MAX: u64 = 1024 * 1024;
/// How long calls under way may take when the service stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// The most headers of a call.
const HEADERS_MAX: usize = 64;
/// The most bytes of a head.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How long to wait when no connection can be accepted, for lack of files mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// An answer to come. It lies in a box, since the server moves it about.
type Answered = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// What answers the calls: a router, and a shorter way for the hot ones.
#[derive(Debug, Clone)]
pub struct Service {
    pub(crate) router: Router,
    pub(crate) hot: Option<State>,
}

impl From<Router> for Service {
    fn from(router: Router) -> Self {
        Self { router, hot: None }
    }
}

/// Serves until `shutdown`, then finishes what was begun.
pub async fn serve(
    listener: TcpListener,
    service: impl Into<Service>,
    shutdown: impl Future<Output = ()>,
) {
    let service = service.into();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let Some((stream, peer)) = accept(&listener).await else { continue };
            let (service, stopped) = (service.clone(), stopped.clone());
            connections.spawn(async move {
                converse(stream, peer, service, stopped).await;
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
    let finished =
        timeout(STOP_TIME_MAX, async { while connections.join_next().await.is_some() {} });
    if finished.await.is_err() {
        warn!(connections = connections.len(), "calls under way took too long and were cut off");
    }
}

/// Accepts a connection; `None` where that could not be, after a pause.
#[expect(
    clippy::disallowed_methods,
    reason = "there is nothing to step while no file can be opened"
)]
pub(crate) async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            if let Err(error) = stream.set_nodelay(true) {
                debug!(error = %error, "a connection was gone before it was served");
            }
            Some((stream, peer))
        }
        Err(error) => {
            warn!(error = %error, "a connection could not be accepted");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Serves one connection until it ends or the service stops: hot calls by our own hand, whatever comes after by hyper.
async fn converse(
    mut stream: TcpStream,
    peer: SocketAddr,
    service: Service,
    mut stopped: watch::Receiver<()>,
) {
    let Service { router, hot } = service;
    let mut ahead = Vec::new();
    if let Some(state) = &hot {
        let talk = Talk {
            stream: &mut stream,
            state,
            stopped: &mut stopped,
            idle_max: HEAD_TIME_MAX,
            write_max: WRITE_TIME_MAX,
        };
        let Some(said) = talk.go_on().await else { return };
        ahead = said;
    }
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        let hot = hot.as_ref().and_then(|state| Some((Hot::of(&request)?, state.clone())));
        let answered: Answered = if let Some((hot, state)) = hot {
            Box::pin(async move { Ok(hot.answer(request, state).await) })
        } else {
            request.extensions_mut().insert(Peer(peer));
            Box::pin(router.call(request))
        };
        answered
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, ahead.into())), service);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        _ = stopped.changed() => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    if let Err(error) = ended {
        debug!(error = %error, "a connection broke");
        if error.is_parse() {
            part(connection.into_parts().io.into_inner().stream).await;
        }
    }
}

/// Parts with somebody whose call could not be understood. What is still on its way is taken and thrown away, since the
/// system would otherwise take the answer back with it.
async fn part(mut stream: TcpStream) {
    let rest = async {
        stream.shutdown().await?;
        io::copy(&mut (&mut stream).take(PARTING_BYTES_MAX), &mut io::sink()).await
    };
    // Whoever goes on talking is cut off.
    drop(timeout(PARTING_TIME_MAX, rest).await);
}

/// Gathers slices in one piece, if they have room there and are more than one.
fn gather<'a>(slices: &[IoSlice<'_>], piece: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut end = 0;
    for slice in slices {
        piece.get_mut(end..end + slice.len())?.copy_from_slice(slice);
        end += slice.len();
    }
    (slices.len() > 1).then(|| piece.get(..end)).flatten()
}

/// A stream that is not patient for ever with a reader.
struct Patient {
    /// What was read from it before.
    ahead: Bytes,
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    const fn new(stream: TcpStream, ahead: Bytes) -> Self {
        Self { ahead, stream, stalled: None }
    }

    /// Starts or asks the timer while nothing can be written, and forgets it once something was.
    #[expect(
        clippy::disallowed_methods,
        reason = "the timer bounds a socket, no step waits for it"
    )]
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_TIME_MAX)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let bytes = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(bytes));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, poll)
    }

    /// A small answer goes out in one piece, head and body: of these there are many, and one is cheaper than two.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut piece = [0; PIECE_BYTES];
        let poll = match gather(slices, &mut piece) {
            Some(piece) => Pin::new(&mut self.stream).poll_write(context, piece),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        };
        self.watch(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_slices_are_gathered_and_others_go_as_they_are() {
        let mut piece = [0; 4];
        let slices = |texts: [&'static [u8]; 2]| texts.map(IoSlice::new);
        assert_eq!(gather(&slices([b"ab", b"cd"]), &mut piece), Some(b"abcd".as_slice()));
        assert_eq!(gather(&slices([b"ab", b"cde"]), &mut piece), None);
        assert_eq!(gather(&[IoSlice::new(b"ab")], &mut piece), None, "there is nothing to gather");
    }
}
