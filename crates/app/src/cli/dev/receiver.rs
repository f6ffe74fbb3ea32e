//! A small server on this machine that takes every webhook, for the first request of `dev`.
//!
//! Invariant: dropping it ends it, and every connection with it.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The answer to everything; 200, since some dialects count nothing else.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\ngot it";
/// A message may be so long, head and body.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Connections at once; more wait.
const CONNECTIONS_MAX: usize = 64;

/// Takes every webhook.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    /// Dropped with the receiver, which ends it.
    _accepting: JoinSet<()>,
}

impl Receiver {
    /// Starts at a free port of this machine.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("starting a receiver")?;
        let address = listener.local_addr().context("starting a receiver")?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener));
        Ok(Self { address, _accepting: accepting })
    }

    /// Gives the URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            drop(connections.join_next().await);
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream));
            }
            // Without sockets there is nothing to receive; the timeline shows it.
            Err(_) => return,
        }
    }
}

/// Answers until the caller goes away, or says something too long.
async fn converse(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    loop {
        while let Some(length) = whole(&bytes) {
            drop(bytes.drain(..length));
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
        if bytes.len() > MESSAGE_BYTES_MAX {
            return;
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Gives the length of the first message, if all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let head = bytes.windows(END.len()).position(|window| window == END)?;
    let text = String::from_utf8_lossy(bytes.get(..head)?);
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head + END.len() + length.unwrap_or(0).min(MESSAGE_BYTES_MAX);
    (bytes.len() >= end).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_when_its_body_is_there() {
        let head = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(whole(head.as_bytes()), None);
        assert_eq!(whole(format!("{head}ab").as_bytes()), None);
        assert_eq!(whole(format!("{head}abcGET").as_bytes()), Some(head.len() + 3));
        assert_eq!(whole(b"GET / HTTP/1.1\r\n\r\n"), Some(18));
    }
}
