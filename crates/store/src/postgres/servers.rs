//! Where the database is: one server, or several of which one takes writes at a time.
//!
//! Invariants: nobody works on a standby; a server that says nothing keeps nobody from asking the next; the server that
//! answered last is asked first.
//! Left to others: what is asked over a connection (`link`).

use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::secret::Secret;
use tokio::time;
use tokio_postgres::{Client, Connection, Socket};

use super::server::Server;
use super::tls::{Encrypted, Protection};
use crate::error::Error;

/// A connection takes so long at most.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// The same, for each of several servers: less than a beat has.
const CONNECT_WAIT_EACH: Duration = Duration::from_secs(3);

/// The servers.
pub(super) struct Servers {
    each: Vec<Server>,
    /// Which one answered last.
    last: AtomicUsize,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("count", &self.each.len()).finish_non_exhaustive()
    }
}

impl Servers {
    /// Reads a URL, which names one server or several.
    pub(super) fn read(url: &Secret) -> Result<Self, Error> {
        let each = each(url.expose());
        let each = each.iter().map(|url| Server::read(&Secret::new(url.as_str())));
        Ok(Self { each: each.collect::<Result<_, _>>()?, last: AtomicUsize::new(0) })
    }

    /// Tells how the way there is protected.
    pub(super) fn protection(&self) -> Protection {
        self.each.first().map_or(Protection::None, Server::protection)
    }

    /// Connects to the one that takes writes; says in the caller's words what goes wrong with the last one asked.
    pub(super) async fn connect<E: From<Error>>(
        &self,
        wrong: fn(tokio_postgres::Error) -> E,
    ) -> Result<(Client, Connection<Socket, Encrypted<Socket>>), E> {
        let count = self.each.len();
        let wait = if count > 1 { CONNECT_WAIT_EACH } else { CONNECT_WAIT };
        let last = self.last.load(Ordering::Relaxed);
        let mut failed = None;
        let turns = self.each.iter().enumerate().cycle().skip(last).take(count);
        for (number, server) in turns {
            failed = Some(match time::timeout(wait, server.connect()).await {
                Ok(Ok(connected)) => {
                    self.last.store(number, Ordering::Relaxed);
                    return Ok(connected);
                }
                Ok(Err(error)) => wrong(error),
                Err(late) => silent(Box::new(late)).into(),
            });
        }
        Err(failed.unwrap_or_else(|| silent("no server is named".into()).into()))
    }
}

fn silent(source: Box<dyn StdError + Send + Sync>) -> Error {
    let hint = "PostgreSQL does not answer; look whether it runs, and at the network between";
    Error::Unavailable { hint, source }
}

/// Splits a URL that names several servers into one for each.
pub(super) fn each(url: &str) -> Vec<String> {
    let whole = || vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return whole() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let Some((authority, path)) = rest.split_at_checked(end) else { return whole() };
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_several_servers_is_one_for_each() {
        for (url, expected) in [
            (
                "postgres://u:p@a:1,b/db?x=y",
                vec!["postgres://u:p@a:1/db?x=y", "postgres://u:p@b/db?x=y"],
            ),
            ("postgres://u:p@a/db", vec!["postgres://u:p@a/db"]),
            ("postgres://a,[::1]:7", vec!["postgres://a", "postgres://[::1]:7"]),
            ("hidden", vec!["hidden"]),
        ] {
            assert_eq!(each(url), expected);
        }
    }
}
