//! TLS: who is believed, and who is not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::{future, io};

use async_trait::async_trait;
use channels::{BuildError, Channel, Http, Options, Resolve};
use domain::call::{Failure, Reason};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use crate::receiver::{Receiver, answer, failure, lane, options, post, read_request, reason};

/// Everything is on loopback.
#[derive(Debug)]
pub(crate) struct Loopback;

#[async_trait]
impl Resolve for Loopback {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    }
}

pub(crate) fn authority() -> Vec<u8> {
    CertificateDer::from_pem_slice(include_bytes!("../../fixtures/authority.pem")).unwrap().to_vec()
}

fn client(authorities: Vec<Vec<u8>>) -> Http {
    Http::new(Options { resolver: Arc::new(Loopback), authorities, ..options() }).unwrap()
}

/// Shakes hands as `receiver.test`.
pub(crate) fn acceptor(protocols: &[&[u8]]) -> TlsAcceptor {
    let certificate =
        CertificateDer::from_pem_slice(include_bytes!("../../fixtures/receiver.test.pem")).unwrap();
    let key =
        PrivateKeyDer::from_pem_slice(include_bytes!("../../fixtures/receiver.test.key")).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn receiver(protocols: &'static [&'static [u8]]) -> Receiver {
    let acceptor = acceptor(protocols);
    Receiver::start(move |stream, notes| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while let Some(request) = read_request(&mut stream).await {
                notes.add(request);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    })
    .await
}

fn url(host: &str, receiver: &Receiver) -> String {
    format!("https://{host}:{}/", receiver.address.port())
}

#[tokio::test]
async fn a_receiver_with_a_trusted_certificate_is_called_and_its_connection_reused() {
    let receiver = receiver(&[b"http/1.1"]).await;
    let client = client(vec![authority()]);
    for number in 0..20 {
        let ending = client.attempt(post(&url("receiver.test", &receiver)), lane(2000)).await;
        assert_eq!((ending.reused, ending.remote), (number > 0, Some(receiver.address)));
        assert_eq!(answer(ending).body, "ok");
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_name_with_its_dot_at_the_end_is_the_same_name() {
    let receiver = receiver(&[]).await;
    let ending = client(vec![authority()])
        .attempt(post(&url("receiver.test.", &receiver)), lane(2000))
        .await;
    assert_eq!(answer(ending).status, 200);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let receiver = receiver(&[]).await;
    for host in ["other.test", "127.0.0.1"] {
        let ending =
            client(vec![authority()]).attempt(post(&url(host, &receiver)), lane(2000)).await;
        let detail = "the certificate is for another name".to_owned();
        assert_eq!(failure(ending), Failure { reason: Reason::TlsFailed, detail });
    }
    assert_eq!(receiver.requests(), [""; 0]);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let receiver = receiver(&[]).await;
    let ending =
        client(Vec::new()).attempt(post(&url("receiver.test", &receiver)), lane(2000)).await;
    let detail = "the certificate is not signed by a known authority".to_owned();
    assert_eq!(failure(ending), Failure { reason: Reason::TlsFailed, detail });
    assert_eq!(receiver.requests(), [""; 0]);
}

#[tokio::test]
async fn a_receiver_that_insists_on_another_protocol_is_refused() {
    let receiver = receiver(&[b"h2"]).await;
    let ending =
        client(vec![authority()]).attempt(post(&url("receiver.test", &receiver)), lane(2000)).await;
    assert_eq!(reason(ending), Reason::TlsFailed);
}

#[tokio::test]
async fn a_receiver_without_tls_fails_the_handshake() {
    let receiver = Receiver::start(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        future::pending::<()>().await;
    })
    .await;
    let ending =
        client(vec![authority()]).attempt(post(&url("receiver.test", &receiver)), lane(2000)).await;
    assert_eq!(reason(ending), Reason::TlsFailed);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_left_at_the_deadline() {
    let receiver = Receiver::start(|stream, _| async move {
        future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let ending =
        client(vec![authority()]).attempt(post(&url("receiver.test", &receiver)), lane(300)).await;
    assert_eq!(ending.remote, Some(receiver.address));
    assert_eq!(reason(ending), Reason::TlsTimeout);
}

#[tokio::test]
async fn a_client_is_not_made_with_an_authority_that_is_none() {
    let refused = Http::new(Options {
        authorities: vec![authority(), b"no certificate".to_vec()],
        ..options()
    });
    assert!(matches!(refused, Err(BuildError::Authority { number: 2, .. })));
}
