//! A small server on this machine for commands: it takes whole calls, and answers them as it is told to.
//!
//! Invariants: dropping it ends it, and every connection with it; calls and connections are bounded.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A message may be so long, head and body.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Connections at once; more wait.
const CONNECTIONS_MAX: usize = 64;

/// Gives the answer to a call, from the lines of its head.
type Answers = dyn Fn(&str) -> Reply + Send + Sync;

/// What is answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) media_type: &'static str,
    pub(crate) body: String,
}

impl Reply {
    fn bytes(&self) -> Vec<u8> {
        let Self { status, media_type, body } = self;
        let length = body.len();
        let head = format!("HTTP/1.1 {status} \r\ncontent-type: {media_type}\r\n");
        format!("{head}content-length: {length}\r\n\r\n{body}").into_bytes()
    }
}

/// A small server on this machine.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
    /// Dropped with the server, which ends it.
    _accepting: JoinSet<()>,
}

impl Loopback {
    /// Starts at a free port, and takes every webhook.
    pub(crate) async fn taking_all() -> anyhow::Result<Self> {
        // 200, since some dialects count nothing else.
        let taken =
            |_: &str| Reply { status: 200, media_type: "text/plain", body: "got it".to_owned() };
        Self::start(([127, 0, 0, 1], 0).into(), Arc::new(taken)).await
    }

    /// Starts at an address.
    pub(crate) async fn start(address: SocketAddr, answers: Arc<Answers>) -> anyhow::Result<Self> {
        let listening = || format!("listening on {address}");
        let listener = TcpListener::bind(address).await.with_context(listening)?;
        let address = listener.local_addr().with_context(listening)?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, answers));
        Ok(Self { address, _accepting: accepting })
    }

    /// Gives the URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

async fn accept(listener: TcpListener, answers: Arc<Answers>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            drop(connections.join_next().await);
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, Arc::clone(&answers)));
            }
            // Without sockets there is nothing to receive; the timeline shows it.
            Err(_) => return,
        }
    }
}

/// Answers until the caller goes away, or says something too long.
async fn converse(mut stream: TcpStream, answers: Arc<Answers>) {
    let mut bytes = Vec::new();
    loop {
        while let Some(length) = whole(&bytes) {
            let call: Vec<u8> = bytes.drain(..length).collect();
            let answer = answers(&String::from_utf8_lossy(&call)).bytes();
            if stream.write_all(&answer).await.is_err() {
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
