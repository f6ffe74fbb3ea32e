//! Names to addresses.
//!
//! Invariants: at most one lookup of a name is under way, and at most [`LOOKUPS_MAX`] in all, counted until the
//! system call returns and not until its waiters give up, so that a hanging name server never takes every blocking
//! thread; no waiter depends on another one staying.
//! Left to others: the deadline, and vetting every address of an answer ([`crate::http`]). Nothing is cached here: a
//! name is resolved for every new connection, and what was vetted is what is dialled.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;

/// Turns a name into addresses.
#[async_trait]
pub trait Resolve: Send + Sync + Debug {
    /// Looks a name up. An error means that there is no answer; waiting too long is for the caller to notice.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the operating system.
#[derive(Debug)]
pub struct SystemResolver {
    flights: Flights,
    permits: Arc<Semaphore>,
    look_up: fn(&str) -> io::Result<Vec<IpAddr>>,
}

/// What a lookup came to; nothing while it is under way.
type Answer = Option<Result<Vec<IpAddr>, (io::ErrorKind, String)>>;
type Flights = Arc<Mutex<BTreeMap<String, watch::Receiver<Answer>>>>;

impl SystemResolver {
    /// Makes a resolver with nothing under way.
    pub fn new() -> Self {
        Self::with(getaddrinfo, LOOKUPS_MAX)
    }

    fn with(look_up: fn(&str) -> io::Result<Vec<IpAddr>>, lookups_max: usize) -> Self {
        Self {
            flights: Flights::default(),
            permits: Arc::new(Semaphore::new(lookups_max)),
            look_up,
        }
    }

    /// Joins the lookup that is under way, or starts one if a permit is free.
    fn join(
        &self,
        host: &str,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<watch::Receiver<Answer>> {
        let mut flights = lock(&self.flights);
        // A flight whose sender is gone without an answer has crashed; the next one starts anew.
        if let Some(flight) = flights.get(host).filter(|flight| flight.has_changed().is_ok()) {
            return Some(flight.clone());
        }
        let permit = permit.or_else(|| Arc::clone(&self.permits).try_acquire_owned().ok())?;
        let (landed, flight) = watch::channel(None);
        flights.insert(host.to_owned(), flight.clone());
        let (flights, look_up, host) = (Arc::clone(&self.flights), self.look_up, host.to_owned());
        // Not awaited: it lives as long as the system call, whoever still waits for it.
        drop(spawn_blocking(move || {
            let answer = look_up(&host).map_err(|error| (error.kind(), error.to_string()));
            // Removed before it is told, so that who asks from now on gets a fresh answer.
            lock(&flights).remove(&host);
            landed.send_replace(Some(answer));
            drop(permit);
        }));
        Some(flight)
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let mut flight = if let Some(flight) = self.join(host, None) {
            flight
        } else {
            let permit =
                Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
            self.join(host, Some(permit))
                .ok_or_else(|| io::Error::other("no lookup could be started"))?
        };
        let answer = flight.wait_for(Option::is_some).await.map_err(io::Error::other)?;
        match &*answer {
            Some(Ok(addresses)) => Ok(addresses.clone()),
            Some(Err((kind, message))) => Err(io::Error::new(*kind, message.clone())),
            None => Err(io::Error::other("the lookup gave no answer")),
        }
    }
}

/// Blocks until the system has an answer; that may take its resolver half a minute.
fn getaddrinfo(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in (host, 0).to_socket_addrs()? {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}

fn lock(flights: &Flights) -> MutexGuard<'_, BTreeMap<String, watch::Receiver<Answer>>> {
    // The map is whole between any two calls, so a panic elsewhere has not spoiled it.
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most lookups under way; tokio has 512 blocking threads, and others need some.
const LOOKUPS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Condvar;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// A gate that lookups wait at; each test runs in a process of its own, and takes a gate of its own besides.
    #[derive(Debug)]
    struct Gate {
        open: Mutex<bool>,
        opened: Condvar,
        lookups: AtomicUsize,
    }

    impl Gate {
        const fn shut() -> Self {
            Self { open: Mutex::new(false), opened: Condvar::new(), lookups: AtomicUsize::new(0) }
        }

        fn pass(&self) -> Vec<IpAddr> {
            self.lookups.fetch_add(1, Ordering::SeqCst);
            drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
            vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
        }

        fn open(&self) {
            *self.open.lock().unwrap() = true;
            self.opened.notify_all();
        }
    }

    #[tokio::test]
    async fn one_lookup_serves_all_who_wait_for_the_name() {
        static GATE: Gate = Gate::shut();
        let resolver = SystemResolver::with(|_| Ok(GATE.pass()), 8);
        let (first, second, ()) =
            tokio::join!(resolver.resolve("a.test"), resolver.resolve("a.test"), async {
                GATE.open();
            });
        assert_eq!(first.unwrap(), second.unwrap());
        assert_eq!(GATE.lookups.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_lookup_given_up_by_its_first_waiter_still_answers_the_next() {
        static GATE: Gate = Gate::shut();
        let resolver = SystemResolver::with(|_| Ok(GATE.pass()), 8);
        timeout(Duration::from_millis(20), resolver.resolve("a.test")).await.unwrap_err();
        let (answer, ()) = tokio::join!(resolver.resolve("a.test"), async { GATE.open() });
        assert_eq!(answer.unwrap(), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        assert_eq!(GATE.lookups.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn hanging_lookups_are_counted_until_they_return() {
        static GATE: Gate = Gate::shut();
        let resolver = SystemResolver::with(|_| Ok(GATE.pass()), 2);
        for host in ["a.test", "b.test", "c.test", "d.test"] {
            timeout(Duration::from_millis(20), resolver.resolve(host)).await.unwrap_err();
        }
        assert!(GATE.lookups.load(Ordering::SeqCst) <= 2);
        GATE.open();
        assert!(resolver.resolve("e.test").await.is_ok());
    }

    #[tokio::test]
    async fn a_lookup_that_crashes_leaves_the_name_usable() {
        static CRASHES: AtomicUsize = AtomicUsize::new(0);
        let resolver = SystemResolver::with(
            |_| {
                assert!(CRASHES.fetch_add(1, Ordering::SeqCst) > 0, "the first lookup crashes");
                Ok(Vec::new())
            },
            1,
        );
        assert!(resolver.resolve("a.test").await.is_err());
        assert!(resolver.resolve("a.test").await.is_ok());
    }

    #[tokio::test]
    async fn a_finished_lookup_is_not_kept() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let resolver = SystemResolver::with(
            |_| {
                LOOKUPS.fetch_add(1, Ordering::SeqCst);
                Ok(Vec::new())
            },
            1,
        );
        assert!(resolver.resolve("a.test").await.is_ok());
        assert!(resolver.resolve("a.test").await.is_ok());
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 2);
        assert!(lock(&resolver.flights).is_empty());
    }
}
