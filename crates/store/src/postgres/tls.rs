//! How the way to the server is encrypted, and whether it is the right server.
//!
//! The words are libpq's: `prefer` encrypts where the server offers it and `require` always, both whoever the server is;
//! `verify-ca` and `verify-full` ask for a certificate of an authority that is trusted, the latter for the host of the
//! URL. `require` with `sslrootcert` is `verify-ca`.
//!
//! Invariant: a password that is proven over such a way (SCRAM) is bound to the certificate, so that nobody in between
//! can hand it on.
//! Left to others: everything that is said over it.

mod certificate;
mod stream;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore};
use rustls::{Error as TlsError, SignatureScheme};
use tokio_postgres::config::SslMode;

use super::open::unusable;
use crate::error::Error;

pub(super) use stream::{Connector, Encrypted};

/// How the way to a database is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Nothing is encrypted: `disable`.
    None,
    /// Encrypted where the server offers it, whoever it is: `prefer`, or nothing said.
    Offered,
    /// Encrypted, whoever the server is: `require` without a root certificate.
    Unverified,
    /// Encrypted, and the server has a certificate of a trusted authority: `verify-ca`.
    Authority,
    /// The same, and it is for the URL's host: `verify-full`.
    Host,
}

/// Which authorities are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// The public ones.
    Public,
    /// Those in a file, as PEM.
    File(PathBuf),
}

impl Protection {
    /// Reads the words of a URL.
    pub(super) fn read(mode: Option<&str>, roots: Option<&Roots>) -> Result<Self, Error> {
        match (mode, roots) {
            (Some("disable"), _) => Ok(Self::None),
            (None | Some("prefer"), _) => Ok(Self::Offered),
            (Some("require"), None) => Ok(Self::Unverified),
            (Some("require" | "verify-ca"), _) => Ok(Self::Authority),
            (Some("verify-full"), _) => Ok(Self::Host),
            (Some(_), _) => Err(unusable(
                "the database's URL asks for an sslmode that is not there; write disable, prefer, require, verify-ca or \
                 verify-full",
            )),
        }
    }

    /// Says the same to the driver.
    pub(super) const fn mode(self) -> SslMode {
        match self {
            Self::None => SslMode::Disable,
            Self::Offered => SslMode::Prefer,
            Self::Unverified | Self::Authority | Self::Host => SslMode::Require,
        }
    }
}

/// Makes what shakes hands, trusting those authorities.
pub(super) fn connector(protection: Protection, roots: &Roots) -> Result<Connector, Error> {
    let provider = Arc::new(ring::default_provider());
    let trusted = match protection {
        Protection::None | Protection::Offered | Protection::Unverified => None,
        Protection::Authority | Protection::Host => Some(trusted(roots, &provider)?),
    };
    let asks_name = protection == Protection::Host;
    let verifier = Verifier { provider: Arc::clone(&provider), trusted, asks_name };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Unusable {
            detail: "TLS cannot be set up".to_owned(),
            source: Some(Box::new(source)),
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Connector::new(config))
}

fn trusted(roots: &Roots, provider: &Arc<CryptoProvider>) -> Result<Trusted, Error> {
    let (mut store, mut certificates) = (RootCertStore::empty(), Vec::new());
    match roots {
        Roots::Public => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Roots::File(path) => {
            certificates = read(path).map_err(|source| Error::Unusable {
                detail: format!(
                    "cannot read {}, which sslrootcert of the database's URL names; it must hold certificates of \
                     authorities, as PEM",
                    path.display()
                ),
                source: Some(Box::new(source)),
            })?;
            store.add_parsable_certificates(certificates.iter().cloned());
        }
    }
    let authorities =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build();
    let authorities = authorities.map_err(|source| Error::Unusable {
        detail: "the file that sslrootcert of the database's URL names holds no certificate of an authority"
            .to_owned(),
        source: Some(Box::new(source)),
    })?;
    Ok(Trusted { authorities, certificates })
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_file_iter(path)?.collect()
}

/// Who is trusted.
#[derive(Debug)]
struct Trusted {
    /// To vouch for servers.
    authorities: Arc<WebPkiServerVerifier>,
    /// As they are: a server may have signed its own certificate, which is then the one that was named.
    certificates: Vec<CertificateDer<'static>>,
}

/// Looks at a server's certificate as far as it was asked to. That the server holds its key is looked at always.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trusted: Option<Trusted>,
    asks_name: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Some(Trusted { authorities, certificates }) = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = if certificates.iter().any(|known| known == end) {
            verify_server_name(&ParsedCertificate::try_from(end)?, name)
        } else {
            authorities.verify_server_cert(end, between, name, stapled, now).map(drop)
        };
        match verified {
            // The name comes last, when everything else is in order.
            Err(TlsError::InvalidCertificate(error))
                if !self.asks_name && is_about_the_name(&error) => {}
            verified => verified?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_about_the_name(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    )
}

/// Says what a handshake failed for, so that somebody can set it right.
pub(super) fn said(error: &TlsError) -> String {
    let TlsError::InvalidCertificate(error) = error else {
        return "PostgreSQL and this service cannot agree on TLS; 1.2 or later is needed"
            .to_owned();
    };
    let is_late = matches!(
        error,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    );
    let what = if is_about_the_name(error) {
        "the certificate of PostgreSQL is for another name than the host of the database's URL; write the host as the \
         certificate has it, or sslmode=verify-ca"
    } else if is_late {
        "the certificate of PostgreSQL has run out, or is not valid yet; give the server another one"
    } else {
        "the certificate of PostgreSQL is not signed by an authority that is trusted; name the file of the right one with \
         sslrootcert in the database's URL"
    };
    what.to_owned()
}
