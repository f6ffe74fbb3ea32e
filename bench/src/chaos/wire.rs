//! A way from a node to a server that can be cut, slowed, silenced, and pointed elsewhere.
//!
//! Invariants: a connection that lost bytes never carries any again; nothing outlives the wire.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    select,
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::clock;

#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// How bytes fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    #[default]
    Pass,
    /// Connections are reset, and new ones too.
    Refuse,
    /// Each piece comes later by so much.
    Delay(Duration),
    /// Nothing comes through, and what was lost stays lost.
    Swallow,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Counts how often every connection was reset.
    resets: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    mood: Mood,
    /// After so many more pieces, one is cut in half and its connection reset.
    truncate_in: Option<u64>,
    /// Whether connections that are open fall silent at their next piece.
    silence: u64,
}

impl Wire {
    /// Opens a way to that server. Must be called in the runtime that is to carry it.
    pub(crate) async fn to(server: SocketAddr, tasks: &mut JoinSet<()>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding a wire")?;
        let address = listener.local_addr()?;
        let state = State { server, mood: Mood::Pass, truncate_in: None, silence: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), resets: watch::Sender::new(0) });
        let task = tasks.spawn(listen(Arc::clone(&shared), listener));
        Ok(Self { address, shared, task })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to another server.
    pub(crate) fn point_at(&self, server: SocketAddr) {
        self.shared.state().server = server;
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.shared.state().mood = mood;
        if mood == Mood::Refuse {
            self.reset();
        }
    }

    /// Resets every connection that is open.
    pub(crate) fn reset(&self) {
        self.shared.resets.send_modify(|resets| *resets += 1);
    }

    /// Cuts one message in half, after so many that pass.
    pub(crate) fn truncate_in(&self, pieces: u64) {
        self.shared.state().truncate_in = Some(pieces);
    }

    /// Has every connection that is open fall silent for good, without an end.
    pub(crate) fn silence(&self) {
        self.shared.state().silence += 1;
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(carry(Arc::clone(&shared), client));
                }
            }
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Carries one connection until an end closes it, or it is reset.
async fn carry(shared: Arc<Shared>, client: TcpStream) {
    let mut resets = shared.resets.subscribe();
    let (server, mood, silence) = {
        let state = shared.state();
        (state.server, state.mood, state.silence)
    };
    if client.set_zero_linger().is_err() || mood == Mood::Refuse {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    if server.set_zero_linger().is_err()
        || client.set_nodelay(true).is_err()
        || server.set_nodelay(true).is_err()
    {
        return;
    }
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let line = Arc::new(Line { shared, silence, broken: AtomicBool::new(false) });
    let mut there = Box::pin(pump(Arc::clone(&line), client_in, server_out));
    let mut back = Box::pin(pump(line, server_in, client_out));
    // What is dropped here is reset at both ends, as by a broken network.
    select! {
        _ = resets.changed() => {}
        ended = &mut there => drop(ended),
        ended = &mut back => drop(ended),
    }
}

/// One connection.
#[derive(Debug)]
struct Line {
    shared: Arc<Shared>,
    /// How often silence had fallen before it.
    silence: u64,
    /// Whether bytes were lost.
    broken: AtomicBool,
}

/// What becomes of a piece.
enum Fate {
    Pass,
    After(Duration),
    Lose,
    Halve,
}

impl Line {
    fn fate(&self) -> Fate {
        let mut state = self.shared.state();
        if self.broken.load(Ordering::Relaxed) || state.silence > self.silence {
            return Fate::Lose;
        }
        match state.mood {
            Mood::Swallow => {
                self.broken.store(true, Ordering::Relaxed);
                return Fate::Lose;
            }
            Mood::Delay(length) => return Fate::After(length),
            Mood::Refuse | Mood::Pass => {}
        }
        match state.truncate_in {
            Some(0) => {
                state.truncate_in = None;
                Fate::Halve
            }
            Some(pieces) => {
                state.truncate_in = Some(pieces - 1);
                Fate::Pass
            }
            None => Fate::Pass,
        }
    }
}

async fn pump(line: Arc<Line>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut bytes = vec![0; PIECE_BYTES];
    loop {
        let count = from.read(&mut bytes).await?;
        let piece = bytes.get(..count).unwrap_or_default();
        if piece.is_empty() {
            return Ok(());
        }
        match line.fate() {
            Fate::Pass => to.write_all(piece).await?,
            Fate::After(length) => {
                clock::pause(length).await;
                to.write_all(piece).await?;
            }
            Fate::Lose => {}
            Fate::Halve => {
                to.write_all(piece.get(..count / 2).unwrap_or_default()).await?;
                to.flush().await?;
                return Ok(());
            }
        }
    }
}

const PIECE_BYTES: usize = 16_384;

#[cfg(test)]
mod tests {
    use tokio::{io::copy, time::timeout};

    use super::*;

    /// A server that says everything back, and a wire to it.
    async fn wired(tasks: &mut JoinSet<()>) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        tasks.spawn(async move {
            let mut echoes = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                echoes.spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    copy(&mut from, &mut to).await.ok();
                });
            }
        });
        Wire::to(server, tasks).await.unwrap()
    }

    async fn say(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
        stream.write_all(b"12345678").await?;
        let mut bytes = vec![0; 8];
        let mut heard = 0;
        while heard < 8 {
            match stream.read(&mut bytes[heard..]).await? {
                0 => break,
                count => heard += count,
            }
        }
        bytes.truncate(heard);
        Ok(bytes)
    }

    #[tokio::test]
    async fn what_is_said_passes_until_the_wire_refuses() {
        let mut tasks = JoinSet::new();
        let wire = wired(&mut tasks).await;
        let mut stream = TcpStream::connect(wire.address()).await.unwrap();
        assert_eq!(say(&mut stream).await.unwrap(), b"12345678");
        wire.set_mood(Mood::Refuse);
        assert!(!say(&mut stream).await.is_ok_and(|heard| heard.len() == 8));
        wire.set_mood(Mood::Pass);
        let mut stream = TcpStream::connect(wire.address()).await.unwrap();
        assert_eq!(say(&mut stream).await.unwrap(), b"12345678");
    }

    #[tokio::test]
    async fn a_message_ends_in_the_middle() {
        let mut tasks = JoinSet::new();
        let wire = wired(&mut tasks).await;
        // Of what is said, and of its echo, the second piece.
        wire.truncate_in(1);
        let mut stream = TcpStream::connect(wire.address()).await.unwrap();
        assert!(!say(&mut stream).await.is_ok_and(|heard| heard.len() == 8));
    }

    #[tokio::test]
    async fn silence_is_for_good_and_for_those_who_were_there() {
        let mut tasks = JoinSet::new();
        let wire = wired(&mut tasks).await;
        let mut before = TcpStream::connect(wire.address()).await.unwrap();
        assert_eq!(say(&mut before).await.unwrap(), b"12345678");
        wire.silence();
        let mut after = TcpStream::connect(wire.address()).await.unwrap();
        assert_eq!(say(&mut after).await.unwrap(), b"12345678");
        let silent = timeout(Duration::from_millis(50), say(&mut before)).await;
        assert!(silent.is_err(), "{silent:?}");
    }
}
