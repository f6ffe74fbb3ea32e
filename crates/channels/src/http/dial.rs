//! From a host to an open connection: resolve, vet, connect, shake hands. Every way out dials here.
//!
//! Invariants: every address of an answer is vetted and one bad address refuses the target; only addresses of that
//! very answer are dialled; TLS is 1.2 or later, checked against public and extra authorities.

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
    /// Makes a dialler that trusts the public authorities and the given ones, and offers a protocol in TLS or none.
    pub(crate) fn new(
        guard: Guard,
        resolver: Arc<dyn Resolve>,
        authorities: &[Vec<u8>],
        protocol: Option<&[u8]>,
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
        config.alpn_protocols = protocol.into_iter().map(<[u8]>::to_vec).collect();
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
        let host = url.host().ok_or_else(no_address)?;
        // The guard lets only schemes with a known port pass.
        let port = url.port_or_known_default().unwrap_or_default();
        let (stream, remote) = self.open(&host, port, progress).await?;
        let wire = if url.scheme() == "https" {
            self.secure(&host, stream, progress).await?
        } else {
            Wire::Plain(stream)
        };
        Ok(Box::new(Live::new(wire, Arc::clone(url), remote)))
    }

    /// Opens a plain connection to a host.
    pub(crate) async fn open(
        &self,
        host: &Host<&str>,
        port: u16,
        progress: &mut Progress,
    ) -> Result<(TcpStream, SocketAddr), Failure> {
        dial(&self.vetted(host).await?, port, progress).await
    }

    /// Shakes hands over a plain connection.
    pub(crate) async fn secure(
        &self,
        host: &Host<&str>,
        stream: TcpStream,
        progress: &mut Progress,
    ) -> Result<Wire, Failure> {
        progress.stage = Stage::Handshaking;
        let name = server_name(host)?;
        let stream = self.tls.connect(name, stream).await;
        Ok(Wire::Tls(Box::new(stream.map_err(|error| classify::handshaking(&error))?)))
    }

    /// Resolves a host, and vets every address of the answer.
    async fn vetted(&self, host: &Host<&str>) -> Result<Vec<IpAddr>, Failure> {
        let addresses = match host {
            Host::Domain(name) => {
                self.resolver.resolve(name).await.map_err(|error| classify::resolving(&error))?
            }
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
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
    let mut last = no_address();
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

fn no_address() -> Failure {
    Failure { reason: Reason::NameUnresolved, detail: "the name has no address".to_owned() }
}

fn server_name(host: &Host<&str>) -> Result<ServerName<'static>, Failure> {
    let name = match host {
        Host::Ipv4(address) => return Ok(ServerName::from(IpAddr::V4(*address))),
        Host::Ipv6(address) => return Ok(ServerName::from(IpAddr::V6(*address))),
        // Certificates never carry the dot at the end.
        Host::Domain(name) => name.strip_suffix('.').unwrap_or(name),
    };
    ServerName::try_from(name.to_owned()).map_err(|error| Failure {
        reason: Reason::TlsFailed,
        detail: format!("no certificate can be for this host: {error}"),
    })
}

/// The most addresses of a name that one attempt tries.
const ADDRESSES_MAX: u32 = 8;
