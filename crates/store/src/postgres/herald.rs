//! News between nodes: where due work lies that one had no room for, and which endpoints were written.
//!
//! Invariants: news is a hint; whoever misses it finds the work when it asks next, and the endpoint by its edition. It
//! is sent outside of every transaction that does work, since commits that notify wait for each other.

use std::future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::id::{AccountId, EndpointId};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time;
use tokio_postgres::{AsyncMessage, Connection, Socket};

use super::link::{Arguments, Link};
use super::nodes;
use super::questions::{LOOK_EVERY, Questions};
use super::rows::{self, Id, Trouble, trouble};
use super::sql;
use super::state::Shared;
use super::tls::Encrypted;
use crate::error::Error;

/// News goes out this often at most.
const PAUSE: Duration = Duration::from_millis(25);
/// A connection that broke is made anew after so long.
const RETRY: Duration = Duration::from_secs(1);
/// Endpoints named at once; a notification takes 8,000 bytes.
const NAMED_MAX: usize = 100;

/// A connection that hears.
#[derive(Debug)]
pub(super) struct Ear {
    link: Link,
    heard: mpsc::UnboundedReceiver<String>,
}

/// Starts to listen.
pub(super) async fn listen(shared: &Shared) -> Result<Ear, Trouble> {
    let (client, connection) = shared.servers.connect(Trouble::from).await?;
    let (hearing, heard) = mpsc::unbounded_channel();
    let questions = Arc::<Questions>::default();
    let link = Link::new(client, Arc::clone(&questions));
    drop(Handle::current().spawn(async move {
        tokio::select! {
            () = drive(connection, hearing) => {}
            () = questions.overdue(LOOK_EVERY) => {}
        }
    }));
    link.simply(sql::settings_writer).await?;
    link.simply(sql::listen).await?;
    Ok(Ear { link, heard })
}

/// Carries news until `closed` changes.
pub(super) async fn run(shared: Arc<Shared>, ear: Ear, mut closed: watch::Receiver<bool>) {
    let mut ear = Some(ear);
    loop {
        tokio::select! {
            _ = closed.changed() => return,
            // What went wrong will go wrong for the writers too, who tell it.
            served = serve(&shared, ear.take()) => drop(served),
        }
        let mut pause = time::interval(RETRY);
        pause.tick().await;
        tokio::select! {
            _ = closed.changed() => return,
            _ = pause.tick() => {}
        }
    }
}

/// Hears and tells over one connection, until it breaks.
async fn serve(shared: &Shared, ear: Option<Ear>) -> Result<(), Trouble> {
    let Ear { link, mut heard } = if let Some(ear) = ear {
        ear
    } else {
        let ear = listen(shared).await?;
        // Whatever was said meanwhile went past us.
        shared.lanes.hint(nodes::endpoints(&ear.link).await?);
        ear
    };
    let mut pause = time::interval(PAUSE);
    pause.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = heard.recv() => match message {
                Some(text) => hear(shared, &link, &text).await?,
                None => return Ok(()),
            },
            () = shared.told.notified() => {
                pause.tick().await;
                tell(shared, &link).await?;
            }
        }
    }
}

/// Drives the connection, and hands on what it hears.
async fn drive(
    mut connection: Connection<Socket, Encrypted<Socket>>,
    heard: mpsc::UnboundedSender<String>,
) {
    loop {
        match future::poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(said))) => {
                if heard.send(said.payload().to_owned()).is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}

async fn tell(shared: &Shared, link: &Link) -> Result<(), Error> {
    let (due, changed) = shared.news(NAMED_MAX);
    let more = due.len() == NAMED_MAX || changed.len() == NAMED_MAX / 2;
    let is_alone = shared.living.load(Ordering::Acquire) == 1;
    if is_alone || due.is_empty() && changed.is_empty() {
        return Ok(());
    }
    let text = written(shared.node().id, &due, &changed);
    link.ask(sql::notify, &[&text]).await?;
    if more {
        shared.told.notify_one();
    }
    Ok(())
}

fn written(node: u128, due: &[EndpointId], changed: &[(AccountId, EndpointId)]) -> String {
    let mut words = vec![format!("{node:032x}")];
    words.extend(due.iter().map(|id| format!("{:032x}", id.bits())));
    words.extend(
        changed.iter().map(|(account, id)| format!("{:032x}{:032x}", account.bits(), id.bits())),
    );
    words.join(" ")
}

/// Who says it, where due work lies, which endpoints were written.
type Said = (u128, Vec<EndpointId>, Vec<(AccountId, EndpointId)>);

fn read(text: &str) -> Option<Said> {
    let mut words = text.split(' ');
    let node = u128::from_str_radix(words.next()?, 16).ok()?;
    let (mut due, mut changed) = (Vec::new(), Vec::new());
    for word in words {
        let (first, second) = word.split_at_checked(32)?;
        let first = u128::from_str_radix(first, 16).ok()?;
        if second.is_empty() {
            due.push(EndpointId::new(first));
        } else {
            let second = u128::from_str_radix(second, 16).ok()?;
            changed.push((AccountId::new(first), EndpointId::new(second)));
        }
    }
    Some((node, due, changed))
}

async fn hear(shared: &Shared, link: &Link, text: &str) -> Result<(), Error> {
    // Somebody else's words on our channel mean nothing to us.
    let Some((node, due, changed)) = read(text) else { return Ok(()) };
    if shared.node().ids().contains(&Id(node)) {
        return Ok(());
    }
    for (account, id) in changed {
        let arguments: Arguments<'_> = &[&Id(account.bits()), &Id(id.bits())];
        if let Some(row) = link.first(sql::endpoint_read, arguments).await.map_err(trouble)? {
            let row = rows::endpoint(&row, &shared.master)?;
            shared.lanes.changed(&Arc::new(row.endpoint));
        }
    }
    if !due.is_empty() {
        shared.lanes.hint(due);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_read_as_it_is_written() {
        let due = vec![EndpointId::new(7), EndpointId::new(u128::MAX)];
        let changed = vec![(AccountId::new(3), EndpointId::new(9))];
        let text = written(5, &due, &changed);
        assert_eq!(read(&text), Some((5, due, changed)));
        assert_eq!(read("something else"), None);
    }

    #[test]
    fn the_longest_news_fits() {
        let due = vec![EndpointId::new(u128::MAX); NAMED_MAX];
        let changed = vec![(AccountId::new(3), EndpointId::new(9)); NAMED_MAX / 2];
        assert!(written(u128::MAX, &due, &changed).len() < 8_000);
    }
}
