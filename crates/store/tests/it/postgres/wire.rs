//! What goes over the wire to the server, counted on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Statements that were run, transactions' beginnings and ends among them.
    pub(crate) statements: AtomicU64,
    /// Transactions that were to be made durable, statements that stand alone among them: each is a flush at most.
    pub(crate) commits: AtomicU64,
}

/// A way to the server that counts what goes over it. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) counted: Arc<Counted>,
    pub(crate) url: Secret,
    _way: JoinSet<()>,
}

impl Wire {
    /// Makes a way to the server of a URL.
    pub(crate) async fn to(url: &Secret) -> Self {
        let config: Config = url.expose().parse().unwrap();
        let [Host::Tcp(host)] = config.get_hosts() else { panic!("the server is reached by TCP") };
        let to = (host.clone(), config.get_ports().first().copied().unwrap_or(5432));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_, path) = url.expose().rsplit_once('/').unwrap();
        let user = config.get_user().unwrap();
        let url = Secret::new(format!("postgres://{user}@127.0.0.1:{port}/{path}"));
        let counted = Arc::new(Counted::default());
        let mut way = JoinSet::new();
        let count = Arc::clone(&counted);
        way.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&to).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let ((from_client, mut to_client), (mut from_server, to_server)) =
                    (client.into_split(), server.into_split());
                open.spawn(ask(from_client, to_server, Arc::clone(&count)));
                open.spawn(async move { drop(copy(&mut from_server, &mut to_client).await) });
            }
        });
        Self { counted, url, _way: way }
    }
}

/// Hands on what a client says, until it hangs up.
async fn ask(client: OwnedReadHalf, mut server: OwnedWriteHalf, counted: Arc<Counted>) {
    let mut client = BufReader::with_capacity(1 << 16, client);
    // The first message has no kind.
    let mut kind = None;
    let mut is_open = false;
    while let Ok(length) = client.read_u32().await {
        let mut text = vec![0; length as usize - 4];
        client.read_exact(&mut text).await.unwrap();
        match kind {
            Some(b'E') => {
                counted.statements.fetch_add(1, Ordering::Relaxed);
                counted.commits.fetch_add(u64::from(!is_open), Ordering::Relaxed);
            }
            Some(b'Q') => {
                counted.statements.fetch_add(1, Ordering::Relaxed);
                let commits = u64::from(text.starts_with(b"COMMIT"));
                counted.commits.fetch_add(commits, Ordering::Relaxed);
                is_open = text.starts_with(b"BEGIN") || is_open && !text.starts_with(b"COMMIT");
            }
            _ => {}
        }
        let head: Vec<u8> = kind.into_iter().chain(length.to_be_bytes()).collect();
        if server.write_all(&[head, text].concat()).await.is_err() {
            return;
        }
        kind = match client.read_u8().await {
            Ok(kind) => Some(kind),
            Err(_) => return,
        };
    }
}
