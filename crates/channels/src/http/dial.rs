//! From a URL to an open connection: resolve, vet, connect, shake hands.
//!
//! Invariants: every address of an answer is vetted and one bad address refuses the target; only addresses of that
//! very answer are dialled; TLS is 1.2 or later, checked against public and extra authorities, and speaks HTTP/1.1.

use std::fmt::{self, Debug, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use domain::call::{Failure, Reason};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::classify::{self, Stage};
use crate::guard::Guard;
use crate::http::live::Live;
use crate::http::wire::Wire;
use crate::http::{BuildError, Progress};
use crate::resolve::Resolve;

/// Opens connections.
pub(crate) struct Dialler {
    guard: Guard,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
}

impl Dialler {
    /// Makes a dialler that trusts the public authorities and the given ones.
    pub(crate) fn new(
        guard: Guard,
        resolver: Arc<dyn Resolve>,
        authorities: &[Vec<u8>],
    ) -> Result<Self, BuildError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for (number, authority) in (1..).zip(authorities) {
            roots
                .add(CertificateDer::from(authority.as_slice()))
                .map_err(|source| BuildError::Authority { number, source })?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|source| BuildError::Tls { source })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { guard, resolver, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Gives the guard that vets every address.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Opens a connection to where a URL points.
    pub(crate) async fn connect(
        &self,
        url: &Arc<Url>,
        progress: &mut Progress,
    ) -> Result<Box<Live>, Failure> {
        let addresses = self.vetted(url).await?;
        // The guard lets only schemes with a known port pass.
        let port = url.port_or_known_default().unwrap_or_default();
        let (stream, remote) = dial(&addresses, port, progress).await?;
        let wire = if url.scheme() == "https" {
            progress.stage = Stage::Handshaking;
            let name = server_name(url)?;
            let stream = self
                .tls
                .connect(name, stream)
                .await
                .map_err(|error| classify::handshaking(&error))?;
            Wire::Tls(Box::new(stream))
        } else {
            Wire::Plain(stream)
        };
        let live = Live::new(wire, Arc::clone(url), remote)
            .await
            .map_err(|error| classify::asking(&error))?;
        Ok(Box::new(live))
    }

    /// Resolves the host of a URL, and vets every address of the answer.
    async fn vetted(&self, url: &Url) -> Result<Vec<IpAddr>, Failure> {
        let addresses = match url.host() {
            Some(Host::Domain(name)) => {
                self.resolver.resolve(name).await.map_err(|error| classify::resolving(&error))?
            }
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            None => Vec::new(),
        };
        for address in &addresses {
            if let Err(refused) = self.guard.vet(*address) {
                return Err(Failure { reason: Reason::TargetRefused, detail: refused.to_string() });
            }
        }
        Ok(addresses)
    }
}

impl Debug for Dialler {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialler").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// Tries addresses in order; each gets an even share of the time that is left, the last one all of it.
async fn dial(
    addresses: &[IpAddr],
    port: u16,
    progress: &mut Progress,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut last =
        Failure { reason: Reason::NameUnresolved, detail: "the name has no address".to_owned() };
    let tries =
        u32::try_from(addresses.len()).map_or(ADDRESSES_MAX, |count| count.min(ADDRESSES_MAX));
    for (address, still) in addresses.iter().zip((1..=tries).rev()) {
        let remote = SocketAddr::new(*address, port);
        progress.dials(remote);
        let now = Instant::now();
        let share = progress.deadline.saturating_duration_since(now) / still;
        match timeout_at(now + share, TcpStream::connect(remote)).await {
            Ok(Ok(stream)) => {
                // Without it a small request waits for the acknowledgement of the one before.
                stream.set_nodelay(true).map_err(|error| classify::connecting(&error))?;
                return Ok((stream, remote));
            }
            Ok(Err(error)) => last = classify::connecting(&error),
            Err(_elapsed) => last = Stage::Connecting.timed_out(),
        }
    }
    Err(last)
}

fn server_name(url: &Url) -> Result<ServerName<'static>, Failure> {
    let name = match url.host() {
        Some(Host::Ipv4(address)) => return Ok(ServerName::from(IpAddr::V4(address))),
        Some(Host::Ipv6(address)) => return Ok(ServerName::from(IpAddr::V6(address))),
        // Certificates never carry the dot at the end.
        Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name),
        None => "",
    };
    ServerName::try_from(name.to_owned()).map_err(|error| Failure {
        reason: Reason::TlsFailed,
        detail: format!("no certificate can be for this host: {error}"),
    })
}

/// The most addresses of a name that one attempt tries.
const ADDRESSES_MAX: u32 = 8;
